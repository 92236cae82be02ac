import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.coordinator.WorkerStateChangeListener.WorkerState;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A worker of two applications of the Kinesis Client Library, one that polls and one with registered consumers:
 * Worker ENDPOINT LEASES STREAM APPLICATION NAME. LEASES is where DynamoDB answers.
 *
 * <p>Tells its output when it takes part ("APPLICATION NAME starts") and then all that happens to a shard, before the
 * checkpoint says that it did: "... begins SHARD", "... has KEY NUMBER", "... ends SHARD", "... loses SHARD". Workers
 * may share that output: a line is written whole. Ends in peace when its input ends.
 */
public final class Worker {
    /** A pipe takes this much at once or not at all (PIPE_BUF). */
    private static final int LINES_MAX = 4096;

    /** A dead worker is found out within this time, not 30 s, and a dead leader within twice that, not 2 minutes. */
    private static final long FAILOVER_MILLIS = 3000;

    private static final OutputStream OUT = new FileOutputStream(FileDescriptor.out);

    public static void main(String[] arguments) throws Exception {
        var leases = client(DynamoDbAsyncClient.builder(), arguments[1]).build();
        // It must be there, and is never called.
        var metrics = client(CloudWatchAsyncClient.builder(), arguments[1]).build();
        var kinesis = KinesisClientUtil.createKinesisAsyncClient(client(KinesisAsyncClient.builder(), arguments[0]));
        var stream = arguments[2];
        var polls = arguments[3] + "-polls";
        var fans = arguments[3] + "-fans";
        var schedulers = List.of(
                scheduler(stream, polls, arguments[4], kinesis, leases, metrics,
                        new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200)),
                scheduler(stream, fans, arguments[4], kinesis, leases, metrics,
                        new FanOutConfig(kinesis).streamName(stream).applicationName(fans)));
        for (var scheduler : schedulers) {
            var thread = new Thread(scheduler, scheduler.applicationName());
            thread.setDaemon(true);
            thread.start();
        }
        while (System.in.read() >= 0) {
            // Nothing is to be said to it.
        }
        var ends = schedulers.stream().map(Scheduler::startGracefulShutdown).toList();
        boolean inPeace = true;
        for (var end : ends) {
            inPeace &= end.get(60, TimeUnit.SECONDS);
        }
        System.exit(inPeace ? 0 : 1);
    }

    private static <B extends AwsClientBuilder<B, ?>> B client(B builder, String endpoint) {
        return builder.endpointOverride(URI.create(endpoint))
                .region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("key", "secret-of-the-tests")));
    }

    private static Scheduler scheduler(
            String stream, String application, String name, KinesisAsyncClient kinesis, DynamoDbAsyncClient leases,
            CloudWatchAsyncClient metrics, RetrievalSpecificConfig retrieval) {
        var configs = new ConfigsBuilder(
                stream, application, kinesis, leases, metrics, name, () -> new Processor(application + " " + name));
        var oldest = InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
        var management = configs.leaseManagementConfig()
                .failoverTimeMillis(FAILOVER_MILLIS)
                .dynamoDbLockBasedLeaderLeaseDurationInMillis(2 * FAILOVER_MILLIS)
                .dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(FAILOVER_MILLIS / 2)
                .shardSyncIntervalMillis(FAILOVER_MILLIS);
        return new Scheduler(
                configs.checkpointConfig(),
                configs.coordinatorConfig().parentShardPollIntervalMillis(200).workerStateChangeListener(state -> {
                    if (state == WorkerState.STARTED) {
                        say(application + " " + name, List.of("starts"));
                    }
                }),
                management,
                configs.lifecycleConfig(),
                configs.metricsConfig().metricsFactory(new NullMetricsFactory()),
                configs.processorConfig(),
                configs.retrievalConfig().retrievalSpecificConfig(retrieval).initialPositionInStreamExtended(oldest));
    }

    private static void say(String who, List<String> lines) {
        // A line that no longer fits in its buffer flushes those before it, so each write holds whole lines.
        var out = new BufferedOutputStream(OUT, LINES_MAX);
        try {
            for (var line : lines) {
                out.write((who + " " + line + "\n").getBytes(StandardCharsets.UTF_8));
            }
            out.flush();
        } catch (IOException gone) {
            Runtime.getRuntime().halt(1);
        }
    }

    /** Says what happened to one shard and then checkpoints it. */
    private static final class Processor implements ShardRecordProcessor {
        private final String who;
        private String shard;

        private Processor(String who) {
            this.who = who;
        }

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            say(who, List.of("begins " + shard));
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            var lines = new ArrayList<String>();
            for (var record : input.records()) {
                var words = StandardCharsets.UTF_8.decode(record.data()).toString().split(" ");
                if (!words[0].equals(record.partitionKey())) {
                    throw new AssertionError(words[0] + " under " + record.partitionKey());
                }
                lines.add("has " + words[0] + " " + words[1]);
            }
            say(who, lines);
            checkpoint(input.checkpointer());
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            say(who, List.of("ends " + shard));
            checkpoint(input.checkpointer());
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            say(who, List.of("loses " + shard));
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            checkpoint(input.checkpointer());
        }

        private static void checkpoint(RecordProcessorCheckpointer checkpointer) {
            try {
                checkpointer.checkpoint();
            } catch (ShutdownException | InvalidStateException lost) {
                // The lease is somebody else's: they begin where the last checkpoint was.
            }
        }
    }
}

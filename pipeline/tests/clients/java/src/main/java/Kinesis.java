import java.math.BigInteger;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.retry.AwsRetryStrategy;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.async.SdkPublisher;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.*;
import software.amazon.awssdk.services.kinesis.model.Record;

/** What the AWS SDK for Java v2 sees: Kinesis ENDPOINT. The steps are those of ../../../../README.md. */
public final class Kinesis {
    private static final String FIRST = "shardId-000000000000";
    private static final String SECOND = "shardId-000000000001";
    /** Where two even shards meet. */
    private static final BigInteger MIDDLE = BigInteger.ONE.shiftLeft(127);
    private static final BigInteger QUARTER = MIDDLE.shiftRight(1);
    private static final BigInteger END = MIDDLE.shiftLeft(1);

    private final KinesisAsyncClient client;
    private final String name = "java-" + UUID.randomUUID().toString().substring(0, 8);

    private Kinesis(KinesisAsyncClient client) {
        this.client = client;
    }

    public static void main(String[] arguments) {
        var credentials = AwsBasicCredentials.create("key", "secret-of-the-tests");
        try (var client = KinesisAsyncClient.builder()
                .endpointOverride(URI.create(arguments[0]))
                .region(Region.US_EAST_1)
                .credentialsProvider(StaticCredentialsProvider.create(credentials))
                .overrideConfiguration(settings -> settings.retryStrategy(AwsRetryStrategy.doNotRetry()))
                .build()) {
            var kinesis = new Kinesis(client);
            kinesis.create();
            var arn = kinesis.describe();
            kinesis.putAndIterate();
            var merged = kinesis.splitAndMerge();
            kinesis.subscribe(arn, merged);
            kinesis.errors();
            kinesis.delete();
        }
        var wire = "false".equals(System.getProperty("aws.cborEnabled")) ? "JSON" : "CBOR";
        System.out.println("aws-sdk-java " + VersionInfo.SDK_VERSION + ", " + wire + ": ok");
    }

    private void create() {
        Supplier<CompletableFuture<?>> create = () -> client.createStream(r -> r.streamName(name).shardCount(2));
        create.get().join();
        active();
        refused("ResourceInUseException", create);
        var names = new ArrayList<String>();
        client.listStreamsPaginator().subscribe(page -> names.addAll(page.streamNames())).join();
        hold(names.contains(name), names);
    }

    private String describe() {
        var described = client.describeStream(r -> r.streamName(name)).join().streamDescription();
        same(described.retentionPeriodHours(), 24);
        same(described.encryptionType(), EncryptionType.NONE);
        var age = Duration.between(described.streamCreationTimestamp(), Instant.now());
        hold(age.abs().toSeconds() < 60, described.streamCreationTimestamp());
        same(described.shards().size(), 2);
        holds(described.shards().get(0).hashKeyRange(), BigInteger.ZERO, MIDDLE);
        holds(described.shards().get(1).hashKeyRange(), MIDDLE, END);
        var arn = described.streamARN();
        var summary = client.describeStreamSummary(r -> r.streamARN(arn)).join().streamDescriptionSummary();
        same(List.of(summary.streamName(), summary.openShardCount()), List.of(name, 2));
        same(shards(), described.shards().stream().collect(Collectors.toMap(Shard::shardId, shard -> shard)));
        return arn;
    }

    private void putAndIterate() {
        var bytes = new byte[] {0, 'o', 'n', 'e', (byte) 0xff};
        var one = put(SdkBytes.fromByteArray(bytes), "clé");
        var two = put("", "k");
        same(List.of(one.shardId(), two.shardId()), List.of(FIRST, FIRST));
        var all = read(FIRST);
        var records = all.records();
        same(records.size(), 2);
        hold(Arrays.equals(records.get(0).data().asByteArray(), bytes) && all.end().nextShardIterator() != null, all);
        same(records.get(0).partitionKey(), "clé");
        same(records.get(0).sequenceNumber(), one.sequenceNumber());
        var arrival = records.get(0).approximateArrivalTimestamp();
        hold(Duration.between(arrival, Instant.now()).abs().toSeconds() < 60, arrival);
        var atSecond = read(r -> r.shardId(FIRST).shardIteratorType(ShardIteratorType.AT_SEQUENCE_NUMBER)
                .startingSequenceNumber(two.sequenceNumber()));
        same(texts(atSecond.records()), List.of(""));
        var afterFirst = read(r -> r.shardId(FIRST).shardIteratorType(ShardIteratorType.AFTER_SEQUENCE_NUMBER)
                .startingSequenceNumber(one.sequenceNumber()));
        same(texts(afterFirst.records()), List.of(""));
        var since = read(r -> r.shardId(FIRST).shardIteratorType(ShardIteratorType.AT_TIMESTAMP).timestamp(arrival));
        same(since.records(), records);
        var latest = iterator(r -> r.shardId(FIRST).shardIteratorType(ShardIteratorType.LATEST));
        var three = put("three", "k");
        var late = client.getRecords(r -> r.shardIterator(latest)).join().records();
        same(late.stream().map(Record::sequenceNumber).toList(), List.of(three.sequenceNumber()));

        var entries = IntStream.range(0, 500).mapToObj(i -> entry(SdkBytes.fromUtf8String("" + i), "key-" + i)).toList();
        var many = client.putRecords(r -> r.streamName(name).records(entries)).join();
        same(many.failedRecordCount(), 0);
        for (var shard : List.of(FIRST, SECOND)) {
            var found = read(shard).records();
            rising(found);
            var there = found.stream().skip(shard.equals(FIRST) ? 3 : 0)
                    .map(r -> List.of(r.sequenceNumber(), r.partitionKey(), r.data())).toList();
            var sent = IntStream.range(0, 500).filter(i -> many.records().get(i).shardId().equals(shard))
                    .mapToObj(i -> List.of(many.records().get(i).sequenceNumber(), entries.get(i).partitionKey(), entries.get(i).data()))
                    .toList();
            same(there, sent);
            hold(there.size() > 200, there.size());
        }
    }

    private String splitAndMerge() {
        put("before", "k");
        client.splitShard(r -> r.streamName(name).shardToSplit(FIRST).newStartingHashKey(QUARTER.toString())).join();
        same(active(), 3);
        put("between", "k");
        var first = read(FIRST);
        same(texts(first.records()).get(first.records().size() - 1), "before");
        var children = endsWith(first.end(), 2, List.of(FIRST));
        holds(children.get(0).hashKeyRange(), BigInteger.ZERO, QUARTER);
        holds(children.get(1).hashKeyRange(), QUARTER, MIDDLE);
        var low = children.get(0).shardId();
        var high = children.get(1).shardId();
        hold(shards().get(FIRST).sequenceNumberRange().endingSequenceNumber() != null, shards());
        same(List.of(shards().get(low).parentShardId(), shards().get(high).parentShardId()), List.of(FIRST, FIRST));

        client.mergeShards(r -> r.streamName(name).shardToMerge(low).adjacentShardToMerge(high)).join();
        same(active(), 2);
        var after = put("after", "k");
        var between = read(low);
        var merged = endsWith(between.end(), 1, List.of(low, high)).get(0);
        holds(merged.hashKeyRange(), BigInteger.ZERO, MIDDLE);
        var known = shards().get(merged.shardId());
        same(List.of(after.shardId(), known.parentShardId(), known.adjacentParentShardId()), List.of(merged.shardId(), low, high));
        var all = new ArrayList<>(first.records());
        all.addAll(between.records());
        all.addAll(read(merged.shardId()).records());
        all.removeIf(record -> !record.partitionKey().equals("k"));
        rising(all);
        same(texts(all.subList(all.size() - 3, all.size())), List.of("before", "between", "after"));
        refused("InvalidArgumentException",
                () -> client.mergeShards(r -> r.streamName(name).shardToMerge(merged.shardId()).adjacentShardToMerge(low)));
        return merged.shardId();
    }

    private void subscribe(String arn, String merged) {
        var consumer = client.registerStreamConsumer(r -> r.streamARN(arn).consumerName("c")).join().consumer().consumerARN();
        Supplier<CompletableFuture<DescribeStreamConsumerResponse>> describe =
                () -> client.describeStreamConsumer(r -> r.consumerARN(consumer));
        eventually(() -> describe.get().join().consumerDescription().consumerStatus() == ConsumerStatus.ACTIVE);
        var listed = client.listStreamConsumers(r -> r.streamARN(arn)).join().consumers();
        same(listed.stream().map(c -> c.consumerName()).toList(), List.of("c"));

        var closed = new LinkedBlockingQueue<SubscribeToShardEvent>();
        events(consumer, FIRST, ShardIteratorType.TRIM_HORIZON, closed, new CompletableFuture<>()).join();
        var pushed = closed.stream().flatMap(event -> event.records().stream()).toList();
        same(pushed, read(FIRST).records());
        var children = List.copyOf(closed).get(closed.size() - 1).childShards();
        same(children.stream().map(child -> shards().get(child.shardId()).parentShardId()).toList(), List.of(FIRST, FIRST));

        var events = new LinkedBlockingQueue<SubscribeToShardEvent>();
        var begun = new CompletableFuture<Void>();
        var subscription = events(consumer, merged, ShardIteratorType.LATEST, events, begun);
        begun.join();
        var sent = put("pushed", "k");
        SubscribeToShardEvent event;
        do {
            event = next(events);
            hold(event.continuationSequenceNumber() != null, event);
        } while (event.records().isEmpty());
        same(texts(event.records()), List.of("pushed"));
        same(event.records().get(0).sequenceNumber(), sent.sequenceNumber());
        // A second one within 5 s:
        refused("ResourceInUseException",
                () -> events(consumer, merged, ShardIteratorType.LATEST, events, new CompletableFuture<>()));
        subscription.cancel(true);
        client.deregisterStreamConsumer(r -> r.consumerARN(consumer)).join();
        eventually(() -> fails(ResourceNotFoundException.class, describe.get()));
    }

    private void errors() {
        var entry = entry(SdkBytes.fromUtf8String("x"), "k");
        refused("ResourceNotFoundException",
                () -> client.putRecord(r -> r.streamName(name + "-no").data(entry.data()).partitionKey("k")));
        refused("InvalidArgumentException", () -> client.getRecords(r -> r.shardIterator("garbled")));
        refused("ValidationException",
                () -> client.putRecords(r -> r.streamName(name).records(Collections.nCopies(501, entry))));
        var big = SdkBytes.fromByteArray(new byte[1 << 20]);
        refused("ValidationException", () -> client.putRecord(r -> r.streamName(name).data(big).partitionKey("k")));
    }

    private void delete() {
        client.deleteStream(r -> r.streamName(name).enforceConsumerDeletion(true)).join();
        eventually(() -> fails(ResourceNotFoundException.class, client.describeStream(r -> r.streamName(name))));
    }

    /** Everything that was read, and how the last batch ended. */
    private record Batches(List<Record> records, GetRecordsResponse end) {}

    private Batches read(String shard) {
        return read(r -> r.shardId(shard).shardIteratorType(ShardIteratorType.TRIM_HORIZON));
    }

    private Batches read(Consumer<GetShardIteratorRequest.Builder> place) {
        var records = new ArrayList<Record>();
        var next = iterator(place);
        while (true) {
            var from = next;
            var batch = client.getRecords(r -> r.shardIterator(from).limit(300)).join();
            records.addAll(batch.records());
            next = batch.nextShardIterator();
            if (next == null || batch.millisBehindLatest() == 0) {
                return new Batches(records, batch);
            }
        }
    }

    private String iterator(Consumer<GetShardIteratorRequest.Builder> place) {
        return client.getShardIterator(r -> place.accept(r.streamName(name))).join().shardIterator();
    }

    private PutRecordResponse put(String data, String key) {
        return put(SdkBytes.fromUtf8String(data), key);
    }

    private PutRecordResponse put(SdkBytes data, String key) {
        return client.putRecord(r -> r.streamName(name).data(data).partitionKey(key).explicitHashKey("0")).join();
    }

    private static PutRecordsRequestEntry entry(SdkBytes data, String key) {
        return PutRecordsRequestEntry.builder().data(data).partitionKey(key).build();
    }

    private Map<String, Shard> shards() {
        var shards = client.listShards(r -> r.streamName(name)).join().shards();
        return shards.stream().collect(Collectors.toMap(Shard::shardId, shard -> shard));
    }

    /** Waits until the stream can be used and returns the number of open shards. */
    private int active() {
        Supplier<StreamDescriptionSummary> summary =
                () -> client.describeStreamSummary(r -> r.streamName(name)).join().streamDescriptionSummary();
        eventually(() -> summary.get().streamStatus() == StreamStatus.ACTIVE);
        return summary.get().openShardCount();
    }

    private CompletableFuture<Void> events(
            String consumer, String shard, ShardIteratorType from, LinkedBlockingQueue<SubscribeToShardEvent> events,
            CompletableFuture<Void> begun) {
        var handler = SubscribeToShardResponseHandler.builder()
                .onEventStream((SdkPublisher<SubscribeToShardEventStream> stream) -> {
                    begun.complete(null);
                    stream.filter(SubscribeToShardEvent.class).subscribe(events::add);
                })
                .build();
        return client.subscribeToShard(
                r -> r.consumerARN(consumer).shardId(shard).startingPosition(p -> p.type(from)), handler);
    }

    private static SubscribeToShardEvent next(LinkedBlockingQueue<SubscribeToShardEvent> events) {
        try {
            var event = events.poll(30, TimeUnit.SECONDS);
            hold(event != null, "no event within 30 s");
            return event;
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    /** Holds a closed shard to end with its children, the lowest first, and those to name their parents. */
    private static List<ChildShard> endsWith(GetRecordsResponse batch, int children, List<String> parents) {
        same(batch.nextShardIterator(), null);
        same(batch.childShards().size(), children);
        for (var child : batch.childShards()) {
            same(child.parentShards().stream().sorted().toList(), parents);
        }
        Function<ChildShard, BigInteger> start = child -> new BigInteger(child.hashKeyRange().startingHashKey());
        return batch.childShards().stream().sorted(Comparator.comparing(start)).toList();
    }

    private static void holds(HashKeyRange range, BigInteger from, BigInteger below) {
        same(new BigInteger(range.startingHashKey()), from);
        same(new BigInteger(range.endingHashKey()).add(BigInteger.ONE), below);
    }

    private static List<String> texts(List<Record> records) {
        return records.stream().map(record -> new String(record.data().asByteArray(), StandardCharsets.UTF_8)).toList();
    }

    private static void rising(List<Record> records) {
        for (int i = 1; i < records.size(); i++) {
            var before = new BigInteger(records.get(i - 1).sequenceNumber());
            hold(before.compareTo(new BigInteger(records.get(i).sequenceNumber())) < 0, records.get(i));
        }
    }

    private static void refused(String code, Supplier<CompletableFuture<?>> operation) {
        try {
            operation.get().join();
        } catch (CompletionException failure) {
            same(((KinesisException) failure.getCause()).awsErrorDetails().errorCode(), code);
            return;
        }
        throw new AssertionError("expected " + code);
    }

    private static boolean fails(Class<? extends Throwable> kind, CompletableFuture<?> operation) {
        try {
            operation.join();
            return false;
        } catch (CompletionException failure) {
            return kind.isInstance(failure.getCause());
        }
    }

    private static void eventually(BooleanSupplier look) {
        for (int i = 0; i < 300; i++) {
            if (look.getAsBoolean()) {
                return;
            }
            try {
                Thread.sleep(100);
            } catch (InterruptedException interrupted) {
                throw new AssertionError(interrupted);
            }
        }
        throw new AssertionError("not within 30 s");
    }

    private static void same(Object got, Object want) {
        hold(want == null ? got == null : want.equals(got), "got " + got + ", want " + want);
    }

    private static void hold(boolean holds, Object otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}

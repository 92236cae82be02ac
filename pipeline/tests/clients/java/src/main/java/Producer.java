import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.MoreExecutors;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordFailedException;
import software.amazon.kinesis.producer.UserRecordResult;

/**
 * A program that puts through the Kinesis Producer Library: Producer ENDPOINT STREAM KEYS SCRATCH
 * CERTIFICATE.
 *
 * <p>Each line of its input is how many records it may put in all, and every hundredth that is acknowledged it tells
 * its output. The library promises no order among records that it holds at the same time, so each key's next record
 * is handed over when the one before is acknowledged. Ends when its input ends, well if nothing is in flight.
 */
public final class Producer {
    private final KinesisProducer library;
    private final String stream;
    private final int keys;
    private final AtomicInteger acknowledged = new AtomicInteger();
    private int allowed;
    /** The next record of each key that has none in flight. */
    private List<Integer> waiting = new ArrayList<>();

    private Producer(KinesisProducer library, String stream, int keys) {
        this.library = library;
        this.stream = stream;
        this.keys = keys;
        for (int key = 0; key < keys; key++) {
            waiting.add(key);
        }
    }

    public static void main(String[] arguments) throws Exception {
        var endpoint = URI.create(arguments[0]);
        var scratch = Files.createDirectories(Path.of(arguments[3]));
        // The library speaks TLS only.
        var library = new KinesisProducer(new KinesisProducerConfiguration()
                .setKinesisEndpoint(endpoint.getHost())
                .setKinesisPort(endpoint.getPort())
                .setCaCertFile(arguments[4])
                .setRegion("us-east-1")
                .setCredentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("key", "secret-of-the-tests")))
                .setMetricsLevel("none")
                .setLogLevel("warning")
                .setTempDirectory(scratch.toString()));
        var producer = new Producer(library, arguments[1], Integer.parseInt(arguments[2]));
        var input = new BufferedReader(new InputStreamReader(System.in));
        for (var line = input.readLine(); line != null; line = input.readLine()) {
            producer.allow(Integer.parseInt(line));
        }
        boolean idle = library.getOutstandingRecordsCount() == 0;
        library.destroy();
        System.exit(idle ? 0 : 1);
    }

    private void allow(int records) {
        List<Integer> ready;
        synchronized (this) {
            allowed = records;
            ready = waiting;
            waiting = new ArrayList<>();
        }
        ready.forEach(this::put);
    }

    private synchronized boolean waits(int number) {
        return number >= allowed && waiting.add(number);
    }

    /** Puts record `number`, if it is allowed already, and once it is acknowledged the next one of its key. */
    private void put(int number) {
        if (waits(number)) {
            return;
        }
        var key = "key-" + number % keys;
        var data = key + " " + number / keys + " " + ".".repeat(number % 200);
        var put = library.addUserRecord(stream, key, ByteBuffer.wrap(data.getBytes(StandardCharsets.UTF_8)));
        Futures.addCallback(put, new FutureCallback<UserRecordResult>() {
            @Override
            public void onSuccess(UserRecordResult result) {
                int all = acknowledged.incrementAndGet();
                if (all % 100 == 0) {
                    System.out.print("acknowledged " + all + "\n");
                }
                put(number + keys);
            }

            @Override
            public void onFailure(Throwable failure) {
                failure.printStackTrace();
                if (failure instanceof UserRecordFailedException refused) {
                    for (var attempt : refused.getResult().getAttempts()) {
                        System.err.println(attempt.getErrorCode() + ": " + attempt.getErrorMessage());
                    }
                }
                Runtime.getRuntime().halt(1);
            }
        }, MoreExecutors.directExecutor());
    }
}

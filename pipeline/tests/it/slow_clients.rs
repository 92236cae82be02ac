//! Clients that read slowly, or no more at all, cost the server a bounded memory and those who put nothing.

#![expect(clippy::unwrap_used, reason = "a failure says which call")]

use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::server::Server;

const SEED: u64 = 7;
const STREAM: &str = "rides";
const MIB: u64 = 1 << 20;

/// Connections that ask for 10 MiB each and never read; twice so many would hold 1.7 GiB without a bound.
const DEAD_READERS: usize = 64;
/// Subscriptions that are never read.
const DEAD_SUBSCRIBERS: usize = 8;
/// What all answers that wait may take (512 MiB at the very most), the tail of the stream and what waits to be written
/// (32 MiB each), and the rest of a server.
const MEMORY_BYTES_MAX: u64 = (512 + 32 + 32 + 128) * MIB;
/// How much more is needed when there are twice as many dead clients.
const GROWTH_BYTES_MAX: u64 = 96 * MIB;

/// Puts `calls` times 1 MiB, and says how long a call took in the middle. Nothing may be throttled.
async fn put(client: &Client, calls: usize, random: &mut SmallRng) -> Duration {
    let mut times = Vec::new();
    for _ in 0..calls {
        let entries = (0..16).map(|key| {
            let mut data = vec![0; 64 << 10];
            random.fill_bytes(&mut data);
            PutRecordsRequestEntry::builder().data(Blob::new(data)).partition_key(format!("{key}")).build().unwrap()
        });
        let call = client.put_records().stream_name(STREAM).set_records(Some(entries.collect()));
        let begin = Instant::now();
        let answer = call.send().await.unwrap();
        times.push(begin.elapsed());
        assert_eq!(answer.failed_record_count(), Some(0), "seed {SEED}");
    }
    times.sort_unstable();
    times[times.len() / 2]
}

async fn oldest(client: &Client) -> String {
    let call = client.get_shard_iterator().stream_name(STREAM).shard_id("shardId-000000000000");
    let answer = call.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
    answer.shard_iterator.unwrap()
}

/// Sends a call whose answer nobody will read. The system takes little of it off the server's hands.
async fn call_and_sleep(server: &Server, operation: &str, input: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: Kinesis_20131202.{operation}\r\ncontent-length: {}\r\n\r\n{input}",
        input.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn dead_readers(server: &Server, client: &Client) -> Vec<TcpStream> {
    let input = format!("{{\"ShardIterator\":\"{}\"}}", oldest(client).await);
    let mut asleep = Vec::new();
    for _ in 0..DEAD_READERS {
        asleep.push(call_and_sleep(server, "GetRecords", &input).await);
    }
    wait_for_answers(&asleep).await;
    asleep
}

/// Until something of every answer has come: so each of them is made.
async fn wait_for_answers(asleep: &[TcpStream]) {
    for stream in asleep {
        stream.readable().await.unwrap();
    }
}

async fn dead_subscribers(server: &Server, client: &Client) -> Vec<TcpStream> {
    let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}");
    let mut asleep = Vec::new();
    for number in 0..DEAD_SUBSCRIBERS {
        let registering = client.register_stream_consumer().stream_arn(&arn).consumer_name(format!("dead-{number}"));
        let consumer = registering.send().await.unwrap().consumer.unwrap().consumer_arn;
        let input = format!(
            "{{\"ConsumerARN\":\"{consumer}\",\"ShardId\":\"shardId-000000000000\",\
             \"StartingPosition\":{{\"Type\":\"TRIM_HORIZON\"}}}}"
        );
        asleep.push(call_and_sleep(server, "SubscribeToShard", &input).await);
    }
    wait_for_answers(&asleep).await;
    asleep
}

/// Reads a record at a time between puts, as a reader does that needs a second for each.
struct SlowReader {
    iterator: String,
    last: String,
}

impl SlowReader {
    async fn read_one(&mut self, client: &Client) {
        let answer = client.get_records().shard_iterator(&self.iterator).limit(1).send().await.unwrap();
        let [record] = answer.records() else { panic!("{} records", answer.records().len()) };
        assert!(record.sequence_number() > self.last.as_str(), "{} after {}", record.sequence_number(), self.last);
        self.last = record.sequence_number().to_owned();
        self.iterator = answer.next_shard_iterator.unwrap();
    }
}

#[tokio::test]
async fn clients_that_do_not_read_cost_bounded_memory_and_writers_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let (client, mut random) = (server.kinesis(), SmallRng::seed_from_u64(SEED));
    client.create_stream().stream_name(STREAM).shard_count(1).send().await.unwrap();
    let undisturbed = put(&client, 48, &mut random).await;

    let mut asleep = dead_subscribers(&server, &client).await;
    asleep.extend(dead_readers(&server, &client).await);
    let mut reader = SlowReader { iterator: oldest(&client).await, last: String::new() };
    put(&client, 16, &mut random).await;
    let half = server.memory();

    asleep.extend(dead_readers(&server, &client).await);
    let mut disturbed = Vec::new();
    for _ in 0..16 {
        reader.read_one(&client).await;
        disturbed.push(put(&client, 2, &mut random).await);
    }
    let whole = server.memory();
    assert!(whole <= MEMORY_BYTES_MAX, "{} MiB", whole / MIB);
    assert!(whole.saturating_sub(half) <= GROWTH_BYTES_MAX, "{} MiB, then {} MiB", half / MIB, whole / MIB);
    disturbed.sort_unstable();
    let disturbed = disturbed[disturbed.len() / 2];
    // Generous: other tests share the machine. A writer that waited for a dead client would wait for ever.
    assert!(disturbed <= undisturbed * 5 + Duration::from_millis(100), "{undisturbed:?}, then {disturbed:?}");
    eprintln!("{} MiB, then {} MiB; {undisturbed:?}, then {disturbed:?}", half / MIB, whole / MIB);
    drop(asleep);
}

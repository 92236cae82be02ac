//! What all benchmarks over HTTP share: the stream, bodies of puts, and connections that put as fast as they are answered.

use std::time::Instant;

use anyhow::ensure;
use hdrhistogram::Histogram;
use memchr::memmem;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::rig::http::{Caller, Connection, Request};
use crate::rig::report::{latencies, micros};

/// The stream that is measured.
pub(crate) const STREAM: &str = "bench";
/// Different bodies that connections send in turn: made once, so that the client has little to do.
const BODIES: usize = 8;

/// Creates the stream.
pub(crate) async fn create_stream(caller: &Caller, shards: u32) -> anyhow::Result<()> {
    let create = format!("{{\"StreamName\":\"{STREAM}\",\"ShardCount\":{shards}}}");
    caller.call("CreateStream", &create).await?;
    Ok(())
}

/// Deletes the stream, where it would outlive the server.
pub(crate) async fn delete_stream(caller: &Caller) -> anyhow::Result<()> {
    caller.call("DeleteStream", &format!("{{\"StreamName\":\"{STREAM}\"}}")).await?;
    Ok(())
}

fn record(bytes: usize, random: &mut SmallRng) -> String {
    let mut data = vec![0; bytes];
    random.fill_bytes(&mut data);
    let encoded = base64_simd::STANDARD.encode_to_string(&data);
    format!("\"Data\":\"{encoded}\",\"PartitionKey\":\"{:016x}\"", random.random::<u64>())
}

/// Requests that put `records` random records of `bytes` each.
pub(crate) fn put_records(records: u32, bytes: u32) -> Vec<Request> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut body = || {
        let records: Vec<String> =
            (0..records).map(|_| format!("{{{}}}", record(bytes as usize, &mut random))).collect();
        format!("{{\"StreamName\":\"{STREAM}\",\"Records\":[{}]}}", records.join(","))
    };
    (0..BODIES).map(|_| Request::new("PutRecords", body())).collect()
}

/// The same in CBOR.
pub(crate) fn put_records_cbor(records: u32, bytes: u32) -> Vec<Request> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut body = || -> Result<Vec<u8>, minicbor::encode::Error<std::convert::Infallible>> {
        let mut body = minicbor::Encoder::new(Vec::new());
        body.map(2)?.str("StreamName")?.str(STREAM)?.str("Records")?.array(records.into())?;
        for _ in 0..records {
            let mut data = vec![0; bytes as usize];
            random.fill_bytes(&mut data);
            body.map(2)?.str("Data")?.bytes(&data)?;
            body.str("PartitionKey")?.str(&format!("{:016x}", random.random::<u64>()))?;
        }
        Ok(body.into_writer())
    };
    (0..BODIES).map(|_| Request::cbor("PutRecords", body().expect("writing to memory does not fail"))).collect()
}

/// Requests that put one random record of `bytes`.
pub(crate) fn put_record(bytes: u32) -> Vec<Request> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut body = || format!("{{\"StreamName\":\"{STREAM}\",{}}}", record(bytes as usize, &mut random));
    (0..BODIES).map(|_| Request::new("PutRecord", body())).collect()
}

/// Sends `requests` in turn, one after the other, while `go_on` says so; each must be taken whole.
pub(crate) async fn put(
    mut connection: Connection,
    requests: Vec<Request>,
    mut go_on: impl FnMut(u64) -> bool,
) -> anyhow::Result<(u64, Histogram<u64>)> {
    let mut latency = latencies();
    let mut calls = 0;
    for request in requests.iter().cycle() {
        if !go_on(calls) {
            break;
        }
        let begin = Instant::now();
        check_put(connection.call(request).await?)?;
        latency.saturating_record(micros(begin.elapsed()));
        calls += 1;
    }
    Ok((calls, latency))
}

/// Makes sure that an answer to PutRecords refuses nothing.
pub(crate) fn check_put(answer: &[u8]) -> anyhow::Result<()> {
    const NONE: &[u8] = b"\"FailedRecordCount\":0";
    const NONE_IN_CBOR: &[u8] = b"FailedRecordCount\0";
    let none_failed = memmem::find(answer, NONE)
        .is_some_and(|at| !answer[at + NONE.len()..].first().is_some_and(u8::is_ascii_digit))
        || memmem::find(answer, NONE_IN_CBOR).is_some();
    ensure!(none_failed, "records were refused: {}", String::from_utf8_lossy(&answer[..answer.len().min(300)]));
    Ok(())
}

/// Runs the client's work on one thread of its own, so that it takes at most one core.
pub(crate) async fn on_one_thread<T: Send + 'static, F: Future<Output = anyhow::Result<T>>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("bench client".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = match runtime {
            Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, work()),
            Err(error) => Err(error.into()),
        };
        // Whoever asked has gone away.
        let _ = done.send(result);
    })?;
    result.await?
}

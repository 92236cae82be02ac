//! What must hold for any bytes from outside; called by the targets in `fuzz/`, and by tests with their corpora.

use std::sync::LazyLock;

use http::header::{HeaderName, HeaderValue};
use model::clock::Timestamp;

use crate::auth::canonical::PathForm;
use crate::auth::credential::Credential;
use crate::auth::policy::Policy;
use crate::auth::secret::Secret;
use crate::auth::verifier::{Service, Verifier};
use crate::aws::error::AwsError;
use crate::aws::wire::format::Format;
use crate::kinesis::actions::{
    add_tags_to_stream, create_stream, decrease_stream_retention_period, delete_stream, describe_stream,
    describe_stream_consumer, enable_enhanced_monitoring, get_records, get_shard_iterator, list_shards,
    list_stream_consumers, list_streams, merge_shards, put_record, put_records, put_resource_policy,
    remove_tags_from_stream, split_shard, start_stream_encryption, subscribe_to_shard, tag_resource,
    update_max_record_size, update_shard_count, update_stream_mode,
};
use crate::kinesis::put::scanner;

type Reader = fn(Format, &[u8]);

/// Readers of inputs, one of each shape. The first byte of an input of the fuzzer says which: add new ones at the end.
macro_rules! readers {
    ($($operation:ident),* $(,)?) => {
        &[$(|format, body| is_told(format, format.read::<$operation::Input<'_>>(body))),*]
    };
}

const READERS: &[Reader] = readers![
    put_records,
    put_record,
    get_records,
    get_shard_iterator,
    create_stream,
    delete_stream,
    describe_stream,
    list_streams,
    list_shards,
    add_tags_to_stream,
    remove_tags_from_stream,
    decrease_stream_retention_period,
    describe_stream_consumer,
    enable_enhanced_monitoring,
    list_stream_consumers,
    merge_shards,
    split_shard,
    put_resource_policy,
    start_stream_encryption,
    subscribe_to_shard,
    tag_resource,
    update_max_record_size,
    update_shard_count,
    update_stream_mode,
];

/// An operation and a body in JSON.
pub fn json_request(data: &[u8]) {
    let Some((operation, body)) = data.split_first() else { return };
    READERS[*operation as usize % READERS.len()](Format::Json, body);
    if let Some(scanned) = scanner::scan(body).filter(decodes) {
        let read: put_records::Input<'_> = Format::Json.read(body).expect("what the scanner takes is JSON");
        assert_eq!(scanned, read, "the scanner reads what the parser reads");
    }
}

/// Whether all data is base64: the scanner leaves that to whoever decodes it, who then refuses the whole request.
fn decodes(input: &put_records::Input<'_>) -> bool {
    let mut blobs = input.records.iter().flatten().filter_map(|entry| entry.data.as_ref());
    blobs.all(|blob| blob.append_to(&mut Vec::new()).is_ok())
}

/// An operation and a body in CBOR.
pub fn cbor_request(data: &[u8]) {
    let Some((operation, body)) = data.split_first() else { return };
    READERS[*operation as usize % READERS.len()](Format::Cbor, body);
}

/// What cannot be read is the client's fault, in an answer that can be read.
fn is_told<T>(format: Format, read: Result<T, AwsError>) {
    let Err(error) = read else { return };
    assert!(error.status.is_client_error(), "{}", error.message);
    let answer = format.write(&error);
    match format {
        Format::Json => drop(serde_json::from_slice::<serde_json::Value>(&answer).expect("an answer is JSON")),
        Format::Cbor => {
            let mut decoder = minicbor::Decoder::new(&answer);
            decoder.skip().expect("an answer is CBOR");
            assert_eq!(decoder.position(), answer.len(), "an answer is one item");
        }
    }
}

/// Somebody whose secret nobody has signed with.
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let secret = Secret::new("a secret that no input of the fuzzer was signed with");
    Verifier::new(vec![Credential::new("somebody", "AKIDEXAMPLE", secret, Policy::default())]).expect("one credential")
});

/// The head of a request: the query in the first line, then a header a line, `name: value`. Nobody gets in.
pub fn sigv4_header(data: &[u8]) {
    const SERVICE: Service<'_> = Service { name: "kinesis", region: "us-east-1", path_form: PathForm::Normal };
    /// 2026-11-21 08:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_millis(1_795_248_000_000);
    let mut lines = data.split(|byte| *byte == b'\n');
    let query = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let Ok(request) = http::Request::post(format!("http://localhost/?{query}")).body(()) else { return };
    let (mut parts, ()) = request.into_parts();
    for line in lines {
        let Some(at) = line.windows(2).position(|window| window == b": ") else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(&line[at + 2..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            parts.headers.append(name, value);
        }
    }
    let entered = VERIFIER.open(&parts, SERVICE, NOW).and_then(|unproven| unproven.close(&parts, SERVICE, b"body"));
    assert!(entered.is_err(), "a signature was forged");
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::testing::corpus;

    #[test]
    fn the_corpora_are_replayed() {
        corpus::replay("json_request", json_request);
        corpus::replay("cbor_request", cbor_request);
        corpus::replay("sigv4_header", sigv4_header);
    }
}

//! PutRecords: up to 500 records, each taken or refused on its own.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use minicbor::encode::Encoder;
use model::stream::record::{Appended, PutEntry};
use model::stream::store::StreamDescription;

use crate::aws::error::AwsError;
use crate::aws::wire::blob::Blob;
use crate::aws::wire::json;
use crate::aws::wire::output;
use crate::kinesis::appended::{ENCRYPTED_JSON, Places, write_encrypted_cbor};
use crate::kinesis::put_input::Entry;
use crate::kinesis::{error, limits};
use crate::state::GatewayState;

pub(crate) use crate::kinesis::put_input::Input;

/// Bytes of the answer for one record.
const RESULT_BYTES: usize = 128;

/// Appends records. What is wrong with one entry's form refuses the whole request, before anything is written.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let account = &state.options.account_id;
    let records = input.records.as_ref().ok_or_else(|| AwsError::missing("records"))?;
    let description = state.streams.describe(&stream).await;
    let description = description.map_err(|failure| error::of_stream(&failure, account))?;
    let entries = entries(records, &description)?;
    limits::end_dry_run(input.dry_run)?;
    let batch = state.streams.append(&stream, entries).await;
    let batch = batch.map_err(|failure| error::of_stream(&failure, account))?;
    let refused = |failure| error::of_append(&failure, stream.as_str(), account);
    let results = batch.results.into_iter().map(|result| result.map_err(refused)).collect();
    Ok(Output { description: batch.stream, results })
}

/// A result per entry, in order.
pub(crate) struct Output {
    /// The stream by whose shard map the records were routed.
    description: Arc<StreamDescription>,
    results: Vec<Result<Appended, AwsError>>,
}

impl Output {
    fn failed_count(&self) -> usize {
        self.results.iter().filter(|record| record.is_err()).count()
    }

    fn encrypted(&self) -> bool {
        self.description.settings.encryption_key.is_some()
    }
}

impl output::Output for Output {
    fn write_json(&self, into: &mut Vec<u8>) {
        into.reserve(64 + self.results.len() * RESULT_BYTES);
        write!(into, "{{\"FailedRecordCount\":{},\"Records\":[", self.failed_count()).expect(INFALLIBLE);
        let mut places = Places::new(&self.description.shards);
        for (i, result) in self.results.iter().enumerate() {
            if i > 0 {
                into.push(b',');
            }
            match result {
                Ok(appended) => places.write_json(appended, into),
                Err(failure) => {
                    into.extend_from_slice(b"{\"ErrorCode\":");
                    json::write_text(failure.name, into);
                    into.extend_from_slice(b",\"ErrorMessage\":");
                    json::write_text(&failure.message, into);
                    into.push(b'}');
                }
            }
        }
        into.push(b']');
        if self.encrypted() {
            into.extend_from_slice(ENCRYPTED_JSON);
        }
        into.push(b'}');
    }

    fn write_cbor(&self, into: &mut Vec<u8>) {
        into.reserve(64 + self.results.len() * RESULT_BYTES);
        let mut encoder = Encoder::new(into);
        let members = encoder.map(if self.encrypted() { 3 } else { 2 }).expect(INFALLIBLE);
        if self.encrypted() {
            write_encrypted_cbor(members);
        }
        members.str("FailedRecordCount").expect(INFALLIBLE).u64(self.failed_count() as u64).expect(INFALLIBLE);
        members.str("Records").and_then(|members| members.array(self.results.len() as u64)).expect(INFALLIBLE);
        let mut places = Places::new(&self.description.shards);
        for result in &self.results {
            match result {
                Ok(appended) => places.write_cbor(appended, encoder.writer_mut()),
                Err(failure) => {
                    let members = encoder.map(2).expect(INFALLIBLE);
                    members.str("ErrorCode").and_then(|members| members.str(failure.name)).expect(INFALLIBLE);
                    members.str("ErrorMessage").and_then(|members| members.str(&failure.message)).expect(INFALLIBLE);
                }
            }
        }
    }
}

const INFALLIBLE: &str = "writing to memory does not fail";

/// Checks and decodes all entries into one buffer that they share.
fn entries(records: &[Entry<'_>], description: &StreamDescription) -> Result<Vec<PutEntry>, AwsError> {
    if records.is_empty() {
        return Err(AwsError::validation("'[]'", "records", "Member must have length greater than or equal to 1"));
    }
    if records.len() > limits::PUT_RECORDS_MAX {
        return Err(AwsError::validation("", "records", "Member must have length less than or equal to 500"));
    }
    let length_max = records.iter().filter_map(|record| record.data.as_ref()).map(Blob::length_max).sum();
    let keys_length = records.iter().filter_map(|record| record.partition_key.as_ref()).map(|key| key.len()).sum();
    let (mut buffer, mut keys) = (Vec::with_capacity(length_max), String::with_capacity(keys_length));
    let mut ends = Vec::with_capacity(records.len());
    let bytes_max = description.settings.record_bytes_max;
    for (i, record) in records.iter().enumerate() {
        let member = |name: &str| format!("records.{}.member.{name}", i + 1);
        let data = record.data.as_ref().ok_or_else(|| AwsError::missing(&member("data")))?;
        let key = record.partition_key.as_ref().ok_or_else(|| AwsError::missing(&member("partitionKey")))?;
        let start = buffer.len();
        data.append_to(&mut buffer)?;
        if buffer.len() - start + key.len() > bytes_max {
            return Err(error::record_too_large(&member("data"), bytes_max));
        }
        keys.push_str(key);
        ends.push((buffer.len(), keys.len()));
    }
    if buffer.len() + keys.len() > limits::PUT_BYTES_MAX {
        let message = format!("Records size exceeds {} MB limit", limits::PUT_BYTES_MAX >> 20);
        return Err(AwsError::invalid_argument(message));
    }
    // Entries share two buffers: none has memory of its own.
    let (buffer, keys) = (Bytes::from(buffer), ByteString::from(keys));
    let (mut start, mut key_start) = (0, 0);
    let mut entries = Vec::with_capacity(records.len());
    for (i, (record, (end, key_end))) in records.iter().zip(ends).enumerate() {
        let member = |name: &str| format!("records.{}.member.{name}", i + 1);
        let key = keys.slice_ref(&keys[key_start..key_end]);
        let explicit = record.explicit_hash_key.as_deref();
        entries.push(PutEntry {
            partition_key: limits::partition_key(key, || member("partitionKey"))?,
            explicit_hash_key: explicit.map(|key| limits::hash_key(key, || member("explicitHashKey"))).transpose()?,
            data: buffer.slice(start..end),
        });
        (start, key_start) = (end, key_end);
    }
    Ok(entries)
}

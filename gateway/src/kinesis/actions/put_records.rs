//! PutRecords: up to 500 records, each taken or refused on its own.

use bytes::Bytes;
use model::record::PutEntry;
use model::stream_store::StreamDescription;
use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::kinesis::wire::{self, Text};
use crate::kinesis::{error, limits};
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    records: Option<Vec<Entry<'a>>>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Text<'a>>,
}

/// Bytes of the answer for one record.
const RESULT_BYTES: usize = 128;

/// Appends records. What is wrong with one entry's form refuses the whole request, before anything is written.
pub(crate) async fn run(state: &GatewayState, body: &Bytes) -> Result<Vec<u8>, AwsError> {
    let input: Input<'_> = wire::parse(body)?;
    limits::no_dry_run(input.dry_run)?;
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let account = &state.options.account_id;
    let records = input.records.as_ref().ok_or_else(|| AwsError::missing("records"))?;
    let description = state.streams.describe(&stream).await;
    let description = description.map_err(|failure| error::of_stream(&failure, account))?;
    let entries = entries(records, &description)?;
    let results = state.streams.append(&stream, entries).await;
    let results = results.map_err(|failure| error::of_stream(&failure, account))?;
    // Again: a reshard in between may have made the shards that took the records.
    let description = state.streams.describe(&stream).await;
    let description = description.map_err(|failure| error::of_stream(&failure, account))?;
    let failed = results.iter().filter(|result| result.is_err()).count();
    let mut out = Vec::with_capacity(64 + results.len() * RESULT_BYTES);
    out.extend_from_slice(format!("{{\"FailedRecordCount\":{failed},\"Records\":[").as_bytes());
    for (i, result) in results.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match result {
            Ok(appended) => wire::write_appended(&description.shards, appended, &mut out),
            Err(failure) => {
                let failure = error::of_append(failure, stream.as_str(), account);
                out.extend_from_slice(b"{\"ErrorCode\":");
                wire::write_text(failure.name, &mut out);
                out.extend_from_slice(b",\"ErrorMessage\":");
                wire::write_text(&failure.message, &mut out);
                out.push(b'}');
            }
        }
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Checks and decodes all entries into one buffer that they share.
fn entries(records: &[Entry<'_>], description: &StreamDescription) -> Result<Vec<PutEntry>, AwsError> {
    if records.is_empty() {
        return Err(AwsError::validation("'[]'", "records", "Member must have length greater than or equal to 1"));
    }
    if records.len() > limits::PUT_RECORDS_MAX {
        return Err(AwsError::validation("", "records", "Member must have length less than or equal to 500"));
    }
    let encoded: usize = records.iter().filter_map(|record| record.data.as_ref()).map(|data| data.len()).sum();
    let mut buffer = Vec::with_capacity(encoded / 4 * 3 + 3);
    let mut ends = Vec::with_capacity(records.len());
    let mut keys = 0;
    let bytes_max = description.options.record_bytes_max;
    for (i, record) in records.iter().enumerate() {
        let member = |name: &str| format!("records.{}.member.{name}", i + 1);
        let data = record.data.as_ref().ok_or_else(|| AwsError::missing(&member("data")))?;
        let key = record.partition_key.as_ref().ok_or_else(|| AwsError::missing(&member("partitionKey")))?;
        let start = buffer.len();
        wire::decode_base64(data, &mut buffer)?;
        if buffer.len() - start + key.len() > bytes_max {
            return Err(error::record_too_large(&member("data"), bytes_max));
        }
        keys += key.len();
        ends.push(buffer.len());
    }
    if buffer.len() + keys > limits::PUT_BYTES_MAX {
        let message = format!("Records size exceeds {} MB limit", limits::PUT_BYTES_MAX >> 20);
        return Err(AwsError::invalid_argument(message));
    }
    let buffer = Bytes::from(buffer);
    let mut start = 0;
    let mut entries = Vec::with_capacity(records.len());
    for (i, (record, end)) in records.iter().zip(ends).enumerate() {
        let member = |name: &str| format!("records.{}.member.{name}", i + 1);
        let key = record.partition_key.as_deref().expect("checked above");
        let explicit = record.explicit_hash_key.as_deref();
        entries.push(PutEntry {
            partition_key: limits::partition_key(key, || member("partitionKey"))?,
            explicit_hash_key: explicit.map(|key| limits::hash_key(key, || member("explicitHashKey"))).transpose()?,
            data: buffer.slice(start..end),
        });
        start = end;
    }
    Ok(entries)
}

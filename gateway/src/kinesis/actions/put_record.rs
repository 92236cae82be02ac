//! PutRecord: one record, durable when it is answered.

use crate::aws::error::AwsError;
use crate::aws::wire::blob::Blob;
use crate::aws::wire::text::Text;
use crate::kinesis::appended::Placed;
use crate::kinesis::input::input;
use crate::kinesis::{error, limits, stream};
use crate::state::GatewayState;
use model::stream::record::PutEntry;

input!(stream {
    #[serde(borrow)]
    data: Option<Blob<'a>>,
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Text<'a>>,
    dry_run: Option<bool>,
});

/// Appends a record. `SequenceNumberForOrdering` needs no reading: order in a shard is always that of arrival.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Placed, AwsError> {
    let stream = input.stream(state)?;
    let data = input.data.as_ref().ok_or_else(|| AwsError::missing("data"))?;
    let key = input.partition_key.as_ref().ok_or_else(|| AwsError::missing("partitionKey"))?;
    let partition_key = limits::partition_key((&**key).into(), || "partitionKey".to_owned())?;
    let explicit_hash_key = input.explicit_hash_key.as_deref();
    let explicit_hash_key = explicit_hash_key.map(|key| limits::hash_key(key, || "explicitHashKey".to_owned()));
    let mut bytes = Vec::with_capacity(data.length_max());
    data.append_to(&mut bytes)?;
    let entry = PutEntry { partition_key, explicit_hash_key: explicit_hash_key.transpose()?, data: bytes.into() };
    let account = &state.options.account_id;
    if input.dry_run == Some(true) {
        let description = stream::describe(state, &stream).await?;
        let bytes_max = description.settings.record_bytes_max;
        if entry.size_bytes() > bytes_max {
            return Err(error::record_too_large("data", bytes_max));
        }
        limits::end_dry_run(input.dry_run)?;
    }
    let batch = state.streams.append(&stream, vec![entry]).await;
    let mut batch = batch.map_err(|failure| error::of_stream(&failure, account))?;
    let result = batch.results.pop().expect("one result per entry");
    let appended = result.map_err(|failure| error::of_append(&failure, stream.as_str(), account))?;
    Ok(Placed::new(&batch.stream, &appended))
}

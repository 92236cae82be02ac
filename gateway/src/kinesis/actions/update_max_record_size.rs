//! UpdateMaxRecordSize: holds for records put from now on.

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

input!(stream_arn {
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: Option<i64>,
});

/// Sets the most data and key of a record; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let kib = input.max_record_size_in_kib.ok_or_else(|| AwsError::missing("maxRecordSizeInKiB"))?;
    let bytes = limits::record_bytes_max(kib)?;
    calls::alter(state, &stream, |_, settings| {
        settings.record_bytes_max = bytes;
        Ok(())
    })
    .await?;
    Ok(Empty)
}

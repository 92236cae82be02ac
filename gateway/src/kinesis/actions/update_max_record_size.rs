//! UpdateMaxRecordSize: holds for records put from now on.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::aws::wire::text::Text;
use crate::kinesis::target::targets_stream_arn;
use crate::kinesis::{limits, stream};
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    max_record_size_in_kib: Option<i64>,
}

targets_stream_arn!(Input);

/// Sets the most data and key of a record; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = limits::stream_by_arn(&state.options, input.stream_arn.as_deref(), input.stream_id.as_deref())?;
    let kib = input.max_record_size_in_kib.ok_or_else(|| AwsError::missing("maxRecordSizeInKiB"))?;
    let bytes = limits::record_bytes_max(kib)?;
    stream::alter(state, &stream, |_, settings| {
        settings.record_bytes_max = bytes;
        Ok(())
    })
    .await?;
    Ok(Empty)
}

//! UpdateStreamWarmThroughput: shards for a throughput that is expected, or fewer again when it is over.

use model::name::StreamName;
use model::stream::settings::StreamMode;
use serde::Serialize;

use crate::aws::error::AwsError;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::throughput::WarmThroughput;
use crate::kinesis::stream::{calls, throughput};
use crate::state::GatewayState;

input!(stream {
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput_mibps: Option<i64>,
});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    stream_name: StreamName,
    warm_throughput: WarmThroughput,
}

/// Makes an on-demand stream ready for a throughput.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let mibps = input.warm_throughput_mibps.ok_or_else(|| AwsError::missing("warmThroughputMiBps"))?;
    let mibps = throughput::check(StreamMode::OnDemand, mibps)?;
    calls::in_mode(&*calls::describe(state, &stream).await?, StreamMode::OnDemand)?;
    let warm_throughput = throughput::warm(state, &stream, mibps).await?;
    Ok(Output { stream_arn: limits::arn(&state.options, &stream), stream_name: stream, warm_throughput })
}

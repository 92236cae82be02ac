//! UpdateStreamWarmThroughput: shards for a throughput that is expected, or fewer again when it is over.

use model::name::StreamName;
use model::stream_settings::StreamMode;
use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::target::targets_stream;
use crate::kinesis::throughput::{self, WarmThroughput};
use crate::kinesis::{limits, stream};
use crate::router::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput_mibps: Option<i64>,
}

targets_stream!(Input);

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
    let stream = limits::stream(
        &state.options,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
        input.stream_id.as_deref(),
    )?;
    let mibps = input.warm_throughput_mibps.ok_or_else(|| AwsError::missing("warmThroughputMiBps"))?;
    let mibps = throughput::check(StreamMode::OnDemand, mibps)?;
    stream::in_mode(&*stream::describe(state, &stream).await?, StreamMode::OnDemand)?;
    let warm_throughput = throughput::warm(state, &stream, mibps).await?;
    Ok(Output { stream_arn: limits::arn(&state.options, &stream), stream_name: stream, warm_throughput })
}

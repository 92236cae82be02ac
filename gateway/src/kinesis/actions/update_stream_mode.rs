//! UpdateStreamMode: who counts shards from now on. The shards stay as they are.

use model::stream::settings::StreamMode;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::mode::GivenMode;
use crate::kinesis::stream::{calls, throughput};
use crate::state::GatewayState;

input!(stream_arn {
    #[serde(borrow)]
    stream_mode_details: Option<GivenMode<'a>>,
    #[serde(rename = "WarmThroughputMiBps")]
    warm_throughput_mibps: Option<i64>,
});

/// Changes the mode, at most twice a day; the answer has no body.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let details = input.stream_mode_details.as_ref().ok_or_else(|| AwsError::missing("streamModeDetails"))?;
    let mode = details.mode()?;
    let warm = input.warm_throughput_mibps.map(|mibps| throughput::check(mode, mibps)).transpose()?;
    let before = calls::describe(state, &stream).await?.settings.mode;
    if mode == StreamMode::OnDemand && before != mode {
        calls::room_for_on_demand(state).await?;
    }
    let now = state.clock.now();
    calls::alter(state, &stream, |_, settings| {
        if settings.mode != mode {
            calls::once_more(&mut settings.mode_changed_at, now, limits::MODE_CHANGES_A_DAY, "UpdateStreamMode")?;
        }
        settings.mode = mode;
        if mode == StreamMode::Provisioned {
            settings.warm_throughput_mibps = None;
        }
        Ok(())
    })
    .await?;
    if let Some(warm) = warm {
        throughput::warm(state, &stream, warm).await?;
    }
    Ok(Empty)
}

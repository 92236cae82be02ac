//! What both operations on retention do.

use std::cmp::Ordering;
use std::time::Duration;

use crate::aws::error::AwsError;
use crate::aws::wire::output::Empty;
use crate::kinesis::input::input;
use crate::kinesis::limits::RETENTION_HOURS;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

input!(stream {
    retention_period_hours: Option<i64>,
});

/// Which way retention goes; staying as it is suits both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Longer,
    Shorter,
}

/// Sets retention to what is asked for; the answer has no body.
pub(crate) async fn change(state: &GatewayState, input: &Input<'_>, direction: Direction) -> Result<Empty, AwsError> {
    let stream = input.stream(state)?;
    let hours = input.retention_period_hours.ok_or_else(|| AwsError::missing("retentionPeriodHours"))?;
    let out_of_bounds = |bound: &str, limit: i64, what: &str| {
        Err(AwsError::invalid_argument(format!(
            "{bound} allowed retention period is {limit} hours. Requested retention period ({hours} hours) is too {what}."
        )))
    };
    if hours < *RETENTION_HOURS.start() {
        return out_of_bounds("Minimum", *RETENTION_HOURS.start(), "short");
    }
    if hours > *RETENTION_HOURS.end() {
        return out_of_bounds("Maximum", *RETENTION_HOURS.end(), "long");
    }
    let asked = Duration::from_secs(hours.unsigned_abs() * 3600);
    calls::alter(state, &stream, |_, settings| {
        let (what, other) = match (direction, asked.cmp(&settings.retention)) {
            (Direction::Longer, Ordering::Less) => ("shorter", "Decrease"),
            (Direction::Shorter, Ordering::Greater) => ("longer", "Increase"),
            _ => {
                settings.retention = asked;
                return Ok(());
            }
        };
        Err(AwsError::invalid_argument(format!(
            "Requested retention period ({hours} hours) for stream {stream} can not be {what} than existing retention \
             period ({} hours). Use {other}StreamRetentionPeriod API.",
            settings.retention.as_secs() / 3600
        )))
    })
    .await?;
    Ok(Empty)
}

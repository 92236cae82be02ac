//! Shard-level metrics: which of them a stream is asked for.

use std::collections::BTreeSet;

use model::name::StreamName;
use model::stream::settings::ShardMetric;
use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::calls;
use crate::state::GatewayState;

/// All of them, by the names of Kinesis.
const METRICS: [(&str, ShardMetric); 7] = [
    ("IncomingBytes", ShardMetric::IncomingBytes),
    ("IncomingRecords", ShardMetric::IncomingRecords),
    ("OutgoingBytes", ShardMetric::OutgoingBytes),
    ("OutgoingRecords", ShardMetric::OutgoingRecords),
    ("WriteProvisionedThroughputExceeded", ShardMetric::WriteProvisionedThroughputExceeded),
    ("ReadProvisionedThroughputExceeded", ShardMetric::ReadProvisionedThroughputExceeded),
    ("IteratorAgeMilliseconds", ShardMetric::IteratorAgeMilliseconds),
];

input!(stream {
    #[serde(borrow)]
    shard_level_metrics: Option<Vec<Text<'a>>>,
});

/// The answer of both operations.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    stream_name: StreamName,
    current_shard_level_metrics: Vec<&'static str>,
    desired_shard_level_metrics: Vec<&'static str>,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
}

/// Metrics of a request; `ALL` is all of them.
fn given(names: &[Text<'_>]) -> Result<BTreeSet<ShardMetric>, AwsError> {
    if names.is_empty() || names.len() > METRICS.len() {
        let constraint = format!("Member must have length between 1 and {}", METRICS.len());
        return Err(AwsError::validation("", "shardLevelMetrics", &constraint));
    }
    let mut metrics = BTreeSet::new();
    for name in names {
        match METRICS.iter().find(|(known, _)| *known == &**name) {
            Some((_, metric)) => drop(metrics.insert(*metric)),
            None if &**name == "ALL" => metrics.extend(METRICS.iter().map(|(_, metric)| *metric)),
            None => {
                let known: Vec<_> = METRICS.iter().map(|(known, _)| *known).collect();
                let constraint = format!("Member must satisfy enum value set: [{}, ALL]", known.join(", "));
                return Err(AwsError::validation(&format!("'{}'", name.0), "shardLevelMetrics", &constraint));
            }
        }
    }
    Ok(metrics)
}

/// The names of `metrics`.
pub(crate) fn names(metrics: &BTreeSet<ShardMetric>) -> Vec<&'static str> {
    METRICS.iter().filter(|(_, metric)| metrics.contains(metric)).map(|(name, _)| *name).collect()
}

/// Changes which metrics are kept, by those that the input gives, and shows them before and after.
pub(crate) async fn change(
    state: &GatewayState,
    input: &Input<'_>,
    change: impl Fn(&mut BTreeSet<ShardMetric>, &BTreeSet<ShardMetric>),
) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let given = given(input.shard_level_metrics.as_ref().ok_or_else(|| AwsError::missing("shardLevelMetrics"))?)?;
    let before = calls::describe(state, &stream).await?;
    let after = calls::alter(state, &stream, |_, settings| {
        change(&mut settings.shard_metrics, &given);
        Ok(())
    });
    let after = after.await?;
    Ok(Output {
        stream_arn: limits::arn(&state.options, &stream),
        stream_name: stream,
        current_shard_level_metrics: names(&before.settings.shard_metrics),
        desired_shard_level_metrics: names(&after.settings.shard_metrics),
    })
}

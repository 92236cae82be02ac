//! Looks at all streams and consumers once a second, for the lists of the page.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamDescription, StreamError};
use tokio::time::MissedTickBehavior;

use crate::hub::Hub;
use crate::options::{DashboardOptions, Flow, FlowTarget};
use crate::overview::{ErrorRow, FlowRow, Overview, Rates, SHARDS_MAX, STREAMS_MAX, ShardRow, StreamRow};

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is known of the tips of one stream.
type Tips = HashMap<ShardId, SequenceNumber>;

/// Looks again and again.
pub(crate) async fn run(hub: &Hub) {
    let mut pause = tokio::time::interval(INTERVAL);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rates = Rates::default();
    loop {
        pause.tick().await;
        let overview = look(hub, &mut rates).await;
        rates.keep(&overview);
        hub.surveyed(overview);
    }
}

async fn look(hub: &Hub, rates: &mut Rates) -> Overview {
    let options = hub.options();
    let names = options.streams.list().await.unwrap_or_default();
    let mut overview = Overview {
        fleet: options.fleet.to_string(),
        more_streams: names.len().saturating_sub(STREAMS_MAX),
        ..Overview::default()
    };
    let mut tips: HashMap<StreamName, Tips> = HashMap::new();
    let mut room = SHARDS_MAX;
    for name in names.into_iter().take(STREAMS_MAX) {
        match options.streams.describe(&name).await {
            Ok(description) => {
                let found = shards(options, &description, &mut room).await;
                let mut row = StreamRow::new(&description);
                row.more_shards = description.shards.open_count() - found.len();
                let now = options.clock.now();
                for (shard, tip) in &found {
                    let rate = rates.rate(name.as_str(), shard.id, now, tip.0);
                    row.shards.push(ShardRow::new(shard, tip.0, rate));
                }
                overview.streams.push(row);
                tips.insert(name, found.into_iter().map(|(shard, tip)| (shard.id, tip)).collect());
            }
            Err(StreamError::NotFound(_)) => {}
            Err(error) => overview.streams.push(StreamRow::unreadable(name.as_str(), error.to_string())),
        }
    }
    for flow in &options.flows {
        overview.flows.push(FlowRow { behind: behind(options, flow, &tips).await, ..flow_row(flow) });
    }
    for (source, tips) in sources(options).into_iter().filter_map(|source| Some((source, tips.get(source)?))) {
        if let Some(until) = complete_until(options, source, tips).await {
            hub.complete(source, until);
        }
    }
    overview
}

/// Open shards with their tips, as many as there is room for.
async fn shards<'a>(
    options: &DashboardOptions,
    description: &'a StreamDescription,
    room: &mut usize,
) -> Vec<(&'a model::stream::shard::Shard, SequenceNumber)> {
    let mut found = Vec::new();
    for shard in description.shards.open().take(*room) {
        if let Ok(tip) = options.streams.locate(&description.name, shard.id, StartingPosition::Latest).await {
            found.push((shard, tip));
        }
    }
    *room -= found.len();
    found
}

fn flow_row(flow: &Flow) -> FlowRow {
    let (kind, target) = match &flow.target {
        FlowTarget::Query(output) => ("query", output.to_string()),
        FlowTarget::Delivery(destination) => (destination.kind(), destination.to_string()),
    };
    let state = flow.state.get();
    FlowRow {
        name: flow.name.to_string(),
        kind,
        source: flow.source.to_string(),
        target,
        behind: None,
        last_error: state.last_error.map(|error| ErrorRow { at: error.at.as_millis(), message: error.message }),
        window_end: state.window_end.map(Timestamp::as_millis),
    }
}

/// Records in the source that the consumer's checkpoint does not have. Only those of open shards that it has begun.
async fn behind(options: &DashboardOptions, flow: &Flow, tips: &HashMap<StreamName, Tips>) -> Option<u64> {
    if !options.checkpoints_are_at_hand {
        return None;
    }
    let tips = tips.get(&flow.source)?;
    let checkpoint = options.streams.checkpoint(flow.home(), &flow.name).await.ok()??;
    let lags = checkpoint.positions.iter().filter(|(_, position)| !position.finished);
    Some(lags.filter_map(|(shard, position)| Some(tips.get(shard)?.0.saturating_sub(position.next.0))).sum())
}

fn sources(options: &DashboardOptions) -> BTreeSet<&StreamName> {
    let queries = options.flows.iter().filter(|flow| matches!(flow.target, FlowTarget::Query(_)));
    queries.map(|flow| &flow.source).collect()
}

/// How far time is complete in all shards of a stream.
async fn complete_until(options: &DashboardOptions, stream: &StreamName, tips: &Tips) -> Option<Timestamp> {
    let limit = ReadLimit { records_max: 1, bytes_max: 1, wait: false };
    let mut least = None;
    for (shard, tip) in tips {
        let batch = options.streams.read(stream, *shard, *tip, limit).await.ok()?;
        least = Some(least.map_or(batch.complete_until, |least: Timestamp| least.min(batch.complete_until)));
    }
    least
}

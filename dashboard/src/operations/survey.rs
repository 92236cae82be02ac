//! Looks at all streams once a second, and asks how queries and deliveries are, for the lists of
//! the page.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::clock::Timestamp;
use model::flow::report::QueryReport;
use model::name::StreamName;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StartingPosition, StreamDescription, StreamError};
use tokio::time::MissedTickBehavior;

use crate::operations::overview::{FlowRow, Overview, Rates, SHARDS_MAX, STREAMS_MAX, ShardRow, StreamRow};
use crate::options::DashboardOptions;

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is known of the tips of one stream.
type Tips = HashMap<ShardId, SequenceNumber>;

/// A query of this server: what it reads, and where its rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) name: String,
    pub(crate) source: StreamName,
    pub(crate) output: StreamName,
}

impl Query {
    /// The queries that are reported.
    pub(crate) fn all(reports: &[QueryReport]) -> Vec<Query> {
        let of = |report: &QueryReport| Query {
            name: report.name.to_string(),
            source: report.source.clone(),
            output: report.output.clone(),
        };
        reports.iter().map(of).collect()
    }
}

/// What one look found.
pub(crate) struct Survey {
    pub(crate) overview: Overview,
    /// How far time is complete in the streams that queries read.
    pub(crate) complete_until: Vec<(StreamName, Timestamp)>,
}

/// Looks again and again, until there are other queries than `known`.
pub(crate) async fn run(options: &DashboardOptions, known: &[Query], surveyed: impl Fn(Survey)) {
    let mut pause = tokio::time::interval(INTERVAL);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rates = Rates::default();
    loop {
        pause.tick().await;
        let queries = options.flows.queries().await;
        if Query::all(&queries) != known {
            return;
        }
        let survey = look(options, &mut rates, &queries).await;
        rates.keep(&survey.overview);
        surveyed(survey);
    }
}

async fn look(options: &DashboardOptions, rates: &mut Rates, queries: &[QueryReport]) -> Survey {
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
                    let records = shard.records_between(shard.first, *tip);
                    let rate = rates.rate(&description, shard.id, now, records);
                    row.shards.push(ShardRow::new(shard, records, rate));
                }
                overview.streams.push(row);
                tips.insert(name, found.into_iter().map(|(shard, tip)| (shard.id, tip)).collect());
            }
            Err(StreamError::NotFound(_)) => {}
            Err(error) => overview.streams.push(StreamRow::unreadable(name.as_str(), error.to_string())),
        }
    }
    let now = options.clock.now();
    overview.flows.extend(queries.iter().map(|query| FlowRow::of_query(query, now)));
    overview.flows.extend(options.flows.deliveries().await.iter().map(FlowRow::of_delivery));
    let mut complete = Vec::new();
    let sources: BTreeSet<&StreamName> = queries.iter().map(|query| &query.source).collect();
    for (source, tips) in sources.into_iter().filter_map(|source| Some((source, tips.get(source)?))) {
        if let Some(until) = complete_until(options, source, tips).await {
            complete.push((source.clone(), until));
        }
    }
    Survey { overview, complete_until: complete }
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

//! Streams, shards and consumers as the page lists them: what one survey found, and rates from the
//! one before.

use std::collections::HashMap;
use std::time::Duration;

use model::clock::Timestamp;
use model::flow::incident::Incident;
use model::flow::report::{DeliveryReport, QueryReport};
use model::rate::per_second;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Shard, ShardId};
use model::stream::store::StreamDescription;
use serde::Serialize;

use crate::view::View;

/// The most shards that are listed, of all streams together.
pub(crate) const SHARDS_MAX: usize = 512;
/// The kind of flow that writes to a stream.
const QUERY: &str = "query";
/// The most streams that are listed.
pub(crate) const STREAMS_MAX: usize = 100;

/// What one survey found.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Overview {
    /// The stream whose readings the map shows.
    pub(crate) fleet: String,
    /// In order of their names.
    pub(crate) streams: Vec<StreamRow>,
    /// How many streams are not listed.
    pub(crate) more_streams: usize,
    /// The consumers that run here.
    pub(crate) flows: Vec<FlowRow>,
}

/// A stream.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StreamRow {
    pub(crate) name: String,
    pub(crate) created_at: i64,
    pub(crate) retention_seconds: u64,
    pub(crate) mode: String,
    pub(crate) shards: Vec<ShardRow>,
    /// Open shards that are not listed.
    pub(crate) more_shards: usize,
    pub(crate) closed: usize,
    /// Why it cannot be read, where it cannot.
    pub(crate) error: Option<String>,
}

/// An open shard.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ShardRow {
    pub(crate) id: String,
    /// Hash keys: beyond what a number of JSON holds.
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) parents: Vec<String>,
    /// Records that were put into it so far.
    pub(crate) records: u64,
    /// Records a second since the survey before.
    pub(crate) rate: Option<f64>,
}

/// A query or delivery, as the one report tells of it. Times are milliseconds since 1970.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FlowRow {
    pub(crate) name: String,
    /// `query`, `table` or `archive`.
    pub(crate) kind: &'static str,
    pub(crate) source: String,
    pub(crate) target: String,
    /// What it does now.
    pub(crate) state: &'static str,
    pub(crate) since: i64,
    /// Starts after a failure.
    pub(crate) restarts: u64,
    /// Records that are in the source and not in its checkpoint yet.
    pub(crate) behind: Option<u64>,
    /// Records that expired before they were read or delivered.
    pub(crate) expired: u64,
    pub(crate) last_error: Option<ErrorRow>,
    /// Milliseconds that the first open window is overdue, or that the oldest record waits for its
    /// delivery.
    pub(crate) lag: u64,
    /// Of a query: nothing that arrived before is expected any more.
    pub(crate) watermark: Option<i64>,
    /// Of a query: when the first open window ends.
    pub(crate) window_end: Option<i64>,
    /// Of a query: rows that it wrote, and records that it could not use.
    pub(crate) rows: Option<u64>,
    pub(crate) left_out: Option<u64>,
    /// Of a delivery: records delivered, in all and in a second, failed tries, and records that
    /// cannot be taken.
    pub(crate) delivered: Option<u64>,
    pub(crate) delivered_per_second: Option<f64>,
    pub(crate) retries: Option<u64>,
    pub(crate) dead_letters: Option<u64>,
}

/// A failure of a query or delivery.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ErrorRow {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) message: String,
}

impl From<&Incident> for ErrorRow {
    fn from(incident: &Incident) -> Self {
        ErrorRow { at: incident.at.as_millis(), message: incident.message.clone() }
    }
}

impl Overview {
    /// The streams that it tells of.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &str> {
        let of_flows = self.flows.iter().flat_map(FlowRow::streams);
        self.streams.iter().map(|row| row.name.as_str()).chain(of_flows)
    }

    /// What of it is in view.
    pub(crate) fn in_view(&self, view: &View) -> Overview {
        let is_seen = |flow: &&FlowRow| flow.streams().all(|stream| view.sees(stream));
        Overview {
            fleet: if view.sees(&self.fleet) { self.fleet.clone() } else { String::new() },
            streams: self.streams.iter().filter(|row| view.sees(&row.name)).cloned().collect(),
            more_streams: if *view == View::Everything { self.more_streams } else { 0 },
            flows: self.flows.iter().filter(is_seen).cloned().collect(),
        }
    }
}

impl FlowRow {
    /// The stream that it reads, and the one that it writes if it does.
    fn streams(&self) -> impl Iterator<Item = &str> {
        let target = (self.kind == QUERY).then_some(self.target.as_str());
        [self.source.as_str()].into_iter().chain(target)
    }

    /// A query.
    pub(crate) fn of_query(query: &QueryReport, now: Timestamp) -> Self {
        let overdue = query.window_end.map_or(Duration::ZERO, |end| now.since(end));
        FlowRow {
            name: query.name.to_string(),
            kind: QUERY,
            source: query.source.to_string(),
            target: query.output.to_string(),
            state: query.state.as_str(),
            since: query.since.as_millis(),
            restarts: query.restarts,
            behind: query.behind,
            expired: query.expired,
            last_error: query.last_error.as_ref().map(ErrorRow::from),
            lag: u64::try_from(overdue.as_millis()).unwrap_or(u64::MAX),
            watermark: query.watermark.map(Timestamp::as_millis),
            window_end: query.window_end.map(Timestamp::as_millis),
            rows: Some(query.rows),
            left_out: Some(query.left_out),
            delivered: None,
            delivered_per_second: None,
            retries: None,
            dead_letters: None,
        }
    }

    /// A delivery.
    pub(crate) fn of_delivery(delivery: &DeliveryReport) -> Self {
        FlowRow {
            name: delivery.name.to_string(),
            kind: delivery.destination.kind(),
            source: delivery.source.to_string(),
            target: delivery.destination.to_string(),
            state: delivery.state.as_str(),
            since: delivery.since.as_millis(),
            restarts: delivery.restarts,
            behind: delivery.behind,
            expired: delivery.expired,
            last_error: delivery.last_error.as_ref().map(ErrorRow::from),
            lag: delivery.lag_millis,
            watermark: None,
            window_end: None,
            rows: None,
            left_out: None,
            delivered: Some(delivery.records),
            delivered_per_second: Some(delivery.records_per_second),
            retries: Some(delivery.retries),
            dead_letters: Some(delivery.dead_letters),
        }
    }
}

/// What a survey found of a shard.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Which of the streams of that name it was.
    life: SequenceNumber,
    at: Timestamp,
    records: u64,
}

/// Turns counts into rates.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    last: HashMap<(String, ShardId), Seen>,
}

impl Rates {
    /// Records a second in a shard since it was last asked for.
    pub(crate) fn rate(
        &mut self,
        stream: &StreamDescription,
        shard: ShardId,
        at: Timestamp,
        records: u64,
    ) -> Option<f64> {
        let life = stream.lives.first;
        let before = self.last.insert((stream.name.to_string(), shard), Seen { life, at, records });
        // A stream that was created anew has no rate yet.
        let before = before.filter(|before| before.life == life)?;
        per_second((before.at, before.records), (at, records))
    }

    /// Lets go of what is no longer listed.
    pub(crate) fn keep(&mut self, overview: &Overview) {
        if self.last.len() > 2 * SHARDS_MAX {
            let listed = |stream: &str, shard: ShardId| {
                let row = overview.streams.iter().find(|row| row.name == stream);
                row.is_some_and(|row| row.shards.iter().any(|listed| listed.id == shard.to_string()))
            };
            self.last.retain(|(stream, shard), _| listed(stream, *shard));
        }
    }
}

impl StreamRow {
    /// A stream without its shards.
    pub(crate) fn new(description: &StreamDescription) -> Self {
        StreamRow {
            name: description.name.to_string(),
            created_at: description.created_at.as_millis(),
            retention_seconds: description.settings.retention.as_secs(),
            mode: serde_json::to_value(description.settings.mode)
                .ok()
                .and_then(|mode| mode.as_str().map(str::to_owned))
                .unwrap_or_default(),
            shards: Vec::new(),
            more_shards: 0,
            closed: description.shards.iter().filter(|shard| !shard.is_open()).count(),
            error: None,
        }
    }

    /// A stream that cannot be described.
    pub(crate) fn unreadable(name: &str, error: String) -> Self {
        StreamRow {
            name: name.to_owned(),
            created_at: 0,
            retention_seconds: 0,
            mode: String::new(),
            shards: Vec::new(),
            more_shards: 0,
            closed: 0,
            error: Some(error),
        }
    }
}

impl ShardRow {
    /// An open shard with its tip.
    pub(crate) fn new(shard: &Shard, records: u64, rate: Option<f64>) -> Self {
        ShardRow {
            id: shard.id.to_string(),
            start: shard.range.start.to_string(),
            end: shard.range.end.to_string(),
            parents: shard.parents().map(|parent| parent.to_string()).collect(),
            records,
            rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::stream::lives::Lives;
    use model::stream::settings::StreamSettings;
    use model::stream::shard::ShardMap;

    use super::*;

    #[test]
    fn rates_are_of_the_time_between_surveys() {
        let mut rates = Rates::default();
        let at = Timestamp::from_millis;
        let stream = |first| StreamDescription {
            name: "s".parse().expect("a name"),
            created_at: at(0),
            settings: StreamSettings::default(),
            shards: ShardMap::uniform_from(1, at(0), SequenceNumber(first)),
            lives: Lives::beginning_at(SequenceNumber(first), Vec::new()),
        };
        let (old, new) = (stream(0), stream(1000));
        assert_eq!(rates.rate(&old, ShardId(0), at(0), 100), None);
        assert_eq!(rates.rate(&old, ShardId(0), at(2000), 130), Some(15.0));
        assert_eq!(rates.rate(&new, ShardId(0), at(3000), 140), None, "the stream was created anew");
        assert_eq!(rates.rate(&new, ShardId(0), at(3000), 141), None);
    }
}

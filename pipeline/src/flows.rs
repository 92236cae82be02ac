//! What runs between streams, tables and archive, told of on demand: [`Flows`] over the queries and deliveries of this process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use analytics::continuous::status::StatusHandle as QueryHandle;
use async_trait::async_trait;
use model::clock::{Clock, Timestamp};
use model::flow::destination::Destination;
use model::flow::report::{DeliveryReport, Flows, Incident, QueryReport};
use model::name::{ConsumerName, StreamName};
use model::stream::store::{StartingPosition, StreamStore};
use sinks::delivery::status::StatusHandle as DeliveryHandle;
use tokio_util::sync::CancellationToken;

/// A rate is that of the last so many seconds.
const RATE_SECONDS: usize = 10;
/// The most shards of a stream that are asked for their tip.
const SHARDS_MAX: usize = 512;

/// A query that was started.
struct Query {
    source: StreamName,
    output: StreamName,
    status: QueryHandle,
    running: bool,
    restarts: u64,
    last_error: Option<Incident>,
    rate: Rate,
}

/// A delivery that was started.
struct Delivery {
    source: StreamName,
    destination: Destination,
    status: DeliveryHandle,
    rate: Rate,
}

/// Counts of the last seconds.
#[derive(Default)]
struct Rate(VecDeque<(Timestamp, u64)>);

impl Rate {
    fn sample(&mut self, now: Timestamp, count: u64) {
        if self.0.len() > RATE_SECONDS {
            self.0.pop_front();
        }
        self.0.push_back((now, count));
    }

    fn per_second(&self) -> f64 {
        let (Some((then, before)), Some((now, count))) = (self.0.front(), self.0.back()) else { return 0.0 };
        let seconds = now.since(*then).as_secs_f64();
        if seconds > 0.0 { (count.saturating_sub(*before) as f64 / seconds * 10.0).round() / 10.0 } else { 0.0 }
    }
}

/// The queries and deliveries of this process.
pub(crate) struct RunningFlows {
    streams: Arc<dyn StreamStore>,
    clock: Arc<dyn Clock>,
    /// Whether asking for a consumer's checkpoint costs nothing.
    checkpoints_are_at_hand: bool,
    queries: Mutex<BTreeMap<ConsumerName, Query>>,
    deliveries: Mutex<BTreeMap<ConsumerName, Delivery>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("no holder of the lock panics")
}

impl RunningFlows {
    /// None yet.
    pub(crate) fn new(
        streams: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
        checkpoints_are_at_hand: bool,
    ) -> Arc<Self> {
        let (queries, deliveries) = (Mutex::default(), Mutex::default());
        Arc::new(RunningFlows { streams, clock, checkpoints_are_at_hand, queries, deliveries })
    }

    /// A query runs from now on.
    pub(crate) fn watch_query(&self, query: &analytics::continuous::query::ContinuousQuery) {
        let shown = Query {
            source: query.source().clone(),
            output: query.output().clone(),
            status: query.status(),
            running: true,
            restarts: 0,
            last_error: None,
            rate: Rate::default(),
        };
        lock(&self.queries).insert(query.name().clone(), shown);
    }

    /// A query has failed. `ended` says that it does not start again.
    pub(crate) fn query_failed(&self, name: &ConsumerName, message: &str, ended: bool) {
        if let Some(query) = lock(&self.queries).get_mut(name) {
            query.last_error = Some(Incident { at: self.clock.now(), message: message.to_owned() });
            query.running = !ended;
            query.restarts += u64::from(!ended);
        }
    }

    /// What made a query end or start again last.
    pub(crate) fn query_error(&self, name: &ConsumerName) -> Option<Incident> {
        lock(&self.queries).get(name).and_then(|query| query.last_error.clone())
    }

    /// A delivery runs from now on.
    pub(crate) fn watch_delivery(
        &self,
        name: &ConsumerName,
        source: &StreamName,
        destination: Destination,
        status: DeliveryHandle,
    ) {
        let shown = Delivery { source: source.clone(), destination, status, rate: Rate::default() };
        lock(&self.deliveries).insert(name.clone(), shown);
    }

    /// Takes a sample a second for rates, until cancelled.
    pub(crate) async fn sample(self: Arc<Self>, stop: CancellationToken) {
        let mut pause = tokio::time::interval(Duration::from_secs(1));
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(pause.tick()).await.is_some() {
            let now = self.clock.now();
            lock(&self.queries).values_mut().for_each(|query| query.rate.sample(now, query.status.get().records));
            lock(&self.deliveries)
                .values_mut()
                .for_each(|delivery| delivery.rate.sample(now, delivery.status.get().delivered_records));
        }
    }

    /// Records of `source` that the checkpoint in `home` does not have. Only those of open shards.
    async fn behind(&self, source: &StreamName, home: &StreamName, name: &ConsumerName) -> Option<u64> {
        if !self.checkpoints_are_at_hand {
            return None;
        }
        let description = self.streams.describe(source).await.ok()?;
        let positions = self.streams.checkpoint(home, name).await.ok()??.positions;
        let mut behind = 0;
        for shard in description.shards.open().take(SHARDS_MAX) {
            let tip = self.streams.locate(source, shard.id, StartingPosition::Latest).await.ok()?;
            let next = positions.get(&shard.id).map_or(shard.first, |position| position.next);
            behind += tip.0.saturating_sub(next.0);
        }
        Some(behind)
    }
}

#[async_trait]
impl Flows for RunningFlows {
    async fn queries(&self) -> Vec<QueryReport> {
        let now = self.clock.now();
        let report = |(name, query): (&ConsumerName, &Query)| {
            let status = query.status.get();
            let lag = |watermark: Timestamp| u64::try_from(now.since(watermark).as_millis()).unwrap_or(u64::MAX);
            QueryReport {
                name: name.clone(),
                source: query.source.clone(),
                output: query.output.clone(),
                running: query.running,
                records: status.records,
                rows: status.rows,
                left_out: status.left_out,
                late: status.skipped,
                rows_read: status.rows_read,
                any_passed: status.any_passed,
                behind: None,
                records_per_second: query.rate.per_second(),
                watermark: status.watermark,
                watermark_lag_millis: status.watermark.map(lag),
                window_end: status.window_end,
                open_windows: status.open_windows,
                restarts: query.restarts,
                last_error: query.last_error.clone(),
                last_left_out: status.last_left_out.map(|(at, message)| Incident { at, message }),
            }
        };
        let mut reports: Vec<QueryReport> = lock(&self.queries).iter().map(report).collect();
        for report in &mut reports {
            report.behind = self.behind(&report.source, &report.output, &report.name).await;
        }
        reports
    }

    async fn deliveries(&self) -> Vec<DeliveryReport> {
        let report = |(name, delivery): (&ConsumerName, &Delivery)| {
            let status = delivery.status.get();
            DeliveryReport {
                name: name.clone(),
                source: delivery.source.clone(),
                destination: delivery.destination.clone(),
                running: status.running,
                records: status.delivered_records,
                cuts: status.delivered_cuts,
                dead_letters: status.dead_letters,
                late: status.skipped,
                retries: status.retries,
                lag_millis: status.lag_millis,
                behind: None,
                records_per_second: delivery.rate.per_second(),
                last_success_at: status.last_success_at,
                last_delivered: status.last_delivered,
                last_error: status.last_error.map(|error| Incident { at: error.at, message: error.message }),
            }
        };
        let mut reports: Vec<DeliveryReport> = lock(&self.deliveries).iter().map(report).collect();
        for report in &mut reports {
            report.behind = self.behind(&report.source, &report.source, &report.name).await;
        }
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), 0.0);
        for second in 0..30_u64 {
            rate.sample(Timestamp::from_millis(1000 * second as i64), if second < 20 { 0 } else { (second - 19) * 7 });
        }
        assert_eq!(rate.per_second(), 7.0);
        assert!(rate.0.len() <= RATE_SECONDS + 1);
    }
}

//! What is told of flows: the one source for REST, command line, page, metrics, doctor and
//! readiness.

use async_trait::async_trait;
use model::clock::Timestamp;
use model::flow::incident::Incident;
use model::flow::report::{DeliveryReport, Flows, Origin, QueryReport, Standing};
use model::flow::state::FlowState;
use model::name::ConsumerName;
use model::stream::store::StartingPosition;
use sinks::delivery::status::LastError;

use crate::flows::part::{Delivery, Part};
use crate::flows::supervisor::{Running, Supervisor};
use crate::metrics::figures::Figures;

/// The most shards of a stream that are asked for their tip.
const SHARDS_MAX: usize = 512;

/// A worker's standing. A delivery whose destination fails tries again by itself: that is told in
/// the same words.
fn standing(running: &Running) -> Standing {
    let mut standing = running.worker.standing();
    if let Part::Delivery(delivery) = &running.part
        && matches!(standing.state, FlowState::Starting | FlowState::Running)
        && let Some(LastError { at, message }) = delivery.status().last_error
    {
        standing.state = FlowState::Retrying;
        standing.last_error = Some(Incident { at, message });
    }
    standing
}

impl Supervisor {
    /// Figures of all workers.
    pub(crate) fn figures(&self) -> Figures {
        let mut figures = Figures { tasks: self.tasks.standings(), ..Figures::default() };
        for running in self.flows().values().flat_map(|flow| &flow.running) {
            let (standing, behind) = (standing(running), running.behind);
            match &running.part {
                Part::Query(query) => figures.queries.push((standing, query.status().get(), behind)),
                Part::Delivery(delivery) => figures.deliveries.push((standing, delivery.status(), behind)),
            }
        }
        figures
    }

    /// Records in the source that the part's checkpoint does not have: tip minus committed position
    /// of every open shard.
    pub(super) async fn behind(&self, part: &Part) -> Option<u64> {
        if !self.checkpoints_are_at_hand {
            return None;
        }
        let (streams, source, holder) = (&self.backends.streams, part.source(), part.holder());
        let description = streams.describe(source).await.ok()?;
        let positions = streams.checkpoint(&holder.home, &holder.consumer).await.ok()??.positions;
        let mut behind = 0;
        for shard in description.shards.open().take(SHARDS_MAX) {
            let tip = streams.locate(source, shard.id, StartingPosition::Latest).await.ok()?;
            // A position in an earlier stream of the name is below the first number of this one.
            let next = positions.get(&shard.id).map_or(shard.first, |position| position.next);
            behind += shard.records_between(next, tip);
        }
        Some(behind)
    }
}

fn of_query(flow: &ConsumerName, origin: Origin, running: &Running, now: Timestamp) -> Option<(Part, QueryReport)> {
    let Part::Query(query) = &running.part else { return None };
    let (status, Standing { state, since, restarts, last_error, .. }) = (query.status().get(), standing(running));
    let lag = |watermark: Timestamp| u64::try_from(now.since(watermark).as_millis()).unwrap_or(u64::MAX);
    let report = QueryReport {
        name: query.name().clone(),
        query: flow.clone(),
        source: query.source().clone(),
        output: query.output().clone(),
        origin,
        state,
        since,
        running: state.is_active(),
        records: status.records,
        rows: status.rows,
        left_out: status.left_out,
        expired: status.expired,
        lost: status.lost,
        deleted: status.deleted,
        rows_read: status.rows_read,
        any_passed: status.any_passed,
        behind: None,
        records_per_second: running.rate.per_second(),
        watermark: status.watermark,
        watermark_lag_millis: status.watermark.map(lag),
        window_end: status.window_end,
        open_windows: status.open_windows,
        restarts,
        last_error,
        last_left_out: status.last_left_out.map(|(at, message)| Incident { at, message }),
        waits_for: status.waits_for,
    };
    Some((running.part.clone(), report))
}

fn of_delivery(origin: Origin, running: &Running) -> Option<(Part, DeliveryReport)> {
    let Part::Delivery(delivery) = &running.part else { return None };
    let Delivery { name, source, destination, .. } = delivery;
    let (status, standing) = (delivery.status(), standing(running));
    let report = DeliveryReport {
        name: name.clone(),
        source: source.clone(),
        destination: destination.clone(),
        origin,
        state: standing.state,
        since: standing.since,
        running: standing.state.is_active(),
        records: status.delivered_records,
        cuts: status.delivered_cuts,
        dead_letters: status.dead_letters,
        expired: status.expired,
        lost: status.lost,
        deleted: status.deleted,
        retries: status.retries,
        restarts: standing.restarts,
        lag_millis: status.lag_millis,
        behind: None,
        records_per_second: running.rate.per_second(),
        last_success_at: status.last_success_at,
        last_delivered: status.last_delivered,
        last_error: standing.last_error,
    };
    Some((running.part.clone(), report))
}

#[async_trait]
impl Flows for Supervisor {
    async fn queries(&self) -> Vec<QueryReport> {
        let now = self.backends.clock.now();
        let found: Vec<(Part, QueryReport)> = self
            .flows()
            .iter()
            .flat_map(|((_, name), flow)| flow.running.iter().filter_map(|r| of_query(name, flow.origin, r, now)))
            .collect();
        let mut reports = Vec::with_capacity(found.len());
        for (part, report) in found {
            reports.push(QueryReport { behind: self.behind(&part).await, ..report });
        }
        reports.sort_by(|one, other| one.name.cmp(&other.name));
        reports
    }

    async fn deliveries(&self) -> Vec<DeliveryReport> {
        let found: Vec<(Part, DeliveryReport)> = self
            .flows()
            .values()
            .flat_map(|flow| flow.running.iter().filter_map(|running| of_delivery(flow.origin, running)))
            .collect();
        let mut reports = Vec::with_capacity(found.len());
        for (part, report) in found {
            reports.push(DeliveryReport { behind: self.behind(&part).await, ..report });
        }
        reports
    }

    fn standings(&self) -> Vec<Standing> {
        let flows = self.flows();
        let workers = flows.values().flat_map(|flow| flow.running.iter().map(standing).chain(flow.broken.clone()));
        workers.chain(self.tasks.standings()).collect()
    }
}

//! How the workers of a running server are: one judgement for each kind.

use std::time::Duration;

use model::clock::Timestamp;
use model::doctor::Finding;
use model::flow::report::{DeliveryReport, QueryReport, Standing, WorkerKind};
use model::flow::state::FlowState;

use crate::doctor::finding::{fail, ok, warn};

/// How far a query or a delivery may be behind: a window and an object's cut take a minute.
const LAG_WARN: Duration = Duration::from_secs(120);

/// What the supervisor reports, judged.
pub(crate) fn judge(
    standings: &[Standing],
    queries: &[QueryReport],
    deliveries: &[DeliveryReport],
    now: Timestamp,
) -> Vec<Finding> {
    let overdue =
        |query: &QueryReport| (query.name.to_string(), query.window_end.map_or(Duration::ZERO, |end| now.since(end)));
    let waiting = |delivery: &DeliveryReport| (delivery.name.to_string(), Duration::from_millis(delivery.lag_millis));
    vec![
        kind(WorkerKind::Query, standings, queries.iter().map(overdue).collect(), now),
        kind(WorkerKind::Delivery, standings, deliveries.iter().map(waiting).collect(), now),
        kind(WorkerKind::Task, standings, Vec::new(), now),
    ]
}

fn kind(kind: WorkerKind, standings: &[Standing], lags: Vec<(String, Duration)>, now: Timestamp) -> Finding {
    let check = match kind {
        WorkerKind::Query => "server.queries",
        WorkerKind::Delivery => "server.deliveries",
        WorkerKind::Task => "server.tasks",
    };
    let of_kind: Vec<&Standing> = standings.iter().filter(|standing| standing.kind == kind).collect();
    let why = |standing: &Standing| {
        let message = standing.last_error.as_ref().map_or("", |error| error.message.as_str());
        format!("`{}` is {}: {message}", standing.name, standing.state.as_str().replace('_', " "))
    };
    if let Some(failed) = of_kind.iter().find(|standing| standing.state == FlowState::Failed) {
        let fix = match kind {
            WorkerKind::Task => "look at the server's log, and restart the server".to_owned(),
            _ => format!("fix the cause, then: gallop {} resume {}", kind.as_str(), failed.name),
        };
        return fail(check, why(failed), fix);
    }
    if let Some(degraded) = of_kind.iter().find(|standing| standing.is_degraded(now)) {
        let found = match degraded.state {
            FlowState::Retrying => why(degraded),
            _ => format!("{}, after it failed and started again", why(degraded)),
        };
        return warn(check, found, "look at the server's log if it goes on");
    }
    let paused = of_kind.iter().filter(|standing| standing.state == FlowState::Paused).count();
    let run = match paused {
        0 => format!("{} run", of_kind.len()),
        _ => format!("{} run, {paused} are paused", of_kind.len() - paused),
    };
    match lags.into_iter().max_by_key(|(_, lag)| *lag) {
        Some((name, lag)) if LAG_WARN < lag => {
            warn(check, format!("`{name}` is {} s behind", lag.as_secs()), "`gallop top` shows it live")
        }
        Some((_, lag)) => ok(check, format!("{run}; at most {} s behind", lag.as_secs())),
        None => ok(check, run),
    }
}

#[cfg(test)]
mod tests {
    use model::doctor::State;
    use model::flow::incident::Incident;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn check(state: FlowState, failed_before: Option<u64>, expected: State, found: &str) {
        let last_error = failed_before.map(|seconds| Incident {
            at: Timestamp::from_millis(NOW.as_millis() - 1000 * i64::try_from(seconds).expect("few")),
            message: "no room".to_owned(),
        });
        let standing =
            Standing { kind: WorkerKind::Query, name: "q".to_owned(), state, since: NOW, restarts: 0, last_error };
        let findings = judge(&[standing], &[], &[], NOW);
        assert_eq!(findings[0].state, expected, "{findings:?}");
        assert!(findings[0].found.contains(found), "{findings:?}");
        assert!(findings[1..].iter().all(|finding| finding.state == State::Ok), "{findings:?}");
    }

    #[test]
    fn a_worker_that_fails_is_named_with_the_reason() {
        check(FlowState::Running, None, State::Ok, "1 run");
        check(FlowState::Paused, None, State::Ok, "0 run, 1 are paused");
        check(FlowState::Failed, Some(5), State::Fail, "`q` is failed: no room");
        check(FlowState::Retrying, Some(0), State::Warn, "`q` is retrying: no room");
        check(FlowState::Running, Some(10), State::Warn, "after it failed and started again");
        check(FlowState::Running, Some(600), State::Ok, "1 run");
    }
}

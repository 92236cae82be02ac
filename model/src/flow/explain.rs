//! Decides why a continuous query has written no row yet, or writes none now.
//!
//! This is a pure function: the reports of the query and its deliveries go in, reasons come out. So
//! every cause has a test.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::flow::report::{DeliveryReport, QueryReport};
use crate::flow::state::FlowState;

/// A watermark this far behind the clock, with nothing left to read, is held by a shard.
const HELD_MIN: Duration = Duration::from_secs(10);

/// A reason, what it means here, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which one.
    pub code: Cause,
    /// What it is, in a sentence's fragment.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// The reasons there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The query fails, and is tried again.
    QueryFailing,
    /// Somebody has paused the query.
    QueryPaused,
    /// No record has come.
    NoInput,
    /// There are records, and the query has not come to them yet.
    Behind,
    /// Records are not what the query reads.
    DoesNotParse,
    /// WHERE lets no row pass.
    FilterRejectsAll,
    /// Rows wait for the end of their window.
    WindowOpen,
    /// A shard does not say that nothing earlier will come.
    IdleShard,
    /// Records expired before the query read them.
    Expired,
    /// Rows are written, and cannot be delivered.
    SinkFailing,
    /// Nothing is wrong.
    RowsWritten,
}

/// The reasons, the most important first; never none. `deliveries` may be those of the whole
/// server.
pub fn explain(query: &QueryReport, deliveries: &[DeliveryReport], now: Timestamp) -> Vec<Reason> {
    let one_each = [stopped(query), no_input(query), unreadable(query), no_row_yet(query, now), expired(query)];
    let failing = deliveries.iter().filter(|delivery| delivery.source == query.output).filter_map(undelivered);
    let mut reasons: Vec<Reason> = one_each.into_iter().flatten().chain(failing).collect();
    if reasons.is_empty() {
        reasons.push(rows_written(query));
    }
    reasons
}

fn reason(code: Cause, what: String, fix: impl Into<String>) -> Option<Reason> {
    Some(Reason { code, what, fix: fix.into() })
}

/// The query is paused, fails, or has failed.
fn stopped(query: &QueryReport) -> Option<Reason> {
    let resume = format!("gallop query resume {}", query.query);
    if query.state == FlowState::Paused {
        return reason(Cause::QueryPaused, format!("the query was paused at {}", query.since), resume);
    }
    if !query.running {
        let why = query.last_error.as_ref().map_or(String::new(), |error| format!(": {}", error.message));
        let what = format!("the query fails repeatedly{why}");
        return reason(Cause::QueryFailing, what, format!("fix the cause, then restart the query: {resume}"));
    }
    let error = query.last_error.as_ref().filter(|_| query.restarts > 0)?;
    let what =
        format!("the query has failed and restarted {} times; the last error: {}", query.restarts, error.message);
    reason(Cause::QueryFailing, what, "look at the server's log for `query failed`")
}

/// It has read nothing yet.
fn no_input(query: &QueryReport) -> Option<Reason> {
    let source = &query.source;
    if query.records > 0 || query.waits_for.is_some() {
        return None;
    }
    if let Some(behind) = query.behind.filter(|behind| *behind > 0) {
        return reason(Cause::Behind, format!("{behind} records of `{source}` have not been read yet"), "wait");
    }
    let fix = format!(
        "put one: gallop put {source} --key-field NAME; or start a query under a new name with old records: \
         start = \"trim-horizon\""
    );
    reason(Cause::NoInput, format!("no record has arrived in `{source}` since the query started"), fix)
}

/// Records are not what it reads.
fn unreadable(query: &QueryReport) -> Option<Reason> {
    if let Some(why) = &query.waits_for {
        let what = format!("no record so far fits the query: {why}");
        let fix = format!("declare the columns of `{}` in the query, or put records that have them", query.source);
        return reason(Cause::DoesNotParse, what, fix);
    }
    let last = query.last_left_out.as_ref()?;
    let what = format!(
        "the query cannot read {} of {} records; the last reason: {}",
        query.left_out, query.records, last.message
    );
    reason(Cause::DoesNotParse, what, format!("look at them: gallop tap {} --from oldest --limit 5", query.source))
}

/// No row passes WHERE, or rows wait for the end of their window.
fn no_row_yet(query: &QueryReport, now: Timestamp) -> Option<Reason> {
    let source = &query.source;
    if query.rows_read > 0 && !query.any_passed {
        let what = format!("none of {} rows has passed WHERE", query.rows_read);
        let fix = format!("compare it with the records: gallop tap {source} --limit 5");
        return reason(Cause::FilterRejectsAll, what, fix);
    }
    let end = query.window_end?;
    if now < end {
        let left = end.since(now).as_secs_f64();
        let what = format!("the first of {} open windows ends at {end}, in {left:.1} s", query.open_windows);
        return reason(Cause::WindowOpen, what, "wait: rows are written when a window ends");
    }
    if query.watermark.is_some_and(|watermark| now <= watermark + HELD_MIN) {
        return None;
    }
    let from = query.watermark.map_or("earlier records".to_owned(), |watermark| format!("records from {watermark} on"));
    let what = format!("a window ended at {end}, but a shard may still receive {from}");
    let fix = format!("check its shards: gallop stream describe {source}; on Kafka, check the brokers");
    reason(Cause::IdleShard, what, fix)
}

/// Records expired before it read them.
fn expired(query: &QueryReport) -> Option<Reason> {
    if query.expired == 0 {
        return None;
    }
    let what = format!("{} records expired before the query read them", query.expired);
    reason(Cause::Expired, what, format!("keep records for longer: gallop stream retention {} HOURS", query.source))
}

/// A delivery of its rows fails or does not run.
fn undelivered(delivery: &DeliveryReport) -> Option<Reason> {
    let DeliveryReport { name, destination, state, .. } = delivery;
    if let Some(error) = delivery.last_error.as_ref().filter(|_| *state != FlowState::Running) {
        let what = format!("delivery `{name}` to {destination} fails: {}", error.message);
        let fix = format!("rows wait in `{}`; see gallop delivery show {name}", delivery.source);
        return reason(Cause::SinkFailing, what, fix);
    }
    if delivery.running {
        return None;
    }
    let what = format!("delivery `{name}` to {destination} is {}", state.as_str());
    reason(Cause::SinkFailing, what, format!("start it: gallop delivery resume {name}"))
}

fn rows_written(query: &QueryReport) -> Reason {
    Reason {
        code: Cause::RowsWritten,
        what: format!("{} rows were written to `{}`", query.rows, query.output),
        fix: format!("look at them: gallop tap {} --from oldest", query.output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::destination::Destination;
    use crate::flow::incident::Incident;
    use crate::flow::report::Origin;
    use crate::name::{ConsumerName, StreamName, TableName};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn query() -> QueryReport {
        let stream = |name| StreamName::new(name).expect("a name");
        QueryReport {
            name: ConsumerName::new("q").expect("a name"),
            query: ConsumerName::new("q").expect("a name"),
            source: stream("in"),
            output: stream("out"),
            origin: Origin::Settings,
            state: FlowState::Running,
            since: NOW,
            running: true,
            records: 10,
            rows: 0,
            left_out: 0,
            expired: 0,
            lost: 0,
            deleted: 0,
            rows_read: 10,
            any_passed: true,
            behind: Some(0),
            records_per_second: 0.0,
            watermark: Some(NOW),
            watermark_lag_millis: Some(0),
            window_end: None,
            open_windows: 0,
            restarts: 0,
            last_error: None,
            last_left_out: None,
            waits_for: None,
        }
    }

    fn delivery() -> DeliveryReport {
        DeliveryReport {
            name: ConsumerName::new("d").expect("a name"),
            source: StreamName::new("out").expect("a name"),
            destination: Destination::Table(TableName::new("T").expect("a name")),
            origin: Origin::Settings,
            state: FlowState::Running,
            since: NOW,
            running: true,
            records: 0,
            cuts: 0,
            dead_letters: 0,
            expired: 0,
            lost: 0,
            deleted: 0,
            retries: 0,
            restarts: 0,
            lag_millis: 0,
            behind: None,
            records_per_second: 0.0,
            last_success_at: None,
            last_delivered: None,
            last_error: None,
        }
    }

    fn check(query: QueryReport, deliveries: &[DeliveryReport], expected: &[Cause]) {
        let found: Vec<Cause> = explain(&query, deliveries, NOW).into_iter().map(|reason| reason.code).collect();
        assert_eq!(found, expected, "{query:?}");
    }

    #[test]
    fn each_cause_is_named() {
        let incident = || Some(Incident { at: NOW, message: "why".into() });
        let second = Duration::from_secs(1);
        check(query(), &[], &[Cause::RowsWritten]);
        check(QueryReport { records: 0, rows_read: 0, any_passed: false, ..query() }, &[], &[Cause::NoInput]);
        check(QueryReport { records: 0, rows_read: 0, behind: Some(3), ..query() }, &[], &[Cause::Behind]);
        check(
            QueryReport { left_out: 10, rows_read: 0, last_left_out: incident(), ..query() },
            &[],
            &[Cause::DoesNotParse],
        );
        let waits = QueryReport { records: 0, behind: Some(3), waits_for: Some("why".into()), ..query() };
        check(waits, &[], &[Cause::DoesNotParse]);
        let open = QueryReport { window_end: Some(NOW + second), open_windows: 1, ..query() };
        check(QueryReport { any_passed: false, ..open.clone() }, &[], &[Cause::FilterRejectsAll]);
        check(open.clone(), &[], &[Cause::WindowOpen]);
        let held =
            QueryReport { window_end: Some(NOW - second), watermark: Some(NOW - HELD_MIN - second), ..open.clone() };
        check(held.clone(), &[], &[Cause::IdleShard]);
        check(QueryReport { watermark: Some(NOW - second), ..held }, &[], &[Cause::RowsWritten]);
        check(QueryReport { expired: 1, ..query() }, &[], &[Cause::Expired]);
        check(QueryReport { running: false, last_error: incident(), ..query() }, &[], &[Cause::QueryFailing]);
        check(QueryReport { running: false, state: FlowState::Paused, ..query() }, &[], &[Cause::QueryPaused]);
        check(
            QueryReport { restarts: 2, last_error: incident(), ..open },
            &[],
            &[Cause::QueryFailing, Cause::WindowOpen],
        );
        let failing = DeliveryReport { last_error: incident(), state: FlowState::Retrying, ..delivery() };
        check(query(), std::slice::from_ref(&failing), &[Cause::SinkFailing]);
        check(query(), &[DeliveryReport { running: false, ..delivery() }], &[Cause::SinkFailing]);
        let elsewhere = DeliveryReport { source: StreamName::new("else").expect("a name"), ..failing };
        check(query(), &[elsewhere, delivery()], &[Cause::RowsWritten]);
    }
}

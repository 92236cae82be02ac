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

/// The reasons, the one that matters most first; never none. `deliveries` may be those of the whole
/// server.
pub fn explain(query: &QueryReport, deliveries: &[DeliveryReport], now: Timestamp) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |code, what: String, fix: String| reasons.push(Reason { code, what, fix });
    let (source, output) = (&query.source, &query.output);
    let resume = format!("gallop query resume {}", query.query);
    if query.state == FlowState::Paused {
        add(Cause::QueryPaused, format!("the query was paused at {}", query.since), resume);
    } else if !query.running {
        let why = query.last_error.as_ref().map_or(String::new(), |error| format!(": {}", error.message));
        add(
            Cause::QueryFailing,
            format!("the query fails repeatedly{why}"),
            format!("fix the cause, then restart the query: {resume}"),
        );
    } else if let Some(error) = query.last_error.as_ref().filter(|_| query.restarts > 0) {
        let what =
            format!("the query has failed and restarted {} times; the last error: {}", query.restarts, error.message);
        add(Cause::QueryFailing, what, "look at the server's log for `query failed`".into());
    }
    if query.records == 0 {
        match query.behind {
            Some(behind) if behind > 0 => {
                add(Cause::Behind, format!("{behind} records of `{source}` have not been read yet"), "wait".into());
            }
            _ => add(
                Cause::NoInput,
                format!("no record has arrived in `{source}` since the query started"),
                format!(
                    "put one: gallop put {source} --key-field NAME; or start a query under a new name with old records: start = \"trim-horizon\""
                ),
            ),
        }
    }
    if let Some(unfit) = &query.last_left_out {
        let what = format!(
            "the query cannot read {} of {} records; the last reason: {}",
            query.left_out, query.records, unfit.message
        );
        add(Cause::DoesNotParse, what, format!("look at them: gallop tap {source} --from oldest --limit 5"));
    }
    if query.rows_read > 0 && !query.any_passed {
        let what = format!("none of {} rows has passed WHERE", query.rows_read);
        add(Cause::FilterRejectsAll, what, format!("compare it with the records: gallop tap {source} --limit 5"));
    } else if let Some(end) = query.window_end {
        if now < end {
            let left = end.since(now).as_secs_f64();
            let what = format!("the first of {} open windows ends at {end}, in {left:.1} s", query.open_windows);
            add(Cause::WindowOpen, what, "wait: rows are written when a window ends".into());
        } else if query.watermark.is_none_or(|watermark| watermark + HELD_MIN < now) {
            let what = match query.watermark {
                Some(watermark) => {
                    format!("a window ended at {end}, but a shard may still receive records from {watermark} on")
                }
                None => format!("a window ended at {end}, but a shard may still receive earlier records"),
            };
            add(
                Cause::IdleShard,
                what,
                format!("check its shards: gallop stream describe {source}; on Kafka, check the brokers"),
            );
        }
    }
    if query.expired > 0 {
        let what = format!("{} records expired before the query read them", query.expired);
        add(Cause::Expired, what, format!("keep records for longer: gallop stream retention {source} HOURS"));
    }
    for delivery in deliveries.iter().filter(|delivery| delivery.source == *output) {
        let failing = delivery.last_error.as_ref().filter(|_| delivery.state != FlowState::Running);
        if let Some(error) = failing {
            let what = format!("delivery `{}` to {} fails: {}", delivery.name, delivery.destination, error.message);
            add(
                Cause::SinkFailing,
                what,
                format!("rows wait in `{output}`; see gallop delivery show {}", delivery.name),
            );
        } else if !delivery.running {
            let what =
                format!("delivery `{}` to {} is {}", delivery.name, delivery.destination, delivery.state.as_str());
            add(Cause::SinkFailing, what, format!("start it: gallop delivery resume {}", delivery.name));
        }
    }
    if reasons.is_empty() {
        let what = format!("{} rows were written to `{output}`", query.rows);
        reasons.push(Reason {
            code: Cause::RowsWritten,
            what,
            fix: format!("look at them: gallop tap {output} --from oldest"),
        });
    }
    reasons
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

//! What continuous queries know of themselves, taken over at every scrape.

use analytics::continuous::status::QueryStatus;
use model::clock::Timestamp;
use model::flow::report::Standing;
use prometheus::{GaugeVec, IntCounterVec};

use super::families::{Families, Shown, as_gauge, follow};

/// Figures of queries. They are as many as there are.
#[derive(Debug)]
pub(crate) struct Queries {
    records: IntCounterVec,
    rows: IntCounterVec,
    left_out: IntCounterVec,
    lost: IntCounterVec,
    deleted: IntCounterVec,
    watermark: GaugeVec,
    lag: GaugeVec,
    restarts: IntCounterVec,
    running: GaugeVec,
    behind: GaugeVec,
    shown: Shown,
}

impl Queries {
    pub(crate) fn new(families: &mut Families) -> Self {
        let by = &["query"];
        Queries {
            records: families.counter(
                "gallop_query_records_total",
                by,
                "Records read since the query first started, up to its last checkpoint.",
            ),
            rows: families.counter("gallop_query_rows_total", by, "Rows written, counted likewise."),
            left_out: families.counter(
                "gallop_query_left_out_records_total",
                by,
                "Records or rows that it could not use, counted likewise.",
            ),
            lost: families.counter(
                "gallop_query_lost_records_total",
                by,
                "Records lost to damage before they were read, since the server started; an upper bound.",
            ),
            deleted: families.counter(
                "gallop_query_deleted_records_total",
                by,
                "Records that were deleted with their stream before the query read them.",
            ),
            watermark: families.gauge(
                "gallop_query_watermark_timestamp_seconds",
                by,
                "No record that arrived earlier is still expected.",
            ),
            lag: families.gauge(
                "gallop_query_lag_seconds",
                by,
                "How long the first open window is overdue; 0 if none is.",
            ),
            restarts: families.counter("gallop_query_restarts_total", by, "Restarts after a failure."),
            running: families.gauge(
                "gallop_query_running",
                by,
                "1 while the query runs, 0 while it is failed or paused.",
            ),
            behind: families.gauge(
                "gallop_query_behind_records",
                by,
                "Records in the source after its checkpoint; absent where counting costs too much.",
            ),
            shown: Shown::default(),
        }
    }

    /// Takes over what all queries say. One that is gone is shown no more.
    pub(crate) fn refresh(&self, now: Timestamp, queries: &[(Standing, QueryStatus, Option<u64>)]) {
        for name in self.shown.gone(queries.iter().map(|(standing, ..)| standing.name.as_str())) {
            let by = [name.as_str()];
            for counter in [&self.records, &self.rows, &self.left_out, &self.lost, &self.deleted, &self.restarts] {
                drop(counter.remove_label_values(&by));
            }
            for gauge in [&self.watermark, &self.lag, &self.running, &self.behind] {
                drop(gauge.remove_label_values(&by));
            }
        }
        for (standing, status, behind) in queries {
            let by = [standing.name.as_str()];
            follow(&self.records, &by, status.records);
            follow(&self.rows, &by, status.rows);
            follow(&self.left_out, &by, status.left_out);
            follow(&self.lost, &by, status.lost);
            follow(&self.deleted, &by, status.deleted);
            follow(&self.restarts, &by, standing.restarts);
            if let Some(watermark) = status.watermark {
                self.watermark.with_label_values(&by).set(watermark.as_millis() as f64 / 1000.0);
            }
            let late = status.window_end.map_or(0.0, |end| now.since(end).as_secs_f64());
            self.lag.with_label_values(&by).set(late);
            self.running.with_label_values(&by).set(as_gauge(standing.state.is_active()));
            if let Some(behind) = behind {
                self.behind.with_label_values(&by).set(*behind as f64);
            }
        }
    }
}

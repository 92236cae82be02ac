//! What the embedded log is like, looked at with every scrape.

use std::collections::BTreeSet;
use std::sync::Mutex;

use ingest::log::status::StreamStatus;
use prometheus::GaugeVec;

use super::families::{Families, OTHER, as_gauge};
use super::stream_meters::STREAMS_MAX;

/// Asks for the streams' logs.
pub(crate) type LogStatuses = Box<dyn Fn() -> Vec<StreamStatus> + Send + Sync>;

/// Figures of the embedded log; those of streams beyond [`STREAMS_MAX`] are added up as [`OTHER`].
pub(crate) struct Logs {
    segments: GaugeVec,
    bytes: GaugeVec,
    open_shards: GaugeVec,
    halted: GaugeVec,
    lost: GaugeVec,
    damaged: GaugeVec,
    watched: Mutex<Option<LogStatuses>>,
    /// Labels that had figures the last time.
    shown: Mutex<BTreeSet<String>>,
}

impl Logs {
    pub(crate) fn new(families: &mut Families) -> Self {
        let by = &["stream"];
        Logs {
            segments: families.gauge("gallop_log_segments", by, "Segments of the stream's log."),
            bytes: families.gauge("gallop_log_size_bytes", by, "Bytes in them."),
            open_shards: families.gauge("gallop_log_open_shards", by, "Open shards."),
            halted: families.gauge(
                "gallop_log_halted",
                by,
                "1 if the stream accepts no records until the next start, or could not be opened.",
            ),
            lost: families.gauge(
                "gallop_log_lost_records",
                by,
                "Records that `gallop repair` has given up in segments that are kept; an upper bound.",
            ),
            damaged: families.gauge(
                "gallop_log_damaged_segments",
                by,
                "Segments in which a reader or the daily check has found damage since the start.",
            ),
            watched: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    /// Shows the streams of a log from now on.
    pub(crate) fn watch(&self, statuses: LogStatuses) {
        *self.watched.lock().expect("no holder of the lock panics") = Some(statuses);
    }

    pub(crate) fn refresh(&self) {
        let watched = self.watched.lock().expect("no holder of the lock panics");
        let statuses = watched.as_ref().map(|statuses| statuses()).unwrap_or_default();
        let families = [&self.segments, &self.bytes, &self.open_shards, &self.halted, &self.lost, &self.damaged];
        if statuses.len() > STREAMS_MAX {
            families.iter().for_each(|family| family.with_label_values(&[OTHER]).set(0.0));
        }
        let mut here = BTreeSet::new();
        for (number, status) in statuses.iter().enumerate() {
            let figures = [
                status.segments as f64,
                status.bytes as f64,
                status.open_shards as f64,
                as_gauge(status.halted),
                status.lost_records as f64,
                status.damaged.len() as f64,
            ];
            let label = if number < STREAMS_MAX { status.name.as_str() } else { OTHER };
            for (family, figure) in families.iter().zip(figures) {
                let gauge = family.with_label_values(&[label]);
                if number < STREAMS_MAX { gauge.set(figure) } else { gauge.add(figure) }
            }
            here.insert(label.to_owned());
        }
        let mut shown = self.shown.lock().expect("no holder of the lock panics");
        for gone in shown.difference(&here) {
            for family in families {
                // It was there the last time.
                let _ = family.remove_label_values(&[gone]);
            }
        }
        *shown = here;
    }
}

//! Figures of streams: what is put, committed and read, and what fails.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use model::name::StreamName;
use model::stream::record::Appended;
use model::stream::store::{AppendError, StreamError};
use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::families::{Families, NONE, OTHER};

/// Streams that are told apart; all further ones are counted together as [`OTHER`].
pub(crate) const STREAMS_MAX: usize = 1000;

/// Who reads a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Clients of the Kinesis API.
    Api,
    /// Continuous queries.
    Query,
    /// Deliveries.
    Delivery,
    /// Ad hoc SQL.
    Sql,
}

impl Reader {
    const ALL: [Reader; 4] = [Reader::Api, Reader::Query, Reader::Delivery, Reader::Sql];

    fn label(self) -> &'static str {
        match self {
            Reader::Api => "api",
            Reader::Query => "query",
            Reader::Delivery => "delivery",
            Reader::Sql => "sql",
        }
    }
}

/// Why calls fail on this side.
const CAUSES: [&str; 5] = ["damaged", "disk_full", "io", "key", "stopped"];

/// Which of [`CAUSES`] an error is, if any: what a caller got wrong, or lost a race for, is none.
fn cause(error: &StreamError) -> Option<&'static str> {
    match error {
        StreamError::Damaged { .. } => Some("damaged"),
        StreamError::DiskFull { .. } => Some("disk_full"),
        StreamError::Io { .. } => Some("io"),
        StreamError::KeyMissing { .. } | StreamError::KeyDiffers { .. } => Some("key"),
        StreamError::ReadOnly(_) => Some("read_only"),
        StreamError::Stopped { .. } => Some("stopped"),
        _ => None,
    }
}

/// Figures of all streams.
#[derive(Debug)]
pub(crate) struct StreamMeters {
    records: IntCounterVec,
    bytes: IntCounterVec,
    throttled: IntCounterVec,
    refused: IntCounterVec,
    commits: IntCounterVec,
    committed_records: IntCounterVec,
    read_records: IntCounterVec,
    read_bytes: IntCounterVec,
    failures: IntCounterVec,
    /// Of whichever stream: a histogram for each would be many series.
    pub(crate) append_seconds: Histogram,
    known: RwLock<HashMap<StreamName, Arc<StreamMeter>>>,
    other: OnceLock<Arc<StreamMeter>>,
}

/// Figures of one stream, at hand: nothing is looked up by label for a call.
#[derive(Debug)]
pub(crate) struct StreamMeter {
    records: IntCounter,
    bytes: IntCounter,
    throttled: IntCounter,
    refused: IntCounter,
    commits: IntCounter,
    committed_records: IntCounter,
    /// Records and bytes, in the order of [`Reader::ALL`].
    reads: [(IntCounter, IntCounter); Reader::ALL.len()],
}

impl StreamMeters {
    pub(crate) fn new(families: &mut Families) -> Self {
        let by = &["stream"];
        let append_seconds = families.seconds(
            "gallop_stream_append_duration_seconds",
            &[],
            "Time until a batch is durable, including waiting.",
        );
        let mut counter = |name, labels, help| families.counter(name, labels, help);
        StreamMeters {
            records: counter("gallop_stream_records_total", by, "Records put and acknowledged."),
            bytes: counter("gallop_stream_bytes_total", by, "Bytes of data and keys of those records."),
            throttled: counter(
                "gallop_stream_throttled_records_total",
                by,
                "Records throttled: too much is waiting, or a shard's quota is used up.",
            ),
            refused: counter(
                "gallop_stream_refused_records_total",
                by,
                "Records rejected for another reason, such as their size.",
            ),
            commits: counter(
                "gallop_stream_commits_total",
                by,
                "Checkpoints that consumers have committed to the stream.",
            ),
            committed_records: counter(
                "gallop_stream_committed_records_total",
                by,
                "Rows of continuous queries, committed with their checkpoint.",
            ),
            read_records: counter("gallop_stream_read_records_total", &["stream", "reader"], "Records read."),
            read_bytes: counter(
                "gallop_stream_read_bytes_total",
                &["stream", "reader"],
                "Bytes of data and keys of those records.",
            ),
            failures: counter(
                "gallop_stream_failures_total",
                &["stream", "cause"],
                "Calls that the server failed: the disk is full or broken, the stream has stopped, bytes are damaged, a key is missing.",
            ),
            append_seconds: append_seconds.with_label_values(&NONE),
            known: RwLock::default(),
            other: OnceLock::new(),
        }
    }

    /// The figures of a stream.
    pub(crate) fn of(&self, stream: &StreamName) -> Arc<StreamMeter> {
        if let Some(meter) = self.known.read().expect("no holder of the lock panics").get(stream) {
            return Arc::clone(meter);
        }
        let mut known = self.known.write().expect("no holder of the lock panics");
        if known.len() >= STREAMS_MAX && !known.contains_key(stream) {
            return Arc::clone(self.other.get_or_init(|| Arc::new(self.meter(OTHER))));
        }
        Arc::clone(known.entry(stream.clone()).or_insert_with(|| Arc::new(self.meter(stream.as_str()))))
    }

    fn meter(&self, label: &str) -> StreamMeter {
        let of = |family: &IntCounterVec| family.with_label_values(&[label]);
        StreamMeter {
            records: of(&self.records),
            bytes: of(&self.bytes),
            throttled: of(&self.throttled),
            refused: of(&self.refused),
            commits: of(&self.commits),
            committed_records: of(&self.committed_records),
            reads: Reader::ALL.map(|reader| {
                let labels = [label, reader.label()];
                (self.read_records.with_label_values(&labels), self.read_bytes.with_label_values(&labels))
            }),
        }
    }

    /// A call on a stream failed; `records` were to be put.
    pub(crate) fn failed(&self, stream: &StreamName, records: usize, error: &StreamError) {
        if let StreamError::Throttled(_) = error {
            self.of(stream).throttled.inc_by(records as u64);
        }
        let Some(cause) = cause(error) else { return };
        self.of(stream);
        let known = self.known.read().expect("no holder of the lock panics").contains_key(stream);
        self.failures.with_label_values(&[if known { stream.as_str() } else { OTHER }, cause]).inc();
    }

    /// A stream that is gone has no figures: else there were ever more of them.
    pub(crate) fn forget(&self, stream: &StreamName) {
        if self.known.write().expect("no holder of the lock panics").remove(stream).is_none() {
            return;
        }
        let label = stream.as_str();
        // What was never counted cannot be removed, and need not be.
        for family in
            [&self.records, &self.bytes, &self.throttled, &self.refused, &self.commits, &self.committed_records]
        {
            let _ = family.remove_label_values(&[label]);
        }
        for reader in Reader::ALL {
            let _ = self.read_records.remove_label_values(&[label, reader.label()]);
            let _ = self.read_bytes.remove_label_values(&[label, reader.label()]);
        }
        for cause in CAUSES {
            let _ = self.failures.remove_label_values(&[label, cause]);
        }
    }
}

impl StreamMeter {
    /// A batch whose records have `sizes` was answered.
    pub(crate) fn appended(&self, sizes: &[usize], results: &[Result<Appended, AppendError>]) {
        let (mut kept, mut bytes, mut throttled, mut refused) = (0, 0, 0, 0);
        for (size, result) in sizes.iter().zip(results) {
            match result {
                Ok(_) => (kept, bytes) = (kept + 1, bytes + *size as u64),
                Err(AppendError::Throttled { .. }) => throttled += 1,
                Err(_) => refused += 1,
            }
        }
        for (counter, count) in
            [(&self.records, kept), (&self.bytes, bytes), (&self.throttled, throttled), (&self.refused, refused)]
        {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }

    /// So many records of so many bytes in all were appended as one run, but for those refused, given with their bytes.
    pub(crate) fn appended_run(&self, records: usize, bytes: usize, refused: &[(usize, &AppendError)]) {
        let refused_bytes: usize = refused.iter().map(|(bytes, _)| bytes).sum();
        let throttled = refused.iter().filter(|(_, why)| matches!(why, AppendError::Throttled { .. })).count();
        self.records.inc_by((records - refused.len()) as u64);
        self.bytes.inc_by((bytes - refused_bytes) as u64);
        self.throttled.inc_by(throttled as u64);
        self.refused.inc_by((refused.len() - throttled) as u64);
    }

    /// A checkpoint was kept, with `outputs` records.
    pub(crate) fn committed(&self, outputs: usize) {
        self.commits.inc();
        self.committed_records.inc_by(outputs as u64);
    }

    /// `records` of `bytes` in all were read.
    pub(crate) fn read(&self, reader: Reader, records: usize, bytes: usize) {
        let (of_records, of_bytes) = &self.reads[reader as usize];
        of_records.inc_by(records as u64);
        of_bytes.inc_by(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn streams_without_end_share_one_name_until_others_go() {
        let mut families = Families::default();
        let meters = StreamMeters::new(&mut families);
        let stream = |n: usize| StreamName::new(&format!("stream-{n}")).expect("a valid name");
        let text = |families: &Families| {
            TextEncoder::new().encode_to_string(&families.registry.gather()).expect("memory takes everything")
        };
        for n in 0..STREAMS_MAX + 5 {
            meters.of(&stream(n)).committed(1);
            meters.failed(&stream(n), 1, &StreamError::DiskFull { stream: stream(n), doing: String::new() });
        }
        let full = text(&families);
        assert!(full.contains("gallop_stream_commits_total{stream=\"other\"} 5\n"), "{full}");
        assert!(full.contains("gallop_stream_failures_total{cause=\"disk_full\",stream=\"other\"} 5\n"), "{full}");
        assert_eq!(full.matches("gallop_stream_commits_total{").count(), STREAMS_MAX + 1);

        meters.forget(&stream(7));
        assert!(!text(&families).contains("\"stream-7\""), "a stream that is gone has no figures");
        meters.of(&stream(STREAMS_MAX)).committed(1);
        let again = text(&families);
        assert!(again.contains(&format!("gallop_stream_commits_total{{stream=\"stream-{STREAMS_MAX}\"}} 1\n")));
    }
}

//! All metrics of one server, and how they are written down.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::name::{ConsumerName, StreamName};
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use sinks::delivery::status::StatusHandle;

/// Streams that are told apart; records of further ones are counted under [`OTHER`].
const STREAMS_MAX: usize = 1000;
/// Stands for all that have no name of their own.
pub(crate) const OTHER: &str = "other";
/// Bounds of the times that requests take, in seconds.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Counts.
pub(crate) struct Metrics {
    registry: Registry,
    ready: IntGauge,
    pub(crate) requests: IntCounterVec,
    pub(crate) request_seconds: HistogramVec,
    records: IntCounterVec,
    bytes: IntCounterVec,
    refused: IntCounterVec,
    streams: Mutex<BTreeSet<StreamName>>,
    deliveries: Mutex<Vec<(ConsumerName, StatusHandle)>>,
    delivered: Delivered,
    query_running: IntGaugeVec,
    query_restarts: IntCounterVec,
}

/// What deliveries tell, by delivery.
struct Delivered {
    records: IntCounterVec,
    cuts: IntCounterVec,
    dead_letters: IntCounterVec,
    skipped: IntCounterVec,
    retries: IntCounterVec,
    lag: GaugeVec,
    running: IntGaugeVec,
}

/// What one call put into a stream.
pub(crate) struct Put {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) refused: u64,
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    let family = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

impl Delivered {
    fn registered(registry: &Registry) -> prometheus::Result<Delivered> {
        let by = &["delivery"];
        let lag =
            Opts::new("gallop_delivery_lag_seconds", "Age of the oldest record that was read and is not delivered.");
        let lag = GaugeVec::new(lag, by)?;
        registry.register(Box::new(lag.clone()))?;
        let counter = |name, help| counter(registry, name, help, by);
        Ok(Delivered {
            records: counter("gallop_delivery_records_total", "Records durable in the sink.")?,
            cuts: counter("gallop_delivery_cuts_total", "Cuts durable in the sink.")?,
            dead_letters: counter("gallop_delivery_dead_letters_total", "Records that the sink cannot take.")?,
            skipped: counter("gallop_delivery_skipped_records_total", "Records lost to retention.")?,
            retries: counter("gallop_delivery_retries_total", "Tries that failed.")?,
            running: gauge(registry, "gallop_delivery_running", "1 while the delivery runs.", by)?,
            lag,
        })
    }

    /// The delivery counts; counters here follow.
    fn take(&self, delivery: &str, status: &StatusHandle) {
        let (status, by) = (status.get(), [delivery]);
        for (family, now) in [
            (&self.records, status.delivered_records),
            (&self.cuts, status.delivered_cuts),
            (&self.dead_letters, status.dead_letters),
            (&self.skipped, status.skipped),
            (&self.retries, status.retries),
        ] {
            let counter = family.with_label_values(&by);
            counter.inc_by(now.saturating_sub(counter.get()));
        }
        self.lag.with_label_values(&by).set(Duration::from_millis(status.lag_millis).as_secs_f64());
        self.running.with_label_values(&by).set(status.running.into());
    }
}

impl Metrics {
    /// All metrics at zero.
    pub(crate) fn new() -> Arc<Metrics> {
        Arc::new(Metrics::registered().expect("names are valid, and each is registered once"))
    }

    fn registered() -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        let seconds = HistogramOpts::new("gallop_http_request_duration_seconds", "Time until an answer begins.");
        let request_seconds = HistogramVec::new(seconds.buckets(SECONDS.to_vec()), &["operation"])?;
        registry.register(Box::new(request_seconds.clone()))?;
        let ready = IntGauge::new("gallop_ready", "1 while the server takes calls, 0 once it is told to stop.")?;
        registry.register(Box::new(ready.clone()))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let info = gauge(&registry, "gallop_build_info", "Always 1; says which version runs.", &["version"])?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let counter = |name, help, by| counter(&registry, name, help, by);
        Ok(Metrics {
            ready,
            requests: counter("gallop_http_requests_total", "Requests answered.", &["operation", "status"])?,
            request_seconds,
            records: counter("gallop_stream_records_total", "Records put and acknowledged.", &["stream"])?,
            bytes: counter("gallop_stream_bytes_total", "Bytes of data put and acknowledged.", &["stream"])?,
            refused: counter("gallop_stream_refused_records_total", "Records that were throttled.", &["stream"])?,
            streams: Mutex::default(),
            deliveries: Mutex::default(),
            delivered: Delivered::registered(&registry)?,
            query_running: gauge(&registry, "gallop_query_running", "1 while the query runs.", &["query"])?,
            query_restarts: counter("gallop_query_restarts_total", "Starts after a failure.", &["query"])?,
            registry,
        })
    }

    /// Counts what was put into a stream.
    pub(crate) fn put(&self, stream: &StreamName, put: &Put) {
        let by = [self.label_of(stream)];
        self.records.with_label_values(&by).inc_by(put.records);
        self.bytes.with_label_values(&by).inc_by(put.bytes);
        self.refused.with_label_values(&by).inc_by(put.refused);
    }

    fn label_of<'a>(&self, stream: &'a StreamName) -> &'a str {
        let mut streams = self.streams.lock().expect("no holder of the lock panics");
        if !streams.contains(stream) {
            if streams.len() >= STREAMS_MAX {
                return OTHER;
            }
            streams.insert(stream.clone());
        }
        stream.as_str()
    }

    /// Asks a delivery at every scrape.
    pub(crate) fn watch_delivery(&self, name: ConsumerName, status: StatusHandle) {
        self.deliveries.lock().expect("no holder of the lock panics").push((name, status));
    }

    /// A query runs, or does not any more.
    pub(crate) fn query_running(&self, query: &str, running: bool) {
        self.query_running.with_label_values(&[query]).set(running.into());
    }

    /// A query starts again after a failure.
    pub(crate) fn query_restarts(&self, query: &str) {
        self.query_restarts.with_label_values(&[query]).inc();
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn text(&self, ready: bool) -> String {
        self.ready.set(ready.into());
        for (name, status) in &*self.deliveries.lock().expect("no holder of the lock panics") {
            self.delivered.take(name.as_str(), status);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("memory takes everything")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_without_end_share_one_name() {
        let metrics = Metrics::new();
        for n in 0..STREAMS_MAX + 5 {
            let stream = StreamName::new(&format!("stream-{n}")).expect("a valid name");
            metrics.put(&stream, &Put { records: 1, bytes: 10, refused: 0 });
        }
        let text = metrics.text(true);
        assert!(text.contains("gallop_stream_records_total{stream=\"other\"} 5\n"), "{text}");
        assert_eq!(text.matches("gallop_stream_records_total{").count(), STREAMS_MAX + 1);
    }
}

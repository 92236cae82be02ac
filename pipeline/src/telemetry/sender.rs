//! The queue before a collector, and its thread: not there before the process has given up its privileges.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};

/// A batch processor that begins later. Spans that end before are dropped. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sender(Arc<OnceLock<BatchSpanProcessor>>);

impl Sender {
    /// Starts the thread. Only the first call counts.
    pub(crate) fn begin(&self, exporter: SpanExporter, resource: &Resource) {
        self.0.get_or_init(|| {
            let mut processor = BatchSpanProcessor::builder(exporter).build();
            processor.set_resource(resource);
            processor
        });
    }
}

impl SpanProcessor for Sender {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if let Some(processor) = self.0.get() {
            processor.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.get().map_or(Ok(()), SpanProcessor::force_flush)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.get().map_or(Ok(()), |processor| processor.shutdown_with_timeout(timeout))
    }
}

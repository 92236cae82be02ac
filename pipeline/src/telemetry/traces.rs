//! Traces: spans of requests and of what they ask the backends for, sent to an OpenTelemetry
//! collector. Off unless one is named.
//!
//! ```text
//! spans ──▶ sampled? ──▶ queue of 2,048 ──▶ a thread: 512 at a time, every 5 s ──▶ POST, OTLP in protobuf
//!                        full: dropped
//! ```
//!
//! No request waits for a collector. The bounds are those of OpenTelemetry's variables
//! (`OTEL_BSP_*`).

use std::time::Duration;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::warn;

use super::export_client::ExportClient;
use super::sender::Sender;
use crate::config::server::telemetry::TracesOptions;

/// How long the end waits for spans that are not sent yet.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// What makes spans, and sends them.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    sender: Sender,
    resource: Resource,
    endpoint: String,
}

impl Traces {
    /// Makes spans, and sends none before [`Traces::send`]: sending takes a thread.
    pub(crate) fn new(options: TracesOptions) -> Traces {
        let mut resource = Resource::builder();
        if let Some(name) = options.service_name {
            resource = resource.with_service_name(name);
        }
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        let sender = Sender::default();
        let mut provider = SdkTracerProvider::builder().with_span_processor(sender.clone());
        if let Some(ratio) = options.sample_ratio {
            let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
            provider = provider.with_sampler(sampler);
        }
        let provider = provider.with_resource(resource.clone()).build();
        Traces { provider, sender, resource, endpoint: options.endpoint }
    }

    /// Sends to the collector from now on, over the runtime that this is called on. Error: a
    /// variable of OpenTelemetry's asks for what there is not.
    pub(crate) fn send(&self) -> anyhow::Result<()> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(ExportClient::new()?)
            .with_endpoint(&self.endpoint)
            .with_protocol(Protocol::HttpBinary)
            .build()
            .with_context(|| format!("traces cannot be sent to {}", self.endpoint))?;
        self.sender.begin(exporter, &self.resource);
        Ok(())
    }

    /// What makes spans.
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("gallop")
    }

    /// Sends what is not sent yet, as far as there is time.
    pub(crate) async fn end(self) {
        let flushed = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH_MAX)).await;
        match flushed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the last traces were not sent"),
            Err(error) => warn!(%error, "the last traces were not sent"),
        }
    }
}

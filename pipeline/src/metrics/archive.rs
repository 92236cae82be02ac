//! Counts what passes through the seam of the archive.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use model::archive::store::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};
use prometheus::{HistogramVec, IntCounterVec};
use tracing::Instrument;

use super::families::{Families, NONE};
use crate::telemetry::spans;

/// Figures of the archive.
#[derive(Debug)]
pub(crate) struct ArchiveMeters {
    puts: IntCounterVec,
    put_bytes: IntCounterVec,
    seconds: HistogramVec,
    failures: IntCounterVec,
}

impl ArchiveMeters {
    pub(crate) fn new(families: &mut Families) -> Self {
        ArchiveMeters {
            puts: families.counter(
                "gallop_archive_puts_total",
                &["outcome"],
                "Objects put: created, or already present because a put was retried.",
            ),
            put_bytes: families.counter("gallop_archive_put_bytes_total", &[], "Bytes of objects that were created."),
            seconds: families.seconds(
                "gallop_archive_request_duration_seconds",
                &["operation"],
                "Latency of the archive's backend.",
            ),
            failures: families.counter(
                "gallop_archive_failures_total",
                &["operation"],
                "Calls that failed or did not reach the backend; deliveries retry them.",
            ),
        }
    }
}

/// An archive whose calls are counted.
pub(crate) struct CountedArchive {
    inner: Arc<dyn Archive>,
    meters: Arc<ArchiveMeters>,
}

impl CountedArchive {
    pub(crate) fn new(inner: Arc<dyn Archive>, meters: Arc<ArchiveMeters>) -> Self {
        CountedArchive { inner, meters }
    }

    async fn timed<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ArchiveError>>,
    ) -> Result<T, ArchiveError> {
        let begin = Instant::now();
        let span = spans::archive(operation);
        let result = call.instrument(span.clone()).await;
        spans::note(&span, &result);
        self.meters.seconds.with_label_values(&[operation]).observe(begin.elapsed().as_secs_f64());
        match &result {
            Ok(_) | Err(ArchiveError::NotFound(_) | ArchiveError::InvalidRange { .. }) => {}
            Err(_) => self.meters.failures.with_label_values(&[operation]).inc(),
        }
        result
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Archive for CountedArchive {
    async fn put_if_absent(&self, name: &ObjectName, body: Bytes) -> Result<PutOutcome, ArchiveError> {
        let bytes = body.len() as u64;
        let outcome = self.timed("put", self.inner.put_if_absent(name, body)).await?;
        let label = match outcome {
            PutOutcome::Created => "created",
            PutOutcome::AlreadyThere => "already_there",
        };
        self.meters.puts.with_label_values(&[label]).inc();
        if outcome == PutOutcome::Created {
            self.meters.put_bytes.with_label_values(&NONE).inc_by(bytes);
        }
        Ok(outcome)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, ArchiveError> {
        self.timed("list", self.inner.list(prefix)).await
    }

    async fn folders(&self) -> Result<Vec<String>, ArchiveError> {
        self.timed("list", self.inner.folders()).await
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Bytes, ArchiveError> {
        self.timed("get", self.inner.get(name, range)).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError> {
        self.timed("delete", self.inner.delete(name)).await
    }
}

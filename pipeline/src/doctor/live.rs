//! What a running server can check beside its work, for `GET /v1/doctor`. What takes the disk or
//! the log is left to `gallop doctor`; the machine and the files are looked at once in
//! [`LOOK_INTERVAL`], workers each time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::clock::{Clock, SystemClock};
use model::doctor::{Diagnosis, Doctor, Finding};
use model::flow::report::Flows;
use tokio::sync::Mutex;

use crate::doctor::host::{folder, machine};
use crate::doctor::{flows, settings, streams};
use crate::streams::Streams;

/// How long an answer is given again.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// What is checked.
pub(crate) struct Live {
    /// The folder for everything that is kept.
    pub(crate) data: PathBuf,
    /// Files that nobody else should read.
    pub(crate) secrets: Vec<PathBuf>,
    /// The certificate, if there is one.
    pub(crate) certificate: Option<PathBuf>,
    /// The streams, of which some may be damaged.
    pub(crate) streams: Streams,
    /// Whether the data folder takes no writes.
    pub(crate) is_read_only: bool,
    /// What the supervisor reports.
    pub(crate) flows: Arc<dyn Flows>,
}

/// Checks a running server, and keeps the last answer.
pub(crate) struct Looks {
    live: Arc<Live>,
    last: Mutex<Option<(Instant, Diagnosis)>>,
}

impl Looks {
    /// Has not looked yet.
    pub(crate) fn new(live: Live) -> Self {
        Looks { live: Arc::new(live), last: Mutex::default() }
    }

    /// What the last look at machine and files found, or a new one.
    async fn of_the_machine(&self) -> Diagnosis {
        // Callers meanwhile wait for the same look.
        let mut last = self.last.lock().await;
        if let Some((at, diagnosis)) = &*last
            && at.elapsed() < LOOK_INTERVAL
        {
            return diagnosis.clone();
        }
        let live = Arc::clone(&self.live);
        let findings = tokio::task::spawn_blocking(move || look(&live)).await.unwrap_or_default();
        let diagnosis = Diagnosis { looked_at: SystemClock.now(), findings };
        *last = Some((Instant::now(), diagnosis.clone()));
        diagnosis
    }
}

#[async_trait]
impl Doctor for Looks {
    async fn diagnose(&self) -> Diagnosis {
        let Diagnosis { looked_at, mut findings } = self.of_the_machine().await;
        findings.push(folder::changes(self.live.is_read_only));
        findings.push(streams::damage(&self.live.streams.statuses(), &self.live.data));
        let flows = &self.live.flows;
        let (queries, deliveries) = (flows.queries().await, flows.deliveries().await);
        findings.extend(flows::judge(&flows.standings(), &queries, &deliveries, SystemClock.now()));
        Diagnosis { looked_at, findings }
    }
}

fn look(live: &Live) -> Vec<Finding> {
    let mut findings = machine::look();
    findings.extend(folder::glance(&live.data));
    findings.push(folder::secrets(&live.secrets));
    findings.push(settings::certificate(live.certificate.as_deref()));
    findings
}

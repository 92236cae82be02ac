//! Opens the streams where the settings say they stand.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
#[cfg(feature = "kafka")]
use ingest::kafka::store::KafkaStore;
use ingest::log::frames::key::KeyRing;
use ingest::log::read::scrub::{ScrubPart, ScrubPosition};
use ingest::log::status::StreamStatus;
use ingest::log::store::LogStore;
use model::disk::Disk;
use model::name::StreamName;
use model::stream::store::{StreamError, StreamStore};

use crate::config::file::Config;
use crate::holder;
use crate::machine::Machine;
use crate::metrics::registry::Metrics;

/// The file by which a process keeps others out of the streams' folder.
pub(crate) const LOCK_NAME: &str = "~lock";

/// The open streams. Clones share them.
#[derive(Clone)]
pub(crate) enum Streams {
    /// On this machine's disk.
    Log(LogStore),
    /// On a Kafka cluster.
    #[cfg(feature = "kafka")]
    Kafka(KafkaStore),
}

/// A log store on `machine`, whose files are on `disk`.
pub(crate) async fn open_log(
    machine: &Machine,
    folder: &Path,
    disk: Arc<dyn Disk>,
    keys: KeyRing,
) -> Result<LogStore, StreamError> {
    let Machine { clock, reads, log, .. } = machine;
    LogStore::open_reading_on(reads.clone(), Arc::clone(clock), disk, keys, folder, *log).await
}

impl Streams {
    /// `data` is the folder of everything that is kept here, `folder` that of the settings. A log's writes are counted
    /// by `metrics`.
    pub(crate) async fn open(
        machine: &Machine,
        data: &Path,
        folder: &Path,
        config: &Config,
        metrics: &Metrics,
    ) -> anyhow::Result<Streams> {
        #[cfg(feature = "kafka")]
        if let Some(kafka) = &config.kafka {
            let store = KafkaStore::open(kafka.options()).await;
            let store = store.with_context(|| format!("the Kafka cluster at {} cannot be used", kafka.brokers))?;
            return Ok(Streams::Kafka(store));
        }
        let streams = data.join("streams");
        let log =
            open_log(machine, &streams, metrics.disk(Arc::clone(&machine.disk)), config.encryption.keys(folder)?).await;
        let log = log.map_err(|error| holder::of_data(data, &streams.join(LOCK_NAME), error.into()));
        let log = log.context("the streams cannot be opened")?;
        metrics.watch_log(log.clone());
        Ok(Streams::Log(log))
    }

    /// The seam.
    pub(crate) fn store(&self) -> Arc<dyn StreamStore> {
        match self {
            Streams::Log(log) => Arc::new(log.clone()),
            #[cfg(feature = "kafka")]
            Streams::Kafka(kafka) => Arc::new(kafka.clone()),
        }
    }

    /// What the logs on this machine's disk are like now. On Kafka there are none.
    pub(crate) fn statuses(&self) -> Vec<StreamStatus> {
        match self {
            Streams::Log(log) => log.statuses(),
            #[cfg(feature = "kafka")]
            Streams::Kafka(_) => Vec::new(),
        }
    }

    /// Removes checkpoints that nobody needs any more from the next segment on this machine; how many
    /// bytes that freed, if there was a segment to look at. Kafka compacts by itself.
    pub(crate) async fn compact(&self, stream: &StreamName) -> Result<Option<u64>, StreamError> {
        match self {
            Streams::Log(log) => log.compact(stream).await,
            #[cfg(feature = "kafka")]
            Streams::Kafka(_) => Ok(None),
        }
    }

    /// Verifies about `bytes` of what a stream keeps on this machine, from `at` on.
    pub(crate) async fn scrub(
        &self,
        stream: &StreamName,
        at: ScrubPosition,
        bytes: u64,
    ) -> Result<ScrubPart, StreamError> {
        match self {
            Streams::Log(log) => log.scrub(stream, at, bytes).await,
            #[cfg(feature = "kafka")]
            Streams::Kafka(_) => Ok(ScrubPart { bytes: 0, damage: None, next: None }),
        }
    }

    /// Refuses changes from now on, because this machine's disk takes none.
    pub(crate) async fn stop_writes(&self) {
        match self {
            Streams::Log(log) => log.stop_writes().await,
            #[cfg(feature = "kafka")]
            Streams::Kafka(_) => {}
        }
    }

    /// What is acknowledged is durable already; this ends what is on its way.
    pub(crate) async fn close(&self) {
        match self {
            Streams::Log(log) => log.close().await,
            #[cfg(feature = "kafka")]
            Streams::Kafka(kafka) => kafka.close().await,
        }
    }
}

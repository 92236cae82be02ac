//! Opens what the settings name behind each seam. Only this file, `streams` and `bucket` name backends.
//!
//! ```text
//! seam       on this machine            elsewhere
//! streams    log, in data/streams       Kafka          [kafka]
//! tables     redb, in data/tables.redb  DynamoDB       [dynamodb]
//! archive    files, in data/archive     a bucket       [s3]
//! SQL        processes of its own read streams and archive, wherever they stand
//! ```
//!
//! A service elsewhere that is out of reach at the start does not keep the server from starting: records are taken,
//! and delivered once it is back. One that refuses us for good does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use analytics::adhoc::archive::folder::AdhocArchive;
use analytics::adhoc::engine::{AdhocEngine, AdhocOptions};
use analytics::adhoc::limits::AdhocLimits;
use analytics::worker::engine::{WorkerArchive, WorkerEngine, WorkerOptions};
use anyhow::Context;
use model::archive::store::Archive;
use model::blocking::try_blocking;
use model::clock::Clock;
use model::disk::Disk;
use model::disk::overlay::OverlayDisk;
use model::folders;
use model::name::StreamName;
use model::query::engine::SqlEngine;
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use model::table::store::TableStore;
use sinks::archive::folder::FolderArchive;
use sinks::table::embedded::store::EmbeddedTables;
use tokio::runtime::Handle;
use tracing::info;

#[cfg(feature = "s3")]
use crate::bucket;
use crate::config::file::Config;
use crate::config::server::sql::SqlConfig;
use crate::holder;
use crate::machine::Machine;
use crate::metrics::registry::Metrics;
use crate::metrics::stream_meters::Reader;
use crate::read_only;
use crate::sql::launch::ProcessLauncher;
use crate::streams::Streams;

/// How long the start waits for a service elsewhere.
pub(crate) const START_WAIT_MAX: Duration = Duration::from_secs(5);

/// The seams, with the backends behind them.
#[derive(Clone)]
pub(crate) struct Backends {
    pub(crate) clock: Arc<dyn Clock>,
    /// Where the data folder is.
    pub(crate) disk: Arc<dyn Disk>,
    /// Seeds what is random.
    pub(crate) seed: Option<u64>,
    pub(crate) streams: Arc<dyn StreamStore>,
    pub(crate) tables: Arc<dyn TableStore>,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) sql: Arc<dyn SqlEngine>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) opened: Streams,
    /// What stands in for the disk, where it takes no writes.
    read_only: Option<OverlayDisk>,
}

impl Backends {
    /// Opens everything. `data` is the folder for what stands on this machine, `folder` the one that paths in the
    /// settings are relative to. Calls of the backends are counted by `metrics`.
    pub(crate) async fn open(
        data: &Path,
        folder: &Path,
        config: &Config,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Backends> {
        let mut machine = Machine::this();
        let elsewhere = config.kafka.is_some();
        let read_only = if elsewhere { None } else { read_only::stand_in(&machine.disk, data).await };
        if let Some(overlay) = &read_only {
            machine.disk = Arc::new(overlay.clone());
        }
        Ok(Backends { read_only, ..Backends::open_on(machine, data, folder, config, metrics).await? })
    }

    /// The same on `machine`.
    pub(crate) async fn open_on(
        machine: Machine,
        data: &Path,
        folder: &Path,
        config: &Config,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Backends> {
        folders::make(&*machine.disk, data).with_context(|| format!("folder {} cannot be created", data.display()))?;
        let opened = Streams::open(&machine, data, folder, config, &metrics).await?;
        let streams = opened.store();
        let tables = open_tables(&machine, data, config).await.context("the tables cannot be opened")?;
        let (archive, readable) = open_archive(&machine, data, config).await.context("the archive cannot be opened")?;
        let Machine { clock, disk, sql, seed, .. } = machine;
        let read = metrics.streams(&streams, Reader::Sql);
        let sql: Arc<dyn SqlEngine> = match sql {
            Some(runtime) => sql_in_process(runtime, Arc::clone(&archive), read)?,
            None => sql_in_processes(config, readable, read, &metrics),
        };
        let (tables, archive) = (metrics.tables(tables), metrics.archive(archive));
        metrics.watch_room(data.to_owned());
        Ok(Backends { clock, disk, seed, streams, tables, archive, sql, metrics, opened, read_only: None })
    }

    /// Whether nothing can be changed, because the data folder takes no writes.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only.is_some()
    }

    /// From now on changes are refused where nothing can be changed. What the start had to put right, it has put right
    /// in memory.
    pub(crate) async fn refuse_changes(&self) {
        if let Some(overlay) = &self.read_only {
            self.opened.stop_writes().await;
            overlay.seal();
        }
    }

    /// Creates a stream unless it is there.
    pub(crate) async fn create_stream(&self, name: &StreamName, options: StreamOptions) -> anyhow::Result<()> {
        match self.streams.create(name, options).await {
            Ok(_) => info!(stream = %name, "stream created"),
            // Naming it makes a topic of another producer a stream. What is wrong with one, its users are told.
            Err(StreamError::Exists(_)) => drop(self.streams.describe(name).await),
            // Whoever uses it is paused.
            Err(StreamError::ReadOnly(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Closes what must be closed; what was acknowledged is durable also without.
    pub(crate) async fn close(&self) {
        self.opened.close().await;
    }
}

#[cfg_attr(not(feature = "dynamodb"), expect(unused_variables, reason = "tables can be in one place only"))]
async fn open_tables(machine: &Machine, data: &Path, config: &Config) -> anyhow::Result<Arc<dyn TableStore>> {
    #[cfg(feature = "dynamodb")]
    if let Some(dynamodb) = &config.dynamodb {
        use sinks::table::dynamodb::DynamoTables;
        return Ok(Arc::new(DynamoTables::open(Arc::clone(&machine.clock), dynamodb.options(&config.tables)).await));
    }
    let (disk, file) = (Arc::clone(&machine.disk), data.join("tables.redb"));
    let opened = try_blocking({
        let file = file.clone();
        move || EmbeddedTables::open_on(disk, &file)
    });
    let opened = opened.await?.map_err(|error| holder::of_data(data, &file, error.into()));
    Ok(Arc::new(opened?))
}

/// The archive, and the same for SQL.
#[cfg_attr(not(feature = "s3"), expect(unused_variables, reason = "the archive can be in one place only"))]
async fn open_archive(
    machine: &Machine,
    data: &Path,
    config: &Config,
) -> anyhow::Result<(Arc<dyn Archive>, WorkerArchive)> {
    #[cfg(feature = "s3")]
    if let Some(s3) = &config.s3 {
        let archive = bucket::open(s3.options(), START_WAIT_MAX).await?;
        return Ok((Arc::clone(&archive), WorkerArchive::Objects(archive)));
    }
    let folder = std::path::absolute(data.join("archive"))?;
    let archive = FolderArchive::open_on(Arc::clone(&machine.disk), folder.clone())?;
    Ok((Arc::new(archive), WorkerArchive::Folder(folder)))
}

/// SQL over everything, in processes of its own.
fn sql_in_processes(
    config: &Config,
    archive: WorkerArchive,
    streams: Arc<dyn StreamStore>,
    metrics: &Metrics,
) -> Arc<dyn SqlEngine> {
    let limits = config.sql.limits();
    let launcher = Arc::new(ProcessLauncher::new(&limits, config.sql.process()));
    let options = WorkerOptions { archive: Some(archive), streams: Some(streams), limits, ahead: true };
    let sql = Arc::new(WorkerEngine::new(launcher, options));
    let figures = Arc::downgrade(&sql);
    metrics.watch_sql(move || figures.upgrade().map(|sql| sql.figures()).unwrap_or_default());
    sql
}

/// The same on a runtime of this process, for tests that hold everything in their hands.
fn sql_in_process(
    runtime: Handle,
    archive: Arc<dyn Archive>,
    streams: Arc<dyn StreamStore>,
) -> anyhow::Result<Arc<dyn SqlEngine>> {
    let archive = Some(AdhocArchive::Objects(archive, runtime.clone()));
    let limits = AdhocLimits { threads: 1, ..AdhocLimits::default() };
    let options =
        AdhocOptions { archive, streams: Some(streams), limits, runtime: Some(runtime), ..AdhocOptions::default() };
    Ok(Arc::new(AdhocEngine::new(options)?))
}

/// SQL over an archive alone, in processes with the same bounds as a server's; it is only read: a folder, or `s3://bucket/prefix` with what the SDK's variables and
/// profiles say of it.
#[cfg_attr(not(feature = "s3"), expect(unused_variables, reason = "profiles are for buckets"))]
pub(crate) async fn archive_engine(place: &str, profile: Option<&str>) -> anyhow::Result<Arc<dyn SqlEngine>> {
    let archive = match place.strip_prefix("s3://") {
        #[cfg(feature = "s3")]
        Some(place) => WorkerArchive::Objects(bucket::named(place, profile).await?),
        #[cfg(not(feature = "s3"))]
        Some(_) => anyhow::bail!("{place}: this gallop was built without S3; build it with `--features s3`"),
        None => {
            anyhow::ensure!(Path::new(place).is_dir(), "{place} is not a folder");
            WorkerArchive::Folder(place.into())
        }
    };
    let sql = SqlConfig::default();
    let launcher = Arc::new(ProcessLauncher::new(&sql.limits(), sql.process()));
    let options = WorkerOptions { archive: Some(archive), streams: None, limits: sql.limits(), ahead: false };
    Ok(Arc::new(WorkerEngine::new(launcher, options)))
}

//! Opens what the settings name behind each seam. Only this file and `streams` name backends.
//!
//! ```text
//! seam       on this machine            elsewhere
//! streams    log, in data/streams       Kafka          [kafka]
//! tables     redb, in data/tables.redb  DynamoDB       [dynamodb]
//! archive    files, in data/archive     a bucket       [s3]
//! SQL        reads streams and archive, wherever they stand
//! ```
//!
//! A service elsewhere that is out of reach at the start does not keep the server from starting: records are taken,
//! and delivered once it is back. One that refuses us for good does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use analytics::adhoc::archive_folder::AdhocArchive;
use analytics::adhoc::engine::{AdhocEngine, AdhocOptions};
use anyhow::{Context, bail};
use model::archive::{Archive, ArchiveError};
use model::clock::{Clock, SystemClock};
use model::sql::SqlEngine;
use model::stream_store::StreamStore;
use model::table::TableStore;
use sinks::archive::folder::FolderArchive;
use sinks::archive::s3::{S3Archive, S3Options};
use sinks::aws::AwsOptions;
use sinks::table::dynamodb::DynamoTables;
use sinks::table::embedded::store::EmbeddedTables;
use tokio::runtime::Handle;
use tracing::warn;

use crate::config::file::Config;
use crate::config::s3::S3Config;
use crate::metrics::registry::Metrics;
use crate::metrics::stream_meters::Reader;
use crate::streams::Streams;

/// How long the start waits for a service elsewhere.
pub(crate) const START_WAIT_MAX: Duration = Duration::from_secs(5);

/// The seams, with the backends behind them.
#[derive(Clone)]
pub(crate) struct Backends {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) streams: Arc<dyn StreamStore>,
    pub(crate) tables: Arc<dyn TableStore>,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) sql: Arc<dyn SqlEngine>,
    pub(crate) metrics: Arc<Metrics>,
    opened: Streams,
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
        std::fs::create_dir_all(data).with_context(|| format!("folder {} cannot be created", data.display()))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let opened = Streams::open(data, folder, config, &metrics).await?;
        let streams = opened.store();
        let tables = open_tables(data, config, &clock).await.context("the tables cannot be opened")?;
        let (archive, readable) =
            open_archive(data, config.s3.as_ref()).await.context("the archive cannot be opened")?;
        let read = metrics.streams(&streams, Reader::Sql);
        let options = AdhocOptions { archive: Some(readable), streams: Some(read), ..AdhocOptions::default() };
        let sql = Arc::new(AdhocEngine::new(options)?);
        let (tables, archive) = (metrics.tables(tables), metrics.archive(archive));
        metrics.watch_room(data.to_owned());
        Ok(Backends { clock, streams, tables, archive, sql, metrics, opened })
    }

    /// Closes what must be closed; what was acknowledged is durable also without.
    pub(crate) async fn close(&self) {
        self.opened.close().await;
    }
}

async fn open_tables(data: &Path, config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn TableStore>> {
    if let Some(dynamodb) = &config.dynamodb {
        return Ok(Arc::new(DynamoTables::open(Arc::clone(clock), dynamodb.options(&config.tables)).await));
    }
    let file = data.join("tables.redb");
    Ok(Arc::new(tokio::task::spawn_blocking(move || EmbeddedTables::open(file)).await??))
}

/// The archive, and the same for SQL.
async fn open_archive(data: &Path, s3: Option<&S3Config>) -> anyhow::Result<(Arc<dyn Archive>, AdhocArchive)> {
    let Some(s3) = s3 else {
        let folder = data.join("archive");
        return Ok((Arc::new(FolderArchive::open(&folder)?), AdhocArchive::Folder(folder)));
    };
    let archive = S3Archive::connect(s3.options()).await;
    match tokio::time::timeout(START_WAIT_MAX, archive.check()).await {
        Ok(Ok(())) => {}
        Ok(Err(error @ ArchiveError::Unusable { .. })) => return Err(error.into()),
        Ok(Err(error)) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            warn!(error, "the archive is out of reach: records wait in their streams until it is back");
        }
        Err(_) => warn!("the archive does not answer: records wait in their streams until it does"),
    }
    let archive: Arc<dyn Archive> = Arc::new(archive);
    Ok((Arc::clone(&archive), AdhocArchive::Objects(archive, Handle::current())))
}

/// SQL over an archive alone, which is only read: a folder, or `s3://bucket/prefix` with what the SDK's variables and
/// profiles say of it.
pub(crate) async fn archive_engine(place: &str, profile: Option<&str>) -> anyhow::Result<Arc<dyn SqlEngine>> {
    let archive = match place.strip_prefix("s3://") {
        Some(place) => {
            let archive = S3Archive::connect(bucket_of(place, profile)?).await;
            AdhocArchive::Objects(Arc::new(archive), Handle::current())
        }
        None => {
            anyhow::ensure!(Path::new(place).is_dir(), "{place} is not a folder");
            AdhocArchive::Folder(place.into())
        }
    };
    Ok(Arc::new(AdhocEngine::new(AdhocOptions { archive: Some(archive), ..AdhocOptions::default() })?))
}

/// Reads `bucket/prefix`.
fn bucket_of(place: &str, profile: Option<&str>) -> anyhow::Result<S3Options> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        bail!("s3://{place} names no bucket; write it as s3://bucket or s3://bucket/prefix");
    }
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let aws = AwsOptions { profile: profile.map(str::to_owned), ..AwsOptions::default() };
    Ok(S3Options { prefix, ..S3Options::new(bucket, aws) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_buckets_are_read() {
        let check = |place: &str, bucket: &str, prefix: &str| {
            let options = bucket_of(place, None).expect("a bucket");
            assert_eq!((options.bucket.as_str(), options.prefix.as_str()), (bucket, prefix), "{place}");
        };
        check("rides", "rides", "");
        check("rides/", "rides", "");
        check("rides/a/b", "rides", "a/b/");
        check("rides/a/b/", "rides", "a/b/");
        assert!(bucket_of("/a", None).is_err());
    }
}

//! An archive behind the seam as DataFusion wants it: an object store, to be read only.
//!
//! So SQL reads with the client that deliveries write with: one set of credentials, retries and bounds. Calls run on
//! the runtime that the archive belongs to, where its connections live; SQL's own threads may be busy for long.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::temporal_conversions::timestamp_ms_to_datetime;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use model::archive::store::{Archive, ArchiveError, ObjectName};
use model::text::chain::chain;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

const STORE: &str = "archive";

/// Reads an archive.
pub(crate) struct ArchiveStore {
    archive: Arc<dyn Archive>,
    runtime: Handle,
}

impl ArchiveStore {
    /// `runtime` is the one that the archive's connections belong to.
    pub(crate) fn new(archive: Arc<dyn Archive>, runtime: Handle) -> Self {
        ArchiveStore { archive, runtime }
    }

    async fn range(&self, location: &Path, range: Range<u64>) -> Result<Bytes> {
        let name = ObjectName::new(location.as_ref()).map_err(|error| generic(&error))?;
        let archive = Arc::clone(&self.archive);
        on(&self.runtime, async move { archive.get(&name, Some(range)).await }).await
    }

    async fn meta(&self, location: &Path) -> Result<ObjectMeta> {
        let missing = || Error::NotFound { path: location.to_string(), source: "no object has this name".into() };
        let beginning_so = objects(Arc::clone(&self.archive), self.runtime.clone(), location.to_string()).await?;
        beginning_so.into_iter().find(|meta| meta.location == *location).ok_or_else(missing)
    }
}

/// Runs a call where the archive lives; it ends when nobody waits for it any more.
async fn on<T: Send + 'static>(
    runtime: &Handle,
    call: impl Future<Output = std::result::Result<T, ArchiveError>> + Send + 'static,
) -> Result<T> {
    AbortOnDropHandle::new(runtime.spawn(call)).await?.map_err(|error| generic(&error))
}

/// The objects whose names begin with `prefix`. Names that no path can have are passed over.
async fn objects(archive: Arc<dyn Archive>, runtime: Handle, prefix: String) -> Result<Vec<ObjectMeta>> {
    let listed = on(&runtime, async move { archive.list(&prefix).await }).await?;
    let metas = listed.into_iter().filter_map(|object| {
        let written_at = timestamp_ms_to_datetime(object.written_at.map_or(0, |at| at.as_millis()));
        Some(ObjectMeta {
            location: Path::parse(object.name.as_str()).ok()?,
            last_modified: written_at.unwrap_or_default().and_utc(),
            size: object.bytes,
            e_tag: None,
            version: None,
        })
    });
    Ok(metas.collect())
}

/// With all causes: whoever reads the error gets no other chance to see them.
fn generic(error: &dyn std::error::Error) -> Error {
    Error::Generic { store: STORE, source: chain(error).into() }
}

fn read_only() -> Error {
    Error::NotSupported { source: "SQL only reads the archive".into() }
}

impl fmt::Debug for ArchiveStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveStore").finish_non_exhaustive()
    }
}

impl fmt::Display for ArchiveStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

#[async_trait]
impl ObjectStore for ArchiveStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let meta = self.meta(location).await?;
        options.check_preconditions(&meta)?;
        let whole = 0..meta.size;
        let range = options.range.as_ref().map_or(Ok(whole), |range| range.as_range(meta.size));
        let range = range.map_err(|error| generic(&error))?;
        let body = if options.head { Bytes::new() } else { self.range(location, range.clone()).await? };
        let payload = GetResultPayload::Stream(stream::iter([Ok(body)]).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::new() })
    }

    /// One call a range, and none for the object's size.
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut bodies = Vec::with_capacity(ranges.len());
        for range in ranges {
            bodies.push(self.range(location, range.clone()).await?);
        }
        Ok(bodies)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = prefix.filter(|path| !path.is_root()).map_or_else(String::new, |path| format!("{path}/"));
        let listing = objects(Arc::clone(&self.archive), self.runtime.clone(), folder);
        stream::once(listing).map_ok(|metas| stream::iter(metas.into_iter().map(Ok))).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        if let Some(prefix) = prefix.filter(|path| !path.is_root()) {
            let reason = format!("folders are listed at the top only, not below `{prefix}`");
            return Err(Error::NotSupported { source: reason.into() });
        }
        let archive = Arc::clone(&self.archive);
        let folders = on(&self.runtime, async move { archive.folders().await }).await?;
        let common_prefixes = folders.iter().filter_map(|folder| Path::parse(folder).ok()).collect();
        Ok(ListResult { common_prefixes, objects: Vec::new() })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::iter([Err(read_only())]).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only())
    }
}

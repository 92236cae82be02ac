//! An archive as SQL sees it: which objects a table has, and their text line by line.
//!
//! Compression is told by an object's first bytes, not by its name: a name without an ending is no empty table. So are
//! files of columns (`parquet_object`).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::DataFusionError;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use model::archive::name::{RESERVED_FOLDERS, RecordRange};
use model::archive::store::Archive;
use model::query::engine::{SqlError, SqlErrorKind};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use tokio::runtime::Handle;

use crate::adhoc::archive::store::ArchiveStore;
use crate::adhoc::limits::AdhocLimits;
use crate::error::{carried_or_failed, failed};

/// Bytes that one request to the store asks for.
const READ_BYTES: u64 = 4 << 20;
/// Lines are handed on in chunks of about this size.
const CHUNK_BYTES: usize = 256 << 10;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Where an archive is.
#[derive(Clone)]
pub enum AdhocArchive {
    /// In a local folder; nothing but its objects is touched.
    Folder(PathBuf),
    /// Behind the seam. Its calls run on the runtime beside it, where its connections live.
    Objects(Arc<dyn Archive>, Handle),
}

/// An object of a table.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Where it stands, how large it is and when it was written.
    pub(crate) meta: ObjectMeta,
    /// The records it holds, when its name is one of ours.
    pub(crate) cut: Option<RecordRange>,
}

/// A folder of objects, read through an object store that is confined to it.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveFolder {
    store: Arc<dyn ObjectStore>,
    objects_max: usize,
    line_bytes_max: usize,
}

impl ArchiveFolder {
    /// Opens an archive; a local folder must exist.
    pub(crate) fn open(archive: AdhocArchive, limits: &AdhocLimits) -> Result<Self, SqlError> {
        let store: Arc<dyn ObjectStore> = match archive {
            AdhocArchive::Folder(root) => Arc::new(
                LocalFileSystem::new_with_prefix(&root)
                    .map_err(|error| failed(format!("opening the archive `{}`", root.display()), &error))?,
            ),
            AdhocArchive::Objects(archive, runtime) => Arc::new(ArchiveStore::new(archive, runtime)),
        };
        Ok(ArchiveFolder { store, objects_max: limits.objects_max, line_bytes_max: limits.line_bytes_max })
    }

    /// The top-level folders that are tables.
    pub(crate) async fn tables(&self) -> Result<Vec<String>, SqlError> {
        let listing = self.store.list_with_delimiter(None).await;
        let folders = listing.map_err(|error| failed("listing the archive", &error))?.common_prefixes;
        let names = folders.iter().filter_map(|folder| folder.filename());
        Ok(names.filter(|name| !RESERVED_FOLDERS.contains(name) && !is_hidden(name)).map(str::to_owned).collect())
    }

    /// The objects of a table in order of their names, such that the cuts of every shard have no gap behind which
    /// others stand: a cut that is written while we list may be missed though a later one is seen. Cuts of a shard
    /// are written in order, so what a second listing has below the first one's highest is complete.
    /// A stream that has the name of a reserved folder has no objects: what is there belongs to others.
    pub(crate) async fn objects(&self, table: &str) -> Result<Vec<Object>, SqlError> {
        if RESERVED_FOLDERS.contains(&table) {
            return Ok(Vec::new());
        }
        let highest = highest_cuts(&self.list(table).await?, |_| true);
        let mut objects = self.list(table).await?;
        objects.retain(|object| {
            object.cut.is_none_or(|cut| highest.get(&cut.shard).is_some_and(|highest| cut.last <= *highest))
        });
        objects.sort_by(|one, other| one.meta.location.cmp(&other.meta.location));
        check_cuts(&objects)?;
        Ok(objects)
    }

    async fn list(&self, table: &str) -> Result<Vec<Object>, SqlError> {
        // As it is: a folder's name that was escaped would be another folder.
        let folder =
            ObjectPath::parse(table).map_err(|error| failed(format!("listing the archive of `{table}`"), &error))?;
        let mut listing = self.store.list(Some(&folder));
        let mut objects = Vec::new();
        while let Some(meta) = listing.next().await {
            let meta = meta.map_err(|error| failed(format!("listing the archive of `{table}`"), &error))?;
            if meta.size == 0 || meta.location.parts().skip(1).any(|part| is_hidden(part.as_ref())) {
                continue;
            }
            if objects.len() == self.objects_max {
                let message = format!("table `{table}` has more than {} objects", self.objects_max);
                return Err(SqlError::new(SqlErrorKind::LimitExceeded, message));
            }
            let cut = RecordRange::of_object(meta.location.as_ref());
            objects.push(Object { meta, cut });
        }
        Ok(objects)
    }

    /// Whether an object is a Parquet file.
    pub(crate) async fn is_parquet(&self, object: &Object) -> Result<bool, SqlError> {
        match object.meta.location.extension() {
            Some("parquet") => Ok(true),
            Some("json" | "gz" | "zst") => Ok(false),
            _ if object.meta.size < PARQUET_MAGIC.len() as u64 => Ok(false),
            _ => {
                let beginning = 0..PARQUET_MAGIC.len() as u64;
                Ok(*self.ranges(object, std::slice::from_ref(&beginning)).await?[0] == *PARQUET_MAGIC)
            }
        }
    }

    /// Pieces of an object.
    pub(crate) async fn ranges(&self, object: &Object, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, SqlError> {
        let read = self.store.get_ranges(&object.meta.location, ranges).await;
        read.map_err(|error| failed(format!("reading `{}`", object.meta.location), &error))
    }

    /// The lines of an object.
    pub(crate) async fn lines(&self, object: &Object) -> Result<LineChunks, SqlError> {
        let name = object.meta.location.to_string();
        let mut bytes = self.bytes(&object.meta);
        let first = bytes.try_next().await.map_err(|error| carried_or_failed(format!("reading `{name}`"), &error))?;
        let first = first.unwrap_or_default();
        let compression = if first.starts_with(GZIP_MAGIC) {
            FileCompressionType::GZIP
        } else if first.starts_with(ZSTD_MAGIC) {
            FileCompressionType::ZSTD
        } else {
            FileCompressionType::UNCOMPRESSED
        };
        let whole = stream::once(async { Ok(first) }).chain(bytes).boxed();
        let text = compression
            .convert_stream(whole)
            .map_err(|error| carried_or_failed(format!("reading `{name}`"), &error))?;
        Ok(LineChunks {
            name,
            text,
            rest: BytesMut::new(),
            searched: 0,
            ended: false,
            line_bytes_max: self.line_bytes_max,
        })
    }

    fn bytes(&self, meta: &ObjectMeta) -> BoxStream<'static, Result<Bytes, DataFusionError>> {
        let (store, location, size) = (Arc::clone(&self.store), meta.location.clone(), meta.size);
        stream::try_unfold(0, move |offset| {
            let (store, location) = (Arc::clone(&store), location.clone());
            async move {
                if offset >= size {
                    return Ok(None);
                }
                let end = size.min(offset + READ_BYTES);
                // Of one range, so that a store need not ask for the object's size first.
                let bytes =
                    store.get_ranges(&location, std::slice::from_ref(&(offset..end))).await?.pop().unwrap_or_default();
                Ok(Some((bytes, end)))
            }
        })
        .boxed()
    }
}

/// Names that are no tables and no objects: what other tools keep for themselves, and what is being written.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_']) || name.ends_with(".tmp")
}

/// Where the objects of every shard end that `count`.
pub(crate) fn highest_cuts(
    objects: &[Object],
    count: impl Fn(&RecordRange) -> bool,
) -> BTreeMap<ShardId, SequenceNumber> {
    let mut highest = BTreeMap::new();
    for cut in objects.iter().filter_map(|object| object.cut).filter(count) {
        let last = highest.entry(cut.shard).or_insert(cut.last);
        *last = cut.last.max(*last);
    }
    highest
}

/// Two objects with the same record would count it twice.
fn check_cuts(objects: &[Object]) -> Result<(), SqlError> {
    let mut cuts: Vec<(RecordRange, &Object)> =
        objects.iter().filter_map(|object| object.cut.map(|cut| (cut, object))).collect();
    cuts.sort_by_key(|(cut, _)| *cut);
    for pair in cuts.windows(2) {
        let ((one, first), (other, second)) = (&pair[0], &pair[1]);
        if one.shard == other.shard && other.first <= one.last {
            let message = format!(
                "objects `{}` and `{}` hold the same records; remove one of them",
                first.meta.location, second.meta.location
            );
            return Err(SqlError::new(SqlErrorKind::Failed, message));
        }
    }
    Ok(())
}

/// The text of an object in chunks of whole lines.
pub(crate) struct LineChunks {
    name: String,
    text: BoxStream<'static, Result<Bytes, DataFusionError>>,
    rest: BytesMut,
    /// Bytes of `rest` that are known to have no line end.
    searched: usize,
    ended: bool,
    line_bytes_max: usize,
}

impl LineChunks {
    /// The object's name, for errors.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The next whole lines; none at the end. The last line may lack its line end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, SqlError> {
        loop {
            if self.ended {
                let last = std::mem::take(&mut self.rest);
                return Ok((!last.is_empty()).then(|| last.freeze()));
            }
            if self.rest.len() >= CHUNK_BYTES {
                if let Some(end) = self.rest[self.searched..].iter().rposition(|byte| *byte == b'\n') {
                    let lines = self.rest.split_to(self.searched + end + 1);
                    self.searched = 0;
                    return Ok(Some(lines.freeze()));
                }
                self.searched = self.rest.len();
                if self.rest.len() > self.line_bytes_max {
                    let message = format!("a line of `{}` is longer than {} bytes", self.name, self.line_bytes_max);
                    return Err(SqlError::new(SqlErrorKind::LimitExceeded, message));
                }
            }
            match self.text.next().await {
                Some(Ok(bytes)) => self.rest.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    return Err(carried_or_failed(format!("reading `{}`", self.name), &error));
                }
                None => self.ended = true,
            }
        }
    }
}

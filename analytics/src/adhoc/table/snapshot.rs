//! What a table is at the moment a query starts.
//!
//! ```text
//!            archive, listed first            stream, its tip taken second
//! shard 0    [0 ........ 99][100 ... 149]     [150 .............. tip)
//! shard 1    [0 ... 49]                       [50 ... end)
//! ```
//!
//! The list says where the archive ends, the tail begins right there: no record is missing and none
//! counts twice, whatever the delivery writes in the meantime.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, TryStreamExt, stream};
use model::archive::name::RecordRange;
use model::datagram::sensor_stream::SensorStream;
use model::name::StreamName;
use model::query::engine::{SqlError, SqlErrorKind};
use model::stream::access::Readable;
use model::stream::aggregate::user_records;
use model::stream::store::{StartingPosition, StreamDescription, StreamError, StreamStore};
use tracing::warn;

use crate::adhoc::archive::folder::{ArchiveFolder, Object, highest_cuts};
use crate::adhoc::archive::parquet::ParquetObject;
use crate::adhoc::limits::AdhocLimits;
use crate::adhoc::table::schema_cache::{SchemaCache, TailKey};
use crate::adhoc::tail::range::{TailRange, TailReader, read_error};
use crate::adhoc::tail::sensor::sensor_columns;
use crate::error::failed;
use crate::rows::column_kind::Columns;
use crate::rows::json_row::{Parsed, each_row, parse_line};

/// How often the archive is listed anew when retention overtakes the list.
const TRIES_MAX: usize = 3;

/// Where tables come from.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The archive, if there is one.
    pub(crate) archive: Option<ArchiveFolder>,
    /// The streams, if there are any.
    pub(crate) streams: Option<Arc<dyn StreamStore>>,
    /// Columns seen before.
    pub(crate) cache: Arc<SchemaCache>,
    /// Bounds.
    pub(crate) limits: Arc<AdhocLimits>,
    /// What of all this whoever asks may read.
    pub(crate) readable: Readable,
}

/// A stream's live tail.
#[derive(Clone)]
pub(crate) struct Tail {
    /// Where it is read.
    pub(crate) store: Arc<dyn StreamStore>,
    /// The stream.
    pub(crate) description: Arc<StreamDescription>,
    /// What of it; no range is empty.
    pub(crate) ranges: Vec<TailRange>,
}

/// What a stream has behind its archive.
enum Behind {
    /// Records, or none yet.
    Tail(Tail),
    /// There is no stream of that name.
    NoStream,
    /// Retention has overtaken the list of objects, which must be read again.
    Gap,
}

impl Tail {
    /// Where its records are sensor datagrams, what they hold.
    pub(crate) fn sensor(&self) -> Option<&SensorStream> {
        self.description.settings.sensor.as_ref()
    }
}

/// A table: what it consists of, and its columns.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Where objects are read.
    pub(crate) archive: Option<ArchiveFolder>,
    /// The objects in order.
    pub(crate) objects: Vec<Object>,
    /// Records behind them.
    pub(crate) tail: Option<Tail>,
    /// All columns of all rows.
    pub(crate) schema: SchemaRef,
}

impl Sources {
    /// The names of all tables, in order.
    pub(crate) async fn tables(&self) -> Result<Vec<String>, SqlError> {
        let mut names = match &self.archive {
            Some(archive) => archive.tables().await?,
            None => Vec::new(),
        };
        if let Some(streams) = &self.streams {
            let list = streams.list().await.map_err(|error| failed("listing the streams", &error))?;
            names.extend(list.iter().map(ToString::to_string));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The names of the tables that whoever asks may read, in order.
    pub(crate) async fn readable_tables(&self) -> Result<Vec<String>, SqlError> {
        Ok(self.readable.among(self.tables().await?).await)
    }

    /// The table as it is now. `table` is one of [`Sources::tables`], and `written` how the query
    /// calls it. Every table comes from here, and none to somebody who may not read it.
    pub(crate) async fn snapshot(&self, table: &str, written: &str) -> Result<Snapshot, SqlError> {
        if let Err(denied) = self.readable.check(table).await {
            // Who may not even ask for the name as written is not told how the table is really
            // spelt.
            self.readable.check(written).await?;
            return Err(denied.into());
        }
        let (objects, tail) = self.parts(table).await?;
        let mut columns = Columns::default();
        if let Some(archive) = &self.archive {
            self.cache.recall(&objects).await;
            let each = stream::iter(objects.clone()).map(|object| self.object_columns(archive.clone(), object));
            let mut each = each.buffered(self.limits.threads);
            while let Some(of_object) = each.try_next().await? {
                columns.merge(&of_object);
                self.check_columns(table, &columns)?;
            }
        }
        match tail.as_ref().map(|tail| (tail, tail.sensor())) {
            // Known before the first record comes.
            Some((_, Some(sensor))) => columns.merge(&sensor_columns(sensor)),
            Some((tail, None)) => {
                for range in &tail.ranges {
                    columns.merge(&self.tail_columns(tail, *range).await?);
                    self.check_columns(table, &columns)?;
                }
            }
            None => {}
        }
        self.check_columns(table, &columns)?;
        Ok(Snapshot { archive: self.archive.clone(), objects, tail, schema: columns.schema() })
    }

    fn check_columns(&self, table: &str, columns: &Columns) -> Result<(), SqlError> {
        let columns_max = self.limits.columns_max;
        if columns.len() <= columns_max {
            return Ok(());
        }
        let message = format!("the records of `{table}` have more than {columns_max} different keys");
        Err(SqlError::new(SqlErrorKind::LimitExceeded, message))
    }

    /// Objects first, then the tail behind them.
    async fn parts(&self, table: &str) -> Result<(Vec<Object>, Option<Tail>), SqlError> {
        let mut highest_before = None;
        for _ in 0..TRIES_MAX {
            let objects = match &self.archive {
                Some(archive) => archive.objects(table).await?,
                None => Vec::new(),
            };
            let highest = highest_cuts(&objects, |_| true);
            // The second time round the list has not moved: what retention took was never archived.
            let accept_loss = highest_before.as_ref() == Some(&highest);
            match self.tail(table, &objects, accept_loss).await? {
                Behind::Tail(tail) => return Ok((objects, Some(tail))),
                Behind::NoStream => return Ok((objects, None)),
                Behind::Gap => highest_before = Some(highest),
            }
        }
        let message = format!("records of `{table}` expire faster than its archive is listed; run the query again");
        Err(SqlError::new(SqlErrorKind::Failed, message))
    }

    /// What the stream has behind the archive.
    async fn tail(&self, table: &str, objects: &[Object], accept_loss: bool) -> Result<Behind, SqlError> {
        let (Some(store), Ok(stream)) = (&self.streams, StreamName::new(table)) else {
            return Ok(Behind::NoStream);
        };
        let description = match store.describe(&stream).await {
            Ok(description) => description,
            Err(StreamError::NotFound(_)) => return Ok(Behind::NoStream),
            Err(error) => return Err(failed(format!("describing stream `{stream}`"), &error)),
        };
        let locate = async |shard, position| match store.locate(&stream, shard, position).await {
            Ok(number) => Ok(Some(number)),
            Err(StreamError::ShardNotFound { .. }) => Ok(None),
            Err(error) => Err(read_error(&stream, &error)),
        };
        // An object of another life of the stream says nothing of how far this one is archived.
        let is_of_this_life =
            |cut: &RecordRange| description.shards.get(cut.shard).is_some_and(|shard| !shard.has_left_out(cut.first));
        let highest = highest_cuts(objects, is_of_this_life);
        let mut ranges = Vec::new();
        for known in description.shards.iter() {
            let (shard, owned) = (known.id, known.range);
            let Some(end) = locate(shard, StartingPosition::Latest).await? else { return Ok(Behind::Gap) };
            let Some(oldest) = locate(shard, StartingPosition::TrimHorizon).await? else { return Ok(Behind::Gap) };
            let archived = highest.get(&shard).map(|last| last.next());
            let start = match archived {
                Some(next) if end < next => {
                    let message = format!(
                        "the archive of `{stream}` has records of {shard} that are later than the stream's: was it \
                         restored or created while the clock was behind? set the clock and restart the server"
                    );
                    return Err(SqlError::new(SqlErrorKind::Failed, message));
                }
                Some(next) if next < oldest => {
                    // Numbers have gaps, also between an earlier stream of the name and this one.
                    if known.records_between(next, oldest) == 0 {
                        oldest
                    } else if !accept_loss {
                        return Ok(Behind::Gap);
                    } else {
                        warn!(%stream, %shard, from = %next, to = %oldest, "records expired before they were archived");
                        oldest
                    }
                }
                Some(next) => next,
                None => oldest,
            };
            if start < end {
                ranges.push(TailRange { shard, owned, start, end });
            }
        }
        Ok(Behind::Tail(Tail { store: Arc::clone(store), description, ranges }))
    }

    async fn object_columns(&self, archive: ArchiveFolder, object: Object) -> Result<Arc<Columns>, SqlError> {
        if let Some(columns) = self.cache.object(&object) {
            return Ok(columns);
        }
        let looking = look_through(archive, object.clone());
        let looked = SpawnedTask::spawn(looking).await;
        let columns = looked.map_err(|error| failed("looking through an object", &error))??;
        let columns = Arc::new(columns);
        self.cache.learn(&object, Arc::clone(&columns)).await;
        Ok(columns)
    }

    async fn tail_columns(&self, tail: &Tail, range: TailRange) -> Result<Columns, SqlError> {
        let (stream, created_at) = (tail.description.name.clone(), tail.description.created_at);
        let key = TailKey { stream: stream.clone(), created_at, shard: range.shard };
        let (mut columns, left) = self.cache.tail(&key, range);
        let mut reader = TailReader::new(Arc::clone(&tail.store), stream, left);
        while let Some(records) = reader.next().await? {
            for user in records.iter().flat_map(|record| user_records(record, range.owned, None)) {
                each_row(&user, |row| {
                    columns.observe(row);
                    Ok::<_, SqlError>(())
                })?;
            }
        }
        self.cache.put_tail(key, range, columns.clone());
        Ok(columns)
    }
}

async fn look_through(archive: ArchiveFolder, object: Object) -> Result<Columns, SqlError> {
    if archive.is_parquet(&object).await? {
        return ParquetObject::open(archive, object).await?.columns();
    }
    let mut columns = Columns::default();
    let mut chunks = archive.lines(&object).await?;
    let mut line_number = 0;
    while let Some(chunk) = chunks.next().await? {
        let text = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
        for line in text.split(|byte| *byte == b'\n') {
            line_number += 1;
            let each = |parsed: Parsed<'_>| {
                if let Parsed::Row(row) = parsed {
                    columns.observe(&row);
                }
            };
            parse_line(line, each).map_err(|error| not_json(chunks.name(), line_number, &error))?;
        }
    }
    Ok(columns)
}

/// A line that is not JSON: the archive is damaged or is none.
pub(crate) fn not_json(object: &str, line: u64, error: &serde_json::Error) -> SqlError {
    let message = format!("line {line} of `{object}` is not JSON (column {}): {error}", error.column());
    SqlError::new(SqlErrorKind::Failed, message)
}

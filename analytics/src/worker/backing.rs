//! What the server answers to a worker: its streams and, where that is elsewhere, its archive. It only reads.

use std::sync::Arc;

use bytes::Bytes;
use model::archive::store::{Archive, ObjectName};
use model::stream::store::{ReadLimit, StartingPosition, StreamStore};

use crate::worker::failure::{AccessFailure, ArchiveFailure, StreamFailure};
use crate::worker::frame::FrameSender;
use crate::worker::learned::Learned;
use crate::worker::message::{Answer, Asked, Described, Listed, ShardEnd, ToWorker};
use crate::worker::permitted::Permitted;
use crate::worker::records;

/// Objects of a listing that one frame has.
const LISTED_AT_ONCE_MAX: usize = 4096;
/// Records that one answer has.
const RECORDS_MAX: usize = 8192;
/// Bytes of records after which an answer ends.
const RECORD_BYTES_MAX: usize = 2 << 20;
/// Bytes of an object that one answer has.
pub(crate) const OBJECT_BYTES_MAX: u64 = 4 << 20;

/// What workers read through the server.
#[derive(Clone)]
pub(crate) struct Backing {
    pub(crate) learned: Arc<Learned>,
    pub(crate) streams: Option<Arc<dyn StreamStore>>,
    pub(crate) archive: Option<Arc<dyn Archive>>,
    /// What of it the query on its way may read.
    pub(crate) permitted: Permitted,
}

impl Backing {
    /// Answers one call. A worker that is gone is no error: its session sees that itself.
    pub(crate) async fn answer(self, call: u64, asked: Asked, to: FrameSender<ToWorker>) {
        let send = async |answer, body| {
            let _ = to.send(ToWorker::Answer { call, more: false, answer }, body).await;
        };
        if !self.permitted.allows(&asked) {
            let failure = StreamFailure::Other("the query may not read this table".to_owned());
            return send(Answer::StreamFailed(failure), Bytes::new()).await;
        }
        match asked {
            Asked::Access(table) => {
                let decided = self.permitted.decide(table).await.map_err(AccessFailure::from);
                send(Answer::Access(decided), Bytes::new()).await;
            }
            Asked::Columns(objects) => send(Answer::Columns(self.learned.recall(&objects)), Bytes::new()).await,
            Asked::Folders | Asked::Objects { .. } | Asked::Object { .. } => match self.of_archive(asked).await {
                Ok((Answer::Objects(mut listed), _)) => {
                    while LISTED_AT_ONCE_MAX < listed.len() {
                        let rest = listed.split_off(LISTED_AT_ONCE_MAX);
                        let part = Answer::Objects(std::mem::replace(&mut listed, rest));
                        if to.send(ToWorker::Answer { call, more: true, answer: part }, Bytes::new()).await.is_err() {
                            return;
                        }
                    }
                    send(Answer::Objects(listed), Bytes::new()).await;
                }
                Ok((answer, body)) => send(answer, body).await,
                Err(failure) => send(Answer::ArchiveFailed(failure), Bytes::new()).await,
            },
            asked => match self.of_streams(asked).await {
                Ok((answer, body)) => send(answer, body).await,
                Err(failure) => send(Answer::StreamFailed(failure), Bytes::new()).await,
            },
        }
    }

    async fn of_streams(&self, asked: Asked) -> Result<(Answer, Bytes), StreamFailure> {
        let none = || StreamFailure::Other("there are no streams".to_owned());
        let streams = self.streams.as_ref().ok_or_else(none)?;
        let answer = match asked {
            Asked::Streams => Answer::Streams(streams.list().await?),
            Asked::Stream(name) => {
                let known = streams.describe(&name).await?;
                let (settings, shards, lives) = (known.settings.clone(), known.shards.clone(), known.lives.clone());
                Answer::Stream(Box::new(Described { name, created_at: known.created_at, settings, shards, lives }))
            }
            Asked::Locate { stream, shard, end } => {
                let position = match end {
                    ShardEnd::Oldest => StartingPosition::TrimHorizon,
                    ShardEnd::Latest => StartingPosition::Latest,
                };
                Answer::Number(streams.locate(&stream, shard, position).await?)
            }
            Asked::Read { stream, shard, from, records_max, bytes_max } => {
                let (records_max, bytes_max) = (records_max.clamp(1, RECORDS_MAX), bytes_max.min(RECORD_BYTES_MAX));
                let limit = ReadLimit { records_max, bytes_max, wait: false };
                let read = streams.read(&stream, shard, from, limit).await?;
                let body = records::encode(&read.records);
                let (next, tip, end_of_shard) = (read.next, read.tip, read.end_of_shard);
                let (complete_until, lost) = (read.complete_until, read.lost);
                return Ok((Answer::Records { next, tip, end_of_shard, complete_until, lost }, body));
            }
            Asked::Columns(_) | Asked::Access(_) | Asked::Folders | Asked::Objects { .. } | Asked::Object { .. } => {
                return Err(none());
            }
        };
        Ok((answer, Bytes::new()))
    }

    async fn of_archive(&self, asked: Asked) -> Result<(Answer, Bytes), ArchiveFailure> {
        let refused = |cause: &str| ArchiveFailure::Unusable { doing: "reading".to_owned(), cause: cause.to_owned() };
        let archive = self.archive.as_ref().ok_or_else(|| refused("there is no archive"))?;
        Ok(match asked {
            Asked::Folders => (Answer::Folders(archive.folders().await?), Bytes::new()),
            Asked::Objects { prefix } => {
                let listed = archive.list(&prefix).await?.into_iter().map(|object| Listed {
                    name: object.name.as_str().to_owned(),
                    bytes: object.bytes,
                    written_at: object.written_at,
                });
                (Answer::Objects(listed.collect()), Bytes::new())
            }
            Asked::Object { name, range } => {
                if OBJECT_BYTES_MAX < range.end.saturating_sub(range.start) {
                    return Err(refused("too many bytes at once"));
                }
                let name = ObjectName::new(name).map_err(|error| refused(&error.to_string()))?;
                (Answer::Object, archive.get(&name, Some(range)).await?)
            }
            _ => return Err(refused("this is not about the archive")),
        })
    }
}

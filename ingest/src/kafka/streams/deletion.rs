//! How streams go: the topic first, and then its entry in the registry.
//!
//! A process may end in between. How the stream ended is written before its topic goes, so that
//! whoever finds an entry without a topic still knows what the stream had. Until the topic is gone,
//! nothing has happened.

use model::name::StreamName;
use model::stream::lives::EarlierLife;
use model::stream::shard::{Shard, ShardId};
use model::stream::store::StreamError;
use tracing::{info, warn};

use crate::kafka::cluster::clients::{End, Partition};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::views::Turn;
use crate::kafka::streams::admin::{ATTEMPTS_MAX, Admin, too_busy};
use crate::kafka::streams::registry::{Changed, Entry, RegistryWriter, Unfinished, begun, remember};
use crate::kafka::streams::stream::Stream;

impl Admin {
    /// The turn is to be held until the stream is out of service.
    pub(crate) async fn delete(&self, stream: &Stream) -> Result<Turn, StreamError> {
        let (name, of) = (&stream.name, |fault: Fault| fault.of(&stream.name));
        let mut writer = self.writer.lock().await;
        let Some(entry) = writer.begin().await.map_err(of)?.remove(name) else {
            return Err(StreamError::NotFound(name.clone()));
        };
        let _gate = stream.gate.write().await;
        self.fetcher.leave(|(topic, _), _| topic == name.as_str()).await;
        if self.clients.is_gone(name.as_str()).await.map_err(of)? {
            stream.delete();
            self.appender.forget(name.as_str());
            return self.remove_gone(&mut writer, name, entry).await;
        }
        let ended = self.begin_deletion(&mut writer, stream, &entry).await?;
        self.clients.delete_topic(name.as_str()).await.map_err(of)?;
        stream.delete();
        // A reader that was sent to look again may have come back before its stream was gone.
        self.fetcher.leave(|(topic, _), _| topic == name.as_str()).await;
        self.appender.forget(name.as_str());
        let turn = self.remove(&mut writer, name, entry, ended).await?;
        info!(stream = %name, "stream deleted");
        Ok(turn)
    }

    /// Says how a stream ends whose topic is about to go.
    pub(crate) async fn begin_deletion(
        &self,
        writer: &mut RegistryWriter,
        stream: &Stream,
        entry: &Entry,
    ) -> Result<EarlierLife, StreamError> {
        let (name, of) = (&stream.name, |fault: Fault| fault.of(&stream.name));
        let shards: Vec<Partition> = entry.shards.iter().map(|shard| stream.partition(shard.id)).collect();
        let ends = self.clients.ends(&shards, End::Stable).await.map_err(of)?;
        let ended = ended(entry, |shard| ends.get(&stream.partition(shard)).copied());
        let now = Unfinished::Deleting { incarnation: entry.incarnation, ended: ended.clone() };
        for _ in 0..ATTEMPTS_MAX {
            if writer.put_begun(name, Some(&now)).await.map_err(of)? == Changed::Done {
                return Ok(ended);
            }
            let entries = writer.begin().await.map_err(of)?;
            if entries.get(name).is_none_or(|there| there.incarnation != entry.incarnation) {
                return Err(StreamError::NotFound(name.clone()));
            }
        }
        Err(too_busy(name))
    }

    /// Removes the entry of a stream whose topic is gone: deleted by Kafka's own tools, or by a
    /// process that ended half way.
    pub(crate) async fn remove_gone(
        &self,
        writer: &mut RegistryWriter,
        name: &StreamName,
        entry: Entry,
    ) -> Result<Turn, StreamError> {
        warn!(stream = %name, "the topic of this stream was deleted, and so was the stream");
        let ended = match writer.unfinished(name).await.map_err(|fault| fault.of(name))? {
            Some(Unfinished::Deleting { incarnation, ended }) if incarnation == entry.incarnation => ended,
            // How many records it had, nobody knows any more.
            _ => ended(&entry, |_| None),
        };
        self.remove(writer, name, entry, ended).await
    }

    /// Removes the entry and the checkpoints of a stream whose topic is gone, and remembers how it `ended`.
    async fn remove(
        &self,
        writer: &mut RegistryWriter,
        name: &StreamName,
        entry: Entry,
        ended: EarlierLife,
    ) -> Result<Turn, StreamError> {
        let of = |fault: Fault| fault.of(name);
        let mut removal = self.checkpoints.removal(name, entry.incarnation).await.map_err(of)?;
        removal.push(remember(name, Some(&entry.lives.clone().ended(ended))));
        removal.push(begun(name, None));
        for _ in 0..ATTEMPTS_MAX {
            let turn = self.views.turn().await;
            if writer.put_with(name, None, removal.clone()).await.map_err(of)? == Changed::Done {
                return Ok(turn);
            }
            let entries = writer.begin().await.map_err(of)?;
            if entries.get(name).is_none_or(|there| there.incarnation != entry.incarnation) {
                // Another process has removed it, and may have created the next stream of the name.
                return Ok(turn);
            }
        }
        Err(too_busy(name))
    }
}

/// What is remembered of a stream, of whose shards `end` gives the offset above all records, where it is known.
fn ended(entry: &Entry, end: impl Fn(ShardId) -> Option<u64>) -> EarlierLife {
    let next = |shard: &Shard| (shard.id, shard.first.plus(end(shard.id).unwrap_or(0)));
    EarlierLife {
        first: entry.lives.first,
        shards: entry.shards.clone(),
        next: entry.shards.iter().map(next).collect(),
        positions: Default::default(),
    }
}

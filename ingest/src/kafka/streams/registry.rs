//! Which streams there are, and the shard map and settings of each: a compacted topic with a JSON
//! value a stream, and one for each name whose stream was deleted, so that the next stream of the
//! name goes on above its numbers. A third one says what has begun with a stream's topic and has
//! not ended yet, so that a process that ends half way leaves no topic of which nobody knows whose
//! it is. Changed under one transactional id, so that of two who change at once one is refused and
//! looks again.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::lives::{EarlierLife, Lives};
use model::stream::settings::StreamSettings;
use model::stream::shard::{ShardId, ShardMap};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::kafka::cluster::clients::Clients;
use crate::kafka::cluster::fault::Fault;
use crate::kafka::read::compacted::{Compacted, View};
use crate::kafka::read::range_reader::RangeReader;
use crate::kafka::write::fenced::{Fenced, NotCommitted};
use crate::kafka::write::outgoing::Outgoing;

/// The topic.
pub(crate) const STREAMS_TOPIC: &str = "__gallop-streams";
/// A map of 100,000 shards fits.
const ENTRY_BYTES_MAX: usize = 32 << 20;

/// Who made the topic of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// A store, for the stream.
    Store,
    /// Somebody else: its producers choose partitions by themselves, and its retention is theirs.
    Elsewhere,
}

/// What is kept of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Tells a stream from an earlier one of the same name.
    pub(crate) incarnation: u64,
    pub(crate) origin: Origin,
    pub(crate) created_at: Timestamp,
    pub(crate) settings: StreamSettings,
    pub(crate) shards: ShardMap,
    /// Which numbers are the stream's. Entries without it are of streams that begin at zero.
    #[serde(default)]
    pub(crate) lives: Lives,
    /// How shards were closed that were open before; see `closing`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) closed: BTreeMap<ShardId, Closed>,
}

/// A shard that was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closed {
    /// No record of its children is stamped before.
    pub(crate) at: Timestamp,
    /// Whether its end is the last word: until then processes that do not know it yet may put records into it.
    pub(crate) ended: bool,
}

/// A change of a stream's topic that has begun: written before the topic changes, and gone with the
/// entry's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unfinished {
    /// A topic was asked for. The entry is the stream's once the topic is there.
    Creating(Box<Entry>),
    /// The topic was to be deleted, of the stream of that incarnation. Until the topic is gone, the
    /// stream is in service.
    Deleting { incarnation: u64, ended: EarlierLife },
}

/// All streams by name.
pub(crate) type Entries = BTreeMap<StreamName, Entry>;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It stands.
    Done,
    /// It does not stand, because somebody else was first or the brokers gave up on it: look at the entries again.
    Again,
}

/// What is looked for where the brokers do not say how a change ended.
enum Written<'a> {
    Entry(Option<&'a Entry>),
    Begun(Option<&'a Unfinished>),
}

/// The topic, for reading.
pub(crate) struct Registry {
    topic: Compacted,
}

/// The right to change entries.
pub(crate) struct RegistryWriter {
    registry: Arc<Registry>,
    fenced: Fenced,
}

impl Registry {
    pub(crate) async fn open(clients: Arc<Clients>, ranges: Arc<RangeReader>) -> Result<Registry, Fault> {
        let topic = Compacted::open(clients, ranges, STREAMS_TOPIC, 1, ENTRY_BYTES_MAX).await?;
        Ok(Registry { topic })
    }

    /// The entries as they stand.
    pub(crate) async fn entries(&self) -> Result<Entries, Fault> {
        Ok(decode(&*self.topic.current(0).await?))
    }

    /// The streams of that name that were deleted, oldest first, as far as they are remembered.
    pub(crate) async fn earlier(&self, name: &StreamName) -> Result<Vec<EarlierLife>, Fault> {
        let view = self.topic.current(0).await?;
        let value = view.values.get(lives_key(name).as_bytes());
        Ok(value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default())
    }

    /// What has begun with topics and has not ended, by the name of the stream.
    pub(crate) async fn unfinished(&self) -> Result<BTreeMap<StreamName, Unfinished>, Fault> {
        let view = self.topic.current(0).await?;
        let begun = view.values.iter().filter_map(|(key, value)| {
            let name = std::str::from_utf8(key).ok()?.strip_suffix(UNFINISHED_SUFFIX)?;
            Some((StreamName::new(name).ok()?, serde_json::from_slice(value).ok()?))
        });
        Ok(begun.collect())
    }
}

/// What follows the name in the key of what has begun; no stream can have such a name.
const UNFINISHED_SUFFIX: &str = "~unfinished";

/// Says what has begun with the topic of a stream, or that nothing has.
pub(crate) fn begun(name: &StreamName, unfinished: Option<&Unfinished>) -> Outgoing {
    let value = unfinished.map(|begun| Bytes::from(serde_json::to_vec(begun).expect("an entry is plain data")));
    let key = Bytes::from(format!("{name}{UNFINISHED_SUFFIX}"));
    Outgoing { topic: STREAMS_TOPIC.to_owned(), partition: 0, key, value }
}

/// The key of what is remembered of deleted streams; no stream can have such a name.
fn lives_key(name: &StreamName) -> String {
    format!("{name}~lives")
}

/// Remembers the deleted streams of a name, or forgets them.
pub(crate) fn remember(name: &StreamName, earlier: Option<&[EarlierLife]>) -> Outgoing {
    let value = earlier.map(|earlier| Bytes::from(serde_json::to_vec(earlier).expect("lives are plain data")));
    Outgoing { topic: STREAMS_TOPIC.to_owned(), partition: 0, key: Bytes::from(lives_key(name)), value }
}

fn decode(view: &View) -> Entries {
    let entry = |(key, value): (&Vec<u8>, &Bytes)| {
        let name = std::str::from_utf8(key).ok().and_then(|name| StreamName::new(name).ok());
        let name = name?;
        match serde_json::from_slice(value) {
            Ok(entry) => Some((name, entry)),
            Err(error) => {
                warn!(stream = %name, %error, "an entry of {STREAMS_TOPIC} cannot be read");
                None
            }
        }
    };
    view.values.iter().filter_map(entry).collect()
}

impl RegistryWriter {
    pub(crate) fn new(clients: Arc<Clients>, registry: Arc<Registry>) -> Self {
        RegistryWriter { registry, fenced: Fenced::new(clients, "gallop-streams".to_owned()) }
    }

    /// The entries as they stand; [`RegistryWriter::put`] changes exactly these or says [`Changed::Again`].
    pub(crate) async fn begin(&mut self) -> Result<Entries, Fault> {
        self.fenced.hold().await?;
        self.registry.entries().await
    }

    /// The deleted streams of a name.
    pub(crate) async fn earlier(&self, name: &StreamName) -> Result<Vec<EarlierLife>, Fault> {
        self.registry.earlier(name).await
    }

    /// What has begun with the topic of a stream and has not ended.
    pub(crate) async fn unfinished(&self, name: &StreamName) -> Result<Option<Unfinished>, Fault> {
        Ok(self.registry.unfinished().await?.remove(name))
    }

    /// All that has begun with topics and has not ended.
    pub(crate) async fn all_unfinished(&self) -> Result<BTreeMap<StreamName, Unfinished>, Fault> {
        self.registry.unfinished().await
    }

    /// Sets or removes an entry.
    pub(crate) async fn put(&mut self, name: &StreamName, entry: Option<&Entry>) -> Result<Changed, Fault> {
        self.put_with(name, entry, Vec::new()).await
    }

    /// Sets or removes an entry, and writes other messages in the same step.
    pub(crate) async fn put_with(
        &mut self,
        name: &StreamName,
        entry: Option<&Entry>,
        others: Vec<Outgoing>,
    ) -> Result<Changed, Fault> {
        let value = entry.map(|entry| Bytes::from(serde_json::to_vec(entry).expect("an entry is plain data")));
        let key = Bytes::copy_from_slice(name.as_str().as_bytes());
        let message = Outgoing { topic: STREAMS_TOPIC.to_owned(), partition: 0, key, value };
        let messages = others.into_iter().chain([message]).collect();
        self.write(name, messages, Written::Entry(entry)).await
    }

    /// Says what has begun with the topic of a stream, or that nothing has; its entry stays.
    pub(crate) async fn put_begun(&mut self, name: &StreamName, now: Option<&Unfinished>) -> Result<Changed, Fault> {
        self.write(name, vec![begun(name, now)], Written::Begun(now)).await
    }

    /// Writes messages in one step. Where the brokers do not say whether they are there, `written`
    /// of them tells.
    async fn write(
        &mut self,
        name: &StreamName,
        messages: Vec<Outgoing>,
        written: Written<'_>,
    ) -> Result<Changed, Fault> {
        if !self.fenced.is_held() {
            return Ok(Changed::Again);
        }
        match self.fenced.commit(messages).await {
            Ok(_) => Ok(Changed::Done),
            Err(NotCommitted::Fenced) => Ok(Changed::Again),
            Err(NotCommitted::Failed(fault)) => Err(fault),
            Err(NotCommitted::Unknown(_, fault)) => {
                self.fenced.hold().await?;
                let stands = match written {
                    Written::Entry(entry) => self.registry.entries().await?.get(name) == entry,
                    Written::Begun(now) => self.registry.unfinished().await?.get(name) == now,
                };
                if stands {
                    return Ok(Changed::Done);
                }
                warn!(stream = %name, error = &fault as &dyn std::error::Error, "a change did not come through");
                Ok(Changed::Again)
            }
        }
    }
}

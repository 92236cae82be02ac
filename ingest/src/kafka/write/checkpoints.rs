//! Checkpoints of consumers: a compacted topic, written in the transaction that makes a checkpoint's outputs readable.
//!
//! ```text
//! key    home NUL incarnation NUL consumer [NUL part]
//! value  part 0: length of the head, 4 bytes big endian | head, JSON | state     other parts: version, 8 bytes big endian | state
//! ```
//!
//! A large state is cut into parts, for brokers bound a message. Parts that a smaller state no longer has are removed in
//! the same transaction.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::{Checkpoint, Positions};
use serde::{Deserialize, Serialize};

use crate::kafka::cluster::clients::Clients;
use crate::kafka::cluster::fault::Fault;
use crate::kafka::read::compacted::{Compacted, View};
use crate::kafka::read::range_reader::RangeReader;
use crate::kafka::write::outgoing::Outgoing;

/// The topic.
pub(crate) const CHECKPOINTS_TOPIC: &str = "__gallop-checkpoints";
/// Consumers of one partition wait for each other's open transactions when one of them starts.
const PARTITIONS: i32 = 16;
/// State that goes into one message.
const PART_BYTES: usize = 512 << 10;
/// A part, and a head with the positions in 100,000 shards.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// Whose checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Holder {
    pub(crate) home: StreamName,
    /// The home's.
    pub(crate) incarnation: u64,
    pub(crate) consumer: ConsumerName,
}

/// A checkpoint that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) checkpoint: Checkpoint,
    /// Tells a commit from another one of the same version.
    pub(crate) commit: u64,
    pub(crate) parts: u32,
}

/// A checkpoint, if it can be known.
#[derive(Debug)]
pub(crate) enum Known {
    /// It stands, or there is none.
    Yes(Option<Kept>),
    /// A transaction is open in front of it.
    No,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    version: u64,
    commit: u64,
    parts: u32,
    state_bytes: u64,
    positions: Positions,
}

/// The topic.
pub(crate) struct Checkpoints {
    topic: Compacted,
}

impl Holder {
    fn key(&self, part: u32) -> Vec<u8> {
        let key = format!("{}\0{}\0{}", self.home, self.incarnation, self.consumer);
        match part {
            0 => key.into_bytes(),
            part => format!("{key}\0{part}").into_bytes(),
        }
    }
}

impl Checkpoints {
    pub(crate) async fn open(clients: Arc<Clients>, ranges: Arc<RangeReader>) -> Result<Checkpoints, Fault> {
        let topic = Compacted::open(clients, ranges, CHECKPOINTS_TOPIC, PARTITIONS, MESSAGE_BYTES_MAX).await?;
        Ok(Checkpoints { topic })
    }

    /// The checkpoint as it stands.
    pub(crate) async fn current(&self, holder: &Holder) -> Result<Option<Kept>, Fault> {
        let view = self.topic.current(self.topic.partition(&holder.key(0))).await?;
        decode(&view, holder)
            .map_err(|what| Fault::found(format!("reading the checkpoint of consumer `{}`", holder.consumer), what))
    }

    /// The same, as long as no transaction keeps it hidden for longer than `patience`: then it is not known.
    pub(crate) async fn current_within(&self, holder: &Holder, patience: Duration) -> Result<Known, Fault> {
        match self.topic.current_within(self.topic.partition(&holder.key(0)), patience).await? {
            Some(view) => decoded(&view, holder).map(Known::Yes),
            None => Ok(Known::No),
        }
    }

    /// How many parts a checkpoint has.
    pub(crate) fn parts(checkpoint: &Checkpoint) -> u32 {
        u32::try_from(checkpoint.state.len().div_ceil(PART_BYTES).max(1)).expect("a state has a bound")
    }

    /// The messages that replace a checkpoint of `former_parts`.
    pub(crate) fn messages(
        &self,
        holder: &Holder,
        checkpoint: &Checkpoint,
        commit: u64,
        former_parts: u32,
    ) -> Vec<Outgoing> {
        let partition = self.topic.partition(&holder.key(0));
        let values = encode(checkpoint, commit);
        let (parts, former_parts) = (values.len() as u32, former_parts);
        let kept = values.into_iter().map(Some);
        let removed = (parts..former_parts).map(|_| None);
        let message = |(part, value): (u32, Option<Bytes>)| Outgoing {
            topic: self.topic.topic.clone(),
            partition,
            key: Bytes::from(holder.key(part)),
            value,
        };
        (0..).zip(kept.chain(removed)).map(message).collect()
    }

    /// The messages that remove all checkpoints kept in a home.
    pub(crate) async fn removal(&self, home: &StreamName, incarnation: u64) -> Result<Vec<Outgoing>, Fault> {
        let prefix = format!("{home}\0{incarnation}\0").into_bytes();
        let mut messages = Vec::new();
        for partition in self.topic.partitions() {
            let view = self.topic.current(partition).await?;
            let keys =
                view.values.range(prefix.clone()..).map(|(key, _)| key).take_while(|key| key.starts_with(&prefix));
            messages.extend(keys.map(|key| Outgoing {
                topic: self.topic.topic.clone(),
                partition,
                key: Bytes::copy_from_slice(key),
                value: None,
            }));
        }
        Ok(messages)
    }
}

fn encode(checkpoint: &Checkpoint, commit: u64) -> Vec<Bytes> {
    let state = &checkpoint.state;
    let parts = Checkpoints::parts(checkpoint);
    let head = Head {
        version: checkpoint.version,
        commit,
        parts,
        state_bytes: state.len() as u64,
        positions: checkpoint.positions.clone(),
    };
    let head = serde_json::to_vec(&head).expect("a head is plain data");
    let part = |part: usize| {
        let piece = &state[part * PART_BYTES..((part + 1) * PART_BYTES).min(state.len())];
        let mut value = BytesMut::with_capacity(piece.len() + 12 + head.len());
        if part == 0 {
            value.put_u32(u32::try_from(head.len()).expect("positions have a bound"));
            value.put_slice(&head);
        } else {
            value.put_u64(checkpoint.version);
        }
        value.put_slice(piece);
        value.freeze()
    };
    (0..parts as usize).map(part).collect()
}

fn decoded(view: &View, holder: &Holder) -> Result<Option<Kept>, Fault> {
    let doing = || format!("reading the checkpoint of consumer `{}`", holder.consumer);
    decode(view, holder).map_err(|what| Fault::found(doing(), what))
}

fn decode(view: &View, holder: &Holder) -> Result<Option<Kept>, String> {
    let Some(value) = view.values.get(&holder.key(0)) else { return Ok(None) };
    let (length, rest) = value.split_at_checked(4).ok_or("the head is cut")?;
    let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
    let (head, first) = rest.split_at_checked(length).ok_or("the head is cut")?;
    let head: Head = serde_json::from_slice(head).map_err(|error| format!("the head: {error}"))?;
    let mut state = BytesMut::from(first);
    for part in 1..head.parts {
        let value = view.values.get(&holder.key(part)).ok_or_else(|| format!("part {part} is missing"))?;
        let (version, piece) = value.split_at_checked(8).ok_or_else(|| format!("part {part} is cut"))?;
        if version != head.version.to_be_bytes() {
            return Err(format!("part {part} is of another version"));
        }
        state.put_slice(piece);
    }
    if state.len() as u64 != head.state_bytes {
        return Err(format!("{} bytes of state, not {}", state.len(), head.state_bytes));
    }
    let checkpoint = Checkpoint { version: head.version, positions: head.positions, state: state.freeze() };
    Ok(Some(Kept { checkpoint, commit: head.commit, parts: head.parts }))
}

#[cfg(test)]
mod tests {
    use model::stream::checkpoint::Position;
    use model::stream::sequence_number::SequenceNumber;
    use model::stream::shard::ShardId;

    use super::*;

    #[test]
    fn states_of_any_size_come_back_whole() {
        let holder = Holder {
            home: StreamName::new("home").expect("valid"),
            incarnation: 7,
            consumer: ConsumerName::new("query").expect("valid"),
        };
        for bytes in [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 5 * PART_BYTES / 2] {
            let positions = [(ShardId(3), Position { next: SequenceNumber(9), finished: true })].into();
            let state = (0..bytes).map(|i| i as u8).collect::<Vec<u8>>();
            let checkpoint = Checkpoint { version: 4, positions, state: state.into() };
            let mut view = View::default();
            for (part, value) in (0..).zip(encode(&checkpoint, 99)) {
                view.values.insert(holder.key(part), value);
            }
            let kept = decode(&view, &holder).expect("whole").expect("there");
            assert_eq!((kept.checkpoint, kept.commit), (checkpoint, 99), "{bytes} bytes");
            if kept.parts > 1 {
                view.values.remove(&holder.key(1));
                assert!(decode(&view, &holder).is_err());
            }
        }
    }
}

//! The payload of a commit frame: a checkpoint, and the outputs that belong to it.
//!
//! ```text
//! consumer length u16, consumer, checkpoint version u64,
//! positions u32, { shard u32, next u64, finished u8 } each,
//! groups u32, { shard u32, first u64, records u32, payload length u32 } each,
//! state length u32, records payload of each group, state
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::clock::Timestamp;
use model::name::ConsumerName;
use model::stream::checkpoint::{Checkpoint, Position};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::log::error::Reason;
use crate::log::frames::block::Block;
use crate::log::frames::frame::first_of;

/// Room for what is neither outputs nor state; more is made when it is needed.
const FIXED_BYTES_ABOUT: usize = 1 << 10;

/// A commit as it stands in a frame.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Whose checkpoint.
    pub consumer: ConsumerName,
    pub checkpoint: Checkpoint,
    /// The outputs per shard.
    pub blocks: Vec<Block>,
}

impl Commit {
    /// Takes a verified payload apart.
    pub fn decode(payload: &Bytes, arrived_at: Timestamp) -> Result<Commit, Reason> {
        let short = "a commit frame is too short";
        let mut rest = payload.clone();
        let mut take = |bytes: usize| {
            if rest.len() < bytes { Err(short) } else { Ok(rest.split_to(bytes)) }
        };
        let consumer_bytes = take(2)?.get_u16_le() as usize;
        let consumer = take(consumer_bytes)?;
        let consumer = std::str::from_utf8(&consumer).ok().and_then(|name| ConsumerName::new(name).ok());
        let consumer = consumer.ok_or("a commit frame's consumer is not a name")?;
        let version = take(8)?.get_u64_le();
        let mut checkpoint = Checkpoint { version, ..Checkpoint::default() };
        for _ in 0..take(4)?.get_u32_le() {
            let mut entry = take(13)?;
            let shard = ShardId(entry.get_u32_le());
            let next = SequenceNumber(entry.get_u64_le());
            checkpoint.positions.insert(shard, Position { next, finished: entry.get_u8() != 0 });
        }
        let mut blocks = Vec::new();
        for _ in 0..take(4)?.get_u32_le() {
            let mut entry = take(20)?;
            let (shard, first) = (ShardId(entry.get_u32_le()), entry.get_u64_le());
            let (count, bytes) = (entry.get_u32_le(), entry.get_u32_le());
            let first = first_of(first, count)?;
            blocks.push((Block { shard, first, count, arrived_at, payload: Bytes::new() }, bytes as usize));
        }
        let state_bytes = take(4)?.get_u32_le() as usize;
        let blocks = blocks.into_iter().map(|(block, bytes)| Ok(Block { payload: take(bytes)?, ..block }));
        let blocks = blocks.collect::<Result<_, Reason>>()?;
        checkpoint.state = take(state_bytes)?;
        Ok(Commit { consumer, checkpoint, blocks })
    }

    /// The payload of a frame that holds `outputs` and `checkpoint`.
    pub fn encode(consumer: &ConsumerName, checkpoint: &Checkpoint, outputs: &[Block]) -> Bytes {
        let outputs_bytes: usize = outputs.iter().map(|block| block.payload.len()).sum();
        let mut out = BytesMut::with_capacity(FIXED_BYTES_ABOUT + outputs_bytes + checkpoint.state.len());
        let length = |length: usize| u32::try_from(length).expect("commits are bounded far below 4 GiB");
        out.put_u16_le(u16::try_from(consumer.as_str().len()).expect("names are short"));
        out.put_slice(consumer.as_str().as_bytes());
        out.put_u64_le(checkpoint.version);
        out.put_u32_le(length(checkpoint.positions.len()));
        for (shard, position) in &checkpoint.positions {
            out.put_u32_le(shard.0);
            out.put_u64_le(position.next.0);
            out.put_u8(position.finished.into());
        }
        out.put_u32_le(length(outputs.len()));
        for block in outputs {
            out.put_u32_le(block.shard.0);
            out.put_u64_le(block.first.0);
            out.put_u32_le(block.count);
            out.put_u32_le(length(block.payload.len()));
        }
        out.put_u32_le(length(checkpoint.state.len()));
        for block in outputs {
            out.put_slice(&block.payload);
        }
        out.put_slice(&checkpoint.state);
        out.freeze()
    }
}

//! The payload of a segment's first frame.
//!
//! ```text
//! length of the segment before u64, checkpoints that follow u32, shards u32, { shard u32, next u64 } each
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::log::error::Reason;

/// What the head of a segment says of the time before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Length of the segment before; 0 in a stream's first segment.
    pub before_bytes: u64,
    /// How many commit frames follow in the head's group: the newest checkpoint of every consumer.
    pub checkpoints: u32,
    /// The next number of every shard.
    pub next: Vec<(ShardId, SequenceNumber)>,
}

impl Head {
    /// Takes a verified payload apart.
    pub fn decode(mut payload: Bytes) -> Result<Head, Reason> {
        let short = "the head of a segment is too short";
        let before_bytes = payload.try_get_u64_le().map_err(|_| short)?;
        let checkpoints = payload.try_get_u32_le().map_err(|_| short)?;
        let count = payload.try_get_u32_le().map_err(|_| short)?;
        let mut next = Vec::new();
        for _ in 0..count {
            let shard = ShardId(payload.try_get_u32_le().map_err(|_| short)?);
            next.push((shard, SequenceNumber(payload.try_get_u64_le().map_err(|_| short)?)));
        }
        Ok(Head { before_bytes, checkpoints, next })
    }

    /// The payload of the frame.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(16 + self.next.len() * 12);
        out.put_u64_le(self.before_bytes);
        out.put_u32_le(self.checkpoints);
        out.put_u32_le(u32::try_from(self.next.len()).expect("shard ids are 32 bits"));
        for (shard, next) in &self.next {
            out.put_u32_le(shard.0);
            out.put_u64_le(next.0);
        }
        out.freeze()
    }
}

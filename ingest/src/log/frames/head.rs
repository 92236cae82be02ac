//! The payload of a segment's first frame.
//!
//! ```text
//! length of the segment before u64, checkpoints that follow u32, shards u32, { shard u32, next u64 } each,
//! manifest length u32, manifest; nothing more where there is none
//! ```
//!
//! The manifest is that of the time at which the segment was begun: what a stream is can be found
//! out even if both manifests in its folder are lost.

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
    /// The bytes of the manifest; empty where they are not kept.
    pub manifest: Bytes,
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
        let manifest_bytes = payload.try_get_u32_le().unwrap_or(0) as usize;
        if payload.len() < manifest_bytes {
            return Err(short);
        }
        Ok(Head { before_bytes, checkpoints, next, manifest: payload.split_to(manifest_bytes) })
    }

    /// The payload of the frame.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(20 + self.next.len() * 12 + self.manifest.len());
        out.put_u64_le(self.before_bytes);
        out.put_u32_le(self.checkpoints);
        out.put_u32_le(u32::try_from(self.next.len()).expect("shard ids are 32 bits"));
        for (shard, next) in &self.next {
            out.put_u32_le(shard.0);
            out.put_u64_le(next.0);
        }
        if !self.manifest.is_empty() {
            out.put_u32_le(u32::try_from(self.manifest.len()).expect("a manifest is bounded far below 4 GiB"));
            out.put_slice(&self.manifest);
        }
        out.freeze()
    }
}

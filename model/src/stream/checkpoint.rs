//! A checkpoint: a consumer's positions in all shards, and the state that belongs to them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::ShardId;

/// A place in a shard: everything below `next` is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The first number that is not done.
    pub next: SequenceNumber,
    /// The shard is closed and wholly done: its children may begin.
    pub finished: bool,
}

impl Position {
    /// A place in an unfinished shard.
    pub fn at(next: SequenceNumber) -> Self {
        Position { next, finished: false }
    }
}

/// Positions of a consumer in the shards it has begun. A shard that is missing here has not been
/// begun.
pub type Positions = BTreeMap<ShardId, Position>;

/// All positions of a consumer, its state, and a version that fences out a second holder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// One above the version it replaces; the first is 1.
    pub version: u64,
    /// How far each shard is done.
    pub positions: Positions,
    /// The consumer's own bytes, at most [`STATE_BYTES_MAX`].
    pub state: Bytes,
}

impl Checkpoint {
    /// The checkpoint of a consumer that is to begin anew. Its version fences out whoever held the place before.
    pub fn blank(version: u64) -> Self {
        Checkpoint { version, ..Checkpoint::default() }
    }

    /// Whether a consumer that finds it begins anew.
    pub fn is_blank(&self) -> bool {
        self.positions.is_empty() && self.state.is_empty()
    }
}

/// The most state that a checkpoint carries.
pub const STATE_BYTES_MAX: usize = 256 << 20;

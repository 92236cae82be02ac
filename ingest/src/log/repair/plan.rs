//! What a repair finds in a stream's folder, and what it is going to do about it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use model::clock::Timestamp;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

use crate::log::frames::key::StreamKeys;
use crate::log::frames::lost::{Filled, Loss};
use crate::log::inspect::Damage;
use crate::log::repair::segment_plan::SegmentPlan;
use crate::log::segments::manifest::Manifest;

/// The repair of one stream.
#[derive(Debug)]
pub struct Plan {
    /// The stream.
    pub name: StreamName,
    /// Its folder.
    pub folder: PathBuf,
    /// Places where bytes are not those that were written, files that are missing, and indexes that
    /// are wrong. A manifest of which the other one is whole is one of them too.
    pub damage: Vec<Damage>,
    /// What is lost, and was not given up before.
    pub losses: Vec<Loss>,
    /// Consumers that may go back to an older checkpoint.
    pub consumers: Vec<Consumer>,
    /// The segment whose head the manifest is taken from, because no file has one, and how old it is.
    pub rebuilt_from: Option<(u64, Timestamp)>,
    pub(crate) manifest: Manifest,
    pub(crate) keys: Arc<StreamKeys>,
    /// Manifests to keep aside before they are replaced.
    pub(crate) manifests: Vec<&'static str>,
    pub(crate) segments: Vec<SegmentPlan>,
    /// Segments whose index is written again.
    pub(crate) indexes: Vec<u64>,
    /// Files behind the last segment that were never used.
    pub(crate) unused: Vec<String>,
    pub(crate) end: Option<NewEnd>,
}

/// A consumer whose newest checkpoint may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its name.
    pub name: ConsumerName,
    /// The version it goes on from.
    pub version: u64,
    /// When that was committed.
    pub committed_at: Timestamp,
}

/// The segment with which the log goes on, if the end of the last one is damaged.
#[derive(Debug)]
pub(crate) struct NewEnd {
    pub(crate) segment: u64,
    /// Length of the one before.
    pub(crate) before_bytes: u64,
    pub(crate) stamp: Timestamp,
    pub(crate) next: BTreeMap<ShardId, SequenceNumber>,
    pub(crate) checkpoints: BTreeMap<ConsumerName, Checkpoint>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }

    /// Places that are filled, those of earlier repairs included.
    pub fn fills(&self) -> Vec<Filled> {
        self.manifest.filled.clone()
    }

    /// Records that are lost: at most so many, or exactly.
    pub fn lost_records(&self) -> (u64, bool) {
        (self.losses.iter().map(|loss| loss.records).sum(), self.losses.iter().all(|loss| loss.exact))
    }
}

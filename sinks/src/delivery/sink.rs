//! Where a delivery stream's records go.

use async_trait::async_trait;
use futures::future::BoxFuture;

use model::archive::name::RecordRange;
use model::clock::Timestamp;

use crate::delivery::cut::Cut;

/// What a sink did with a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Records that the sink keeps.
    pub records: u64,
    /// Records that it cannot take, put where dead letters go.
    pub dead_letters: u64,
}

/// Why a cut could not be delivered now. It is tried again until it can.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The table refused or is out of reach.
    #[error(transparent)]
    Table(#[from] model::table::store::TableError),
    /// The archive is out of reach or full.
    #[error(transparent)]
    Archive(#[from] model::archive::store::ArchiveError),
    /// An object could not be made.
    #[error("{records} records cannot be written as an object")]
    Encode {
        /// How many there are.
        records: usize,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
}

/// What is left to do for a cut that is prepared: its records appear in the sink. When it has ended
/// well, each of them is durable there or among the dead letters.
pub type Appear<'a> = BoxFuture<'a, Result<Delivered, SinkError>>;

/// Takes cuts. Two implementations: `destination/table.rs` and `destination/archive.rs`.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Whether delivering these cuts, stopping half-way and then cutting the same records elsewhere would leave
    /// something double. Such cuts are promised in the checkpoint before they are delivered.
    async fn must_be_promised(&self, cuts: &[Cut]) -> Result<bool, SinkError>;

    /// Where people find a cut that was delivered.
    fn place(&self, cut: &Cut) -> String {
        let range = &cut.range;
        format!("{} {}..{}", range.shard, range.first, range.last)
    }

    /// Whether readers take the cuts of a shard as complete up to the last one they see. Such cuts
    /// appear one after the other, in order.
    fn keeps_order(&self) -> bool;

    /// The records of objects that were made from records which arrived from `since` on. Asked where
    /// the source may have been restored from an older copy. None where a record that is delivered
    /// twice changes nothing anyway.
    async fn delivered_since(&self, _since: Timestamp, _now: Timestamp) -> Result<Vec<RecordRange>, SinkError> {
        Ok(Vec::new())
    }

    /// Does the part of a delivery that nobody can see; what it returns does the rest. Delivering
    /// the same cut again changes nothing.
    async fn prepare<'a>(&'a self, cut: &'a Cut) -> Result<Appear<'a>, SinkError>;
}

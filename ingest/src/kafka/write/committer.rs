//! Commits of one consumer: outputs and checkpoint in one transaction, fenced against every other holder.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::record::{Appended, PutEntry};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Shard, ShardId};
use model::stream::store::StreamError;
use tracing::warn;

use crate::kafka::cluster::clients::Clients;
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::views::{Freshness, Outdated, Views};
use crate::kafka::streams::stream::{Stream, partition_number};
use crate::kafka::write::checkpoints::{Checkpoints, Holder, Known};
use crate::kafka::write::fenced::{Fenced, NotCommitted};
use crate::kafka::write::outgoing::{Delivered, Outgoing};

/// How often a commit is tried before its error is the caller's.
const ATTEMPTS_MAX: u32 = 5;
/// The pause before the second attempt; it doubles.
const ATTEMPT_DELAY: Duration = Duration::from_millis(100);

/// A transaction that hides a checkpoint for longer has probably lost its process.
const OPEN_DELAY_MAX: Duration = Duration::from_millis(500);

/// The consumer's transactional id, and what stands under it.
pub(crate) struct Committer {
    checkpoints: Arc<Checkpoints>,
    views: Arc<Views>,
    fenced: Fenced,
    holder: Holder,
    /// Known only while the id is held.
    stands: Option<Stands>,
}

#[derive(Debug, Clone, Copy)]
struct Stands {
    version: u64,
    parts: u32,
}

/// What is to be committed.
pub(crate) struct Commit {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) outputs: Vec<PutEntry>,
}

impl Committer {
    pub(crate) fn new(clients: Arc<Clients>, checkpoints: Arc<Checkpoints>, views: Arc<Views>, holder: Holder) -> Self {
        let fenced = Fenced::new(clients, format!("gallop {} {}", holder.home, holder.consumer));
        Committer { checkpoints, views, fenced, holder, stands: None }
    }

    /// Commits to `home`, the holder's.
    pub(crate) async fn commit(&mut self, home: &Stream, commit: Commit) -> Result<Vec<Appended>, StreamError> {
        // Tells this commit from another one of the same version, when it is not known which one stands.
        let number: u64 = rand::random();
        let mut unknown: Vec<Appended> = Vec::new();
        let mut delay = ATTEMPT_DELAY;
        let mut failed = None;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(fault) = failed.take() {
                warn!(consumer = %self.holder.consumer, error = &fault as &dyn std::error::Error, "commit tried again");
                tokio::time::sleep(delay).await;
                delay *= 2;
            }
            let stands = match self.hold(number).await {
                Ok(Held::Stands(stands)) => stands,
                Ok(Held::Ours) => return Ok(acknowledge(home, unknown)),
                Err(fault) => {
                    failed = Some(fault);
                    continue;
                }
            };
            check_version(&self.holder.consumer, commit.checkpoint.version, stands.version)?;
            // The shard map stays as it is until the rows are where it says.
            let _gate = home.gate.read().await;
            home.check()?;
            let places = route(home, &commit.outputs);
            let mut messages: Vec<Outgoing> =
                commit.outputs.iter().zip(&places).map(|(entry, place)| outgoing(home, *place, entry)).collect();
            messages.extend(self.checkpoints.messages(&self.holder, &commit.checkpoint, number, stands.parts));
            // Nothing may become readable in a shard that others closed too long ago.
            let views = Arc::clone(&self.views);
            let still_open = async {
                let freshness = views.fresh().await?;
                let map = home.description();
                let open = |place: &Place| map.shards.get(place.shard).is_some_and(Shard::is_open);
                if freshness == Freshness::Fresh || places.iter().all(open) { Ok(()) } else { Err(Outdated) }
            };
            match self.fenced.commit_if(messages, still_open).await {
                Ok(delivered) => {
                    let parts = Checkpoints::parts(&commit.checkpoint);
                    self.stands = Some(Stands { version: commit.checkpoint.version, parts });
                    return Ok(acknowledge(home, appended(&places, &delivered)));
                }
                // Another holder, or none: the version is read anew under a higher epoch.
                Err(NotCommitted::Fenced) => self.stands = None,
                Err(NotCommitted::Unknown(delivered, fault)) => {
                    self.stands = None;
                    unknown = appended(&places, &delivered);
                    failed = Some(fault);
                }
                Err(NotCommitted::Failed(fault)) => failed = Some(fault),
            }
        }
        let fault =
            failed.unwrap_or_else(|| Fault::late(format!("committing for consumer `{}`", self.holder.consumer)));
        Err(fault.of(&self.holder.home))
    }

    /// What stands for the consumer. What a holder before has left open is not waited for but ended: it was not committed,
    /// and never will be.
    pub(crate) async fn checkpoint(&mut self) -> Result<Option<Checkpoint>, Fault> {
        let kept = match self.checkpoints.current_within(&self.holder, OPEN_DELAY_MAX).await? {
            Known::Yes(kept) => kept,
            Known::No => {
                self.stands = None;
                self.fenced.hold().await?;
                self.checkpoints.current(&self.holder).await?
            }
        };
        Ok(kept.map(|kept| kept.checkpoint))
    }

    /// Holds the id, and says what stands under it.
    async fn hold(&mut self, number: u64) -> Result<Held, Fault> {
        if let Some(stands) = self.stands.filter(|_| self.fenced.is_held()) {
            return Ok(Held::Stands(stands));
        }
        self.fenced.hold().await?;
        let kept = self.checkpoints.current(&self.holder).await?;
        let stands = kept.as_ref().map_or(Stands { version: 0, parts: 0 }, |kept| Stands {
            version: kept.checkpoint.version,
            parts: kept.parts,
        });
        self.stands = Some(stands);
        let ours = kept.is_some_and(|kept| kept.commit == number);
        Ok(if ours { Held::Ours } else { Held::Stands(stands) })
    }
}

/// The outputs are readable: readers of this process see them from now on.
fn acknowledge(home: &Stream, appended: Vec<Appended>) -> Vec<Appended> {
    for one in &appended {
        home.acknowledge(one.shard, one.sequence_number);
    }
    appended
}

/// What is found on holding an id.
enum Held {
    /// The version that stands.
    Stands(Stands),
    /// The commit in question stands already.
    Ours,
}

fn check_version(consumer: &ConsumerName, version: u64, found: u64) -> Result<(), StreamError> {
    if version == found + 1 {
        return Ok(());
    }
    let expected = version.saturating_sub(1);
    Err(StreamError::CheckpointConflict { consumer: consumer.clone(), expected, found })
}

/// The open shards that own the outputs.
fn route(home: &Stream, outputs: &[PutEntry]) -> Vec<Place> {
    let map = home.description();
    let place = |entry: &PutEntry| {
        let shard = map.shards.route(entry.hash_key());
        Place { shard, base: map.shards.get(shard).expect("an open shard is in the map").first }
    };
    outputs.iter().map(place).collect()
}

/// A shard, and the number of its offset 0.
#[derive(Debug, Clone, Copy)]
struct Place {
    shard: ShardId,
    base: SequenceNumber,
}

fn outgoing(home: &Stream, place: Place, entry: &PutEntry) -> Outgoing {
    Outgoing {
        topic: home.name.as_str().to_owned(),
        partition: partition_number(place.shard),
        key: Bytes::copy_from_slice(entry.partition_key.as_str().as_bytes()),
        value: Some(entry.data.clone()),
    }
}

/// Where the outputs went: they are the first of what was delivered.
fn appended(places: &[Place], delivered: &[Delivered]) -> Vec<Appended> {
    let one = |(place, delivered): (&Place, &Delivered)| Appended {
        shard: place.shard,
        sequence_number: place.base.plus(delivered.offset),
        arrived_at: delivered.arrived_at,
    };
    places.iter().zip(delivered).map(one).collect()
}

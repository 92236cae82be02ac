//! The read side of a stream: from memory at the tip, from files behind it, never under a lock.

use std::path::Path;
use std::sync::Arc;

use model::clock::Timestamp;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{ReadBatch, ReadLimit, StartingPosition, StreamError};
use tokio::sync::Notify;

use crate::log::frames::block::{Block, Read};
use crate::log::read::reader::{self, Stretch};
use crate::log::segments::segment::Segment;
use crate::log::stream::{EndReason, Shared, StreamLog};
use model::disk::Disk;

/// Where a read finds its records.
enum Found {
    /// Nowhere: there are none.
    Nothing(ReadBatch),
    InMemory(Vec<Block>),
    InFile(Stretch),
}

impl StreamLog {
    pub(crate) async fn read(
        &self,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let batch = self.read_stored(shard, from, limit).await?;
        match batch.records.first() {
            Some(first) if first.arrived_at < self.lock().horizon => {
                let oldest = self.oldest(shard).await?;
                Err(StreamError::Trimmed { stream: self.name.clone(), shard, oldest })
            }
            _ => Ok(batch),
        }
    }

    /// Reads what is stored, also what is past retention.
    async fn read_stored(
        &self,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let (changed, from, lost) = {
            let shared = self.lock();
            let state = shared.shard(&self.name, shard)?;
            let (next, lost) = if from < state.oldest { (from, 0) } else { shared.losses.pass(shard, from) };
            (Arc::clone(&state.changed), next, lost)
        };
        let batch = self.read_behind_losses(shard, from, ReadLimit { wait: limit.wait && lost == 0, ..limit }, changed);
        Ok(ReadBatch { lost, ..batch.await? })
    }

    async fn read_behind_losses(
        &self,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
        changed: Arc<Notify>,
    ) -> Result<ReadBatch, StreamError> {
        loop {
            let mut changed = std::pin::pin!(changed.notified());
            changed.as_mut().enable();
            let (from, found) = self.find(shard, from, limit)?;
            match found {
                Found::InFile(stretch) => return self.read_file(stretch, from, limit).await,
                Found::InMemory(blocks) => return Ok(self.read_memory(shard, &blocks, from, limit)),
                Found::Nothing(batch) if !limit.wait || batch.end_of_shard => return Ok(batch),
                Found::Nothing(_) => changed.await,
            }
        }
    }

    /// Where records from `from` on are, and the lowest number that the first of them can have.
    fn find(
        &self,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<(SequenceNumber, Found), StreamError> {
        let read_at = self.read_clock();
        let mut shared = self.lock();
        let state = shared.shard(&self.name, shard)?;
        let (oldest, next) = (state.oldest, state.next);
        let known = shared.description.shards.get(shard);
        let from = known.map_or(from, |shard| shard.first_from(from));
        if from < oldest {
            return Err(StreamError::Trimmed { stream: self.name.clone(), shard, oldest });
        }
        if from >= next {
            if limit.wait && matches!(shared.ended, Some(EndReason::Closed)) {
                return Err(StreamError::Stopped { stream: self.name.clone(), reason: "the store is closed".into() });
            }
            return Ok((from, Found::Nothing(shared.batch(shard, from, Vec::new(), read_at))));
        }
        let found = match shared.tail.find(shard, from, limit) {
            Some(blocks) => Found::InMemory(blocks),
            None => {
                let segments = shared.segments.iter();
                let mut holding = segments.filter_map(|s| s.index.shards.get(&shard).map(|index| (s, index)));
                let (segment, index) =
                    holding.find(|(_, index)| from < index.next).expect("records below the tip are in a segment");
                let (place, end) = (self.place(segment.id), segment.index.length);
                let skips = known.map(|shard| shard.skips.clone()).unwrap_or_default();
                let (keys, losses) = (Arc::clone(&shared.keys), Arc::clone(&shared.losses));
                Found::InFile(Stretch { place, shard, skips, begins: index.offsets_from(from), end, keys, losses })
            }
        };
        Ok((from, found))
    }

    fn read_memory(&self, shard: ShardId, blocks: &[Block], from: SequenceNumber, limit: ReadLimit) -> ReadBatch {
        let mut read = Read::default();
        for block in blocks {
            block.read_into(from, limit, &mut read).expect("the tail in memory holds what was encoded");
        }
        let read_at = self.read_clock();
        self.lock().batch(shard, from, read.records, read_at)
    }

    async fn read_file(
        &self,
        stretch: Stretch,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let (shard, segment) = (stretch.shard, stretch.place.segment);
        let result = {
            let folder = self.folder.clone();
            self.file_reads.run(move |disk| reader::read(disk, &folder, &stretch, from, limit)).await
        };
        let mut shared = self.lock();
        match result {
            Ok(records) => {
                shared.shard(&self.name, shard)?;
                Ok(shared.batch(shard, from, records, self.read_clock()))
            }
            // The segment was dropped between the look at the index and the read.
            Err(error) => match shared.shard(&self.name, shard)?.oldest {
                oldest if from < oldest => Err(StreamError::Trimmed { stream: self.name.clone(), shard, oldest }),
                _ => {
                    drop(shared);
                    self.note_damage(segment, &error);
                    Err(error.met_by(shard, from).of(&self.name))
                }
            },
        }
    }

    pub(crate) async fn locate(
        &self,
        shard: ShardId,
        position: StartingPosition,
    ) -> Result<SequenceNumber, StreamError> {
        let next = self.lock().shard(&self.name, shard)?.next;
        let from = match position {
            StartingPosition::Latest => return Ok(next),
            StartingPosition::TrimHorizon => return self.oldest(shard).await,
            StartingPosition::AtTime(at) => {
                let horizon = self.lock().horizon;
                return self.first_at(shard, at.max(horizon)).await;
            }
            StartingPosition::At(number) => number,
            StartingPosition::After(number) => SequenceNumber(number.0.saturating_add(1)),
        };
        Ok(from.min(next).max(self.oldest(shard).await?))
    }

    /// The oldest record that retention keeps; the next number where there is none.
    async fn oldest(&self, shard: ShardId) -> Result<SequenceNumber, StreamError> {
        let horizon = {
            let shared = self.lock();
            let state = shared.shard(&self.name, shard)?;
            let mut holding = shared.segments.iter().filter(|segment| segment.index.shards.contains_key(&shard));
            let begins_at = holding.next().and_then(|segment| segment.index.first_arrived_at);
            if shared.horizon <= state.oldest_at || begins_at.is_none_or(|begins_at| shared.horizon <= begins_at) {
                return Ok(state.oldest);
            }
            shared.horizon
        };
        let found = self.first_at(shard, horizon).await?;
        let mut shared = self.lock();
        shared.shard(&self.name, shard)?;
        let state = shared.shards.get_mut(&shard).expect("it was there under the same lock");
        state.oldest = state.oldest.max(found);
        state.oldest_at = state.oldest_at.max(horizon);
        Ok(state.oldest)
    }

    /// The first record that arrived at `at` or later; the next number where there is none. Records that are lost right
    /// before it may be as young, so their numbers come first, and a reader that begins there is told.
    async fn first_at(&self, shard: ShardId, at: Timestamp) -> Result<SequenceNumber, StreamError> {
        let found = self.first_stored_at(shard, at).await?;
        let shared = self.lock();
        let oldest = shared.shard(&self.name, shard)?.oldest;
        let skips = shared.description.shards.get(shard).map_or(&[][..], |shard| &shard.skips);
        Ok(shared.losses.begin_before(shard, skips, found).max(oldest))
    }

    /// The first record that is stored of those that arrived at `at` or later; the next number where there is none.
    async fn first_stored_at(&self, shard: ShardId, at: Timestamp) -> Result<SequenceNumber, StreamError> {
        let (oldest, next, stretches) = {
            let shared = self.lock();
            let state = shared.shard(&self.name, shard)?;
            let late = shared.segments.iter().filter(|segment| segment.index.last_arrived_at >= Some(at));
            let stretches = late.filter_map(|segment| {
                let index = segment.index.shards.get(&shard)?;
                let (place, end) = (self.place(segment.id), segment.index.length);
                let (keys, losses) = (Arc::clone(&shared.keys), Arc::clone(&shared.losses));
                Some(Stretch { place, shard, skips: Vec::new(), begins: index.offsets_at(at), end, keys, losses })
            });
            (state.oldest, state.next, stretches.collect::<Vec<_>>())
        };
        for stretch in stretches {
            let found = {
                let folder = self.folder.clone();
                self.file_reads.run(move |disk| reader::find(disk, &folder, &stretch, at)).await
            };
            match found {
                Ok(None) => {}
                Ok(Some(number)) => return Ok(number),
                Err(error) => match self.lock().shard(&self.name, shard)?.oldest {
                    // Dropped meanwhile: what is left is younger.
                    now_oldest if oldest < now_oldest => return Ok(now_oldest),
                    _ => return Err(error.of(&self.name)),
                },
            }
        }
        Ok(next)
    }

    /// All of a segment.
    pub(crate) fn whole(&self, shared: &Shared, segment: &Segment) -> Stretch {
        let (place, end) = (self.place(segment.id), segment.index.length);
        let (keys, losses) = (Arc::clone(&shared.keys), Arc::clone(&shared.losses));
        Stretch { place, shard: ShardId(0), skips: Vec::new(), begins: vec![0], end, keys, losses }
    }

    /// Verifies every durable frame of the stream.
    pub(crate) async fn verify(&self) -> Result<(), StreamError> {
        let stretches: Vec<Stretch> = {
            let shared = self.lock();
            shared.segments.iter().map(|segment| self.whole(&shared, segment)).collect()
        };
        let folder = self.folder.clone();
        let verify = |disk: &dyn Disk, folder: &Path, stretch: &Stretch| {
            reader::verify(disk, folder, stretch, u64::MAX).map(drop)
        };
        let work = move |disk: &dyn Disk| stretches.iter().try_for_each(|stretch| verify(disk, &folder, stretch));
        self.file_reads.run(work).await.map_err(|error| error.of(&self.name))
    }
}

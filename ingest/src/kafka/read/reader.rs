//! Reading a shard: from the tail of an open one, else from the brokers.

use std::sync::Arc;
use std::time::Duration;

use model::clock::Timestamp;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{Shard, ShardId};
use model::stream::store::{ReadBatch, ReadLimit, StartingPosition, StreamError};
use tracing::debug;

use crate::kafka::cluster::clients::{Clients, End};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::views::Views;
use crate::kafka::read::broker_time::BrokerTime;
use crate::kafka::read::fetcher::Fetcher;
use crate::kafka::read::range_reader::{Bounds, NotRead, Range, RangeReader, Stretch};
use crate::kafka::read::record::record;
use crate::kafka::read::tail::Found;
use crate::kafka::streams::stream::Stream;

/// The most that one read takes from the brokers, whatever the caller asks for.
const READ_RECORDS_MAX: usize = 10_000;
const READ_BYTES_MAX: usize = 16 << 20;
/// How long a read that does not wait for news waits for what this process has written.
const OWN_DELAY_MAX: Duration = Duration::from_secs(2);
/// How often a place is looked for again that the brokers say they do not have, though it is not below their oldest: a
/// broker that has just become leader may know less for a moment.
const LOOKS_MAX: u32 = 50;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What reading takes.
pub(crate) struct Reader<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) ranges: &'a Arc<RangeReader>,
    pub(crate) fetcher: &'a Arc<Fetcher>,
    pub(crate) time: &'a BrokerTime,
    pub(crate) views: &'a Views,
    pub(crate) stream: &'a Stream,
}

impl Reader<'_> {
    pub(crate) async fn read(
        &self,
        id: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        loop {
            let mut changed = std::pin::pin!(self.stream.changed.notified());
            changed.as_mut().enable();
            let shard = self.stream.shard(id)?;
            let from = from.max(shard.first);
            let batch = match shard.end {
                Some(end) => self.read_closed(&shard, from, end, limit).await?,
                None => match self.read_open(&shard, from, limit).await? {
                    Some(batch) => batch,
                    None => continue,
                },
            };
            if !limit.wait || !batch.records.is_empty() || batch.end_of_shard {
                return Ok(self.promised(&shard, batch));
            }
            let tail = self.fetcher.tail(&self.stream.partition(id), shard.first).await;
            let tail = tail.map_err(|fault| fault.of(&self.stream.name))?;
            tokio::select! {
                () = tail.beyond(from) => {}
                () = changed => {}
            }
        }
    }

    /// Without the promises that children may break: what they have got since a split may be older than the next record of
    /// their parent, and whether there was a split is known until the last look.
    fn promised(&self, shard: &Shard, batch: ReadBatch) -> ReadBatch {
        let until = match self.stream.closed(shard.id) {
            Some(closed) => closed.at,
            None if shard.is_open() => self.views.seen_until(),
            None => Timestamp::MAX,
        };
        if until < batch.complete_until {
            self.time.ask();
        }
        ReadBatch { complete_until: batch.complete_until.min(until), ..batch }
    }

    /// A closed shard gets no more records: the brokers have all there is.
    async fn read_closed(
        &self,
        shard: &Shard,
        mut from: SequenceNumber,
        end: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let mut records = Vec::new();
        while from < end && records.is_empty() {
            let range = self.range(shard, from, end, limit).await?;
            (records, from) = (range.found, shard.first.plus(range.next));
        }
        let complete_until = match records.last() {
            Some(last) if from < end => last.arrived_at,
            _ => self.time.about_now(),
        };
        Ok(ReadBatch { records, next: from, tip: end.max(from), end_of_shard: end <= from, complete_until, lost: 0 })
    }

    /// None when the tail has to be looked for again.
    async fn read_open(
        &self,
        shard: &Shard,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<Option<ReadBatch>, StreamError> {
        let stream = self.stream;
        let tail = self.fetcher.tail(&stream.partition(shard.id), shard.first).await;
        let tail = tail.map_err(|fault| fault.of(&stream.name))?;
        if !limit.wait {
            // What this process was told is kept, its readers find. Only a transaction that somebody else has open in
            // the shard can hide it for longer: then they find it when that has ended.
            let own = tail.covered(stream.acknowledged(shard.id));
            if tokio::time::timeout(OWN_DELAY_MAX, own).await.is_err() {
                debug!(stream = %stream.name, shard = %shard.id, "an open transaction hides what was appended");
            }
        }
        let (mut place, mut older, mut bytes) = (from, Vec::new(), 0);
        loop {
            let rest = ReadLimit {
                records_max: limit.records_max.saturating_sub(older.len()),
                bytes_max: limit.bytes_max.saturating_sub(bytes),
                wait: limit.wait,
            };
            match tail.read(place, rest) {
                Found::Stopped => return Ok(None),
                Found::Batch(batch) => {
                    if !limit.wait {
                        self.time.ask();
                    }
                    return Ok(Some(after(older, batch)));
                }
                Found::Older(first) => {
                    let range = self.range(shard, place, first, rest).await?;
                    place = shard.first.plus(range.next);
                    bytes += range.found.iter().map(Record::size_bytes).sum::<usize>();
                    older.extend(range.found);
                    // The tail has the rest, if it was not reached by a limit.
                    if let Some(last) = older.last()
                        && (place < first || older.len() >= limit.records_max || bytes >= limit.bytes_max)
                    {
                        let (complete_until, tip) = (last.arrived_at, tail.tip().max(place));
                        let (records, next) = (older, place);
                        return Ok(Some(ReadBatch {
                            records,
                            next,
                            tip,
                            end_of_shard: false,
                            complete_until,
                            lost: 0,
                        }));
                    }
                }
            }
        }
    }

    /// Records from the brokers; `until` was at most the last stable offset.
    async fn range(
        &self,
        shard: &Shard,
        from: SequenceNumber,
        until: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<Range<Record>, StreamError> {
        let (name, base) = (&self.stream.name, shard.first);
        let partition = self.stream.partition(shard.id);
        // Numbers below the shard's first belong to its parents: nothing of this shard is below offset 0.
        let offset = |number: SequenceNumber| number.0.saturating_sub(base.0);
        let stretch = Stretch { partition: partition.clone(), from: offset(from), until: offset(until) };
        let bounds = Bounds {
            messages_max: limit.records_max.clamp(1, READ_RECORDS_MAX),
            bytes_max: limit.bytes_max.clamp(1, READ_BYTES_MAX),
        };
        for _ in 0..LOOKS_MAX {
            let mut floor = Timestamp::MIN;
            let take = move |message: &rdkafka::message::BorrowedMessage<'_>| {
                let record = record(message, base, floor);
                floor = record.arrived_at;
                let bytes = record.size_bytes();
                (record, bytes)
            };
            match self.ranges.read(stretch.clone(), bounds, take).await {
                Ok(range) => return Ok(range),
                Err(NotRead::Fault(fault)) => return Err(fault.of(name)),
                Err(NotRead::Missing) => {
                    self.stream.check()?;
                    return Err(Fault::found(format!("reading {}", shard.id), "its topic is gone").of(name));
                }
                Err(NotRead::Trimmed) => {
                    let oldest = self.clients.end(&partition.0, partition.1, End::Oldest).await;
                    let oldest = oldest.map_err(|fault| fault.of(name))?;
                    if stretch.from < oldest {
                        let (stream, shard, oldest) = (name.clone(), shard.id, base.plus(oldest));
                        return Err(StreamError::Trimmed { stream, shard, oldest });
                    }
                    tokio::time::sleep(LOOK_INTERVAL).await;
                }
            }
        }
        Err(Fault::late(format!("looking for {from} in {}", shard.id)).of(name))
    }

    pub(crate) async fn locate(&self, id: ShardId, position: StartingPosition) -> Result<SequenceNumber, StreamError> {
        let shard = self.stream.shard(id)?;
        self.locate_in(&shard, position).await.map_err(|fault| fault.of(&self.stream.name))
    }

    async fn locate_in(&self, shard: &Shard, position: StartingPosition) -> Result<SequenceNumber, Fault> {
        let (topic, partition) = self.stream.partition(shard.id);
        let (oldest, latest) = (self.end(shard, End::Oldest).await?, self.end(shard, End::Stable).await?);
        let latest = shard.end.unwrap_or(latest.max(self.stream.acknowledged(shard.id))).max(oldest);
        Ok(match position {
            StartingPosition::TrimHorizon => oldest,
            StartingPosition::Latest => latest,
            StartingPosition::At(number) => number.clamp(oldest, latest),
            StartingPosition::After(number) => SequenceNumber(number.0.saturating_add(1)).clamp(oldest, latest),
            StartingPosition::AtTime(at) => {
                let place = (topic, partition);
                let found = self.clients.offsets_at(std::slice::from_ref(&place), at).await?;
                let found = found.get(&place).ok_or_else(|| Fault::late("asking for an offset by time"))?;
                found.map_or(latest, |offset| shard.first.plus(offset)).clamp(oldest, latest)
            }
        })
    }

    async fn end(&self, shard: &Shard, end: End) -> Result<SequenceNumber, Fault> {
        let (topic, partition) = self.stream.partition(shard.id);
        Ok(shard.first.plus(self.clients.end(&topic, partition, end).await?))
    }
}

/// What the tail has, after what the brokers had.
fn after(mut older: Vec<Record>, mut batch: ReadBatch) -> ReadBatch {
    if let Some(last) = older.last() {
        batch.complete_until = batch.complete_until.max(last.arrived_at);
        older.append(&mut batch.records);
        batch.records = older;
    }
    batch
}

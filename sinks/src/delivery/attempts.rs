//! What a delivery stream does again and again until it succeeds: reads, and hands cuts to its
//! sink.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use model::clock::{Timestamp, sleep};
use model::stream::checkpoint::Positions;
use model::stream::consumer::StreamReader;
use model::stream::hash_key::HashKeyRange;
use model::stream::shard::ShardId;
use model::stream::store::{StreamDescription, StreamError};
use tracing::{error, info, warn};

use super::backoff::Backoff;
use super::delivered_before::DeliveredBefore;
use super::stream::{DeliveryError, DeliveryStream};
use crate::delivery::cut::{Cut, Missed, Promise, read_cut};
use crate::delivery::sink::{Delivered, SinkError};

impl DeliveryStream {
    /// Keeps a promise made before a restart.
    pub(super) async fn keep(&self, promise: &Promise, backoff: &mut Backoff) -> Result<(), DeliveryError> {
        let mut cuts = Vec::new();
        let source = self.describe(backoff).await?;
        let (shards, sensor) = (&source.shards, source.sensor().cloned().map(Arc::new));
        for range in &promise.cuts {
            let (records, missed) = loop {
                match read_cut(&*self.store, &source, range).await {
                    Ok(read) => break read,
                    Err(error) => self.wait_after(error, backoff).await?,
                }
            };
            self.count(range.shard, missed);
            if !records.is_empty() {
                let owned = shards.get(range.shard).map_or(HashKeyRange::ALL, |shard| shard.range);
                cuts.push(Cut { range: range.clone(), records, owned, sensor: sensor.clone() });
            }
        }
        self.deliver(&cuts, backoff).await;
        Ok(())
    }

    /// Where a delivery had come whose checkpoint is gone, if that was with an earlier stream of the
    /// source's name.
    pub(super) async fn positions_before(&self, backoff: &mut Backoff) -> Result<Positions, DeliveryError> {
        let lives = &self.describe(backoff).await?.lives;
        let reached = self.reached.lock().expect("no holder of the lock panics").clone();
        let before = reached.or_else(|| lives.last_positions(&self.name).cloned());
        Ok(before.filter(|positions| lives.are_earlier(positions)).unwrap_or_default())
    }

    /// Tells of records that were deleted with an earlier stream of the source's name.
    pub(super) fn begins_anew(&self, deleted: u64) {
        let (delivery, source) = (&self.name, &self.source);
        if deleted == 0 {
            return info!(%delivery, %source, "the source was created anew");
        }
        warn!(%delivery, %source, records = deleted, "the source was created anew: records of the earlier one were deleted before they were delivered");
        self.status.update(|status| status.deleted += deleted);
    }

    /// Notes how far it has come: a checkpoint in the source goes with it.
    pub(super) fn set_reached(&self, positions: Positions) {
        *self.reached.lock().expect("no holder of the lock panics") = Some(positions);
    }

    /// What the source is now.
    pub(super) async fn describe(&self, backoff: &mut Backoff) -> Result<Arc<StreamDescription>, DeliveryError> {
        loop {
            match self.store.describe(&self.source).await {
                Ok(description) => return Ok(description),
                Err(error) => self.wait_after(error, backoff).await?,
            }
        }
    }

    pub(super) async fn open_reader(
        &self,
        positions: Positions,
        backoff: &mut Backoff,
    ) -> Result<StreamReader, DeliveryError> {
        loop {
            let (store, source) = (Arc::clone(&self.store), self.source.clone());
            match StreamReader::open(store, source, positions.clone(), self.start).await {
                Ok(reader) => return Ok(reader),
                Err(error) => self.wait_after(error, backoff).await?,
            }
        }
    }

    pub(super) async fn must_be_promised(&self, cuts: &[Cut], backoff: &mut Backoff) -> bool {
        loop {
            match self.sink.must_be_promised(cuts).await {
                Ok(must) => return must,
                Err(error) => self.wait(&error, backoff).await,
            }
        }
    }

    /// Delivers cuts, some at a time; those that fail again and again until none is left.
    pub(super) async fn deliver(&self, cuts: &[Cut], backoff: &mut Backoff) {
        let mut lanes = lanes(cuts, self.sink.keeps_order());
        while !lanes.is_empty() {
            let cuts_before: usize = lanes.iter().map(Vec::len).sum();
            let (left, error) = self.deliver_once(lanes).await;
            lanes = left;
            if lanes.iter().map(Vec::len).sum::<usize>() < cuts_before {
                // The sink takes some: the next wait is short again.
                backoff.reset();
            }
            if let Some(error) = error {
                self.wait(&error, backoff).await;
            }
        }
        backoff.reset();
        self.status.succeeded();
    }

    /// Tries each lane once; what is left of those that failed, and the last failure.
    async fn deliver_once<'a>(&self, lanes: Vec<Vec<&'a Cut>>) -> (Vec<Vec<&'a Cut>>, Option<SinkError>) {
        let in_flight_max = self.options.in_flight_max.max(1);
        let ahead = (in_flight_max / lanes.len()).max(1);
        let attempt = |lane: Vec<&'a Cut>| self.deliver_lane(lane, ahead);
        let mut waiting = lanes.into_iter();
        let mut attempts: FuturesUnordered<_> = waiting.by_ref().take(in_flight_max).map(attempt).collect();
        let (mut left, mut last_error) = (Vec::new(), None);
        while let Some(result) = attempts.next().await {
            if let Err((lane, error)) = result {
                left.push(lane);
                last_error = Some(error);
            }
            attempts.extend(waiting.next().map(attempt));
        }
        (left, last_error)
    }

    /// Delivers cuts one after the other, and prepares up to `ahead` of them side by side. Error:
    /// the first that failed and those behind it, none of which has appeared.
    async fn deliver_lane<'a>(&self, lane: Vec<&'a Cut>, ahead: usize) -> Result<(), (Vec<&'a Cut>, SinkError)> {
        let prepare = |cut: &'a Cut| self.sink.prepare(cut);
        let mut waiting = lane.iter().copied();
        let mut prepared: FuturesOrdered<_> = waiting.by_ref().take(ahead).map(prepare).collect();
        for (done, cut) in lane.iter().enumerate() {
            let result = match prepared.next().await {
                Some(Ok(appear)) => appear.await,
                Some(Err(error)) => Err(error),
                None => break,
            };
            match result {
                Ok(delivered) => self.delivered(cut, delivered),
                Err(error) => return Err((lane[done..].to_vec(), error)),
            }
            prepared.extend(waiting.next().map(prepare));
        }
        Ok(())
    }

    fn delivered(&self, cut: &Cut, Delivered { records, dead_letters }: Delivered) {
        let (now, place) = (self.clock.now(), self.sink.place(cut));
        self.status.update(|status| {
            status.last_delivered = Some(place);
            status.delivered_records += records;
            status.dead_letters += dead_letters;
            status.delivered_cuts += 1;
            status.last_success_at = Some(now);
        });
    }

    /// Waits before the next try on the stream. Error: what no waiting will mend.
    pub(super) async fn wait_after(&self, error: StreamError, backoff: &mut Backoff) -> Result<(), DeliveryError> {
        match error {
            StreamError::NotFound(_) | StreamError::CheckpointConflict { .. } | StreamError::InvalidCommit { .. } => {
                let (delivery, source_stream) = (self.name.clone(), self.source.clone());
                Err(DeliveryError::Stream { delivery, source_stream, source: error })
            }
            error => {
                self.wait(&error, backoff).await;
                Ok(())
            }
        }
    }

    async fn wait(&self, error: &(dyn std::error::Error + Send + Sync + 'static), backoff: &mut Backoff) {
        self.status.failed(error);
        let delay = backoff.delay();
        warn!(delivery = %self.name, error, ?delay, "delivery failed and will be retried");
        sleep(&*self.clock, delay).await;
    }

    /// What the sink holds of records that arrived from `since` on.
    pub(super) async fn delivered_since(&self, since: Timestamp, backoff: &mut Backoff) -> DeliveredBefore {
        loop {
            match self.sink.delivered_since(since, self.clock.now()).await {
                Ok(ranges) => return DeliveredBefore::new(ranges),
                Err(error) => self.wait(&error, backoff).await,
            }
        }
    }

    /// Counts records that can never be delivered.
    pub(super) fn count(&self, shard: ShardId, Missed { expired, lost }: Missed) {
        if expired > 0 {
            error!(delivery = %self.name, %shard, expired, "records expired before they were delivered");
        }
        if lost > 0 {
            error!(delivery = %self.name, %shard, lost, "records were lost to damage before they were delivered");
        }
        self.status.update(|status| {
            status.expired += expired;
            status.lost += lost;
        });
    }
}

/// Cuts that are delivered one after the other: those of a shard where its order is kept, else each
/// by itself.
fn lanes(cuts: &[Cut], keeps_order: bool) -> Vec<Vec<&Cut>> {
    if !keeps_order {
        return cuts.iter().map(|cut| vec![cut]).collect();
    }
    let mut lanes: BTreeMap<ShardId, Vec<&Cut>> = BTreeMap::new();
    for cut in cuts {
        lanes.entry(cut.range.shard).or_default().push(cut);
    }
    lanes.into_values().collect()
}

//! What a delivery stream does again and again until it succeeds: reads, and hands cuts to its
//! sink.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::stream::checkpoint::Positions;
use model::stream::consumer::StreamReader;
use model::stream::hash_key::HashKeyRange;
use model::stream::shard::ShardId;
use model::stream::store::{StreamDescription, StreamError};
use tracing::{error, warn};

use super::backoff::Backoff;
use super::stream::{DeliveryError, DeliveryStream};
use crate::delivery::cut::{Cut, Promise, read_cut};
use crate::delivery::sink::{Delivered, SinkError};

impl DeliveryStream {
    /// Keeps a promise made before a restart.
    pub(super) async fn keep(&self, promise: &Promise, backoff: &mut Backoff) -> Result<(), DeliveryError> {
        let mut cuts = Vec::new();
        let source = self.describe(backoff).await?;
        let (shards, sensor) = (&source.shards, source.sensor().cloned().map(Arc::new));
        for range in &promise.cuts {
            let (records, expired) = loop {
                match read_cut(&*self.store, &self.source, range).await {
                    Ok(read) => break read,
                    Err(error) => self.wait_after(error, backoff).await?,
                }
            };
            if expired > 0 {
                self.lost(range.shard, expired);
            }
            if !records.is_empty() {
                let owned = shards.get(range.shard).map_or(HashKeyRange::ALL, |shard| shard.range);
                cuts.push(Cut { range: range.clone(), records, owned, sensor: sensor.clone() });
            }
        }
        self.deliver(&cuts, backoff).await;
        Ok(())
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
        let mut left: Vec<&Cut> = cuts.iter().collect();
        while !left.is_empty() {
            let (failed, error) = self.deliver_once(&left).await;
            left = failed;
            if let Some(error) = error {
                self.wait(&error, backoff).await;
            }
        }
        backoff.reset();
        self.status.succeeded();
    }

    /// Tries each cut once; the ones that failed, and the last failure.
    async fn deliver_once<'a>(&self, cuts: &[&'a Cut]) -> (Vec<&'a Cut>, Option<SinkError>) {
        let attempt = |cut: &'a Cut| async move { (cut, self.sink.deliver(cut).await) };
        let mut waiting = cuts.iter().copied();
        let mut attempts: FuturesUnordered<_> =
            waiting.by_ref().take(self.options.in_flight_max.max(1)).map(attempt).collect();
        let (mut failed, mut last_error) = (Vec::new(), None);
        while let Some((cut, result)) = attempts.next().await {
            match result {
                Ok(Delivered { records, dead_letters }) => {
                    let (now, place) = (self.clock.now(), self.sink.place(cut));
                    self.status.update(|status| {
                        status.last_delivered = Some(place);
                        status.delivered_records += records;
                        status.dead_letters += dead_letters;
                        status.delivered_cuts += 1;
                        status.last_success_at = Some(now);
                    });
                }
                Err(error) => {
                    failed.push(cut);
                    last_error = Some(error);
                }
            }
            attempts.extend(waiting.next().map(attempt));
        }
        (failed, last_error)
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
        self.clock.sleep_until(self.clock.now() + delay).await;
    }

    pub(super) fn lost(&self, shard: ShardId, expired: u64) {
        error!(delivery = %self.name, %shard, expired, "records expired before they were delivered");
        self.status.update(|status| status.expired += expired);
    }
}

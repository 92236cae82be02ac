//! A delivery stream: reads a stream, buffers, and hands cuts to a sink until all is delivered.
//!
//! ```text
//! loop   read ──▶ buffer ──▶ cuts that are due
//!                              1. commit: positions before the cuts, and the cuts as a promise
//!                              2. deliver each, again and again until it succeeds
//!                              3. commit, now or with the next promise: positions after the cuts
//! start  read the promised cuts again ──▶ deliver them ──▶ read on after them
//! ```
//!
//! A crash before 1 leaves nothing behind; one after it repeats exactly the promised cuts, and delivering a cut twice
//! changes nothing. So every record is in the sink or among the dead letters, once. While a sink fails nothing more is
//! read: records wait in the stream. Whatever was dropped unfinished, at any await point, a new start sets right.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::archive::Archive;
use model::checkpoint::{Position, Positions};
use model::clock::{Clock, Timestamp};
use model::consumer::{ShardBatch, StreamReader};
use model::hash_key::HashKeyRange;
use model::name::{ConsumerName, StreamName, TableName};
use model::sequence_number::SequenceNumber;
use model::shard::{ShardId, ShardMap};
use model::stream_store::{StartingPosition, StreamError, StreamStore};
use model::table::TableStore;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::backoff::Backoff;
use super::buffer::Buffer;
use super::ledger::Ledger;
use super::options::DeliveryOptions;
use super::status::StatusHandle;
use crate::archive_sink::ArchiveSink;
use crate::cut::{Cut, Promise, read_cut};
use crate::sink::{Delivered, Sink, SinkError};
use crate::table_sink::TableSink;

/// Why a delivery stream ended by itself. Anything that may pass is waited for instead.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The stream is gone, another holder runs this delivery, or the checkpoint can never be taken.
    #[error("delivery `{delivery}` of stream `{source_stream}` has ended")]
    Stream {
        /// The delivery.
        delivery: ConsumerName,
        /// What it reads.
        source_stream: StreamName,
        /// Why.
        #[source]
        source: StreamError,
    },
    /// The checkpoint's state is not one of a delivery: another kind of consumer has this name.
    #[error("the checkpoint of delivery `{delivery}` cannot be read")]
    State {
        /// The delivery.
        delivery: ConsumerName,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// A consumer joined to a sink. Its name must be its own among the consumers of its source.
pub struct DeliveryStream {
    name: ConsumerName,
    source: StreamName,
    start: StartingPosition,
    store: Arc<dyn StreamStore>,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn Sink>,
    options: DeliveryOptions,
    status: StatusHandle,
}

impl DeliveryStream {
    /// Delivers records of `source` to `sink`, beginning at `start` unless a checkpoint is there.
    pub fn new(
        name: ConsumerName,
        source: StreamName,
        start: StartingPosition,
        store: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
        sink: Arc<dyn Sink>,
        options: DeliveryOptions,
    ) -> Self {
        let status = StatusHandle::new(Arc::clone(&clock));
        DeliveryStream { name, source, start, store, clock, sink, options, status }
    }

    /// Upserts records of `source` into `table`. Records that are no items of it go to `dead_letters` under
    /// `errors/<name>/`; without it they are counted and logged.
    #[expect(clippy::too_many_arguments, reason = "parts with a life of their own, wired in one place")]
    pub fn table(
        name: ConsumerName,
        source: StreamName,
        start: StartingPosition,
        store: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
        tables: Arc<dyn TableStore>,
        table: TableName,
        dead_letters: Option<Arc<dyn Archive>>,
        options: DeliveryOptions,
    ) -> Self {
        let sink = Arc::new(TableSink::new(name.clone(), tables, table, dead_letters));
        DeliveryStream::new(name, source, start, store, clock, sink, options)
    }

    /// Archives records of `source` as objects. One delivery per stream and archive: names hold the stream only.
    pub fn archive(
        name: ConsumerName,
        source: StreamName,
        start: StartingPosition,
        store: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
        archive: Arc<dyn Archive>,
        options: DeliveryOptions,
    ) -> Self {
        let sink = Arc::new(ArchiveSink::new(archive, source.clone()));
        DeliveryStream::new(name, source, start, store, clock, sink, options)
    }

    /// Shows how it goes.
    pub fn status(&self) -> StatusHandle {
        self.status.clone()
    }

    /// Runs until `shutdown` ends; then delivers what is buffered, for at most `shutdown_max`. Dropping the future at
    /// any moment is safe: a new run goes on from the checkpoint. Error: [`DeliveryError`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), DeliveryError> {
        let (stop, stopping) = watch::channel(false);
        let (clock, status, name) = (Arc::clone(&self.clock), self.status.clone(), self.name.clone());
        let shutdown_max = self.options.shutdown_max;
        let out_of_time = async {
            shutdown.await;
            stop.send_replace(true);
            clock.sleep_until(clock.now() + shutdown_max).await;
        };
        status.update(|status| status.running = true);
        let ended = tokio::select! {
            biased;
            ended = Box::pin(self.work(stopping)) => ended,
            () = out_of_time => {
                warn!(delivery = %name, ?shutdown_max, "stopped before everything read was delivered; it comes after the next start");
                Ok(())
            }
        };
        status.update(|status| status.running = false);
        if let Err(error) = &ended {
            status.failed(error);
        }
        ended
    }

    async fn work(self, mut stopping: watch::Receiver<bool>) -> Result<(), DeliveryError> {
        let mut run = Run::start(self).await?;
        info!(delivery = %run.name(), stream = %run.delivery.source, "delivery started");
        while !*stopping.borrow() {
            let wake_at = run.wake_at();
            let clock = Arc::clone(&run.delivery.clock);
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => {}
                batch = run.reader.next() => run.take(batch).await?,
                () = sleep_until(&*clock, wake_at) => {}
            }
            run.turn(false).await?;
        }
        run.turn(true).await
    }
}

/// Returns once a stop is asked for. A future of its own, so that the value's lock is never held over an await.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, and with it whoever could wait for us: stop too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn sleep_until(clock: &dyn Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A delivery stream that runs.
struct Run {
    delivery: DeliveryStream,
    reader: StreamReader,
    buffer: Buffer,
    /// Cuts taken from the buffer and not delivered yet.
    in_flight: Vec<Cut>,
    ledger: Ledger,
    committed_at: Timestamp,
    backoff: Backoff,
}

impl Run {
    /// Delivers what the checkpoint promises, and opens the reader after it.
    async fn start(delivery: DeliveryStream) -> Result<Run, DeliveryError> {
        let mut backoff = Backoff::new(&delivery.options);
        let (store, source, name) = (&delivery.store, &delivery.source, &delivery.name);
        let ledger = loop {
            match Ledger::open(Arc::clone(store), source.clone(), name.clone()).await {
                Ok(ledger) => break ledger,
                Err(error) => delivery.wait_after(error, &mut backoff).await?,
            }
        };
        let promise = Promise::decode(&ledger.committed().state)
            .map_err(|source| DeliveryError::State { delivery: name.clone(), source })?;
        let mut positions = ledger.committed().positions.clone();
        delivery.keep(&promise, &mut backoff).await?;
        for cut in &promise.cuts {
            let position = positions.entry(cut.shard).or_insert(Position::at(cut.first));
            *position = Position::at(position.next.max(cut.last.next()));
        }
        let begun = ledger.committed().version > 0;
        let reader = delivery.open_reader(positions, &mut backoff).await?;
        let (buffer, committed_at) = (Buffer::new(delivery.options.clone()), delivery.clock.now());
        let mut run = Run { delivery, reader, buffer, in_flight: Vec::new(), ledger, committed_at, backoff };
        if !begun {
            // From now on `start` has been decided: a restart must not decide anew.
            run.commit(Promise::default()).await?;
        }
        Ok(run)
    }

    fn name(&self) -> &ConsumerName {
        &self.delivery.name
    }

    /// When to act even if nothing comes: a cut is due, or positions are to be committed.
    fn wake_at(&self) -> Option<Timestamp> {
        let moved = self.ledger.committed().positions != self.positions();
        let commit_at = moved.then(|| self.committed_at + self.delivery.options.checkpoint_interval);
        self.buffer.due_at().into_iter().chain(commit_at).min()
    }

    /// Everything below is delivered.
    fn positions(&self) -> Positions {
        let mut held: BTreeMap<ShardId, SequenceNumber> = BTreeMap::new();
        let in_flight = self.in_flight.iter().map(|cut| (cut.range.shard, cut.range.first));
        for (shard, first) in self.buffer.held().map(|(shard, first, _)| (shard, first)).chain(in_flight) {
            let least = held.entry(shard).or_insert(first);
            *least = first.min(*least);
        }
        let mut positions = self.reader.positions().clone();
        positions.extend(held.into_iter().map(|(shard, first)| (shard, Position::at(first))));
        positions
    }

    /// Takes over what was read.
    async fn take(&mut self, batch: Result<ShardBatch, StreamError>) -> Result<(), DeliveryError> {
        match batch {
            Ok(batch) => {
                self.backoff.reset();
                if batch.skipped > 0 {
                    self.delivery.lost(batch.shard, batch.skipped);
                }
                self.buffer.push(batch, self.delivery.clock.now());
                self.delivery.status.set_oldest_waiting(self.buffer.held().map(|(_, _, arrived_at)| arrived_at).min());
            }
            Err(StreamError::ShardNotFound { shard, .. }) => {
                error!(delivery = %self.name(), %shard, "shard is past retention: its last records were not delivered");
                let mut positions = self.reader.positions().clone();
                positions.entry(shard).or_insert(Position::at(SequenceNumber::FIRST)).finished = true;
                self.reader = self.delivery.open_reader(positions, &mut self.backoff).await?;
            }
            Err(error) => self.delivery.wait_after(error, &mut self.backoff).await?,
        }
        Ok(())
    }

    /// Delivers the cuts that are due, and commits what is to be committed.
    async fn turn(&mut self, everything: bool) -> Result<(), DeliveryError> {
        self.in_flight = self.buffer.take(self.delivery.clock.now(), everything);
        if !self.in_flight.is_empty() {
            if self.delivery.must_be_promised(&self.in_flight, &mut self.backoff).await {
                let cuts = self.in_flight.iter().map(|cut| cut.range.clone()).collect();
                self.commit(Promise { cuts }).await?;
            }
            self.delivery.deliver(&self.in_flight, &mut self.backoff).await;
            self.in_flight.clear();
            self.delivery.status.set_oldest_waiting(self.buffer.held().map(|(_, _, arrived_at)| arrived_at).min());
        }
        let moved = self.ledger.committed().positions != self.positions();
        let due = self.committed_at + self.delivery.options.checkpoint_interval <= self.delivery.clock.now();
        if moved && (due || everything) {
            self.commit(Promise::default()).await?;
        }
        Ok(())
    }

    /// Commits, again and again until it is done.
    async fn commit(&mut self, promise: Promise) -> Result<(), DeliveryError> {
        let (positions, state) = (self.positions(), promise.encode());
        while let Err(error) = self.ledger.commit(positions.clone(), state.clone()).await {
            self.delivery.wait_after(error, &mut self.backoff).await?;
        }
        self.backoff.reset();
        self.committed_at = self.delivery.clock.now();
        Ok(())
    }
}

impl DeliveryStream {
    /// Keeps a promise made before a restart.
    async fn keep(&self, promise: &Promise, backoff: &mut Backoff) -> Result<(), DeliveryError> {
        let mut cuts = Vec::new();
        let shards = self.shards(backoff).await?;
        for range in &promise.cuts {
            let (records, skipped) = loop {
                match read_cut(&*self.store, &self.source, range).await {
                    Ok(read) => break read,
                    Err(error) => self.wait_after(error, backoff).await?,
                }
            };
            if skipped > 0 {
                self.lost(range.shard, skipped);
            }
            if !records.is_empty() {
                let owned = shards.get(range.shard).map_or(HashKeyRange::ALL, |shard| shard.range);
                cuts.push(Cut { range: range.clone(), records, owned });
            }
        }
        self.deliver(&cuts, backoff).await;
        Ok(())
    }

    async fn shards(&self, backoff: &mut Backoff) -> Result<ShardMap, DeliveryError> {
        loop {
            match self.store.describe(&self.source).await {
                Ok(description) => return Ok(description.shards.clone()),
                Err(error) => self.wait_after(error, backoff).await?,
            }
        }
    }

    async fn open_reader(&self, positions: Positions, backoff: &mut Backoff) -> Result<StreamReader, DeliveryError> {
        loop {
            let (store, source) = (Arc::clone(&self.store), self.source.clone());
            match StreamReader::open(store, source, positions.clone(), self.start).await {
                Ok(reader) => return Ok(reader),
                Err(error) => self.wait_after(error, backoff).await?,
            }
        }
    }

    async fn must_be_promised(&self, cuts: &[Cut], backoff: &mut Backoff) -> bool {
        loop {
            match self.sink.must_be_promised(cuts).await {
                Ok(must) => return must,
                Err(error) => self.wait(&error, backoff).await,
            }
        }
    }

    /// Delivers cuts, some at a time; those that fail again and again until none is left.
    async fn deliver(&self, cuts: &[Cut], backoff: &mut Backoff) {
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
                Ok(Delivered { records, dead_letters }) => self.status.update(|status| {
                    status.delivered_records += records;
                    status.dead_letters += dead_letters;
                    status.delivered_cuts += 1;
                }),
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
    async fn wait_after(&self, error: StreamError, backoff: &mut Backoff) -> Result<(), DeliveryError> {
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
        warn!(delivery = %self.name, error, ?delay, "delivery failed and is tried again");
        self.clock.sleep_until(self.clock.now() + delay).await;
    }

    fn lost(&self, shard: ShardId, skipped: u64) {
        error!(delivery = %self.name, %shard, skipped, "records fell to retention before they were delivered");
        self.status.update(|status| status.skipped += skipped);
    }
}

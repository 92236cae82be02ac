//! A delivery stream while it runs: what was read, what is promised, and how far all is delivered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::name::ConsumerName;
use model::stream::checkpoint::{Position, Positions};
use model::stream::consumer::{ShardBatch, StreamReader};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::StreamError;
use tracing::info;

use super::backoff::Backoff;
use super::buffer::Buffer;
use super::ledger::Ledger;
use super::stream::{DeliveryError, DeliveryStream};
use crate::delivery::cut::{Cut, Missed, Promise};

/// A delivery stream that runs.
pub(super) struct Run {
    pub(super) delivery: DeliveryStream,
    pub(super) reader: StreamReader,
    buffer: Buffer,
    /// Cuts taken from the buffer and not delivered yet.
    in_flight: Vec<Cut>,
    ledger: Ledger,
    /// In the elapsed time of the clock, as all times here: a wall clock that is set back holds up nothing.
    committed_at: Duration,
    backoff: Backoff,
    /// Where the source's numbers went on when it was opened, until the sink was asked for what it
    /// holds of records below.
    resumed_at: Option<SequenceNumber>,
}

impl Run {
    /// Delivers what the checkpoint promises, and opens the reader after it.
    pub(super) async fn start(delivery: DeliveryStream) -> Result<Run, DeliveryError> {
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
        let mut positions = match ledger.committed().version {
            0 => delivery.positions_before(&mut backoff).await?,
            _ => ledger.committed().positions.clone(),
        };
        delivery.keep(&promise, &mut backoff).await?;
        for cut in &promise.cuts {
            let position = positions.entry(cut.shard).or_insert(Position::at(cut.first));
            *position = Position::at(position.next.max(cut.last.next()));
        }
        if ledger.committed().version > 0 {
            delivery.set_reached(positions.clone());
        }
        let begun = ledger.committed().version > 0 && !ledger.committed().is_blank();
        let reader = delivery.open_reader(positions, &mut backoff).await?;
        if let Some(deleted) = reader.deleted() {
            delivery.begins_anew(deleted);
            delivery.set_reached(reader.positions().clone());
        }
        let resumed_at = delivery.describe(&mut backoff).await?.lives.resumed.last().copied();
        let (buffer, committed_at) = (Buffer::new(delivery.options.clone()), delivery.clock.elapsed());
        let in_flight = Vec::new();
        let mut run = Run { delivery, reader, buffer, in_flight, ledger, committed_at, backoff, resumed_at };
        if !begun {
            // From now on `start` has been decided: a restart must not decide anew, also where the source is deleted
            // before it is committed.
            run.delivery.set_reached(run.reader.positions().clone());
            run.commit(Promise::default()).await?;
        }
        Ok(run)
    }

    pub(super) fn name(&self) -> &ConsumerName {
        &self.delivery.name
    }

    /// When to act even if nothing comes: a cut is due, or positions are to be committed.
    pub(super) fn wake_at(&self) -> Option<Duration> {
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
    pub(super) async fn take(&mut self, batch: Result<ShardBatch, StreamError>) -> Result<(), DeliveryError> {
        match batch {
            Ok(batch) => {
                self.backoff.reset();
                let missed = Missed { expired: batch.expired, lost: batch.lost };
                self.delivery.count(batch.shard, missed);
                self.ask_sink(&batch).await;
                let (shard, left_out) = (batch.shard, self.buffer.push(batch, self.delivery.clock.elapsed()));
                if left_out > 0 {
                    info!(delivery = %self.delivery.name, %shard, records = left_out, "records were delivered before");
                }
                self.delivery.status.set_oldest_waiting(self.buffer.held().map(|(_, _, arrived_at)| arrived_at).min());
            }
            Err(error) => self.delivery.wait_after(error, &mut self.backoff).await?,
        }
        Ok(())
    }

    /// Asks the sink what it holds, before the first record that was there when the source was opened:
    /// the source may be an older copy of one whose later records were delivered.
    async fn ask_sink(&mut self, batch: &ShardBatch) {
        let Some(first) = batch.records.first() else { return };
        if self.resumed_at.is_some_and(|resumed_at| first.sequence_number < resumed_at) {
            self.resumed_at = None;
            let before = self.delivery.delivered_since(first.arrived_at, &mut self.backoff).await;
            self.buffer.leave_out(before);
        }
    }

    /// Notes how far it has delivered, whether that is committed or not.
    pub(super) fn note_reached(&self) {
        self.delivery.set_reached(self.positions());
    }

    /// Delivers what was read of a source that is gone: nobody can read it again.
    pub(super) async fn finish_gone(&mut self) {
        self.in_flight.extend(self.buffer.take(self.delivery.clock.elapsed(), true));
        self.delivery.deliver(&self.in_flight, &mut self.backoff).await;
        self.in_flight.clear();
        self.delivery.set_reached(self.reader.positions().clone());
    }

    /// Delivers the cuts that are due, and commits what is to be committed.
    pub(super) async fn turn(&mut self, everything: bool) -> Result<(), DeliveryError> {
        self.in_flight = self.buffer.take(self.delivery.clock.elapsed(), everything);
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
        let due = self.committed_at + self.delivery.options.checkpoint_interval <= self.delivery.clock.elapsed();
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
        self.delivery.status.succeeded();
        self.delivery.set_reached(positions);
        self.committed_at = self.delivery.clock.elapsed();
        Ok(())
    }
}

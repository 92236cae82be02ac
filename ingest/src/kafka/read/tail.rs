//! The newest records of a shard, in memory, shared by all its readers; and how far time is complete behind them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use model::clock::Timestamp;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::store::{ReadBatch, ReadLimit};
use tokio::sync::Notify;

/// What a record costs beyond its data and key.
const RECORD_OVERHEAD_BYTES: usize = 128;

/// Said of a shard: no record at `end` or above it arrived, or will arrive, before `time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) end: SequenceNumber,
    pub(crate) time: Timestamp,
}

/// What a read finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// The place is older than the tail, which begins here.
    Older(SequenceNumber),
    /// Records, or none at the tip.
    Batch(ReadBatch),
    /// The tail is not fed any more: take another.
    Stopped,
}

/// Fed by the fetcher, read by everyone.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The number of the shard's offset 0.
    pub(crate) base: SequenceNumber,
    state: Mutex<State>,
    /// Wakes those who wait for more.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    records: VecDeque<Record>,
    bytes: usize,
    /// Every record from here on is in memory, up to `covered`.
    first: SequenceNumber,
    covered: SequenceNumber,
    /// The highest time promised, and the arrival of the newest record if that is later: no later record is handed out
    /// with an earlier arrival, whatever the broker's clock says.
    floor: Timestamp,
    /// Not yet a promise: records below its end may still be on their way.
    claim: Option<Claim>,
    stopped: bool,
    read_at: Instant,
    time_asked_at: Option<Instant>,
}

impl Tail {
    /// Begins at `first`: older records are the brokers' to give.
    pub(crate) fn new(base: SequenceNumber, first: SequenceNumber) -> Self {
        let state = State {
            records: VecDeque::new(),
            bytes: 0,
            first,
            covered: first,
            floor: Timestamp::MIN,
            claim: None,
            stopped: false,
            read_at: Instant::now(),
            time_asked_at: None,
        };
        Tail { base, state: Mutex::new(state), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// The arrival below which no record is handed out.
    pub(crate) fn floor(&self) -> Timestamp {
        self.lock().floor
    }

    /// Above all that has come.
    pub(crate) fn tip(&self) -> SequenceNumber {
        self.lock().covered
    }

    /// Adds the next record, and drops the oldest beyond `bytes_max`.
    pub(crate) fn push(&self, record: Record, bytes_max: usize) {
        let mut state = self.lock();
        if record.sequence_number < state.covered || state.stopped {
            return;
        }
        state.covered = record.sequence_number.next();
        state.floor = state.floor.max(record.arrived_at);
        state.bytes += record.size_bytes() + RECORD_OVERHEAD_BYTES;
        state.records.push_back(record);
        while state.bytes > bytes_max
            && let Some(oldest) = state.records.pop_front()
        {
            state.bytes -= oldest.size_bytes() + RECORD_OVERHEAD_BYTES;
            state.first = oldest.sequence_number.next();
        }
        state.settle();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Takes note of a claim: a promise as soon as all below its end is in memory.
    pub(crate) fn claim(&self, claim: Claim) {
        let mut state = self.lock();
        state.claim = Some(claim);
        state.settle();
    }

    /// What keeps a claim from being a promise: offsets below its end that nothing has come for.
    pub(crate) fn gap(&self) -> Option<(SequenceNumber, SequenceNumber)> {
        let state = self.lock();
        state.claim.filter(|_| !state.stopped).map(|claim| (state.covered, claim.end))
    }

    /// There is no record from `from` up to `until`: the brokers were asked.
    pub(crate) fn cover(&self, from: SequenceNumber, until: SequenceNumber) {
        let mut state = self.lock();
        if state.covered == from && from < until {
            state.covered = until;
            state.settle();
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// Forgets records below `oldest`, which are past retention.
    pub(crate) fn drop_below(&self, oldest: SequenceNumber) {
        let mut state = self.lock();
        while state.records.front().is_some_and(|record| record.sequence_number < oldest)
            && let Some(record) = state.records.pop_front()
        {
            state.bytes -= record.size_bytes() + RECORD_OVERHEAD_BYTES;
        }
        state.first = state.first.max(oldest);
        state.covered = state.covered.max(oldest);
    }

    /// Sends readers away for good.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_waiters();
    }

    /// How long nobody has read here.
    pub(crate) fn idle(&self) -> Duration {
        self.lock().read_at.elapsed()
    }

    /// Whether somebody at the tip has asked for the time within `recently`.
    pub(crate) fn is_time_asked(&self, recently: Duration) -> bool {
        self.lock().time_asked_at.is_some_and(|at| at.elapsed() < recently)
    }

    /// What there is from `from` on.
    pub(crate) fn read(&self, from: SequenceNumber, limit: ReadLimit) -> Found {
        let mut state = self.lock();
        if state.stopped {
            return Found::Stopped;
        }
        state.read_at = Instant::now();
        if from < state.first {
            return Found::Older(state.first);
        }
        let begin = state.records.partition_point(|record| record.sequence_number < from);
        let (mut records, mut bytes) = (Vec::new(), 0);
        for record in state.records.range(begin..) {
            if records.len() >= limit.records_max || bytes >= limit.bytes_max {
                break;
            }
            bytes += record.size_bytes();
            records.push(record.clone());
        }
        let tip = state.covered.max(from);
        let at_tip = begin + records.len() == state.records.len();
        let last = records.last();
        let (next, complete_until) = match last {
            Some(last) if !at_tip => (last.sequence_number.next(), last.arrived_at),
            _ => (tip, state.floor),
        };
        if at_tip && !limit.wait {
            state.time_asked_at = Some(state.read_at);
        }
        Found::Batch(ReadBatch { records, next, tip, end_of_shard: false, complete_until, lost: 0 })
    }

    /// Waits until everything below `number` has come, or the tail is stopped.
    pub(crate) async fn covered(&self, number: SequenceNumber) {
        self.until(|state| state.stopped || number <= state.covered).await;
    }

    /// Waits until something at `from` or above may be there, or the tail is stopped.
    pub(crate) async fn beyond(&self, from: SequenceNumber) {
        self.until(|state| state.stopped || state.records.back().is_some_and(|record| from <= record.sequence_number))
            .await;
    }

    async fn until(&self, reached: impl Fn(&State) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if reached(&self.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl State {
    fn settle(&mut self) {
        if let Some(claim) = self.claim.filter(|claim| claim.end <= self.covered) {
            self.floor = self.floor.max(claim.time);
            self.claim = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use model::stream::hash_key::PartitionKey;

    use super::*;

    const ALL: ReadLimit = ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX, wait: false };

    fn record(number: u64, millis: i64) -> Record {
        Record {
            sequence_number: SequenceNumber(number),
            arrived_at: Timestamp::from_millis(millis),
            partition_key: PartitionKey::new("k").expect("valid"),
            data: Bytes::from_static(b"data"),
        }
    }

    fn batch(tail: &Tail, from: u64) -> ReadBatch {
        match tail.read(SequenceNumber(from), ALL) {
            Found::Batch(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_claim_becomes_a_promise_when_all_below_it_has_come() {
        let tail = Tail::new(SequenceNumber(0), SequenceNumber(5));
        tail.claim(Claim { end: SequenceNumber(7), time: Timestamp::from_millis(100) });
        assert_eq!(batch(&tail, 5).complete_until, Timestamp::MIN);
        tail.push(record(5, 50), 1 << 20);
        assert_eq!(batch(&tail, 5).complete_until, Timestamp::from_millis(50));
        assert_eq!(tail.gap(), Some((SequenceNumber(6), SequenceNumber(7))));
        tail.cover(SequenceNumber(6), SequenceNumber(7));
        let promised = batch(&tail, 5);
        assert_eq!((promised.next, promised.tip), (SequenceNumber(7), SequenceNumber(7)));
        assert_eq!(promised.complete_until, Timestamp::from_millis(100));
        assert_eq!((tail.gap(), tail.floor()), (None, Timestamp::from_millis(100)));
    }

    #[test]
    fn the_oldest_give_way_and_readers_are_told() {
        let tail = Tail::new(SequenceNumber(0), SequenceNumber(0));
        for number in 0..10 {
            tail.push(record(number, 1), 3 * (RECORD_OVERHEAD_BYTES + 5));
        }
        assert!(matches!(tail.read(SequenceNumber(6), ALL), Found::Older(SequenceNumber(7))));
        assert_eq!(batch(&tail, 7).records.len(), 3);
        tail.drop_below(SequenceNumber(9));
        assert!(matches!(tail.read(SequenceNumber(8), ALL), Found::Older(SequenceNumber(9))));
        assert_eq!(batch(&tail, 9).records.len(), 1);
        tail.stop();
        assert!(matches!(tail.read(SequenceNumber(9), ALL), Found::Stopped));
    }
}

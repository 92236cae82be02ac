//! The stream's side of the hand-over.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::accounts::{Slot, WriterAccounts};
use super::batch::{DatagramBatch, Entry};
use super::cause::Refusal;
use super::lane::LaneReader;

/// What the pollers' side and the reader of one stream share.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) wake: Arc<Notify>,
    /// Lanes of pollers that came since the reader looked.
    arrivals: Mutex<VecDeque<LaneReader>>,
    arrivals_count: AtomicUsize,
    /// No poller will come any more.
    closed: AtomicBool,
    /// Nobody reads any more.
    abandoned: AtomicBool,
}

impl Hub {
    pub(super) fn new() -> Self {
        Hub {
            wake: Arc::new(Notify::new()),
            arrivals: Mutex::default(),
            arrivals_count: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Takes the reader's end of a new lane, or drops it if nobody reads any more.
    pub(super) fn arrive(&self, lane: LaneReader) {
        let mut arrivals = self.arrivals();
        if !self.abandoned.load(Ordering::Acquire) {
            arrivals.push_back(lane);
            self.arrivals_count.store(arrivals.len(), Ordering::Release);
        }
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    fn arrivals(&self) -> MutexGuard<'_, VecDeque<LaneReader>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// Reads the batches of one stream, of all pollers in turn, and settles what became of them.
///
/// Dropping it closes the stream to pollers: what comes later is counted as without a writer.
#[derive(Debug)]
pub struct BatchReader {
    hub: Arc<Hub>,
    lanes: Vec<LaneReader>,
    turn: usize,
    accounts: Arc<WriterAccounts>,
}

impl BatchReader {
    pub(super) fn new(hub: Arc<Hub>, accounts: Arc<WriterAccounts>) -> Self {
        BatchReader { hub, lanes: Vec::new(), turn: 0, accounts }
    }

    /// The next batch; none when there is none now.
    pub fn try_next(&mut self) -> Option<DatagramBatch> {
        if self.hub.arrivals_count.load(Ordering::Acquire) > 0 {
            let mut arrivals = self.hub.arrivals();
            self.lanes.extend(arrivals.drain(..));
            self.hub.arrivals_count.store(0, Ordering::Release);
        }
        for step in 0..self.lanes.len() {
            let at = (self.turn + step) % self.lanes.len();
            if let Ok(mut batch) = self.lanes[at].full.pop() {
                batch.lane = at;
                self.turn = at + 1;
                return Some(batch);
            }
        }
        None
    }

    /// The next batch, as soon as there is one; none when all pollers have ended and everything is read.
    /// May be dropped while it waits.
    pub async fn next(&mut self) -> Option<DatagramBatch> {
        loop {
            // Looked at before the lanes: what ended before this look is in them whole.
            let ended = self.hub.closed.load(Ordering::Acquire)
                && self.hub.arrivals_count.load(Ordering::Acquire) == 0
                && self.lanes.iter().all(|lane| lane.full.is_abandoned());
            if let Some(batch) = self.try_next() {
                return Some(batch);
            }
            if ended {
                return None;
            }
            self.hub.wake.notified().await;
        }
    }

    /// Gives a batch back for its poller to fill again. Without it the lane runs dry: each has a fixed number of batches.
    pub fn give_back(&mut self, mut batch: DatagramBatch) {
        batch.clear();
        let lane = batch.lane;
        // A poller that has ended takes no batches back.
        let _ = self.lanes[lane].used.push(batch);
    }

    /// Counts these datagrams as durable in the stream.
    pub fn stored<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        for (slot, datagrams, records) in runs(entries) {
            self.accounts.stored(slot, datagrams, records);
        }
    }

    /// Counts these datagrams as not kept.
    pub fn refused<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>, cause: Refusal) {
        for (slot, datagrams, _) in runs(entries) {
            self.accounts.refused(slot, datagrams, cause);
        }
    }
}

impl Drop for BatchReader {
    fn drop(&mut self) {
        let mut arrivals = self.hub.arrivals();
        self.hub.abandoned.store(true, Ordering::Release);
        arrivals.clear();
    }
}

/// Slots with how many datagrams and records of them follow each other.
fn runs<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> impl Iterator<Item = (Slot, u64, u64)> {
    let mut entries = entries.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = entries.next()?;
        let (mut datagrams, mut records) = (1, u64::from(first.records));
        while let Some(entry) = entries.next_if(|entry| entry.slot == first.slot) {
            datagrams += 1;
            records += u64::from(entry.records);
        }
        Some((first.slot, datagrams, records))
    })
}

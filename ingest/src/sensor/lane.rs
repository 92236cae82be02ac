//! The road from one poller to one stream: a ring of batches there, a ring of used batches back.

use std::sync::Arc;

use model::datagram::header::Header;
use rtrb::{Consumer, Producer, RingBuffer};
use tokio::sync::Notify;

use super::accounts::Slot;
use super::batch::DatagramBatch;

/// The least time between two batches that are not full, so that a steady stream does not wake its reader for each burst.
const HAND_OVER_PAUSE_NANOS: u64 = 100_000;

/// The poller's end.
#[derive(Debug)]
pub(super) struct LaneWriter {
    full: Producer<DatagramBatch>,
    used: Consumer<DatagramBatch>,
    /// Used batches, of which the last is filled next: it is the one that this processor's cache still knows.
    spare: Vec<DatagramBatch>,
    open: Option<DatagramBatch>,
    /// When a batch left last that was not full, nanoseconds since 1970.
    left_at_nanos: Option<u64>,
    /// Batches that may still be made. All of them fit into either ring, so neither ever overflows.
    to_make: usize,
    batch_bytes: usize,
    wake: Arc<Notify>,
}

/// The stream's end.
#[derive(Debug)]
pub(super) struct LaneReader {
    pub(super) full: Consumer<DatagramBatch>,
    pub(super) used: Producer<DatagramBatch>,
}

/// A lane of so many batches of so many bytes; `wake` is notified of each that is full.
pub(super) fn lane(batches: usize, batch_bytes: usize, wake: Arc<Notify>) -> (LaneWriter, LaneReader) {
    let (full, full_reader) = RingBuffer::new(batches);
    let (used_writer, used) = RingBuffer::new(batches);
    let spare = Vec::with_capacity(batches);
    let writer = LaneWriter { full, used, spare, open: None, left_at_nanos: None, to_make: batches, batch_bytes, wake };
    (writer, LaneReader { full: full_reader, used: used_writer })
}

impl LaneWriter {
    /// Whether nobody reads any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.full.is_abandoned()
    }

    /// Makes room for a datagram of so many bytes; false if the reader is behind and has all batches.
    #[inline]
    pub(super) fn make_room(&mut self, length: usize) -> bool {
        self.open.as_ref().is_some_and(|open| open.fits(length)) || self.open_next()
    }

    #[cold]
    fn open_next(&mut self) -> bool {
        self.hand_over();
        while let Ok(batch) = self.used.pop() {
            self.spare.push(batch);
        }
        self.open = self.spare.pop().or_else(|| {
            self.to_make = self.to_make.checked_sub(1)?;
            Some(DatagramBatch::new(self.batch_bytes))
        });
        self.open.is_some()
    }

    /// Appends a datagram; there must be room.
    pub(super) fn push(&mut self, datagram: &[u8], header: &Header, port: u16, slot: Slot, received_at_nanos: u64) {
        let open = self.open.as_mut().expect("room was made");
        open.push(datagram, header, port, slot, received_at_nanos);
    }

    /// Gives the open batch to the reader if that has nothing else to do, and was not woken a moment ago: a wake-up costs
    /// as much as many datagrams. Else the batch may as well grow, so that all batches are full before the lane is.
    /// Returns whether something waits here still.
    pub(super) fn hand_over_due(&mut self, now_nanos: u64) -> bool {
        if self.open.as_ref().is_none_or(DatagramBatch::is_empty) {
            return false;
        }
        // A clock that was set back holds nothing up.
        let lately = self.left_at_nanos.is_some_and(|at| (at..at + HAND_OVER_PAUSE_NANOS).contains(&now_nanos));
        if (lately || self.full.slots() < self.full.buffer().capacity()) && !self.is_abandoned() {
            return true;
        }
        self.left_at_nanos = Some(now_nanos);
        self.hand_over();
        false
    }

    /// Gives the open batch to the reader, unless it is empty.
    pub(super) fn hand_over(&mut self) {
        let Some(open) = self.open.take_if(|open| !open.is_empty()) else { return };
        self.full.push(open).expect("the ring has room for all batches that were made");
        self.wake.notify_one();
    }
}

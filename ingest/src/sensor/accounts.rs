//! What became of every datagram, counted by poller and port.
//!
//! A poller counts in cells of its own, so counting is an addition in its own cache; whoever asks adds the cells up. Cells
//! are never set back: a port's figures are those of its place in the table, less what stood there when the port was added.

use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering};

use super::cause::{Refusal, Rejection};

/// Ports that can be programmed at a time.
pub const PORTS_MAX: usize = 256;

/// A port's place in the table and in all accounts; the last is for datagrams to ports without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(pub(super) u16);

/// Where datagrams to ports without a rule are counted.
pub(crate) const NO_RULE: Slot = Slot(PORTS_MAX as u16);

/// Figures that close: `received() = accepted + rejections`, and, once writers are done, `accepted = stored + refusals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Datagrams handed to the stream's writer.
    pub accepted: u64,
    /// Records in them.
    pub accepted_records: u64,
    /// Their bytes, headers and tags included.
    pub accepted_bytes: u64,
    /// Datagrams that are durable in the stream.
    pub stored: u64,
    /// Records in them.
    pub stored_records: u64,
    rejected: [u64; Rejection::ALL.len()],
    refused: [u64; Refusal::ALL.len()],
}

impl Tally {
    /// Datagrams that pollers took from the kernel.
    pub fn received(&self) -> u64 {
        self.accepted + self.rejected.iter().sum::<u64>()
    }

    /// Datagrams rejected for this cause.
    pub fn rejected(&self, cause: Rejection) -> u64 {
        self.rejected[cause as usize]
    }

    /// Datagrams refused by the writer for this cause.
    pub fn refused(&self, cause: Refusal) -> u64 {
        self.refused[cause as usize]
    }

    /// Datagrams that are with the writer: accepted, and neither stored nor refused yet.
    pub fn waiting(&self) -> u64 {
        self.accepted.saturating_sub(self.stored + self.refused.iter().sum::<u64>())
    }

    fn each(self, other: Tally, with: impl Fn(u64, u64) -> u64) -> Tally {
        Tally {
            accepted: with(self.accepted, other.accepted),
            accepted_records: with(self.accepted_records, other.accepted_records),
            accepted_bytes: with(self.accepted_bytes, other.accepted_bytes),
            stored: with(self.stored, other.stored),
            stored_records: with(self.stored_records, other.stored_records),
            rejected: std::array::from_fn(|at| with(self.rejected[at], other.rejected[at])),
            refused: std::array::from_fn(|at| with(self.refused[at], other.refused[at])),
        }
    }
}

impl Add for Tally {
    type Output = Tally;
    fn add(self, other: Tally) -> Tally {
        self.each(other, u64::wrapping_add)
    }
}

impl Sub for Tally {
    type Output = Tally;
    /// What was counted since `earlier`.
    fn sub(self, earlier: Tally) -> Tally {
        self.each(earlier, u64::saturating_sub)
    }
}

/// The cells of one poller.
#[derive(Debug)]
pub(super) struct PollerAccounts {
    slots: Box<[PollerCells]>,
}

#[derive(Debug, Default)]
struct PollerCells {
    accepted: AtomicU64,
    accepted_records: AtomicU64,
    accepted_bytes: AtomicU64,
    rejected: [AtomicU64; Rejection::ALL.len()],
}

/// The poller alone writes its cells, so no atomic addition is needed; readers see each figure whole.
fn count(cell: &AtomicU64, more: u64) {
    cell.store(cell.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

impl PollerAccounts {
    pub(super) fn new() -> Self {
        PollerAccounts { slots: (0..=PORTS_MAX).map(|_| PollerCells::default()).collect() }
    }

    pub(super) fn accepted(&self, slot: Slot, records: u8, bytes: usize) {
        let cells = &self.slots[usize::from(slot.0)];
        count(&cells.accepted, 1);
        count(&cells.accepted_records, u64::from(records));
        count(&cells.accepted_bytes, bytes as u64);
    }

    pub(super) fn rejected(&self, slot: Slot, cause: Rejection) {
        count(&self.slots[usize::from(slot.0)].rejected[cause as usize], 1);
    }

    pub(super) fn tally(&self, slot: Slot) -> Tally {
        let cells = &self.slots[usize::from(slot.0)];
        Tally {
            accepted: cells.accepted.load(Ordering::Relaxed),
            accepted_records: cells.accepted_records.load(Ordering::Relaxed),
            accepted_bytes: cells.accepted_bytes.load(Ordering::Relaxed),
            rejected: std::array::from_fn(|at| cells.rejected[at].load(Ordering::Relaxed)),
            ..Tally::default()
        }
    }
}

/// What writers made of accepted datagrams; all writers share the cells, a batch at a time.
#[derive(Debug)]
pub(super) struct WriterAccounts {
    slots: Box<[WriterCells]>,
}

#[derive(Debug, Default)]
struct WriterCells {
    stored: AtomicU64,
    stored_records: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl WriterAccounts {
    pub(super) fn new() -> Self {
        WriterAccounts { slots: (0..=PORTS_MAX).map(|_| WriterCells::default()).collect() }
    }

    pub(super) fn stored(&self, slot: Slot, datagrams: u64, records: u64) {
        let cells = &self.slots[usize::from(slot.0)];
        cells.stored.fetch_add(datagrams, Ordering::Relaxed);
        cells.stored_records.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, slot: Slot, datagrams: u64, cause: Refusal) {
        self.slots[usize::from(slot.0)].refused[cause as usize].fetch_add(datagrams, Ordering::Relaxed);
    }

    pub(super) fn tally(&self, slot: Slot) -> Tally {
        let cells = &self.slots[usize::from(slot.0)];
        Tally {
            stored: cells.stored.load(Ordering::Relaxed),
            stored_records: cells.stored_records.load(Ordering::Relaxed),
            refused: std::array::from_fn(|at| cells.refused[at].load(Ordering::Relaxed)),
            ..Tally::default()
        }
    }
}

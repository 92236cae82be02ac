//! The two rings of a socket that are used: frames received, and chunks for frames to come.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, Ordering};

use super::cursor::{Drainer, Filler};
use super::mapping::Mapping;

/// The positions and entries of a ring, in memory shared with the kernel.
#[derive(Debug)]
struct Shared {
    /// Keeps the addresses below valid.
    _mapping: Mapping,
    producer: *const AtomicU32,
    consumer: *const AtomicU32,
    flags: *const AtomicU32,
    entries: *mut u8,
    size: u32,
}

// SAFETY: the addresses are into the mapping that goes with them, and positions are only used as atomics.
unsafe impl Send for Shared {}

/// The ring of frames that have come.
#[derive(Debug)]
pub(super) struct ReceiveRing {
    shared: Shared,
    cursor: Drainer,
}

/// The ring of chunks that the kernel may put frames into.
#[derive(Debug)]
pub(super) struct FillRing {
    shared: Shared,
    cursor: Filler,
}

/// A frame that has come: where it is in the memory for frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) offset: u64,
    pub(super) length: u32,
}

impl Shared {
    fn map<Entry>(socket: BorrowedFd<'_>, page: i64, offsets: &libc::xdp_ring_offset, size: u32) -> io::Result<Self> {
        let place = |offset: u64| usize::try_from(offset).expect("an offset fits into memory");
        let bytes = place(offsets.desc) + size as usize * size_of::<Entry>();
        let mapping = Mapping::of(socket, page, bytes)?;
        // The last entry is inside, and aligned if the first is: entries have sizes that are multiples of their alignment.
        let _: *mut Entry = mapping.at(bytes - size_of::<Entry>());
        let entries = mapping.at::<Entry>(place(offsets.desc)).cast();
        let (producer, consumer) = (mapping.at(place(offsets.producer)), mapping.at(place(offsets.consumer)));
        let flags = mapping.at(place(offsets.flags));
        Ok(Shared { _mapping: mapping, producer, consumer, flags, entries, size })
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: inside of the mapping and aligned (`Mapping::at`), and only ever used as an atomic, by the kernel too.
        unsafe { &*self.producer }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { &*self.consumer }
    }

    fn flags(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { &*self.flags }
    }

    /// The address of an entry.
    fn entry<Entry>(&self, place: usize) -> *mut Entry {
        assert!(place < self.size as usize, "a place is inside of the ring");
        // SAFETY: the ring has `size` entries, all inside of the mapping (`Shared::map`).
        unsafe { self.entries.cast::<Entry>().add(place) }
    }
}

impl ReceiveRing {
    pub(super) fn map(socket: BorrowedFd<'_>, offsets: &libc::xdp_ring_offset, size: u32) -> io::Result<Self> {
        let shared = Shared::map::<libc::xdp_desc>(socket, libc::XDP_PGOFF_RX_RING, offsets, size)?;
        Ok(ReceiveRing { shared, cursor: Drainer::new(size) })
    }

    /// How many frames are there, up to `most`.
    pub(super) fn available(&mut self, most: u32) -> u32 {
        // Acquire: what the kernel wrote before it moved its position can be read.
        self.cursor.available(most, || self.shared.producer().load(Ordering::Acquire))
    }

    /// The frame so many after the next, among those available.
    pub(super) fn frame(&self, ahead: u32) -> Descriptor {
        let entry: *const libc::xdp_desc = self.shared.entry(self.cursor.place(ahead));
        // SAFETY: the entry is between the positions, so the kernel has written it and leaves it alone until `release`.
        let entry = unsafe { entry.read() };
        Descriptor { offset: entry.addr, length: entry.len }
    }

    /// So many frames are done with.
    pub(super) fn release(&mut self, count: u32) {
        let position = self.cursor.release(count);
        // Release: what was read before is read.
        self.shared.consumer().store(position, Ordering::Release);
    }

    /// Frames that wait, and how many there is room for.
    pub(super) fn fill(&self) -> (u32, u32) {
        let (producer, consumer) = (self.shared.producer(), self.shared.consumer());
        let waiting = producer.load(Ordering::Relaxed).wrapping_sub(consumer.load(Ordering::Relaxed));
        (waiting.min(self.shared.size), self.shared.size)
    }
}

impl FillRing {
    pub(super) fn map(socket: BorrowedFd<'_>, offsets: &libc::xdp_ring_offset, size: u32) -> io::Result<Self> {
        let page = i64::try_from(libc::XDP_UMEM_PGOFF_FILL_RING).expect("a page offset of the kernel's");
        let shared = Shared::map::<u64>(socket, page, offsets, size)?;
        Ok(FillRing { shared, cursor: Filler::new(size) })
    }

    /// Gives a chunk to the kernel, once it is submitted. False if the ring is full.
    pub(super) fn push(&mut self, offset: u64) -> bool {
        let Some(place) = self.cursor.claim(|| self.shared.consumer().load(Ordering::Acquire)) else { return false };
        // SAFETY: the place is not between the positions, so the kernel does not read it until `submit`.
        unsafe { self.shared.entry::<u64>(place).write(offset) };
        true
    }

    /// Lets the kernel have what was pushed.
    pub(super) fn submit(&self) {
        // Release: what was written before can be read by the kernel.
        self.shared.producer().store(self.cursor.position(), Ordering::Release);
    }

    /// Whether the kernel waits for a system call before it looks at the ring again.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.shared.flags().load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

//! The memory of events that are made and not sent yet, shared fairly.
//!
//! An event is made only when its connection asks for more, so each subscription holds one or two. With many of them
//! asleep that is still much: the next event may be as large as a part of what is free, so that a thousand consumers
//! who stopped reading leave small events for the others, and never none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// What all events may take before new ones shrink to [`EVENT_BYTES_MIN`].
const EVENTS_BYTES_MAX: usize = 256 << 20;

/// What all events may take: one that goes beyond is not sent, and its subscription fails.
const EVENTS_BYTES_BOUND: usize = 2 * EVENTS_BYTES_MAX;

/// The most data and keys of one event; a single record always fits.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// What every event may have.
const EVENT_BYTES_MIN: usize = 16 << 10;

/// The part of what is free that one event may take.
const SHARE: usize = 32;

/// How much is in use.
#[derive(Debug, Default)]
pub(crate) struct PushMemory {
    used: AtomicUsize,
}

struct Frame {
    bytes: Vec<u8>,
    memory: Arc<PushMemory>,
}

impl PushMemory {
    /// The most data and keys of the next event.
    pub(crate) fn event_bytes_max(&self) -> usize {
        let free = EVENTS_BYTES_MAX.saturating_sub(self.used.load(Ordering::Relaxed));
        (free / SHARE).clamp(EVENT_BYTES_MIN, EVENT_BYTES_MAX)
    }

    /// Counts a frame until it is sent or dropped; nothing when there is no room for it.
    pub(crate) fn hold(self: &Arc<Self>, bytes: Vec<u8>) -> Option<Bytes> {
        let used = self.used.fetch_add(bytes.capacity(), Ordering::Relaxed) + bytes.capacity();
        let frame = Frame { bytes, memory: Arc::clone(self) };
        (used <= EVENTS_BYTES_BOUND).then(|| Bytes::from_owner(frame))
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes.capacity(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_is_held_the_smaller_the_next_event_and_never_nothing() {
        let memory = Arc::new(PushMemory::default());
        let (mut held, mut last) = (Vec::new(), EVENT_BYTES_MAX);
        for _ in 0..5000 {
            let next = memory.event_bytes_max();
            assert!(EVENT_BYTES_MIN <= next && next <= last);
            held.push(memory.hold(vec![0; next]).expect("small events fit"));
            last = next;
        }
        assert_eq!(last, EVENT_BYTES_MIN);
        let bytes: usize = held.iter().map(Bytes::len).sum();
        assert!(bytes <= EVENTS_BYTES_MAX + 5000 * EVENT_BYTES_MIN, "{bytes}");
        drop(held);
        assert_eq!(memory.event_bytes_max(), EVENT_BYTES_MAX);
        let large = memory.hold(Vec::with_capacity(EVENTS_BYTES_BOUND));
        assert!(large.is_some() && memory.hold(vec![0]).is_none());
        drop(large);
        assert_eq!(memory.used.load(Ordering::Relaxed), 0);
    }
}

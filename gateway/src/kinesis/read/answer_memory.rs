//! The memory of answers with records, made and not sent yet, shared fairly: what GetRecords answers, and the events
//! of subscriptions.
//!
//! A client that does not read holds what was made for it: a subscription one or two events, a call of GetRecords its
//! answer. With many of them asleep that is still much: the next answer may be as large as a part of what is free, so
//! that a thousand clients who stopped reading leave small answers for the others, and never none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// What all answers may take before new ones shrink to [`DATA_BYTES_MIN`].
const ANSWERS_BYTES_MAX: usize = 256 << 20;

/// What all answers may take: one that goes beyond is not sent, and its call or subscription fails.
const ANSWERS_BYTES_BOUND: usize = 2 * ANSWERS_BYTES_MAX;

/// The data and keys that every answer may have; a single record always fits.
const DATA_BYTES_MIN: usize = 16 << 10;

/// The part of what is free that one answer may take.
const SHARE: usize = 16;

/// How much is in use.
#[derive(Debug, Default)]
pub(crate) struct AnswerMemory {
    used: AtomicUsize,
}

/// Room for the data and keys of one answer, from before they are read; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: usize,
    memory: Arc<AnswerMemory>,
}

/// An answer that counts until it is sent or dropped.
struct Held {
    answer: Vec<u8>,
    _room: Room,
}

impl AnswerMemory {
    /// The most data and keys of the next answer, `most` where enough is free.
    pub(crate) fn data_bytes_max(&self, most: usize) -> usize {
        let free = ANSWERS_BYTES_MAX.saturating_sub(self.used.load(Ordering::Relaxed));
        (free / SHARE).clamp(DATA_BYTES_MIN, most)
    }

    /// Takes room for an answer of up to `most` bytes of data and keys; nothing when there is none.
    pub(crate) fn reserve(self: &Arc<Self>, most: usize) -> Option<Room> {
        self.take(self.data_bytes_max(most))
    }

    /// Counts an answer until it is sent or dropped; nothing when there is no room for it.
    pub(crate) fn hold(self: &Arc<Self>, answer: Vec<u8>) -> Option<Bytes> {
        let room = self.take(answer.capacity())?;
        Some(Bytes::from_owner(Held { answer, _room: room }))
    }

    fn take(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let room = Room { bytes, memory: Arc::clone(self) };
        (used <= ANSWERS_BYTES_BOUND).then_some(room)
    }
}

impl Room {
    /// The most data and keys that were asked for, or less.
    pub(crate) fn data_bytes_max(&self) -> usize {
        self.bytes
    }

    /// Counts the answer itself in place of the room that was taken for it.
    pub(crate) fn hold(self, answer: Vec<u8>) -> Option<Bytes> {
        let memory = Arc::clone(&self.memory);
        drop(self);
        memory.hold(answer)
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 10 << 20;

    #[test]
    fn the_more_is_held_the_smaller_the_next_answer_and_never_nothing() {
        let memory = Arc::new(AnswerMemory::default());
        let (mut held, mut last) = (Vec::new(), MOST);
        for _ in 0..5000 {
            let room = memory.reserve(MOST).expect("small answers fit");
            let next = room.data_bytes_max();
            assert!(DATA_BYTES_MIN <= next && next <= last);
            held.push(room.hold(vec![0; next]).expect("small answers fit"));
            last = next;
        }
        assert_eq!(last, DATA_BYTES_MIN);
        let bytes: usize = held.iter().map(Bytes::len).sum();
        assert!(bytes <= ANSWERS_BYTES_MAX + 5000 * DATA_BYTES_MIN, "{bytes}");
        drop(held);
        assert_eq!(memory.data_bytes_max(MOST), MOST);
        let large = memory.hold(Vec::with_capacity(ANSWERS_BYTES_BOUND));
        assert!(large.is_some() && memory.hold(vec![0]).is_none() && memory.reserve(MOST).is_none());
        drop(large);
        assert_eq!(memory.used.load(Ordering::Relaxed), 0);
    }
}

//! Where one side of a ring stands: plain arithmetic, no memory.
//!
//! Positions count up and wrap around at 2^32; a ring's size is a power of two, so a position's place is its low bits. Each
//! side knows its own position and the other's as it was when it looked last.

/// The side that fills a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filler {
    size: u32,
    next: u32,
    /// The other side's position, as last seen.
    drained: u32,
}

/// The side that drains a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drainer {
    size: u32,
    next: u32,
    /// The other side's position, as last seen.
    filled: u32,
}

impl Filler {
    pub(super) fn new(size: u32) -> Self {
        assert!(size.is_power_of_two(), "a ring's size is a power of two");
        Filler { size, next: 0, drained: 0 }
    }

    /// The place for the next entry, if there is room; `drained` looks where the other side is.
    pub(super) fn claim(&mut self, drained: impl FnOnce() -> u32) -> Option<usize> {
        if self.next.wrapping_sub(self.drained) == self.size {
            self.drained = drained();
            if self.next.wrapping_sub(self.drained) >= self.size {
                return None;
            }
        }
        let place = self.next & (self.size - 1);
        self.next = self.next.wrapping_add(1);
        Some(place as usize)
    }

    /// What the other side may be told: everything before this position is filled.
    pub(super) fn position(&self) -> u32 {
        self.next
    }
}

impl Drainer {
    pub(super) fn new(size: u32) -> Self {
        assert!(size.is_power_of_two(), "a ring's size is a power of two");
        Drainer { size, next: 0, filled: 0 }
    }

    /// How many entries are there, up to `most`; looks where the other side is if none are known.
    pub(super) fn available(&mut self, most: u32, filled: impl FnOnce() -> u32) -> u32 {
        if self.filled == self.next {
            self.filled = filled();
        }
        // A position that makes no sense would be a bug of the kernel's; at most a ring full is believed.
        self.filled.wrapping_sub(self.next).min(self.size).min(most)
    }

    /// The place of the entry so many after the next.
    pub(super) fn place(&self, ahead: u32) -> usize {
        (self.next.wrapping_add(ahead) & (self.size - 1)) as usize
    }

    /// So many entries are done with. Returns what the other side may be told.
    pub(super) fn release(&mut self, count: u32) -> u32 {
        self.next = self.next.wrapping_add(count);
        self.next
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_ring_takes_no_more_until_it_is_drained() {
        let mut filler = Filler::new(4);
        let places: Vec<usize> = std::iter::from_fn(|| filler.claim(|| 0)).collect();
        assert_eq!(places, [0, 1, 2, 3]);
        assert_eq!(filler.claim(|| 0), None);
        assert_eq!(filler.claim(|| 2), Some(0));
        assert_eq!(filler.position(), 5);
    }

    proptest! {
        /// A ring of both sides against a queue, from a position just below the wrap.
        #[test]
        fn both_sides_agree(steps in proptest::collection::vec((any::<bool>(), 1u32..12), 1..300), size in 0u32..5) {
            let size = 1 << size;
            let start = u32::MAX - 20;
            let mut filler = Filler { size, next: start, drained: start };
            let mut drainer = Drainer { size, next: start, filled: start };
            let (mut filled, mut drained) = (start, start);
            let mut ring = vec![0u32; size as usize];
            let (mut queue, mut number) = (VecDeque::new(), 0);
            for (fill, count) in steps {
                if fill {
                    for _ in 0..count {
                        match filler.claim(|| drained) {
                            Some(place) => {
                                ring[place] = number;
                                queue.push_back(number);
                                number += 1;
                            }
                            None => prop_assert_eq!(queue.len(), size as usize),
                        }
                    }
                    filled = filler.position();
                } else {
                    let available = drainer.available(count, || filled);
                    prop_assert!(available > 0 || queue.is_empty());
                    for ahead in 0..available {
                        prop_assert_eq!(Some(ring[drainer.place(ahead)]), queue.pop_front());
                    }
                    drained = drainer.release(available);
                }
            }
        }
    }
}

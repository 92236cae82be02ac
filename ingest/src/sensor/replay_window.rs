//! Which of a source's records have come, so that none counts twice.

use model::datagram::header::Header;
use serde::Serialize;

/// Records that a late datagram may be behind the newest.
pub const REPLAY_WINDOW_RECORDS: u64 = 1_024;

const WORDS: usize = REPLAY_WINDOW_RECORDS as usize / 64;

/// Where a datagram stands among those of its source and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The next.
    Next,
    /// Further ahead: so many records before it have not come yet.
    Ahead(u64),
    /// Behind the newest, but not seen before.
    Late,
    /// At least one of its records has been seen.
    Duplicate,
    /// So far behind that nobody remembers, or of an epoch that is over.
    TooOld,
}

/// What has come from a source since it started last.
#[derive(Debug, Clone, Copy)]
pub struct ReplayWindow {
    epoch: u16,
    /// The lowest number seen.
    begin: u64,
    /// The number after the highest seen.
    next: u64,
    records: u64,
    /// Bit `n % REPLAY_WINDOW_RECORDS` says whether `n` has come, for the numbers just below `next`.
    seen: [u64; WORDS],
}

/// How the datagrams of one source came. Counts go on over epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SequenceTally {
    /// Datagrams that were in their place or late, not seen before.
    pub datagrams: u64,
    /// Records in them.
    pub records: u64,
    /// Times that numbers were left out.
    pub gaps: u64,
    /// Records that have not come, of all before the highest number: what came late is not in it any more.
    pub missing_records: u64,
    /// Datagrams that came after others with higher numbers.
    pub reordered: u64,
    /// Datagrams that had come before.
    pub duplicates: u64,
    /// Datagrams older than the window, or of an epoch that is over.
    pub too_old: u64,
    /// Times that a new epoch began.
    pub restarts: u64,
}

impl ReplayWindow {
    /// Nothing has come yet; the first datagram will have this header.
    pub fn starting_with(header: &Header) -> Self {
        ReplayWindow { epoch: header.epoch, begin: header.first, next: header.first, records: 0, seen: [0; WORDS] }
    }

    /// Marks the records of a datagram as come, unless it is a duplicate or too old, and counts it.
    pub fn place(&mut self, header: &Header, tally: &mut SequenceTally) -> Placed {
        // Epochs wrap around: the newer of two is the one that is ahead by less than half of the circle.
        let ahead = header.epoch.wrapping_sub(self.epoch);
        if ahead != 0 && ahead < 0x8000 {
            *self = ReplayWindow::starting_with(header);
            tally.restarts += 1;
        }
        let missing_before = self.missing();
        let placed = if ahead < 0x8000 { self.mark(header.first, u64::from(header.count)) } else { Placed::TooOld };
        match placed {
            Placed::Duplicate => tally.duplicates += 1,
            Placed::TooOld => tally.too_old += 1,
            Placed::Next | Placed::Ahead(_) | Placed::Late => {
                tally.datagrams += 1;
                tally.records += u64::from(header.count);
                tally.gaps += u64::from(matches!(placed, Placed::Ahead(_)));
                tally.reordered += u64::from(placed == Placed::Late);
            }
        }
        tally.missing_records = tally.missing_records.saturating_sub(missing_before).saturating_add(self.missing());
        placed
    }

    /// Records of this epoch that have not come.
    fn missing(&self) -> u64 {
        self.next - self.begin - self.records
    }

    /// The number after the highest seen.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How often the source has started, by its own count.
    pub fn epoch(&self) -> u16 {
        self.epoch
    }

    fn mark(&mut self, first: u64, count: u64) -> Placed {
        let (end, next) = (first + count, self.next);
        if first < next && next - first > REPLAY_WINDOW_RECORDS {
            return Placed::TooOld;
        }
        let mut seen = 0;
        each_word(first, end.min(next).saturating_sub(first), |word, mask| seen |= self.seen[word] & mask);
        if seen != 0 {
            return Placed::Duplicate;
        }
        if next < end {
            if end - next >= REPLAY_WINDOW_RECORDS {
                self.seen = [0; WORDS];
            } else {
                each_word(next, end - next, |word, mask| self.seen[word] &= !mask);
            }
            self.next = end;
        }
        each_word(first, count, |word, mask| self.seen[word] |= mask);
        self.begin = self.begin.min(first);
        self.records += count;
        match first {
            first if first > next => Placed::Ahead(first - next),
            first if first < next => Placed::Late,
            _ => Placed::Next,
        }
    }
}

/// Calls `visit` with each word that holds a bit of `count` numbers from `first` on, at most a window's, and those bits.
fn each_word(first: u64, count: u64, mut visit: impl FnMut(usize, u64)) {
    let (mut number, mut left) = (first, count);
    while left > 0 {
        let bit = number % 64;
        let bits = left.min(64 - bit);
        visit((number / 64) as usize % WORDS, (u64::MAX >> (64 - bits)) << bit);
        number = number.wrapping_add(bits);
        left -= bits;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::datagram::header::{SchemaId, SourceId};
    use proptest::prelude::*;

    use super::*;

    fn header(epoch: u16, first: u64, count: u8) -> Header {
        Header {
            tagged: false,
            record_times: false,
            schema_id: SchemaId(1),
            record_len: 1,
            count,
            key_id: 0,
            epoch,
            source_id: SourceId(1),
            first,
            time_nanos: 0,
        }
    }

    fn check_places(steps: &[(u16, u64, u8, Placed)]) -> SequenceTally {
        let mut window = ReplayWindow::starting_with(&header(steps[0].0, steps[0].1, steps[0].2));
        let mut tally = SequenceTally::default();
        for (step, (epoch, first, count, placed)) in steps.iter().enumerate() {
            assert_eq!(window.place(&header(*epoch, *first, *count), &mut tally), *placed, "step {step}");
        }
        tally
    }

    #[test]
    fn gaps_close_when_late_datagrams_come() {
        let tally = check_places(&[
            (1, 100, 10, Placed::Next),
            (1, 110, 10, Placed::Next),
            (1, 140, 10, Placed::Ahead(20)),
            (1, 120, 10, Placed::Late),
            (1, 120, 10, Placed::Duplicate),
            (1, 125, 10, Placed::Duplicate),
            (1, 149, 2, Placed::Duplicate),
            (1, 90, 10, Placed::Late),
        ]);
        let expected = SequenceTally {
            datagrams: 5,
            records: 50,
            gaps: 1,
            missing_records: 10,
            reordered: 2,
            duplicates: 3,
            ..SequenceTally::default()
        };
        assert_eq!(tally, expected);
    }

    #[test]
    fn what_is_older_than_the_window_or_of_an_old_epoch_is_refused() {
        let tally = check_places(&[
            (65_535, 0, 1, Placed::Next),
            (65_535, 2_000, 1, Placed::Ahead(1_999)),
            (65_535, 977, 1, Placed::Late),
            (65_535, 976, 1, Placed::TooOld),
            (0, 7, 1, Placed::Next),
            (65_535, 2_001, 1, Placed::TooOld),
            (0, u64::MAX - 2, 1, Placed::Ahead(u64::MAX - 10)),
        ]);
        assert_eq!((tally.too_old, tally.restarts, tally.gaps), (2, 1, 2));
    }

    proptest! {
        /// Against a set of all numbers seen.
        #[test]
        fn the_window_agrees_with_a_set(steps in proptest::collection::vec((0u64..6_000, 1u8..=255), 1..200)) {
            let mut window = ReplayWindow::starting_with(&header(1, steps[0].0, 1));
            let (mut tally, mut seen, mut next) = (SequenceTally::default(), BTreeSet::new(), steps[0].0);
            for (at, (jump, count)) in steps.iter().enumerate() {
                // Near the newest mostly, so that all cases happen.
                let first = if at % 7 == 0 { *jump } else { (next + jump % 600).saturating_sub(400) };
                let numbers = first..first + u64::from(*count);
                let placed = window.place(&header(1, first, *count), &mut tally);
                if first + REPLAY_WINDOW_RECORDS < next {
                    prop_assert_eq!(placed, Placed::TooOld);
                } else if numbers.clone().any(|number| seen.contains(&number)) {
                    prop_assert_eq!(placed, Placed::Duplicate);
                } else {
                    prop_assert!(!matches!(placed, Placed::TooOld | Placed::Duplicate), "{:?} at {}", placed, first);
                    seen.extend(numbers.clone());
                    next = next.max(numbers.end);
                }
                let (low, high) = (seen.first().copied(), seen.last().copied());
                let span = low.zip(high).map_or(0, |(low, high)| high + 1 - low);
                prop_assert_eq!(tally.missing_records, span - seen.len() as u64);
            }
        }
    }
}

//! Whether a connection does what connections do: a pure judgement on what its meter shows over time.

use std::time::Duration;

use tokio::time::Instant;

use crate::accept::meter::Reading;
use crate::accept::options::AcceptOptions;

/// How many looks fall into the shortest deadline: it is kept to a quarter.
const LOOKS_PER_DEADLINE: u32 = 4;

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Watch {
    options: AcceptOptions,
    /// Whether requests come one after the other, so that bytes between them are a head.
    one_by_one: bool,
    last: Reading,
    /// When bytes last went either way.
    moved_at: Instant,
    /// When a head was first seen to have begun, and after how many bytes.
    head_began: Option<(Instant, u64)>,
    /// Since when and after how many bytes the socket has been taking too little.
    blocked_since: Option<(Instant, u64)>,
}

/// What is to be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Keep,
    /// Let it end in order.
    End(&'static str),
    /// End it.
    Cut(&'static str),
}

impl Watch {
    /// Begins to watch a connection that shows `reading`.
    pub(crate) fn new(options: AcceptOptions, one_by_one: bool, reading: Reading, now: Instant) -> Self {
        Watch { options, one_by_one, last: reading, moved_at: now, head_began: None, blocked_since: None }
    }

    /// How long to wait between looks.
    pub(crate) fn interval(options: &AcceptOptions) -> Duration {
        options.head_max.min(options.idle_max) / LOOKS_PER_DEADLINE
    }

    /// Looks at the meter.
    pub(crate) fn look(&mut self, reading: Reading, now: Instant) -> Verdict {
        if (reading.read, reading.written) != (self.last.read, self.last.written) {
            self.moved_at = now;
        }
        self.last = reading;
        if let Some(why) = self.reads_too_slowly(reading, now) {
            return Verdict::Cut(why);
        }
        if reading.working {
            self.head_began = None;
            // What it waits for is ours to give; its body has a pace of its own.
            self.moved_at = now;
            return Verdict::Keep;
        }
        if self.head_is_late(reading, now) {
            return Verdict::Cut("the head of a request took too long");
        }
        match now.duration_since(self.moved_at) {
            still if still < self.options.idle_max => Verdict::Keep,
            still if still < self.options.idle_max + self.options.head_max => Verdict::End("idle"),
            _ => Verdict::Cut("idle, and did not end in order"),
        }
    }

    fn head_is_late(&mut self, reading: Reading, now: Instant) -> bool {
        if !self.one_by_one || reading.read <= reading.read_at_answer {
            self.head_began = None;
            return false;
        }
        match self.head_began {
            // The same head as at the last look: no answer has begun since.
            Some((began, after)) if after == reading.read_at_answer => now - began >= self.options.head_max,
            _ => {
                self.head_began = Some((now, reading.read_at_answer));
                false
            }
        }
    }

    /// A reader has the time of an idle connection before its rate counts: it may be working on what it has.
    fn reads_too_slowly(&mut self, reading: Reading, now: Instant) -> Option<&'static str> {
        if !reading.blocked {
            self.blocked_since = None;
            return None;
        }
        let (since, written) = *self.blocked_since.get_or_insert((now, reading.written));
        let blocked_for = now - since;
        if blocked_for < self.options.idle_max {
            return None;
        }
        let enough = self.options.bytes_per_second_min.saturating_mul(blocked_for.as_secs().max(1));
        if reading.written - written < enough {
            return Some("the answer is not read");
        }
        self.blocked_since = Some((now, reading.written));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Reading = Reading { read: 0, written: 0, blocked: false, working: false, read_at_answer: 0 };

    /// Looks every two seconds at what `at` shows, and says when what happens first.
    fn first(one_by_one: bool, at: impl Fn(u64) -> Reading) -> Option<(u64, Verdict)> {
        let begin = Instant::now();
        let mut watch = Watch::new(AcceptOptions::default(), one_by_one, at(0), begin);
        let looks = (1..300).map(|look| look * 2);
        let verdicts = looks.map(|second| (second, watch.look(at(second), begin + Duration::from_secs(second))));
        verdicts.into_iter().find(|(_, verdict)| *verdict != Verdict::Keep)
    }

    #[test]
    fn who_says_nothing_is_ended_and_who_does_not_end_is_cut() {
        assert_eq!(first(true, |_| QUIET), Some((60, Verdict::End("idle"))));
        assert_eq!(first(false, |_| QUIET), Some((60, Verdict::End("idle"))));
        let begin = Instant::now();
        let mut watch = Watch::new(AcceptOptions::default(), false, QUIET, begin);
        let late = watch.look(QUIET, begin + Duration::from_secs(71));
        assert_eq!(late, Verdict::Cut("idle, and did not end in order"));
        // Requests every 50 seconds.
        let used =
            |second: u64| Reading { read: second / 50, written: second / 50, read_at_answer: second / 50, ..QUIET };
        assert_eq!(first(true, used), None);
    }

    #[test]
    fn a_head_has_ten_seconds_however_it_trickles() {
        // A first request is answered after four seconds, then a byte comes every second.
        let trickle = |second: u64| Reading {
            read: 100 + second.saturating_sub(4),
            read_at_answer: if second < 4 { 0 } else { 100 },
            working: second < 4,
            ..QUIET
        };
        assert_eq!(first(true, trickle), Some((16, Verdict::Cut("the head of a request took too long"))));
        // Several at a time: other frames go between requests.
        assert_eq!(first(false, trickle), None);
        // Many requests, one after the other, each seen half read.
        let busy = |second: u64| Reading { read: second * 10 + 5, read_at_answer: second * 10, ..QUIET };
        assert_eq!(first(true, busy), None);
    }

    #[test]
    fn the_server_may_take_its_time_and_a_reader_may_not() {
        let working = |_| Reading { read: 100, working: true, ..QUIET };
        assert_eq!(first(true, working), None);
        let stuck = |second: u64| Reading { read: 100, read_at_answer: 100, written: second, blocked: true, ..QUIET };
        assert_eq!(first(true, stuck), Some((62, Verdict::Cut("the answer is not read"))));
        let slow = |second: u64| Reading { written: second * 1024, ..stuck(second) };
        assert_eq!(first(true, slow), None);
        let stalled = |_| Reading { read: 100, read_at_answer: 100, written: 5000, ..QUIET };
        assert_eq!(first(false, stalled), Some((60, Verdict::End("idle"))));
    }
}

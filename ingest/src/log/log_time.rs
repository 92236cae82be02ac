//! The log's own time, of which stamps, promises and retention are made: no step of the wall clock
//! can delete or hide a record.
//!
//! It begins at the last stamp or at the wall clock, whichever is later. From then on it runs at
//! the pace of the machine's elapsed time, which nobody can set, and follows the wall clock where
//! that is safe:
//!
//! | the wall clock is | the log's time |
//! |---|---|
//! | ahead by at most [`STEP_MAX`] | goes to the wall clock at once |
//! | ahead by more | runs on as if nothing had happened, and goes to the wall clock once it has stayed ahead for [`STAND`] |
//! | behind | runs slower by one part in [`SLOWER_PART`] until the wall clock has caught up |
//!
//! So it never goes back and never stands still for long. Retention counts a time of its own, which
//! is never later: what is deleted is gone, so it waits wherever the clock is in doubt.

use std::time::Duration;

use model::clock::{Clock, Timestamp};

/// The largest step forwards that is followed at once.
pub(crate) const STEP_MAX: Duration = Duration::from_secs(60);
/// How long a larger one must last to be followed.
pub(crate) const STAND: Duration = Duration::from_secs(600);
/// By which part the log's time runs slower while it is ahead of the wall clock: 1/20 is 5 %.
const SLOWER_PART: i128 = 20;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) wall: Timestamp,
    pub(crate) elapsed: Duration,
}

impl Reading {
    pub(crate) fn of(clock: &dyn Clock) -> Reading {
        Reading { wall: clock.now(), elapsed: clock.elapsed() }
    }
}

/// Nanoseconds since 1970, so that slow running does not stand still between two readings.
type Nanos = i128;

fn nanos(at: Timestamp) -> Nanos {
    Nanos::from(at.as_millis()) * 1_000_000
}

fn length(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}

fn timestamp(at: Nanos) -> Timestamp {
    Timestamp::from_millis(i64::try_from(at.div_euclid(1_000_000)).unwrap_or(i64::MAX))
}

/// The time of one stream's log.
#[derive(Debug)]
pub(crate) struct LogTime {
    now: Nanos,
    /// The reading that `now` was computed from.
    read: Reading,
    /// The wall clock is ahead by more than [`STEP_MAX`].
    step: Option<Step>,
    /// What the beginning skipped: the process was not running, or the wall clock is wrong.
    gap: Option<Step>,
}

/// A difference in doubt.
#[derive(Debug, Clone, Copy)]
struct Step {
    by: Nanos,
    /// The elapsed time at which it was first seen.
    since: Duration,
}

impl LogTime {
    /// Begins behind `last`, below which no record may be stamped.
    pub(crate) fn begin(last: Timestamp, read: Reading) -> LogTime {
        let (last, wall) = (nanos(last), nanos(read.wall));
        let by = wall - last;
        let gap = (by > length(STEP_MAX)).then_some(Step { by, since: read.elapsed });
        LogTime { now: last.max(wall), read, step: None, gap }
    }

    /// The log's time now; never less than at an earlier reading.
    pub(crate) fn at(&mut self, read: Reading) -> Timestamp {
        let elapsed = self.read.elapsed.max(read.elapsed);
        let passed = length(elapsed - self.read.elapsed);
        self.read = Reading { elapsed, ..read };
        let (wall, steady) = (nanos(read.wall), self.now + passed);
        let ahead = wall - steady;
        self.now = if ahead < 0 {
            wall.max(steady - passed / SLOWER_PART)
        } else if ahead <= length(STEP_MAX) || self.has_stood(ahead) {
            wall
        } else {
            steady
        };
        if ahead <= length(STEP_MAX) || self.now == wall {
            self.step = None;
        }
        self.settle_gap(ahead);
        timestamp(self.now)
    }

    /// Whether the wall clock has been ahead by this much for long enough.
    fn has_stood(&mut self, ahead: Nanos) -> bool {
        let new = Step { by: ahead, since: self.read.elapsed };
        let same = self.step.filter(|step| (step.by - ahead).abs() <= length(STEP_MAX));
        let step = *self.step.insert(same.unwrap_or(new));
        self.read.elapsed - step.since >= STAND
    }

    /// The gap is real once the wall clock has agreed with it for long enough.
    fn settle_gap(&mut self, ahead: Nanos) {
        let Some(gap) = &mut self.gap else { return };
        if ahead < -length(STEP_MAX) {
            gap.since = self.read.elapsed;
        } else if self.read.elapsed - gap.since >= STAND {
            self.gap = None;
        }
    }

    /// What retention counts as now, as of the last reading: not what may be a step, and never
    /// ahead of the wall clock.
    pub(crate) fn for_retention(&self) -> Timestamp {
        let certain = self.now - self.gap.map_or(0, |gap| gap.by);
        timestamp(certain).min(self.read.wall)
    }

    /// Whether the wall clock shows something else than the log's time, so that retention may wait
    /// for it.
    pub(crate) fn differs(&self) -> bool {
        (nanos(self.read.wall) - self.now).abs() > length(STEP_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);
    const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

    /// A log's time and the two clocks.
    struct World {
        time: LogTime,
        read: Reading,
    }

    impl World {
        fn new() -> World {
            let read = Reading { wall: BEGIN, elapsed: HOUR };
            World { time: LogTime::begin(BEGIN, read), read }
        }

        fn restart(&mut self, last: Timestamp) {
            self.time = LogTime::begin(last, self.read);
        }

        /// Lets time pass, second by second.
        fn pass(&mut self, time: Duration) -> Timestamp {
            for _ in 0..time.as_secs() {
                self.read = Reading { wall: self.read.wall + SECOND, elapsed: self.read.elapsed + SECOND };
                let before = timestamp(self.time.now);
                let now = self.time.at(self.read);
                assert!(now >= before + SECOND.mul_f64(0.9), "it never stands still");
                assert!(self.time.for_retention() <= now);
            }
            timestamp(self.time.now)
        }

        fn step(&mut self, forwards: bool, by: Duration) {
            self.read.wall = if forwards { self.read.wall + by } else { self.read.wall - by };
        }
    }

    #[test]
    fn it_follows_the_wall_clock() {
        let mut world = World::new();
        assert_eq!(world.pass(HOUR), BEGIN + HOUR);
        world.step(true, STEP_MAX);
        assert_eq!(world.pass(SECOND), BEGIN + HOUR + STEP_MAX + SECOND);
        assert_eq!(world.time.for_retention(), world.read.wall);
        assert!(!world.time.differs());
    }

    #[test]
    fn a_step_forwards_that_passes_is_not_followed() {
        for by in [STEP_MAX + SECOND, HOUR, MONTH, MONTH * 120] {
            let mut world = World::new();
            world.step(true, by);
            assert_eq!(world.pass(STAND), BEGIN + STAND);
            assert!(world.time.differs());
            assert_eq!(world.time.for_retention(), BEGIN + STAND);
            world.step(false, by);
            assert_eq!(world.pass(HOUR), BEGIN + STAND + HOUR);
            assert!(!world.time.differs());
        }
    }

    #[test]
    fn a_step_forwards_that_stands_is_followed() {
        let mut world = World::new();
        world.step(true, HOUR);
        assert_eq!(world.pass(STAND), BEGIN + STAND);
        // Another step begins anew.
        world.step(true, HOUR);
        assert_eq!(world.pass(STAND), BEGIN + STAND * 2);
        assert_eq!(world.pass(SECOND), BEGIN + STAND * 2 + SECOND + HOUR * 2);
        assert_eq!(world.time.for_retention(), world.read.wall);
    }

    #[test]
    fn a_step_backwards_makes_it_slow() {
        let mut world = World::new();
        world.step(false, HOUR);
        assert_eq!(world.pass(SECOND * 100), BEGIN + SECOND * 95);
        assert_eq!(world.time.for_retention(), world.read.wall, "retention waits");
        assert_eq!(world.pass(HOUR * 20), world.read.wall);
    }

    /// The process was stopped for some time, or the clock is wrong: at first nobody can tell.
    #[test]
    fn retention_waits_until_the_time_of_a_start_has_stood() {
        let mut world = World::new();
        world.step(true, MONTH);
        world.restart(BEGIN);
        assert_eq!(world.pass(SECOND * 12), BEGIN + MONTH + SECOND * 12, "records are stamped by the wall clock");
        assert_eq!(world.time.for_retention(), BEGIN + SECOND * 12);
        assert_eq!(world.pass(STAND), world.read.wall);
        assert_eq!(world.time.for_retention(), world.read.wall);

        let mut world = World::new();
        world.step(true, MONTH);
        world.restart(BEGIN);
        world.pass(SECOND * 12);
        world.step(false, MONTH);
        world.pass(STAND * 3);
        assert!(world.time.for_retention() <= BEGIN + STAND * 4);
        world.restart(timestamp(world.time.now));
        world.pass(STAND * 3);
        assert!(world.time.for_retention() <= BEGIN + STAND * 8, "a restart does not forget it");
    }
}

//! What the suite of streams has to know of a backend, and how it lets time pass there.

use std::time::Duration;

use tokio::time::Instant;

use crate::testing::clock::ManualClock;

/// What differs between backends, by nature and not by choice.
#[derive(Debug, Clone, Copy)]
pub struct Backend<'a> {
    /// The clock that the store goes by; none where time is the backend's own and passes by itself.
    pub clock: Option<&'a ManualClock>,
    /// Whether shards can be merged, or only refuse it.
    pub merges: bool,
}

/// An hour of the suite takes so long on a clock of the backend's own; longer when the machine was too slow for it.
const HOURS: [Duration; 3] = [Duration::from_millis(600), Duration::from_millis(1800), Duration::from_millis(5400)];
/// A test is on time as long as it is late by less than this part of an hour.
const LATE_PART: u32 = 4;
/// Everything takes at least so long, so that two arrivals differ.
const LEAST: Duration = Duration::from_millis(5);
/// How long a change may take that a backend makes by itself.
const PATIENCE: Duration = Duration::from_secs(30);

impl<'a> Backend<'a> {
    /// Time, from now on.
    pub(crate) fn time(&self) -> Time<'a> {
        self.time_of(HOURS[0])
    }

    fn time_of(&self, hour: Duration) -> Time<'a> {
        Time { clock: self.clock, hour, begin: Instant::now(), passed: Duration::ZERO }
    }

    /// Runs a test that compares what is kept with the time that has passed; anew, with longer hours, when it was late.
    pub(crate) async fn timed(&self, test: impl AsyncFn(Time<'a>) -> Result<(), Late>) {
        for hour in HOURS {
            if test(self.time_of(hour)).await.is_ok() {
                return;
            }
        }
        panic!("the backend is too slow for a test whose hour takes {:?}", HOURS.last());
    }

    /// Looks until `look` finds something, or patience ends.
    pub(crate) async fn eventually<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
            tokio::time::sleep(LEAST).await;
        }
    }
}

/// A test took longer than the time that it let pass: what it has seen says nothing.
#[derive(Debug)]
pub(crate) struct Late;

/// Time that passes when a test says so: at once on a manual clock, else by waiting, hours in fractions of a second.
#[derive(Debug)]
pub(crate) struct Time<'a> {
    clock: Option<&'a ManualClock>,
    hour: Duration,
    begin: Instant,
    passed: Duration,
}

impl Time<'_> {
    /// A name that no earlier run of the same test had.
    pub(crate) fn name(&self, text: &str) -> String {
        format!("{text}-{}", self.hour.as_millis())
    }

    /// Begins anew: what has been done so far took no time.
    pub(crate) fn restart(&mut self) {
        (self.begin, self.passed) = (Instant::now(), Duration::ZERO);
    }

    /// Lets time pass. What is done between two calls takes no time of its own, as long as it is quick.
    pub(crate) async fn pass(&mut self, by: Duration) {
        match self.clock {
            Some(clock) => clock.advance(by),
            None if by.is_zero() => {}
            None => {
                self.passed += self.span(by).max(LEAST);
                tokio::time::sleep_until(self.begin + self.passed).await;
                // Something was slow: at least the shortest time is waited.
                if self.passed < self.begin.elapsed() {
                    tokio::time::sleep(LEAST).await;
                }
            }
        }
    }

    /// Whether no more time has passed than the test let pass. To be asked between looking and judging.
    pub(crate) fn on_time(&self) -> Result<(), Late> {
        let late = self.clock.is_none() && self.begin.elapsed() > self.passed + self.hour / LATE_PART;
        if late { Err(Late) } else { Ok(()) }
    }

    /// A time of the suite as the store is to be told it.
    pub(crate) fn span(&self, of: Duration) -> Duration {
        match self.clock {
            Some(_) => of,
            None => of.mul_f64(self.hour.as_secs_f64() / 3600.0),
        }
    }
}

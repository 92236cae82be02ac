//! The clock that code receives as an argument, so that a test can stop time.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z; negative before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Earlier than every record.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// Later than every record.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long `self` is after `earlier`; zero when it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(at.duration_since(UNIX_EPOCH).map_or_else(|error| -millis(error.duration()), millis))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-01T03:20:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Where time comes from. Two implementations: [`SystemClock`], and `ManualClock` for tests.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time. It may step, forwards and backwards: whoever stamps must guard order itself.
    fn now(&self) -> Timestamp;

    /// Time since a moment that stays the same while the process runs. Nobody can set it, and it never goes backwards.
    fn elapsed(&self) -> Duration;

    /// Returns once `now() >= at`. Cancel-safe. Where somebody sets the clock back, that takes as much longer: a wait
    /// that is to last for a while is one for [`Clock::sleep_until_elapsed`].
    async fn sleep_until(&self, at: Timestamp);

    /// Returns once `elapsed() >= at`. Cancel-safe.
    async fn sleep_until_elapsed(&self, at: Duration);
}

/// Returns after `time`, whatever happens to the wall clock. Cancel-safe.
pub async fn sleep(clock: &dyn Clock, time: Duration) {
    clock.sleep_until_elapsed(clock.elapsed() + time).await;
}

/// Returns once `clock` has run for so long; never where there is no such time. Cancel-safe.
pub async fn sleep_until_elapsed_some(clock: &dyn Clock, at: Option<Duration>) {
    match at {
        Some(at) => clock.sleep_until_elapsed(at).await,
        None => std::future::pending().await,
    }
}

/// Returns once `clock` has reached `at`; never where there is no such time. Cancel-safe.
pub async fn sleep_until_some(clock: &dyn Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest single sleep: a clock that was set forward is noticed at the latest after this.
const SLEEP_MAX: Duration = Duration::from_secs(1);

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from(SystemTime::now())
    }

    /// Since the machine started. On Linux the time that it slept counts too.
    fn elapsed(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let id = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = ClockId::Monotonic;
        let time = clock_gettime(id);
        let part = |part: i64| u64::try_from(part).unwrap_or(0);
        Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
    }

    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLEEP_MAX)).await;
        }
    }

    async fn sleep_until_elapsed(&self, at: Duration) {
        loop {
            let left = at.saturating_sub(self.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLEEP_MAX)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_rfc_3339() {
        assert_eq!(Timestamp::from_millis(1_521_343_200_123).to_string(), "2018-03-18T03:20:00.123Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_millis(5)), Timestamp::from_millis(-5));
    }

    #[test]
    fn elapsed_time_only_grows() {
        let before = SystemClock.elapsed();
        let after = SystemClock.elapsed();
        assert!(Duration::ZERO < before && before <= after);
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(1).since(Timestamp::from_millis(5)), Duration::ZERO);
    }
}

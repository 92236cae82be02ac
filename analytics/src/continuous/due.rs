//! When a checkpoint is due.
//!
//! A checkpoint holds all state, and is kept for as long as the output stream keeps its records. So
//! a large state of which little changes is not written every second: the bytes of checkpoints stay
//! below twice the state that has changed, plus a constant rate. After a crash the query reads again
//! what came since its last checkpoint.

use std::time::Duration;

/// Bytes of checkpoints a second that need no reason.
const BYTES_PER_SECOND_FREE: f64 = 1_000_000.0 / 60.0;
/// A checkpoint is never later than this, so that a crash does not cost more.
const DELAY_MAX: Duration = Duration::from_secs(600);

/// How long after the last checkpoint the next one is due, given the usual interval, the bytes of
/// state and those of it that have changed since.
pub(crate) fn delay(interval: Duration, state_bytes: usize, bytes_changed: usize) -> Duration {
    let without_reason = state_bytes.saturating_sub(bytes_changed.saturating_mul(2));
    let delay = Duration::from_secs_f64(without_reason as f64 / BYTES_PER_SECOND_FREE);
    delay.min(DELAY_MAX).max(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_written_as_often_as_it_changes() {
        let second = Duration::from_secs(1);
        let check = |state_bytes, bytes_changed, seconds| {
            assert_eq!(delay(second, state_bytes, bytes_changed).as_secs(), seconds);
        };
        check(0, 0, 1);
        check(16_000, 0, 1);
        check(2_000_000, 0, 120);
        check(2_000_000, 500_000, 60);
        check(2_000_000, 1_000_000, 1);
        check(256_000_000, 0, 600);
    }
}

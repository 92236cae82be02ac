//! Waits between tries: doubled after each failure, bounded, and jittered so that many do not try in step.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::options::DeliveryOptions;

/// Gives out waits.
#[derive(Debug)]
pub(super) struct Backoff {
    delay_min: Duration,
    delay_max: Duration,
    next: Duration,
    random: SmallRng,
}

impl Backoff {
    pub(super) fn new(options: &DeliveryOptions) -> Self {
        let random = options.seed.map_or_else(SmallRng::from_os_rng, SmallRng::seed_from_u64);
        let (delay_min, delay_max) = (options.retry_delay_min, options.retry_delay_max);
        Backoff { delay_min, delay_max, next: delay_min, random }
    }

    /// After a success the next wait is a short one again.
    pub(super) fn reset(&mut self) {
        self.next = self.delay_min;
    }

    /// How long to wait after a failure: between half of the delay and all of it.
    pub(super) fn delay(&mut self) -> Duration {
        let delay = self.next.min(self.delay_max);
        self.next = delay.saturating_mul(2);
        delay.mul_f64(self.random.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_begin_anew_after_a_success() {
        let options = DeliveryOptions {
            retry_delay_min: Duration::from_millis(100),
            retry_delay_max: Duration::from_millis(350),
            seed: Some(1),
            ..DeliveryOptions::for_table()
        };
        let mut backoff = Backoff::new(&options);
        let check = |delay: Duration, full: u64| {
            let full = Duration::from_millis(full);
            assert!(full / 2 <= delay && delay <= full, "{delay:?} of {full:?}");
        };
        for full in [100, 200, 350, 350] {
            check(backoff.delay(), full);
        }
        backoff.reset();
        check(backoff.delay(), 100);
    }
}

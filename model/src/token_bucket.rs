//! Rate limits: so many tokens a second, and so many at once after a pause.

use std::num::NonZeroU32;

/// How fast tokens come back, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens a second, on average.
    pub per_second: NonZeroU32,
    /// Tokens at once after a pause.
    pub burst: NonZeroU32,
}

impl Rate {
    /// `tokens` a second, and no more than those at once.
    ///
    /// # Panics
    ///
    /// If `tokens` is 0.
    pub const fn each_second(tokens: u32) -> Rate {
        let tokens = NonZeroU32::new(tokens).expect("a rate is not zero");
        Rate { per_second: tokens, burst: tokens }
    }

    /// How long it takes until so many tokens are back.
    fn nanos(self, tokens: u64) -> u64 {
        (tokens.saturating_mul(1_000_000_000) / u64::from(self.per_second.get())).max(tokens)
    }

    /// How long it takes until an empty bucket is full.
    fn fill_nanos(self) -> u64 {
        self.nanos(u64::from(self.burst.get()))
    }
}

/// A bucket of tokens, kept as the time at which it will be full again.
///
/// A token is worth `1 / per_second`, and spending one moves that time on by so much. So there is nothing
/// to refill, and only one number to keep. The default is a full bucket.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenBucket {
    full_at_nanos: u64,
}

impl TokenBucket {
    /// Takes a token, if there is one at `now_nanos`. A clock that is set back costs no more than an
    /// empty bucket.
    pub fn take(&mut self, rate: Rate, now_nanos: u64) -> bool {
        self.full_at_nanos = self.full_at_nanos.min(now_nanos.saturating_add(rate.fill_nanos()));
        let taken = self.has(rate, now_nanos, 1);
        if taken {
            self.spend(rate, now_nanos, 1);
        }
        taken
    }

    /// Whether so many tokens are there. If they are more than a burst, a full bucket is enough.
    pub fn has(&self, rate: Rate, now_nanos: u64, tokens: u64) -> bool {
        let wanted = rate.nanos(tokens.min(u64::from(rate.burst.get())));
        self.full_at_nanos.max(now_nanos).saturating_add(wanted) <= now_nanos.saturating_add(rate.fill_nanos())
    }

    /// Spends tokens, also more than are there: then nothing can be taken until the debt is paid.
    pub fn spend(&mut self, rate: Rate, now_nanos: u64, tokens: u64) {
        self.full_at_nanos = self.full_at_nanos.max(now_nanos).saturating_add(rate.nanos(tokens));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        let nonzero = |number| NonZeroU32::new(number).expect("not zero");
        Rate { per_second: nonzero(per_second), burst: nonzero(burst) }
    }

    fn taken(bucket: &mut TokenBucket, rate: Rate, now_nanos: u64, tries: usize) -> usize {
        (0..tries).filter(|_| bucket.take(rate, now_nanos)).count()
    }

    #[test]
    fn a_burst_then_the_rate() {
        const START: u64 = 1_700_000_000_000_000_000;
        let (mut bucket, rate) = (TokenBucket::default(), rate(1_000, 5));
        assert_eq!(taken(&mut bucket, rate, START, 100), 5);
        assert_eq!(taken(&mut bucket, rate, START + 999_999, 100), 0);
        assert_eq!(taken(&mut bucket, rate, START + 1_000_000, 100), 1);
        assert_eq!(taken(&mut bucket, rate, START + 3_000_000, 100), 2);
        assert_eq!(taken(&mut bucket, rate, START + 60_000_000_000, 100), 5);
        // The clock is set back by an hour: the bucket is empty, and fills up again.
        let back = START - 3_600_000_000_000;
        assert_eq!(taken(&mut bucket, rate, back, 100), 0);
        assert_eq!(taken(&mut bucket, rate, back + 2_000_000, 100), 2);
    }

    #[test]
    fn a_debt_is_paid_before_anything_is_taken() {
        const SECOND: u64 = 1_000_000_000;
        let (mut bucket, rate) = (TokenBucket::default(), Rate::each_second(1 << 20));
        assert!(bucket.has(rate, SECOND, 10 << 20), "a full bucket is enough for anything");
        bucket.spend(rate, SECOND, 3 << 20);
        assert!(!bucket.has(rate, 3 * SECOND, 1));
        assert!(bucket.has(rate, 3 * SECOND + SECOND / 2, 1 << 19));
        assert!(!bucket.has(rate, 3 * SECOND + SECOND / 2, (1 << 19) + 1));
        assert!(bucket.has(rate, 4 * SECOND, 1 << 20));
    }

    #[test]
    fn over_a_long_time_the_rate_holds() {
        let (mut bucket, rate) = (TokenBucket::default(), rate(777, 3));
        let taken: usize = (0..100_000u64).map(|tick| taken(&mut bucket, rate, tick * 100_000, 1)).sum();
        // Ten seconds in ticks of a tenth of a millisecond.
        assert!((7_770..=7_774).contains(&taken), "{taken}");
    }
}

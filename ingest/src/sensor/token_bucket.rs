//! How fast one source may send.

use std::num::NonZeroU32;

/// Datagrams a second, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Datagrams a second, on average.
    pub per_second: NonZeroU32,
    /// Datagrams at once after a pause.
    pub burst: NonZeroU32,
}

/// A bucket of tokens, kept as the time at which it will be full again.
///
/// A token is worth `1 / per_second`; taking one moves that time on by so much, and it may be no more than `burst` tokens
/// ahead. So there is nothing to refill, and one number to keep.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenBucket {
    full_at_nanos: u64,
}

impl TokenBucket {
    /// Takes a token, if there is one at `now_nanos`. A clock that is set back costs no more than an empty bucket.
    pub fn take(&mut self, rate: Rate, now_nanos: u64) -> bool {
        let token = (1_000_000_000 / u64::from(rate.per_second.get())).max(1);
        let depth = token.saturating_mul(u64::from(rate.burst.get()));
        let empty = now_nanos.saturating_add(depth);
        let full_at = self.full_at_nanos.clamp(now_nanos, empty);
        let taken = full_at.saturating_add(token);
        self.full_at_nanos = if taken <= empty { taken } else { full_at };
        taken <= empty
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
    fn over_a_long_time_the_rate_holds() {
        let (mut bucket, rate) = (TokenBucket::default(), rate(777, 3));
        let taken: usize = (0..100_000u64).map(|tick| taken(&mut bucket, rate, tick * 100_000, 1)).sum();
        // Ten seconds in ticks of a tenth of a millisecond.
        assert!((7_770..=7_774).contains(&taken), "{taken}");
    }
}

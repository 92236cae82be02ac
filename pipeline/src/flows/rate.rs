//! How much gets done in a second, lately.

use std::collections::VecDeque;

use model::clock::Timestamp;
use model::rate::per_second;

/// A rate is that of the last so many seconds.
const SECONDS: usize = 10;

/// Counts of the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate(VecDeque<(Timestamp, u64)>);

impl Rate {
    /// Notes a count. Called about once a second.
    pub(crate) fn sample(&mut self, now: Timestamp, count: u64) {
        if self.0.len() > SECONDS {
            self.0.pop_front();
        }
        self.0.push_back((now, count));
    }

    /// Counts a second.
    pub(crate) fn per_second(&self) -> f64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return 0.0 };
        per_second(*first, *last).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), 0.0);
        for second in 0..30_u64 {
            rate.sample(Timestamp::from_millis(1000 * second as i64), if second < 20 { 0 } else { (second - 19) * 7 });
        }
        assert_eq!(rate.per_second(), 7.0);
        assert!(rate.0.len() <= SECONDS + 1);
    }
}

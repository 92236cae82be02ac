//! A steady rate.

use std::time::Duration;

use tokio::time::Instant;

use crate::producer::target::ProduceError;

/// Hands out turns at a steady rate, without drift: turn `n` comes `n / rate` seconds after the first.
#[derive(Debug)]
pub struct Pace {
    rate: Option<f64>,
    begin: Instant,
    turns: u64,
}

impl Pace {
    /// `rate` turns a second; as fast as it goes without one.
    pub fn new(rate: Option<f64>) -> Self {
        Pace { rate, begin: Instant::now(), turns: 0 }
    }

    /// Waits for the next turn.
    pub async fn turn(&mut self) {
        self.turns += 1;
        if let Some(rate) = self.rate {
            let at = self.begin + Duration::from_secs_f64(self.turns as f64 / rate);
            if at > Instant::now() {
                tokio::time::sleep_until(at).await;
            }
        }
    }
}

/// Checks a rate given by the user.
pub fn check_rate(rate: f64) -> Result<f64, ProduceError> {
    if rate.is_finite() && (1e-3..=1e8).contains(&rate) {
        Ok(rate)
    } else {
        Err(ProduceError::Argument(format!("--rate must be 0.001 to 100000000 records a second, not {rate}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_does_not_drift() {
        let begin = Instant::now();
        let mut pace = Pace::new(Some(1000.0));
        for _ in 0..2500 {
            pace.turn().await;
        }
        let elapsed = begin.elapsed();
        assert!((Duration::from_millis(2500)..Duration::from_millis(2502)).contains(&elapsed), "{elapsed:?}");
    }

    #[test]
    fn impossible_rates_are_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(check_rate(rate).is_err(), "{rate}");
        }
    }
}

//! Counts per second, as reports and pages show them.

use crate::clock::Timestamp;

/// Counts per second between two samples, to a tenth. None if no time has passed between them, or
/// if the count has fallen: then what was counted began anew.
pub fn per_second((then, before): (Timestamp, u64), (now, count): (Timestamp, u64)) -> Option<f64> {
    let seconds = now.since(then).as_secs_f64();
    let more = count.checked_sub(before)?;
    (seconds > 0.0).then(|| (more as f64 / seconds * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_time_and_a_count_that_grows() {
        let at = |millis, count| (Timestamp::from_millis(millis), count);
        assert_eq!(per_second(at(0, 100), at(2000, 130)), Some(15.0));
        assert_eq!(per_second(at(0, 0), at(3000, 1)), Some(0.3));
        assert_eq!(per_second(at(0, 5), at(0, 6)), None);
        assert_eq!(per_second(at(0, 6), at(1000, 5)), None);
    }
}

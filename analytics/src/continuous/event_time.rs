//! How far the time that rows say has come, over all shards of a stream.
//!
//! ```text
//! shard 0   newest row 12:00:07, 5 s out of order at most  ─▶  12:00:02 ┐
//! shard 1   newest row 12:00:04                            ─▶  11:59:59 ┴─▶ complete until 11:59:59
//! shard 2   nothing for a while, and nothing is left to read: does not count
//! ```
//! A shard that is behind always counts: only one whose reader has seen its end can be idle. When all are idle, time goes on
//! by the clock of arrivals.

use std::collections::BTreeMap;
use std::time::Duration;

use model::clock::Timestamp;
use model::stream::shard::ShardId;
use serde::{Deserialize, Serialize};

/// A shard that has brought nothing for so long, and has nothing to read, holds nobody up.
const IDLE_AFTER: Duration = Duration::from_secs(10);

/// What one shard has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Newest {
    /// The newest time that a row said.
    time: Timestamp,
    /// When the last row arrived.
    arrived_at: Timestamp,
}

/// The time that rows say, shard by shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventTime {
    shards: BTreeMap<ShardId, Newest>,
}

impl EventTime {
    /// Takes note of a row.
    pub(crate) fn note(&mut self, shard: ShardId, time: Timestamp, arrived_at: Timestamp) {
        let newest = self.shards.entry(shard).or_insert(Newest { time, arrived_at });
        newest.time = newest.time.max(time);
        newest.arrived_at = newest.arrived_at.max(arrived_at);
    }

    /// Until when time is complete, where rows are out of order by `delay` milliseconds at most. `shards` are those that are
    /// read, each with the time until which its arrivals are complete.
    pub(crate) fn complete(&self, shards: impl Iterator<Item = (ShardId, Timestamp)>, delay: i64) -> Timestamp {
        let before = |time: Timestamp| Timestamp::from_millis(time.as_millis().saturating_sub(delay));
        let (mut lowest, mut arrivals) = (None::<Timestamp>, Timestamp::MAX);
        for (shard, complete) in shards {
            arrivals = arrivals.min(complete);
            let until = match self.shards.get(&shard) {
                // Nothing was read of it yet, or nothing with a time.
                None if complete == Timestamp::MIN => Some(Timestamp::MIN),
                None => None,
                Some(newest) if newest.arrived_at + IDLE_AFTER <= complete => None,
                Some(newest) => Some(before(newest.time)),
            };
            lowest = [lowest, until].into_iter().flatten().min();
        }
        let newest = self.shards.values().map(|newest| before(newest.time)).max().unwrap_or(Timestamp::MIN);
        match lowest {
            Some(lowest) => lowest,
            // All shards are at their ends for ever.
            None if arrivals == Timestamp::MAX => Timestamp::MAX,
            None => before(arrivals).max(newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_slowest_shard_that_is_not_idle_says_how_far_time_is() {
        let mut time = EventTime::default();
        time.note(ShardId(0), at(107), at(1000));
        time.note(ShardId(0), at(103), at(1001));
        time.note(ShardId(1), at(104), at(1001));
        let complete = |time: &EventTime, tips: [i64; 3]| {
            let shards = tips.into_iter().enumerate().map(|(shard, tip)| (ShardId(shard as u32), at(tip)));
            time.complete(shards, 5000)
        };
        assert_eq!(complete(&time, [1002, 1002, 1002]), at(99));
        assert_eq!(complete(&time, [1002, 1011, 1002]), at(102), "shard 1 is idle");
        assert_eq!(complete(&time, [1020, 1020, 1020]), at(1015), "all are idle");
        time.note(ShardId(1), at(90), at(1020));
        assert_eq!(complete(&time, [1020, 1020, 1020]), at(99), "an old row does not take time back");
        let unread = [(ShardId(0), at(1002)), (ShardId(7), Timestamp::MIN)];
        assert_eq!(time.complete(unread.into_iter(), 0), Timestamp::MIN, "a shard that nobody has read yet counts");
        let ended = [(ShardId(8), Timestamp::MAX)];
        assert_eq!(time.complete(ended.into_iter(), 0), Timestamp::MAX);
    }
}

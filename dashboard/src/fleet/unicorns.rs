//! The unicorns as they are now: the latest reading of each, a short trail, and what each second
//! brought.
//!
//! Bounded in unicorns, trail and seconds. Every change has a number, so that a frame holds what
//! changed since another.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use model::clock::Timestamp;
use serde_json::{Value, json};

use crate::fleet::reading::Reading;

/// The most unicorns that are followed; further ones are counted.
pub(crate) const UNICORNS_MAX: usize = 20_000;
/// A unicorn that was silent for so long is gone.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Places of a trail.
const TRAIL_MAX: usize = 30;
/// A page that opens is told trails only while the fleet is no larger than this.
const TRAILS_UNICORNS_MAX: usize = 500;
/// Seconds of sums that are kept, for the window that is still open.
const SECONDS_MAX: usize = 180;

/// All unicorns.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    unicorns: HashMap<String, Unicorn>,
    seconds: BTreeMap<i64, Second>,
    /// How many readings there were of unicorns for which there is no room.
    beyond: u64,
}

#[derive(Debug)]
struct Unicorn {
    changed: u64,
    latitude: f64,
    longitude: f64,
    distance: Option<f64>,
    health: Option<f64>,
    magic: Option<f64>,
    arrived_at: Timestamp,
    trail: VecDeque<(f64, f64)>,
}

/// What arrived within a second.
#[derive(Debug, Default)]
struct Second {
    changed: u64,
    records: u64,
    distance: f64,
    health: Option<(f64, f64)>,
    magic: Option<(f64, f64)>,
}

impl Fleet {
    /// Takes a reading as change number `change`.
    pub(crate) fn take(&mut self, reading: &Reading<'_>, arrived_at: Timestamp, change: u64) {
        self.count(reading, arrived_at, change);
        if !self.unicorns.contains_key(reading.name.as_ref()) && self.unicorns.len() >= UNICORNS_MAX {
            self.beyond += 1;
            return;
        }
        let unicorn = self.unicorns.entry(reading.name.as_ref().to_owned()).or_insert_with(|| Unicorn {
            changed: change,
            latitude: reading.latitude,
            longitude: reading.longitude,
            distance: None,
            health: None,
            magic: None,
            arrived_at: Timestamp::MIN,
            trail: VecDeque::new(),
        });
        // Shards are read one beside the other: a unicorn that moved to another shard must not walk
        // back.
        if arrived_at < unicorn.arrived_at {
            return;
        }
        if unicorn.trail.len() == TRAIL_MAX {
            unicorn.trail.pop_front();
        }
        unicorn.trail.push_back((reading.latitude, reading.longitude));
        (unicorn.latitude, unicorn.longitude) = (reading.latitude, reading.longitude);
        (unicorn.distance, unicorn.health, unicorn.magic) = (reading.distance, reading.health, reading.magic);
        (unicorn.arrived_at, unicorn.changed) = (arrived_at, change);
    }

    fn count(&mut self, reading: &Reading<'_>, arrived_at: Timestamp, change: u64) {
        let second = self.seconds.entry(arrived_at.as_secs()).or_default();
        second.changed = change;
        second.records += 1;
        second.distance += reading.distance.unwrap_or(0.0);
        widen(&mut second.health, reading.health);
        widen(&mut second.magic, reading.magic);
        while self.seconds.len() > SECONDS_MAX {
            self.seconds.pop_first();
        }
    }

    /// Lets go of who was silent for too long.
    pub(crate) fn forget_silent(&mut self, now: Timestamp) {
        self.unicorns.retain(|_, unicorn| now.since(unicorn.arrived_at) <= SILENCE_MAX);
    }

    /// What changed after number `since`, as the page reads it; all of it, with trails, from 0.
    /// None where nothing did.
    ///
    /// A unicorn is `[name, latitude, longitude, distance, health, magic, arrived_at, trail?]`.
    pub(crate) fn changes(&self, since: u64) -> Option<Value> {
        let trails = since == 0 && self.unicorns.len() <= TRAILS_UNICORNS_MAX;
        let changed = self.unicorns.iter().filter(|(_, unicorn)| unicorn.changed > since);
        let unicorns: Vec<Value> = changed.map(|(name, unicorn)| unicorn.to_json(name, trails)).collect();
        let all = since == 0;
        (all || !unicorns.is_empty()).then(|| json!({"all": all, "beyond": self.beyond, "unicorns": unicorns}))
    }

    /// The seconds that changed after number `since`:
    /// `[second, records, distance, [health], [magic]]`.
    pub(crate) fn seconds(&self, since: u64) -> Vec<Value> {
        let changed = self.seconds.iter().filter(|(_, second)| second.changed > since);
        let row = |(at, second): (&i64, &Second)| {
            json!([at, second.records, round(second.distance, 10.0), second.health, second.magic])
        };
        changed.map(row).collect()
    }
}

impl Unicorn {
    fn to_json(&self, name: &str, trails: bool) -> Value {
        let place = |degrees: f64| round(degrees, 1e6);
        let distance = self.distance.map(|metres| round(metres, 10.0));
        let (latitude, longitude) = (place(self.latitude), place(self.longitude));
        let mut row =
            json!([name, latitude, longitude, distance, self.health, self.magic, self.arrived_at.as_millis()]);
        if let (true, Some(row)) = (trails, row.as_array_mut()) {
            row.push(
                self.trail.iter().map(|(latitude, longitude)| json!([place(*latitude), place(*longitude)])).collect(),
            );
        }
        row
    }
}

fn widen(range: &mut Option<(f64, f64)>, value: Option<f64>) {
    if let Some(value) = value {
        let (least, most) = range.get_or_insert((value, value));
        (*least, *most) = (least.min(value), most.max(value));
    }
}

fn round(value: f64, to: f64) -> f64 {
    (value * to).round() / to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn reading(name: &str, latitude: f64) -> Reading<'_> {
        let health = Some(150.0 + latitude);
        Reading { name: name.into(), latitude, longitude: 1.0, distance: Some(30.0), health, magic: None }
    }

    #[test]
    fn the_latest_reading_stays_and_a_frame_has_what_changed() {
        let mut fleet = Fleet::default();
        fleet.take(&reading("a", 1.0), at(0), 1);
        fleet.take(&reading("b", 1.0), at(0), 2);
        fleet.take(&reading("a", 2.0), at(10), 3);
        fleet.take(&reading("a", 9.0), at(5), 4);
        let changes = fleet.changes(2).expect("a moved");
        assert_eq!(changes["unicorns"].as_array().expect("rows").len(), 1);
        assert_eq!((&changes["unicorns"][0][0], &changes["unicorns"][0][1]), (&json!("a"), &json!(2.0)));
        assert_eq!(fleet.changes(3), None);
        assert_eq!(fleet.changes(0).expect("all")["unicorns"].as_array().expect("rows").len(), 2);
        let second = &fleet.seconds(0)[0];
        assert_eq!((&second[1], &second[2], &second[3]), (&json!(4), &json!(120.0), &json!([151.0, 159.0])));
    }

    #[test]
    fn who_is_silent_goes_and_memory_stays_bounded() {
        let mut fleet = Fleet::default();
        for n in 0..UNICORNS_MAX + 7 {
            fleet.take(&reading(&format!("u{n}"), 0.5), at(n as i64), n as u64 + 1);
        }
        assert_eq!((fleet.unicorns.len(), fleet.beyond), (UNICORNS_MAX, 7));
        for second in 0..1000 {
            fleet.take(&reading("u0", 0.5), at(second * 1000), 100_000 + second as u64);
        }
        assert_eq!((fleet.seconds.len(), fleet.unicorns["u0"].trail.len()), (SECONDS_MAX, TRAIL_MAX));
        fleet.forget_silent(at(999_000));
        assert_eq!(fleet.unicorns.len(), 1);
    }
}

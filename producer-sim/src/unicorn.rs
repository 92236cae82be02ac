//! One unicorn: it walks straight on from Manhattan, about 30 metres a second, and its points drift.

use std::f64::consts::PI;

use model::clock::Timestamp;
use rand::Rng;
use rand::rngs::SmallRng;
use serde::Serialize;

const LATITUDE_START: f64 = 40.749167;
const LONGITUDE_START: f64 = -73.985184;
/// Metres in a degree of latitude.
const LATITUDE_METRES: f64 = 110_540.0;
/// Metres in a degree of longitude at the equator.
const LONGITUDE_METRES: f64 = 111_320.0;
const POINTS_START: i64 = 150;

/// A reading, with its fields in the order they have on the wire.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Reading<'a> {
    /// Metres walked since the last reading, from 29 up to 31.
    pub distance: f64,
    /// Health points; without bounds.
    pub health_points: i64,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Magic points; without bounds.
    pub magic_points: i64,
    /// The unicorn; also the partition key.
    pub name: &'a str,
    /// When it was read, `yyyy-MM-dd HH:mm:ss.SSS` in UTC.
    pub status_time: String,
}

/// A walking unicorn.
#[derive(Debug, Clone)]
pub struct Unicorn {
    name: String,
    bearing: f64,
    latitude: f64,
    longitude: f64,
    magic_points: i64,
    health_points: i64,
}

impl Unicorn {
    /// A unicorn at the start, with a bearing that it keeps.
    pub fn new(name: String, random: &mut SmallRng) -> Self {
        Unicorn {
            name,
            bearing: random.random::<f64>() * 2.0 * PI,
            latitude: LATITUDE_START,
            longitude: LONGITUDE_START,
            magic_points: POINTS_START,
            health_points: POINTS_START,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Walks for a second and reads.
    pub fn step(&mut self, at: Timestamp, random: &mut SmallRng) -> Reading<'_> {
        self.magic_points += drift(random);
        self.health_points += drift(random);
        let distance = f64::from(random.random_range(0..2)) + 29.0 + random.random::<f64>();
        let latitude = self.latitude;
        self.latitude += distance * self.bearing.sin() / LATITUDE_METRES;
        self.longitude += distance * self.bearing.cos() / (LONGITUDE_METRES * (PI * latitude / 180.0).cos());
        Reading {
            distance,
            health_points: self.health_points,
            latitude: self.latitude,
            longitude: self.longitude,
            magic_points: self.magic_points,
            name: &self.name,
            status_time: status_time(at),
        }
    }
}

/// Minus one, nothing or one: a half, twice a quarter.
fn drift(random: &mut SmallRng) -> i64 {
    let size = random.random_range(0..2);
    if random.random::<bool>() { size } else { -size }
}

/// `yyyy-MM-dd HH:mm:ss.SSS` in UTC.
fn status_time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::MAX);
    let time = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    proptest! {
        #[test]
        fn a_walk_is_straight_and_steady(seed: u64) {
            let mut random = SmallRng::seed_from_u64(seed);
            let mut unicorn = Unicorn::new("Shadowfax".into(), &mut random);
            let (mut magic, mut health) = (POINTS_START, POINTS_START);
            let bearing = unicorn.bearing;
            for second in 0..200 {
                let (latitude, longitude) = (unicorn.latitude, unicorn.longitude);
                let reading = unicorn.step(Timestamp::from_millis(second * 1000), &mut random);
                prop_assert!((29.0..31.0).contains(&reading.distance));
                prop_assert!((reading.magic_points - magic).abs() <= 1 && (reading.health_points - health).abs() <= 1);
                (magic, health) = (reading.magic_points, reading.health_points);
                let north = (reading.latitude - latitude) * LATITUDE_METRES;
                let east = (reading.longitude - longitude) * LONGITUDE_METRES * (PI * latitude / 180.0).cos();
                prop_assert!((north.hypot(east) - reading.distance).abs() < 1e-6);
                prop_assert!((north - reading.distance * bearing.sin()).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_reading_has_the_shape_of_the_workshop() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut unicorn = Unicorn::new("Shadowfax".into(), &mut random);
        let reading = unicorn.step(Timestamp::from_millis(1_521_343_200_123), &mut random);
        assert_eq!(reading.status_time, "2018-03-18 03:20:00.123");
        let json = serde_json::to_string(&reading).expect("numbers and text");
        let places: Vec<_> = ["Distance", "HealthPoints", "Latitude", "Longitude", "MagicPoints", "Name", "StatusTime"]
            .iter()
            .map(|key| json.find(&format!("\"{key}\":")).expect("the key is there"))
            .collect();
        assert!(places.is_sorted(), "{json}");
    }
}

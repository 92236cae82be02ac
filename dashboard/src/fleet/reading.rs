//! A unicorn's reading, taken out of a record: only what the page shows.

use std::borrow::Cow;

use serde::Deserialize;

/// The longest name that is followed, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// A reading as the workshop's producers send it. Fields that are missing are not shown.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Reading<'a> {
    /// The unicorn.
    #[serde(rename = "Name", borrow)]
    pub(crate) name: Cow<'a, str>,
    /// Degrees north.
    #[serde(rename = "Latitude")]
    pub(crate) latitude: f64,
    /// Degrees east.
    #[serde(rename = "Longitude")]
    pub(crate) longitude: f64,
    /// Metres since the reading before.
    #[serde(rename = "Distance", default)]
    pub(crate) distance: Option<f64>,
    /// Health points.
    #[serde(rename = "HealthPoints", default)]
    pub(crate) health: Option<f64>,
    /// Magic points.
    #[serde(rename = "MagicPoints", default)]
    pub(crate) magic: Option<f64>,
}

impl Reading<'_> {
    /// Reads a record; none where it is not a reading that a map can show.
    pub(crate) fn parse(data: &[u8]) -> Option<Reading<'_>> {
        let reading: Reading<'_> = serde_json::from_slice(data).ok()?;
        let named = !reading.name.is_empty() && reading.name.len() <= NAME_BYTES_MAX;
        let placed = reading.latitude.abs() <= 90.0 && reading.longitude.abs() <= 180.0;
        (named && placed).then_some(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_taken_and_everything_else_is_not() {
        let whole = br#"{"Distance":30.5,"HealthPoints":150,"Latitude":40.7,"Longitude":-73.9,"MagicPoints":149,"Name":"Shadowfax","StatusTime":"x"}"#;
        let reading = Reading::parse(whole).expect("a reading");
        assert_eq!((reading.name.as_ref(), reading.health, reading.distance), ("Shadowfax", Some(150.0), Some(30.5)));
        assert!(Reading::parse(br#"{"Name":"\u0041\"<b>","Latitude":0,"Longitude":0}"#).is_some());
        let long = format!(r#"{{"Name":"{}","Latitude":0,"Longitude":0}}"#, "x".repeat(NAME_BYTES_MAX + 1));
        for other in [
            "",
            "{}",
            "[1]",
            "not json",
            r#"{"Name":"","Latitude":0,"Longitude":0}"#,
            r#"{"Name":"a","Latitude":91,"Longitude":0}"#,
            r#"{"Name":"a","Latitude":0,"Longitude":-181}"#,
            r#"{"Name":"a","Latitude":"0","Longitude":0}"#,
            r#"{"Name":7,"Latitude":0,"Longitude":0}"#,
            &long,
        ] {
            assert_eq!(Reading::parse(other.as_bytes()), None, "{other}");
        }
    }
}

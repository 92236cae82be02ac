//! Times of requests and answers: epoch seconds in JSON, epoch milliseconds in CBOR.

use std::fmt;

use minicbor_serde::tag::{Optional, Required};
use model::clock::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// CBOR's tag of epoch times. Its content is milliseconds and an integer, against RFC 8949: that is what AWS sends
/// and what its SDKs for Java read.
pub(crate) const CBOR_TAG: u64 = 1;

/// A time. Read from an integer or a float, in CBOR with or without the tag; written with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Time {
    /// `amount` of `per_second` to the second since the epoch, to the nearest millisecond that fits.
    fn from_float<E: Error>(amount: f64, per_second: f64) -> Result<Time, E> {
        if !amount.is_finite() {
            return Err(E::custom("a time is a finite number"));
        }
        Ok(Time(Timestamp::from_millis((amount * (1000.0 / per_second)).round() as i64)))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(TimeVisitor { per_second: 1.0 })
        } else {
            Optional::<CBOR_TAG, Millis>::deserialize(deserializer).map(|tagged| tagged.into_value().0)
        }
    }
}

/// What stands behind the tag.
struct Millis(Time);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor { per_second: 1000.0 }).map(Millis)
    }
}

struct TimeVisitor {
    per_second: f64,
}

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as a number")
    }

    fn visit_i64<E: Error>(self, amount: i64) -> Result<Time, E> {
        let millis_each = (1000.0 / self.per_second) as i64;
        Ok(Time(Timestamp::from_millis(amount.saturating_mul(millis_each))))
    }

    fn visit_u64<E: Error>(self, amount: u64) -> Result<Time, E> {
        self.visit_i64(i64::try_from(amount).unwrap_or(i64::MAX))
    }

    fn visit_f32<E: Error>(self, amount: f32) -> Result<Time, E> {
        self.visit_f64(amount.into())
    }

    fn visit_f64<E: Error>(self, amount: f64) -> Result<Time, E> {
        Time::from_float(amount, self.per_second)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.as_millis();
        if serializer.is_human_readable() {
            serializer.serialize_f64(millis as f64 / 1000.0)
        } else {
            Required::<CBOR_TAG, i64>::new(millis).serialize(serializer)
        }
    }
}

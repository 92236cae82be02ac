//! The time a request was signed at: `20150830T123600Z`.

use jiff::civil;
use model::clock::Timestamp;

use crate::auth::error::AuthError;

/// How far a request's time may lie from ours, either way.
pub(crate) const SKEW_MILLIS_MAX: i64 = 5 * 60 * 1000;

/// When a request was signed, as it was written and as a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    text: String,
    at: Timestamp,
}

impl Stamp {
    /// Reads `YYYYMMDDTHHMMSSZ`, and nothing else: what is signed has one form.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        let refused = || {
            AuthError::Incomplete(format!(
                "Date must be in ISO-8601 'basic format', as 20150830T123600Z. Got '{text}'."
            ))
        };
        let bytes: &[u8; 16] = text.as_bytes().try_into().map_err(|_| refused())?;
        let separated = bytes[8] == b'T' && bytes[15] == b'Z';
        let digits = bytes.iter().enumerate().all(|(i, byte)| i == 8 || i == 15 || byte.is_ascii_digit());
        if !separated || !digits {
            return Err(refused());
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().fold(0i16, |number, digit| number * 10 + i16::from(digit - b'0'))
        };
        let small = |from: usize| i8::try_from(number(from, from + 2)).expect("two digits fit a byte");
        let time = civil::DateTime::new(number(0, 4), small(4), small(6), small(9), small(11), small(13), 0);
        let zoned = time.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC)).map_err(|_| refused())?;
        Ok(Stamp { text: text.to_owned(), at: Timestamp::from_millis(zoned.timestamp().as_millisecond()) })
    }

    /// Reads the `Date` header, which stands in where `X-Amz-Date` is missing: in basic form, or as HTTP writes it.
    pub(crate) fn parse_date(text: &str) -> Result<Self, AuthError> {
        Stamp::parse(text).or_else(|refused| {
            let zoned = jiff::fmt::rfc2822::parse(text).map_err(|_| refused)?;
            Ok(Stamp::of(Timestamp::from_millis(zoned.timestamp().as_millisecond())))
        })
    }

    /// A time in whole seconds.
    pub(crate) fn of(at: Timestamp) -> Self {
        let seconds = at.as_millis().div_euclid(1000);
        let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Stamp { text: time.strftime("%Y%m%dT%H%M%SZ").to_string(), at: Timestamp::from_millis(seconds * 1000) }
    }

    /// As it was written; in the form that is signed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// `YYYYMMDD`, as a scope names it.
    pub(crate) fn date(&self) -> &str {
        &self.text[..8]
    }

    /// Refuses a time too far from now. `good_for` is how long the signature may be used after it was made.
    pub(crate) fn check(&self, now: Timestamp, good_for_millis: i64) -> Result<(), AuthError> {
        let (signed, now_millis) = (self.at.as_millis(), now.as_millis());
        let moved = |millis: i64| Stamp::of(Timestamp::from_millis(now_millis + millis));
        let (now, minutes) = (Stamp::of(now), SKEW_MILLIS_MAX / 60_000);
        if signed + good_for_millis < now_millis {
            let oldest = moved(-good_for_millis);
            let (good_for, unit) = match good_for_millis {
                SKEW_MILLIS_MAX => (minutes, "min"),
                other => (other / 1000, "s"),
            };
            return Err(AuthError::InvalidSignature(format!(
                "Signature expired: {} is now earlier than {} ({} - {good_for} {unit}.)",
                self.text, oldest.text, now.text
            )));
        }
        if now_millis + SKEW_MILLIS_MAX < signed {
            return Err(AuthError::InvalidSignature(format!(
                "Signature not yet current: {} is still later than {} ({} + {minutes} min.)",
                self.text,
                moved(SKEW_MILLIS_MAX).text,
                now.text
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_basic_form_is_read() {
        let stamp = Stamp::parse("20150830T123600Z").expect("the form of the documentation");
        assert_eq!((stamp.date(), stamp.at.as_millis()), ("20150830", 1_440_938_160_000));
        assert_eq!(Stamp::of(stamp.at), stamp);
        assert_eq!(Stamp::parse_date("Sun, 30 Aug 2015 12:36:00 GMT"), Ok(stamp));
        for wrong in ["", "2015-08-30T12:36:00Z", "20150830T123600z", "20150830t123600Z", "20151330T123600Z"] {
            assert!(Stamp::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Stamp::parse("20150830T123661Z").is_err() && Stamp::parse("2015083éT12360Z").is_err());
    }

    #[test]
    fn five_minutes_either_way_and_not_a_second_more() {
        let stamp = Stamp::parse("20150830T123600Z").expect("a stamp");
        let check =
            |seconds: i64| stamp.check(Timestamp::from_millis(stamp.at.as_millis() + seconds * 1000), SKEW_MILLIS_MAX);
        for good in [-300, -1, 0, 300] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let text = check(301).expect_err("too old").to_string();
        let expected =
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)";
        assert_eq!(text, expected);
        let text = check(-301).expect_err("too new").to_string();
        assert!(text.starts_with("Signature not yet current: 20150830T123600Z is still later than"), "{text}");
    }
}

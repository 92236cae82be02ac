//! Where following begins: five ways to say it.

use std::str::FromStr;
use std::time::Duration;

use model::clock::{Clock, SystemClock, Timestamp};
use model::stream::printed_sequence_number::PrintedSequenceNumber;

/// A place in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// What comes from now on.
    Latest,
    /// Everything that is kept.
    Oldest,
    /// What arrived then, or later.
    Time(Timestamp),
    /// This record, and what came after it in its shard and in those that follow it.
    At(String),
    /// The same, without it.
    After(String),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<PrintedSequenceNumber>().map(|_| text.to_owned());
        match text {
            "latest" | "newest" | "now" => return Ok(From::Latest),
            "oldest" | "start" | "begin" => return Ok(From::Oldest),
            _ => {}
        }
        if let Some(after) = text.strip_prefix("after:") {
            return number(after).map(From::After).map_err(|wrong| wrong.to_string());
        }
        if let Ok(at) = number(text) {
            return Ok(From::At(at));
        }
        if let Some(ago) = duration(text) {
            return Ok(From::Time(SystemClock.now() - ago));
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(From::Time(Timestamp::from_millis(at.as_millisecond()))),
            Err(_) => Err(format!(
                "`{text}` is not a start position: use latest, oldest, a time such as 2026-01-31T12:00:00Z or 10m (ten minutes ago), a \
                 sequence number, or after:NUMBER"
            )),
        }
    }
}

impl From {
    /// The parameters `position` and `value`.
    pub(crate) fn parameters(&self) -> (&'static str, Option<String>) {
        match self {
            From::Latest => ("LATEST", None),
            From::Oldest => ("TRIM_HORIZON", None),
            From::Time(at) => ("AT_TIMESTAMP", Some(at.as_millis().to_string())),
            From::At(number) => ("AT_SEQUENCE_NUMBER", Some(number.clone())),
            From::After(number) => ("AFTER_SEQUENCE_NUMBER", Some(number.clone())),
        }
    }
}

/// `90s`, `10m`, `2h`, `1d`.
fn duration(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_said_in_five_ways() {
        let parsed = |text: &str| text.parse::<From>();
        assert_eq!(parsed("latest"), Ok(From::Latest));
        assert_eq!(parsed("oldest"), Ok(From::Oldest));
        assert_eq!(parsed("1970-01-01T00:00:01Z"), Ok(From::Time(Timestamp::from_millis(1000))));
        let Ok(From::Time(ago)) = parsed("2m") else { panic!("a time") };
        let since = SystemClock.now().since(ago).as_secs();
        assert!((120..180).contains(&since), "{since}");
        let shard = model::stream::shard::ShardId(3);
        let number = model::stream::sequence_number::SequenceNumber(9);
        let at = Timestamp::from_millis(1_700_000_000_000);
        let printed = PrintedSequenceNumber::new(shard, at, number, at).to_string();
        assert_eq!(parsed(&printed), Ok(From::At(printed.clone())));
        assert_eq!(parsed(&format!("after:{printed}")), Ok(From::After(printed)));
        for wrong in ["", "yesterday", "10", "m", "after:7", "2026-13-01T00:00:00Z"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}

//! Names of archived objects. They say which records an object holds, so a listing answers what is archived: the live
//! tail that SQL reads begins after the highest number that a name holds.
//!
//! ```text
//! wildrydes/dt=2026-11-01/hour=03/shardId-000000000000-00000000000000000000-00000000000000000499.json.zst
//! stream    arrival of the first   shard                first number         last number          format
//! record, UTC                                           both included
//!
//! errors/wildrydes/dt=2026-11-01/hour=03/...json.zst     dead letters, with reasons
//! conflicts/1b2c3d4e/...                                 an object whose name is taken by other content
//! ```
//!
//! Numbers have 20 digits: names of a shard sort as its records do. Ranges never overlap. A range that is missing
//! between two objects held only dead letters, or fell to retention. No object spans two hours.

use std::ops::RangeInclusive;

use jiff::ToSpan;

use super::format::{Compression, ObjectFormat};
use super::store::ObjectName;
use crate::clock::Timestamp;
use crate::name::StreamName;
use crate::stream::sequence_number::SequenceNumber;
use crate::stream::shard::ShardId;

/// Folder of dead letters.
const ERRORS: &str = "errors";
/// Folder of objects whose names were taken.
const CONFLICTS: &str = "conflicts";
/// Where an archive in a folder of files keeps those that are being written.
pub const UNFINISHED: &str = ".tmp";
/// Folders of the archive that hold no stream's records: a stream of such a name cannot be archived.
pub const RESERVED_FOLDERS: [&str; 3] = [CONFLICTS, ERRORS, UNFINISHED];

/// Digits of a sequence number in a name.
const NUMBER_DIGITS: usize = 20;
const HOUR_MILLIS: i64 = 3_600_000;
/// The most days that are listed one by one.
const DAYS_LISTED_MAX: usize = 31;

/// The records that one object holds: those of a shard from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordRange {
    /// The shard.
    pub shard: ShardId,
    /// The first record's number.
    pub first: SequenceNumber,
    /// The last record's number.
    pub last: SequenceNumber,
}

/// The name of an object that holds records of `stream`, the first of which arrived at `arrived_at`.
pub fn data_object(stream: &StreamName, range: RecordRange, arrived_at: Timestamp, format: ObjectFormat) -> ObjectName {
    object_in(stream.as_str(), range, arrived_at, format)
}

/// The name of an object that holds dead letters of `owner`: the stream's name for an archive, the delivery's name for
/// other destinations.
pub fn error_object(owner: &str, range: RecordRange, arrived_at: Timestamp, compression: Compression) -> ObjectName {
    object_in(&format!("{ERRORS}/{owner}"), range, arrived_at, ObjectFormat::Lines(compression))
}

/// Where an object goes when its name is taken by other content.
pub fn conflict_object(name: &ObjectName, checksum: u32) -> ObjectName {
    ObjectName::new(format!("{CONFLICTS}/{checksum:08x}/{name}")).expect("prefixed names stay short and plain")
}

/// What the names of all objects begin with, data and dead letters, whose first record arrived on the day of one of
/// `days` and in between: a stream's whole folder where that is more than `DAYS_LISTED_MAX`.
pub fn objects_of_days(stream: &StreamName, days: RangeInclusive<Timestamp>) -> Vec<String> {
    let date = |at: &Timestamp| {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        jiff::tz::Offset::UTC.to_datetime(at).date()
    };
    let (first, last) = (date(days.start()), date(days.end()));
    let dates: Vec<_> = first.series(1.day()).take_while(|day| *day <= last).take(DAYS_LISTED_MAX + 1).collect();
    let parts = match dates.len() {
        ..=DAYS_LISTED_MAX => dates.iter().map(|day| format!("dt={day}/")).collect(),
        _ => vec![String::new()],
    };
    let folders = [stream.to_string(), format!("{ERRORS}/{stream}")];
    folders.iter().flat_map(|folder| parts.iter().map(move |part| format!("{folder}/{part}"))).collect()
}

/// Hours since 1970. An object holds records that arrived in one of them.
pub fn hour_of(arrived_at: Timestamp) -> i64 {
    arrived_at.as_millis().div_euclid(HOUR_MILLIS)
}

fn object_in(folder: &str, range: RecordRange, arrived_at: Timestamp, format: ObjectFormat) -> ObjectName {
    let at = jiff::Timestamp::from_millisecond(arrived_at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = jiff::tz::Offset::UTC.to_datetime(at);
    let RecordRange { shard, first, last } = range;
    let name = format!(
        "{folder}/dt={}/hour={:02}/{shard}-{:0NUMBER_DIGITS$}-{:0NUMBER_DIGITS$}.{format}",
        at.date(),
        at.hour(),
        first.0,
        last.0
    );
    ObjectName::new(name).expect("stream names and numbers are short and plain")
}

impl RecordRange {
    /// The same for an object of dead letters.
    pub fn of_error_object(name: &str) -> Option<RecordRange> {
        RecordRange::of_object(name.strip_prefix(ERRORS)?.strip_prefix('/')?)
    }

    /// Reads the range from the name of a data object, given from the archive's root. `None` if the name is not one
    /// that [`data_object`] writes. The extension may be any: what holds the records counts, however it is written.
    pub fn of_object(name: &str) -> Option<RecordRange> {
        let mut parts = name.split('/');
        let (stream, dt, hour, file) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let in_hour = dt.starts_with("dt=") && hour.starts_with("hour=");
        if parts.next().is_some() || !in_hour || RESERVED_FOLDERS.contains(&stream) {
            return None;
        }
        let (stem, _extension) = file.split_once('.')?;
        let (rest, last) = stem.rsplit_once('-')?;
        let (shard, first) = rest.rsplit_once('-')?;
        let range = RecordRange { shard: shard.parse().ok()?, first: number(first)?, last: number(last)? };
        // The highest number is never given to a record: none could follow it.
        (range.first <= range.last && range.last.0 < u64::MAX).then_some(range)
    }
}

fn number(text: &str) -> Option<SequenceNumber> {
    let digits = text.len() == NUMBER_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok().map(SequenceNumber) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZSTD: ObjectFormat = ObjectFormat::Lines(Compression::Zstd);

    fn range(shard: u32, first: u64, last: u64) -> RecordRange {
        RecordRange { shard: ShardId(shard), first: SequenceNumber(first), last: SequenceNumber(last) }
    }

    fn stream(name: &str) -> StreamName {
        StreamName::new(name).expect("a name")
    }

    #[test]
    fn names_say_what_is_inside() {
        let (at, whole) = (Timestamp::from_millis, range(7, 0, u64::MAX));
        let shard = "shardId-000000000007-00000000000000000000-18446744073709551615";
        assert_eq!(
            data_object(&stream("wildrydes"), whole, at(1_793_505_599_999), ZSTD).as_str(),
            format!("wildrydes/dt=2026-11-01/hour=03/{shard}.json.zst")
        );
        assert_eq!(
            error_object("wildrydes", whole, at(-1), Compression::Gzip).as_str(),
            format!("errors/wildrydes/dt=1969-12-31/hour=23/{shard}.json.gz")
        );
        let name = data_object(&stream(&"s".repeat(128)), whole, Timestamp::MAX, ObjectFormat::Parquet);
        assert!(conflict_object(&name, 1).as_str().starts_with("conflicts/00000001/ssss"));
        assert_eq!(hour_of(at(-1)), -1);
    }

    fn check(name: &str, expected: Option<(u32, u64, u64)>) {
        let found = RecordRange::of_object(name).map(|range| (range.shard.0, range.first.0, range.last.0));
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn only_names_of_data_objects_have_a_range() {
        let folder = "wildrydes/dt=2026-11-01/hour=03";
        let file = "shardId-000000000007-00000000000000000010-00000000000000000019";
        check(&format!("{folder}/{file}.json.zst"), Some((7, 10, 19)));
        check(&format!("{folder}/{file}.json"), Some((7, 10, 19)));
        check(&format!("wildrydes/{file}.json"), None);
        check(&format!("{folder}/deeper/{file}.json"), None);
        for reserved in ["errors", "conflicts", ".tmp"] {
            check(&format!("{reserved}/dt=2026-11-01/hour=03/{file}.json"), None);
        }
        check(&format!("{folder}/{file}"), None);
        check(&format!("{folder}/shardId-000000000007-10-19.json"), None);
        check(&format!("{folder}/shardId-000000000007-00000000000000000020-00000000000000000019.json"), None);
        check("wildrydes/2026/11/01/03/wildrydes-1-2026-11-01-03-20-00", None);
    }

    prop_compose! {
        fn any_range()(shard: u32, one in 0..u64::MAX, other in 0..u64::MAX) -> RecordRange {
            range(shard, one.min(other), one.max(other))
        }
    }

    fn any_format() -> impl Strategy<Value = ObjectFormat> {
        let lines = [Compression::Zstd, Compression::Gzip, Compression::None].map(ObjectFormat::Lines);
        prop::sample::select([&lines[..], &[ObjectFormat::Parquet]].concat())
    }

    proptest! {
        #[test]
        fn a_name_reads_as_the_range_that_it_was_written_for(
            name in "[a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,127}", range in any_range(), at: i64, format in any_format(),
        ) {
            let (stream, at) = (stream(&name), Timestamp::from_millis(at));
            let data = data_object(&stream, range, at, format);
            let expected = (!RESERVED_FOLDERS.contains(&name.as_str())).then_some(range);
            prop_assert_eq!(RecordRange::of_object(data.as_str()), expected);
            prop_assert!(data.as_str().ends_with(format.extension()));
            let beside = error_object(&name, range, at, format.compression());
            prop_assert_eq!(RecordRange::of_object(beside.as_str()), None);
            prop_assert_eq!(RecordRange::of_object(conflict_object(&data, 1).as_str()), None);
        }

        #[test]
        fn names_of_a_shard_sort_as_its_records_do(
            one in any_range(), other in any_range(), at in -1_000_000_000_i64..1_000_000_000_000,
        ) {
            let name = |range| data_object(&stream("s"), RecordRange { shard: ShardId(0), ..range },
                Timestamp::from_millis(at), ZSTD);
            let order = (one.first, one.last).cmp(&(other.first, other.last));
            prop_assert_eq!(name(one).cmp(&name(other)), order);
        }
    }
}

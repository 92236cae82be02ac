//! Names of objects: they say what is inside, so that a listing answers which records are archived.
//!
//! ```text
//! wildrydes/dt=2026-11-01/hour=03/shardId-000000000000-00000000000000000000-00000000000000000499.json.zst
//! stream    arrival of the first   shard                first number         last number          format
//! record, UTC
//!
//! errors/wildrydes/dt=2026-11-01/hour=03/...json.zst     records that are not JSON objects, with reasons
//! conflicts/1b2c3d4e/...                                 an object whose name is taken by other content
//! ```
//!
//! Numbers have 20 digits: names of a shard sort as its records do. Ranges never overlap; a range that is missing
//! between two objects held only dead letters, or fell to retention. No object spans two hours.

use model::archive::format::ObjectFormat;
use model::archive::store::ObjectName;
use model::clock::Timestamp;
use model::name::StreamName;

use crate::delivery::cut::CutRange;

/// Where records of `stream` are archived.
pub fn data_object(stream: &StreamName, range: &CutRange) -> ObjectName {
    object_name(stream.as_str(), range)
}

/// Where dead letters of `owner` go: the stream's name for an archive, the delivery's name for a table.
pub fn error_object(owner: &str, range: &CutRange) -> ObjectName {
    let format = ObjectFormat::Lines(range.format.compression());
    object_name(&format!("errors/{owner}"), &CutRange { format, ..range.clone() })
}

/// Where an object goes when its name is taken by other content of another origin.
pub fn conflict_object(name: &ObjectName, checksum: u32) -> ObjectName {
    ObjectName::new(format!("conflicts/{checksum:08x}/{name}")).expect("prefixed names stay short and plain")
}

/// Hours since the epoch; an object holds records of one of them.
pub fn hour_of(arrived_at: Timestamp) -> i64 {
    arrived_at.as_millis().div_euclid(3_600_000)
}

fn object_name(folder: &str, range: &CutRange) -> ObjectName {
    let at = jiff::Timestamp::from_millisecond(range.arrived_at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let at = jiff::tz::Offset::UTC.to_datetime(at);
    let (shard, first, last, format) = (range.shard, range.first.0, range.last.0, range.format);
    let name = format!("{folder}/dt={}/hour={:02}/{shard}-{first:020}-{last:020}.{format}", at.date(), at.hour());
    ObjectName::new(name).expect("stream names and numbers are short and plain")
}

#[cfg(test)]
mod tests {
    use model::archive::format::Compression;
    use model::stream::sequence_number::SequenceNumber;
    use model::stream::shard::ShardId;

    use super::*;

    #[test]
    fn names_say_what_is_inside() {
        let range = |millis, format| CutRange {
            shard: ShardId(7),
            first: SequenceNumber(0),
            last: SequenceNumber(u64::MAX),
            arrived_at: Timestamp::from_millis(millis),
            format,
        };
        let stream = StreamName::new("wildrydes").unwrap();
        let shard = "shardId-000000000007-00000000000000000000-18446744073709551615";
        assert_eq!(
            data_object(&stream, &range(1_793_505_599_999, ObjectFormat::Lines(Compression::Zstd))).as_str(),
            format!("wildrydes/dt=2026-11-01/hour=03/{shard}.json.zst")
        );
        assert_eq!(
            error_object("wildrydes", &range(-1, ObjectFormat::Lines(Compression::Gzip))).as_str(),
            format!("errors/wildrydes/dt=1969-12-31/hour=23/{shard}.json.gz")
        );
        let longest = StreamName::new(&"s".repeat(128)).unwrap();
        let name = data_object(&longest, &range(i64::MAX, ObjectFormat::Lines(Compression::None)));
        assert!(conflict_object(&name, 1).as_str().starts_with("conflicts/00000001/ssss"));
        assert_eq!(hour_of(Timestamp::from_millis(-1)), -1);
    }
}

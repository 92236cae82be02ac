//! The names of archived objects, as far as SQL needs them.
//!
//! ```text
//! wildrydes/dt=2026-11-01/hour=03/shardId-000000000000-00000000000000000000-00000000000000000099.json.zst
//! stream                          shard                first number         last number, both included
//! ```
//!
//! One object holds one cut of one shard, so a name says which records an object has: where the highest cut of a
//! shard ends, the live tail begins.

use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;

/// Top-level folders that are no tables: what could not be archived as JSON, and objects whose names were taken.
pub const FOLDERS_WITHOUT_TABLES: [&str; 2] = ["errors", "conflicts"];

/// Digits of a sequence number in a name.
const NUMBER_DIGITS: usize = 20;

/// The records that one object holds: one shard's from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    pub shard: ShardId,
    /// The first record's number.
    pub first: SequenceNumber,
    /// The last record's number.
    pub last: SequenceNumber,
}

impl Cut {
    /// Reads the cut from the path of an object, given from the archive's root; none where it is not a name of ours.
    pub fn from_path(path: &str) -> Option<Cut> {
        let mut parts = path.split('/');
        let (_stream, dt, hour, file) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !dt.starts_with("dt=") || !hour.starts_with("hour=") {
            return None;
        }
        let (stem, _suffix) = file.split_once('.')?;
        let (rest, last) = stem.rsplit_once('-')?;
        let (shard, first) = rest.rsplit_once('-')?;
        let cut = Cut { shard: shard.parse().ok()?, first: number(first)?, last: number(last)? };
        // The highest number of all is never given: there would be none after it.
        (cut.first <= cut.last && cut.last.0 < u64::MAX).then_some(cut)
    }
}

fn number(text: &str) -> Option<SequenceNumber> {
    let digits = text.len() == NUMBER_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok().map(SequenceNumber) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<(u32, u64, u64)>) {
        let found = Cut::from_path(path).map(|cut| (cut.shard.0, cut.first.0, cut.last.0));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn names_say_which_records_an_object_has() {
        let folder = "wildrydes/dt=2026-11-01/hour=03";
        let cut = "shardId-000000000007-00000000000000000010-00000000000000000019";
        check(&format!("{folder}/{cut}.json.zst"), Some((7, 10, 19)));
        check(&format!("{folder}/{cut}.json"), Some((7, 10, 19)));
        check(&format!("wildrydes/{cut}.json"), None);
        check(&format!("{folder}/deeper/{cut}.json"), None);
        check(&format!("{folder}/{cut}"), None);
        check(&format!("{folder}/shardId-000000000007-10-19.json"), None);
        check(&format!("{folder}/shardId-000000000007-00000000000000000020-00000000000000000019.json"), None);
        check("wildrydes/2026/11/01/03/wildrydes-1-2026-11-01-03-20-00", None);
    }
}

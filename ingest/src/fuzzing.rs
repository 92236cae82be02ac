//! What must hold for any bytes on the disk; called by the target in `fuzz/`, and by a test with its corpus.

use bytes::Bytes;
use model::clock::Timestamp;
use model::sequence_number::SequenceNumber;
use model::shard::ShardId;
use model::stream_store::ReadLimit;

use crate::log::block::{Block, Read};
use crate::log::commit::Commit;
use crate::log::frame::{HEADER_BYTES, Header, Kind, Place};
use crate::log::head::Head;
use crate::log::key::{PLAIN, StreamKeys};
use crate::log::segment;

const PLACE: Place = Place { incarnation: 7, segment: 3 };

/// Bytes as a segment, as the payload of every kind of frame, and as a segment of frames whose checksums fit.
pub fn log_frame(data: &[u8]) {
    scan(Bytes::copy_from_slice(data));
    let payload = Bytes::copy_from_slice(data);
    if let Ok(head) = Head::decode(payload.clone()) {
        assert_eq!(Head::decode(head.encode()), Ok(head), "a head comes out as it went in");
    }
    if let Ok(commit) = Commit::decode(&payload, Timestamp::default()) {
        let again = Commit::encode(&commit.consumer, &commit.checkpoint, &commit.blocks);
        let again = Commit::decode(&again, Timestamp::default()).expect("what was encoded decodes");
        assert_eq!((again.consumer, again.checkpoint), (commit.consumer, commit.checkpoint));
        commit.blocks.into_iter().for_each(read);
    }
    scan(framed(data));
}

/// Verifies a segment; what it says of it must be inside of it.
fn scan(bytes: Bytes) {
    let found = segment::scan(&bytes, PLACE, &StreamKeys::default());
    let length = found.index.length;
    assert!(length <= bytes.len() as u64 && found.head_bytes <= length);
    assert_eq!(found.bad.is_none(), length == bytes.len() as u64, "a scan ends at the end or says why not");
    if found.bad.is_some() {
        assert!(segment::later_group(&bytes, PLACE, length).is_none_or(|later| length < later));
    }
}

fn read(block: Block) {
    let all = ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX, wait: false };
    let mut read = Read::default();
    if block.read_into(SequenceNumber::FIRST, all, &mut read).is_ok() {
        assert_eq!(read.records.len(), block.count as usize, "every record or an error");
    }
}

/// Frames with right checksums around what `data` says: kind, count, length of the payload, and payload, each.
fn framed(mut data: &[u8]) -> Bytes {
    let mut segment = Vec::new();
    while let [kind, count, length, rest @ ..] = data {
        let (payload, after) = rest.split_at((*length as usize).min(rest.len()));
        let kind = [Kind::Head, Kind::Records, Kind::Commit][*kind as usize % 3];
        let header = Header {
            kind,
            // Frames that say they are encrypted, by a key that nobody has, are tried too.
            key: if *count == u8::MAX { 1 } else { PLAIN },
            shard: ShardId(u32::from(*count) % 3),
            count: u32::from(*count),
            first: SequenceNumber(u64::from(*length)),
            arrived_at: Timestamp::from_millis(1_700_000_000_000),
            payload_bytes: u32::from(*length).min(rest.len() as u32),
            payload_crc: crc32c::crc32c(payload),
            group_back: if count % 2 == 0 { 0 } else { segment.len() as u64 },
        };
        let offset = segment.len() as u64;
        segment.extend_from_slice(&header.encode(PLACE, offset));
        segment.extend_from_slice(payload);
        let decoded = Header::decode(&segment[offset as usize..], PLACE, offset);
        assert_eq!(decoded, Ok(header), "a header comes out as it went in");
        assert_eq!(header.frame_bytes(), HEADER_BYTES + payload.len());
        if kind == Kind::Records {
            read(header.block(Bytes::copy_from_slice(payload)));
        }
        data = after;
    }
    segment.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::testing::corpus;

    #[test]
    fn the_corpus_is_replayed() {
        corpus::replay("log_frame", log_frame);
    }
}

//! What must hold for any bytes on the disk or from a sensor; called by the targets in `fuzz/`, and by a test with their
//! corpora.

pub mod repair;

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use model::clock::Timestamp;
use model::datagram::header::{SchemaId, SourceId};
use model::datagram::payload::Datagram;
use model::datagram::tag::TagKey;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::ReadLimit;

use crate::log::frames::block::{Block, Read};
use crate::log::frames::commit::Commit;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind};
use crate::log::frames::head::Head;
use crate::log::frames::key::{PLAIN, StreamKeys};
use crate::log::frames::place::Place;
use crate::log::segments::segment;
use crate::sensor::accounts::{NO_RULE, Tally};
use crate::sensor::intake::{Intake, Taken};
use crate::sensor::port_rule::{PortRule, SourceRule};
use crate::sensor::reader::BatchReader;
use crate::sensor::reception::{Reception, ReceptionOptions};

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
        let kind = [Kind::Head, Kind::Records, Kind::Commit, Kind::Filler][*kind as usize % 4];
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

/// A reception with three ports and a poller: made once, since making it costs as much as hundreds of datagrams.
struct Intakes {
    reception: Arc<Reception>,
    intake: Intake,
    reader: BatchReader,
    key: TagKey,
    now_nanos: u64,
}

/// Ports with a rule: one open to all, one for registered sources, one that wants tags.
const PORTS: [u16; 3] = [1, 2, 3];
const TAGGED: u16 = 3;
const SOURCES_MAX: usize = 8;

impl Intakes {
    fn new() -> Self {
        let reception = Reception::new(ReceptionOptions { sources_max: SOURCES_MAX, lane_batches: 2, batch_bytes: 1 });
        let (stream, reader) = reception.open().expect("the first stream");
        let key = TagKey::new([7; 16]);
        let open = PortRule::open_to_all(stream, SchemaId(7), 4);
        let registered = SourceRule { keys: vec![(1, key.clone())], ..SourceRule::default() };
        let sources = (0..4).map(|id| (SourceId(id), registered.clone())).collect();
        let closed = PortRule { unregistered: false, sources, ..open.clone() };
        let rules = [open, closed.clone(), PortRule { tagged: true, ..closed }];
        for (port, rule) in PORTS.into_iter().zip(rules) {
            reception.set_port(port, rule).expect("there is room");
        }
        let intake = reception.intake("fuzzing");
        Intakes { reception, intake, reader, key, now_nanos: 0 }
    }

    /// What became of all datagrams to a port, or to those without a rule.
    fn tally(&self, port: u16) -> Tally {
        self.reception.port_tally(port).unwrap_or_else(|| self.reception.slot_tally(NO_RULE))
    }

    /// Whether the datagram was accepted.
    fn take(&mut self, port: u16, from: IpAddr, bytes: &[u8]) -> bool {
        let before = self.tally(port);
        self.now_nanos += 1_000_000;
        self.intake.begin(self.now_nanos);
        let taken = self.intake.take(from, port, bytes);
        let counted = self.tally(port) - before;
        assert_eq!(counted.received(), 1, "each is counted once");
        match taken {
            Taken::Accepted => {
                let datagram = Datagram::read(bytes).expect("what is accepted is a datagram");
                assert!(port != TAGGED || datagram.is_from(&self.key), "no datagram without its tag");
                assert_eq!(counted.accepted, 1);
            }
            Taken::Rejected(cause) => assert_eq!(counted.rejected(cause), 1),
            Taken::Held => unreachable!("no port holds"),
        }
        self.intake.end();
        taken == Taken::Accepted
    }

    /// Datagrams that have come to the writer.
    fn kept(&mut self) -> usize {
        let mut kept = 0;
        while let Some(batch) = self.reader.try_next() {
            kept += batch.entries().len();
            assert!(batch.entries().iter().all(|entry| Datagram::read(batch.datagram(entry)).is_ok()));
            self.reader.stored(batch.entries());
            self.reader.give_back(batch);
        }
        kept
    }
}

thread_local! {
    static INTAKES: RefCell<Intakes> = RefCell::new(Intakes::new());
}

/// Bytes as datagrams to four ports, one of which has no rule. Each datagram is a byte for port, sender and repair, one of
/// length, and so many bytes; repair puts a right beginning or a right tag to it, so that what comes after is reached.
pub fn sensor_datagram(mut data: &[u8]) {
    INTAKES.with_borrow_mut(|intakes| {
        // Nothing is known of any source, as when the input before had never been.
        PORTS.iter().for_each(|port| intakes.reception.sources().forget(*port));
        assert!(intakes.reception.sources().is_empty());
        let (mut accepted, mut kept) = (0, 0);
        while let [how, length, rest @ ..] = data {
            let (bytes, after) = rest.split_at(usize::from(*length).min(rest.len()));
            let (port, from) = (u16::from(how & 3), IpAddr::from([10, 0, 0, how >> 2 & 1]));
            let bytes = repaired(bytes, &intakes.key, how >> 3);
            accepted += usize::from(intakes.take(port, from, &bytes));
            kept += intakes.kept();
            data = after;
        }
        assert_eq!(kept, accepted, "a writer that is quick gets everything");
        assert!(intakes.reception.sources().len() <= SOURCES_MAX);
        for port in PORTS {
            let tally = intakes.tally(port);
            assert_eq!((tally.stored, tally.waiting()), (tally.accepted, 0));
        }
    });
}

fn repaired(bytes: &[u8], key: &TagKey, how: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if how & 1 != 0 && bytes.len() >= 16 {
        // Magic, version, flags of which two are known; the schema and one record of its width; a key and few sources.
        let (flags, source) = (bytes[3] & 3, bytes[12] % 6);
        let width = if flags & 2 != 0 { 8 } else { 4 };
        bytes[..10].copy_from_slice(&[0x46, 0x53, 1, flags, 7, 0, width, 0, 1, 1]);
        bytes[12..16].copy_from_slice(&[source, 0, 0, 0]);
        bytes.resize(32 + usize::from(width) + if flags & 1 != 0 { 8 } else { 0 }, 0);
    }
    if how & 2 != 0 && bytes.len() >= 8 {
        let end = bytes.len() - 8;
        let tag = key.tag(&bytes[..end]);
        bytes[end..].copy_from_slice(&tag.0.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::testing::corpus;

    #[test]
    fn the_corpus_is_replayed() {
        corpus::replay("log_frame", log_frame);
        corpus::replay("sensor_datagram", sensor_datagram);
        corpus::replay("repair", repair::repair);
    }
}

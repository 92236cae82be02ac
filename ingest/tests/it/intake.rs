//! Sensor datagrams from a poller to a stream's writer: each is counted once, under what became of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use ingest::sensor::accounts::{PORTS_MAX, Tally};
use ingest::sensor::batch::DatagramBatch;
use ingest::sensor::cause::{Refusal, Rejection};
use ingest::sensor::intake::{Intake, Taken};
use ingest::sensor::port_rule::{FullPolicy, PortRule, SourceRule, StreamHandle};
use ingest::sensor::port_table::{PortError, PortMirror};
use ingest::sensor::reader::BatchReader;
use ingest::sensor::reception::{Reception, ReceptionOptions};
use model::datagram::header::{HEADER_BYTES, Header, SchemaId, SourceId};
use model::datagram::payload::Datagram;
use model::datagram::tag::TagKey;
use model::token_bucket::Rate;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const PORT: u16 = 9000;
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const NOW: u64 = 1_700_000_000_000_000_000;
const FIELDS_BYTES: u16 = 24;

fn header(source: u32, first: u64, count: u8) -> Header {
    Header {
        tagged: false,
        record_times: false,
        schema_id: SchemaId(7),
        record_len: FIELDS_BYTES,
        count,
        key_id: 1,
        epoch: 1,
        source_id: SourceId(source),
        first,
        time_nanos: 5,
    }
}

fn datagram(header: Header, key: Option<&TagKey>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Datagram::write(header, &vec![header.first as u8; header.records_bytes()], key, &mut bytes);
    bytes
}

fn plain(source: u32, first: u64) -> Vec<u8> {
    datagram(header(source, first, 1), None)
}

fn open() -> (Arc<Reception>, Intake, StreamHandle, BatchReader) {
    open_with(ReceptionOptions::default())
}

fn open_with(options: ReceptionOptions) -> (Arc<Reception>, Intake, StreamHandle, BatchReader) {
    let reception = Reception::new(options);
    let (stream, reader) = reception.open().expect("the first stream");
    let mut intake = reception.intake("poller 0");
    intake.begin(NOW);
    (reception, intake, stream, reader)
}

fn rule(stream: StreamHandle) -> PortRule {
    PortRule::open_to_all(stream, SchemaId(7), FIELDS_BYTES)
}

fn set(reception: &Reception, intake: &mut Intake, rule: PortRule) {
    reception.set_port(PORT, rule).expect("the port is free");
    intake.begin(NOW);
}

/// Takes over what the intake hands over, and settles it as stored.
fn store(intake: &mut Intake, reader: &mut BatchReader) -> Vec<Vec<u8>> {
    intake.flush();
    let mut stored = Vec::new();
    while let Some(batch) = reader.try_next() {
        stored.extend(batch.entries().iter().map(|entry| batch.datagram(entry).to_vec()));
        assert_eq!(stored.concat()[stored.concat().len() - batch.bytes().len()..], *batch.bytes());
        reader.stored(batch.entries());
        reader.give_back(batch);
    }
    stored
}

fn assert_closed(tally: Tally) {
    let rejected: u64 = Rejection::ALL.into_iter().map(|cause| tally.rejected(cause)).sum();
    let refused: u64 = Refusal::ALL.into_iter().map(|cause| tally.refused(cause)).sum();
    assert_eq!(tally.received(), tally.accepted + rejected, "{tally:?}");
    assert_eq!(tally.accepted, tally.stored + refused + tally.waiting(), "{tally:?}");
}

/// A datagram is rejected under this cause, and counted under it once, and nothing else is.
fn check_rejected(reception: &Reception, intake: &mut Intake, from: IpAddr, bytes: &[u8], cause: Rejection) {
    let before = reception.tally();
    assert_eq!(intake.take(from, PORT, bytes), Taken::Rejected(cause));
    let counted = reception.tally() - before;
    assert_eq!((counted.received(), counted.rejected(cause)), (1, 1), "{}", cause.name());
}

#[test]
fn what_is_accepted_arrives_byte_for_byte_and_in_order() {
    let (reception, mut intake, stream, mut reader) = open();
    set(&reception, &mut intake, rule(stream));
    let sent: Vec<Vec<u8>> = (0..20_000).map(|number| plain(number % 7, u64::from(number / 7))).collect();
    let mut stored = Vec::new();
    for burst in sent.chunks(64) {
        intake.begin(NOW + 1);
        for bytes in burst {
            assert_eq!(intake.take(FROM, PORT, bytes), Taken::Accepted);
        }
        intake.end();
        while let Some(batch) = reader.try_next() {
            let entry = batch.entries()[0];
            assert_eq!((entry.port, entry.records, entry.received_at_nanos), (PORT, 1, NOW + 1));
            stored.extend(batch.entries().iter().map(|entry| batch.datagram(entry).to_vec()));
            reader.stored(batch.entries());
            reader.give_back(batch);
        }
    }
    stored.extend(store(&mut intake, &mut reader));
    assert!(stored == sent, "all, in order");
    let tally = reception.tally();
    assert_eq!((tally.accepted, tally.stored, tally.stored_records, tally.waiting()), (20_000, 20_000, 20_000, 0));
    assert_eq!(tally.accepted_bytes, 20_000 * 56);
    assert_closed(tally);
    assert_eq!(reception.poller_tallies()[0].1.accepted, 20_000);
    let sources = reception.sources().list(Some(PORT), Some(SourceId(2)), 3);
    assert_eq!(sources.iter().map(|source| source.source_id).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!((sources[0].sequence.datagrams, sources[0].sequence.missing_records, sources[0].next), (2857, 0, 2857));
}

/// A thousand datagrams, each broken in one way at random, next to good ones: each bad one has its cause, each good one
/// is stored.
#[test]
fn a_thousand_bad_datagrams_each_have_their_cause_and_nothing_of_them_is_stored() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (reception, mut intake, stream, mut reader) = open();
    let (key, wrong) = (TagKey::new(random.random()), TagKey::new(random.random()));
    let registered = SourceRule { keys: vec![(1, key.clone())], ..SourceRule::default() };
    let sources = (0..32).map(|id| (SourceId(id), registered.clone())).collect();
    set(&reception, &mut intake, PortRule { tagged: true, sources, ..rule(stream) });
    let (mut next, mut good, mut expected) = ([0u64; 32], Vec::new(), HashMap::new());
    for _ in 0..1_000 {
        let source = random.random_range(0..32u32);
        let count = random.random_range(1..20);
        let header = header(source, next[source as usize], count);
        let right = datagram(header, Some(&key));
        let (bytes, cause) = match random.random_range(0..11) {
            0 => (datagram(header, Some(&wrong)), Rejection::Tag),
            1 => (datagram(header, None), Rejection::Tag),
            2 => (datagram(Header { key_id: 2, ..header }, Some(&key)), Rejection::Tag),
            3 => {
                // A single bit of the signed bytes after the header's lengths, or of the tag.
                let (mut bytes, at) = (right.clone(), random.random_range(16..right.len()));
                bytes[at] ^= 1 << random.random_range(0..8);
                (bytes, Rejection::Tag)
            }
            4 => (right[..random.random_range(0..HEADER_BYTES)].to_vec(), Rejection::Short),
            5 => (right[..random.random_range(HEADER_BYTES..right.len())].to_vec(), Rejection::Length),
            6 => {
                let mut bytes = right.clone();
                bytes[8] = bytes[8].wrapping_add(random.random_range(1..=255));
                (bytes, Rejection::Length)
            }
            7 => (datagram(Header { schema_id: SchemaId(8), ..header }, Some(&key)), Rejection::Schema),
            8 => (datagram(Header { source_id: SourceId(32), ..header }, Some(&key)), Rejection::UnknownSource),
            9 => {
                let mut bytes = right.clone();
                let (at, cause) = [(0, Rejection::Magic), (2, Rejection::Version)][random.random_range(0..2)];
                bytes[at] ^= 0x80;
                (bytes, cause)
            }
            _ if next[source as usize] > 0 => {
                let replayed = datagram(self::header(source, next[source as usize] - 1, 1), Some(&key));
                (replayed, Rejection::Replayed)
            }
            _ => (datagram(Header { epoch: 0, record_len: 23, ..header }, Some(&key)), Rejection::Schema),
        };
        // A bit flipped in the sequence number may make it overflow before the tag is looked at.
        let cause = match Datagram::read(&bytes) {
            Err(malformed) if cause == Rejection::Tag => malformed.into(),
            _ => cause,
        };
        check_rejected(&reception, &mut intake, FROM, &bytes, cause);
        *expected.entry(cause).or_insert(0u64) += 1;
        if random.random_bool(0.5) {
            assert_eq!(intake.take(FROM, PORT, &right), Taken::Accepted, "seed {seed}");
            next[source as usize] += u64::from(count);
            good.push(right);
        }
    }
    let tally = reception.tally();
    for cause in Rejection::ALL {
        assert_eq!(tally.rejected(cause), expected.get(&cause).copied().unwrap_or(0), "{}", cause.name());
    }
    assert_eq!(tally.received(), 1_000 + good.len() as u64);
    assert!(store(&mut intake, &mut reader) == good, "what is good is stored, and nothing else; seed {seed}");
    assert_closed(reception.tally());
}

/// Somebody who knows a device's number, but not its key, cannot use up what the device may send.
#[test]
fn datagrams_with_a_wrong_tag_spend_nothing_of_a_sources_rate() {
    let (reception, mut intake, stream, mut reader) = open();
    let (key, wrong) = (TagKey::new([1; 16]), TagKey::new([2; 16]));
    let rate = Rate { per_second: NonZeroU32::new(1).unwrap(), burst: NonZeroU32::new(2).unwrap() };
    let registered = SourceRule { keys: vec![(1, key.clone())], rate: Some(rate), ..SourceRule::default() };
    let sources = [(SourceId(1), registered)].into_iter().collect();
    set(&reception, &mut intake, PortRule { tagged: true, sources, ..rule(stream) });
    for _ in 0..100 {
        check_rejected(&reception, &mut intake, FROM, &datagram(header(1, 0, 1), Some(&wrong)), Rejection::Tag);
    }
    for first in 0..2 {
        let right = datagram(header(1, first, 1), Some(&key));
        assert_eq!(intake.take(FROM, PORT, &right), Taken::Accepted);
    }
    let third = datagram(header(1, 2, 1), Some(&key));
    check_rejected(&reception, &mut intake, FROM, &third, Rejection::RateLimited);
    assert_eq!(store(&mut intake, &mut reader).len(), 2);
}

#[test]
fn a_source_sends_from_where_it_may_and_as_fast_as_it_may() {
    let (reception, mut intake, stream, mut reader) = open();
    let (here, there) = ("10.0.0.0/24".parse().unwrap(), "10.0.0.77/32".parse().unwrap());
    let rate = |burst| Rate { per_second: NonZeroU32::new(1_000).unwrap(), burst: NonZeroU32::new(burst).unwrap() };
    let pinned = SourceRule { addresses: vec![there], rate: Some(rate(1)), ..SourceRule::default() };
    let sources = [(SourceId(1), pinned)].into_iter().collect();
    let addresses = vec![here];
    set(&reception, &mut intake, PortRule { addresses, sources, rate: Some(rate(3)), ..rule(stream) });
    let at = |last: [u8; 2]| IpAddr::V4(Ipv4Addr::new(10, 0, last[0], last[1]));
    check_rejected(&reception, &mut intake, at([1, 1]), &plain(5, 0), Rejection::Address);
    check_rejected(&reception, &mut intake, at([0, 1]), &plain(1, 0), Rejection::Address);
    assert_eq!(intake.take(at([0, 77]), PORT, &plain(1, 0)), Taken::Accepted);
    check_rejected(&reception, &mut intake, at([0, 77]), &plain(1, 1), Rejection::RateLimited);
    for first in 0..3 {
        assert_eq!(intake.take(at([0, 2]), PORT, &plain(2, first)), Taken::Accepted);
    }
    check_rejected(&reception, &mut intake, at([0, 2]), &plain(2, 3), Rejection::RateLimited);
    intake.begin(NOW + 1_000_000);
    assert_eq!(intake.take(at([0, 2]), PORT, &plain(2, 3)), Taken::Accepted);
    assert_eq!(store(&mut intake, &mut reader).len(), 5);
    let limited: Vec<u64> = reception.sources().list(None, None, 10).iter().map(|source| source.rate_limited).collect();
    assert_eq!(limited, [1, 1]);
}

#[test]
fn only_registered_sources_send_where_others_may_not() {
    let (reception, mut intake, stream, _reader) = open();
    let sources = [(SourceId(1), SourceRule::default())].into_iter().collect();
    set(&reception, &mut intake, PortRule { sources, unregistered: false, ..rule(stream) });
    assert_eq!(intake.take(FROM, PORT, &plain(1, 0)), Taken::Accepted);
    check_rejected(&reception, &mut intake, FROM, &plain(2, 0), Rejection::UnknownSource);
    assert_eq!(reception.sources().len(), 1, "strangers take no room");
}

#[test]
fn sources_beyond_the_bound_are_refused_until_a_port_is_removed() {
    let (reception, mut intake, stream, _reader) =
        open_with(ReceptionOptions { sources_max: 3, ..ReceptionOptions::default() });
    set(&reception, &mut intake, rule(stream));
    for source in 0..3 {
        assert_eq!(intake.take(FROM, PORT, &plain(source, 0)), Taken::Accepted);
    }
    check_rejected(&reception, &mut intake, FROM, &plain(3, 0), Rejection::SourcesFull);
    reception.remove_port(PORT).expect("it is there");
    intake.begin(NOW);
    check_rejected(&reception, &mut intake, FROM, &plain(3, 0), Rejection::NoRule);
    set(&reception, &mut intake, rule(stream));
    assert_eq!(intake.take(FROM, PORT, &plain(3, 0)), Taken::Accepted);
    assert_eq!(reception.port_tally(PORT).map(|tally| tally.received()), Some(1), "a port's account begins anew");
}

fn small() -> ReceptionOptions {
    // Two batches of the size of the largest datagram: 2 * 65,507 / 64 datagrams.
    ReceptionOptions { lane_batches: 2, batch_bytes: 1, ..ReceptionOptions::default() }
}

#[test]
fn a_writer_that_is_behind_costs_the_newest_or_holds_the_poller() {
    let (reception, mut intake, stream, mut reader) = open_with(small());
    set(&reception, &mut intake, rule(stream));
    let mut accepted = 0;
    while intake.take(FROM, PORT, &plain(1, accepted)) == Taken::Accepted {
        accepted += 1;
    }
    assert!((2_000..=2_046).contains(&accepted), "{accepted}");
    let full = reception.tally().rejected(Rejection::ShardFull);
    assert_eq!(full, 1);
    set(&reception, &mut intake, PortRule { policy: FullPolicy::Hold, ..rule(stream) });
    for _ in 0..3 {
        assert_eq!(intake.take(FROM, PORT, &plain(1, accepted + 1)), Taken::Held);
    }
    assert_eq!(reception.tally().received(), accepted + 1, "what is held is not counted");
    assert_eq!(store(&mut intake, &mut reader).len() as u64, accepted);
    assert_eq!(intake.take(FROM, PORT, &plain(1, accepted + 1)), Taken::Accepted);
    assert_closed(reception.tally());
}

#[test]
fn a_stream_without_writer_takes_nothing_and_refusals_are_counted_by_cause() {
    let (reception, mut intake, stream, mut reader) = open();
    set(&reception, &mut intake, rule(stream));
    for first in 0..10 {
        assert_eq!(intake.take(FROM, PORT, &plain(1, first)), Taken::Accepted);
    }
    intake.flush();
    let batch: DatagramBatch = reader.try_next().expect("it was flushed");
    reader.stored(&batch.entries()[..4]);
    reader.refused(&batch.entries()[4..], Refusal::DiskFull);
    drop(reader);
    check_rejected(&reception, &mut intake, FROM, &plain(1, 10), Rejection::NoWriter);
    let tally = reception.port_tally(PORT).expect("it is programmed");
    assert_eq!((tally.stored, tally.refused(Refusal::DiskFull), tally.waiting()), (4, 6, 0));
    assert_closed(tally);
}

struct Refusing;

impl PortMirror for Refusing {
    fn open(&self, port: u16) -> std::io::Result<()> {
        if port == PORT { Err(std::io::ErrorKind::AddrInUse.into()) } else { Ok(()) }
    }
    fn close(&self, _: u16) {}
}

#[test]
fn a_port_that_cannot_be_opened_is_not_programmed() {
    let (reception, mut intake, stream, _reader) = open();
    reception.ports().mirror(Arc::new(Refusing)).expect("there are no ports yet");
    assert!(matches!(reception.set_port(PORT, rule(stream)), Err(PortError::Open { port: PORT, .. })));
    intake.begin(NOW);
    check_rejected(&reception, &mut intake, FROM, &plain(1, 0), Rejection::NoRule);
    assert!(matches!(reception.set_port(0, rule(stream)), Err(PortError::Zero)));
    assert!(matches!(reception.remove_port(PORT), Err(PortError::NotFound(PORT))));
    for port in 1..=PORTS_MAX as u16 {
        reception.set_port(port, rule(stream)).expect("there is room");
    }
    assert!(matches!(reception.set_port(4_000, rule(stream)), Err(PortError::TooMany)));
    reception.remove_port(1).expect("it is there");
    reception.set_port(4_000, rule(stream)).expect("there is room again");
}

/// Four pollers and a reader, each a thread; streams are opened and rules change meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pollers_in_parallel_lose_nothing_and_readers_end_with_them() {
    const EACH: u64 = 20_000;
    let reception = Reception::new(ReceptionOptions { lane_batches: 4, ..ReceptionOptions::default() });
    let (stream, mut reader) = reception.open().expect("the first stream");
    reception.set_port(PORT, PortRule { policy: FullPolicy::Hold, ..rule(stream) }).expect("the port is free");
    let pollers: Vec<_> = (0..4u32)
        .map(|poller| {
            let mut intake = reception.intake(format!("poller {poller}"));
            std::thread::spawn(move || {
                for first in 0..EACH {
                    intake.begin(NOW);
                    while intake.take(FROM, PORT, &plain(poller, first)) == Taken::Held {
                        std::thread::yield_now();
                    }
                    intake.end();
                }
            })
        })
        .collect();
    reception.close();
    let mut next = [0u64; 4];
    while let Some(batch) = reader.next().await {
        for entry in batch.entries() {
            let header = Header::read(batch.datagram(entry)).expect("it was accepted");
            assert_eq!(header.first, next[entry.source_id.0 as usize], "in the poller's order");
            next[entry.source_id.0 as usize] += 1;
        }
        reader.stored(batch.entries());
        reader.give_back(batch);
    }
    pollers.into_iter().for_each(|poller| poller.join().expect("the poller is well"));
    assert_eq!(next, [EACH; 4]);
    let tally = reception.tally();
    assert_eq!((tally.accepted, tally.stored, tally.received()), (4 * EACH, 4 * EACH, 4 * EACH));
}

//! Where a record went: the answer of PutRecord, and of each record of PutRecords.

use std::io::Write;

use minicbor::encode::Encoder;
use model::clock::Timestamp;
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::record::Appended;
use model::stream::sequence_number_printer::SequenceNumberPrinter;
use model::stream::shard::{ShardId, ShardMap};
use model::stream::store::StreamDescription;

use crate::aws::wire::output::Output;

/// A record's shard and its number there, as clients see it: the answer of PutRecord.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    shard: ShardId,
    number: PrintedSequenceNumber,
    /// Encrypted at rest: only then the answer speaks of it.
    encrypted: bool,
}

impl Placed {
    /// `description` is the stream's after the record was taken.
    pub(crate) fn new(description: &StreamDescription, appended: &Appended) -> Self {
        let created_at = created_at(&description.shards, appended);
        let (shard, number) = (appended.shard, appended.sequence_number);
        let number = PrintedSequenceNumber::new(shard, created_at, number, appended.arrived_at);
        Placed { shard, number, encrypted: description.settings.encryption_key.is_some() }
    }
}

fn created_at(shards: &ShardMap, appended: &Appended) -> Timestamp {
    // A shard that has just taken a record is in the map of any later description, unless retention is instant.
    shards.get(appended.shard).map_or(appended.arrived_at, |shard| shard.created_at)
}

impl Output for Placed {
    fn write_json(&self, into: &mut Vec<u8>) {
        write!(into, "{{\"SequenceNumber\":\"{}\",\"ShardId\":\"{}\"", self.number, self.shard).expect(INFALLIBLE);
        if self.encrypted {
            into.extend_from_slice(ENCRYPTED_JSON);
        }
        into.push(b'}');
    }

    fn write_cbor(&self, into: &mut Vec<u8>) {
        let mut encoder = Encoder::new(into);
        let members = encoder.map(if self.encrypted { 3 } else { 2 }).expect(INFALLIBLE);
        members.str("SequenceNumber").and_then(|members| members.str(&self.number.to_string())).expect(INFALLIBLE);
        members.str("ShardId").and_then(|members| members.str(&self.shard.to_string())).expect(INFALLIBLE);
        if self.encrypted {
            write_encrypted_cbor(members);
        }
    }
}

/// What an answer says when the records it took are encrypted at rest, after its other members.
pub(crate) const ENCRYPTED_JSON: &[u8] = b",\"EncryptionType\":\"KMS\"";

/// The same, as a member of a map.
pub(crate) fn write_encrypted_cbor(members: &mut Encoder<&mut Vec<u8>>) {
    members.str("EncryptionType").and_then(|members| members.str("KMS")).expect(INFALLIBLE);
}

/// Writes where many records of a stream went.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    /// The map by which the records were routed.
    shards: &'a ShardMap,
    /// By shard.
    known: Vec<Place>,
}

/// What is the same for all records of a shard.
#[derive(Debug)]
struct Place {
    printer: SequenceNumberPrinter,
    shard: String,
}

impl<'a> Places<'a> {
    /// `shards` is the map after the records were taken.
    pub(crate) fn new(shards: &'a ShardMap) -> Self {
        Places { shards, known: Vec::new() }
    }

    fn of(&mut self, appended: &Appended) -> &mut Place {
        let at = self.known.binary_search_by_key(&appended.shard, |place| place.printer.shard());
        let at = at.unwrap_or_else(|at| {
            let printer = SequenceNumberPrinter::new(appended.shard, created_at(self.shards, appended));
            self.known.insert(at, Place { printer, shard: appended.shard.to_string() });
            at
        });
        &mut self.known[at]
    }

    /// Appends where a record went.
    pub(crate) fn write_json(&mut self, appended: &Appended, into: &mut Vec<u8>) {
        let place = self.of(appended);
        into.extend_from_slice(b"{\"SequenceNumber\":\"");
        place.printer.print(appended.sequence_number, appended.arrived_at, into);
        into.extend_from_slice(b"\",\"ShardId\":\"");
        into.extend_from_slice(place.shard.as_bytes());
        into.extend_from_slice(b"\"}");
    }

    /// Appends where a record went.
    pub(crate) fn write_cbor(&mut self, appended: &Appended, into: &mut Vec<u8>) {
        let place = self.of(appended);
        let mut encoder = Encoder::new(into);
        let members = encoder.map(2).expect(INFALLIBLE);
        let number = place.printer.text(appended.sequence_number, appended.arrived_at);
        members.str("SequenceNumber").and_then(|members| members.str(number)).expect(INFALLIBLE);
        members.str("ShardId").and_then(|members| members.str(&place.shard)).expect(INFALLIBLE);
    }
}

const INFALLIBLE: &str = "writing to memory does not fail";

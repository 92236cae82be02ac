//! Where a record went: the answer of PutRecord, and of each record of PutRecords.

use std::io::Write;

use minicbor::encode::Encoder;
use model::record::Appended;
use model::sequence_number::PrintedSequenceNumber;
use model::shard::{ShardId, ShardMap};

use crate::aws::wire::output::Output;

/// A record's shard and its number there, as clients see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    shard: ShardId,
    number: PrintedSequenceNumber,
}

impl Placed {
    /// `shards` is the map after the record was taken.
    pub(crate) fn new(shards: &ShardMap, appended: &Appended) -> Self {
        // A shard that has just taken a record is in the map of any later description, unless retention is instant.
        let created_at = shards.get(appended.shard).map_or(appended.arrived_at, |shard| shard.created_at);
        let (shard, number) = (appended.shard, appended.sequence_number);
        Placed { shard, number: PrintedSequenceNumber::new(shard, created_at, number, appended.arrived_at) }
    }
}

impl Output for Placed {
    fn write_json(&self, into: &mut Vec<u8>) {
        write!(into, "{{\"SequenceNumber\":\"{}\",\"ShardId\":\"{}\"}}", self.number, self.shard).expect(INFALLIBLE);
    }

    fn write_cbor(&self, into: &mut Vec<u8>) {
        let mut encoder = Encoder::new(into);
        let members = encoder.map(2).expect(INFALLIBLE);
        members.str("SequenceNumber").and_then(|members| members.str(&self.number.to_string())).expect(INFALLIBLE);
        members.str("ShardId").and_then(|members| members.str(&self.shard.to_string())).expect(INFALLIBLE);
    }
}

const INFALLIBLE: &str = "writing to memory does not fail";

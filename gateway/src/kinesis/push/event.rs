//! `SubscribeToShardEvent`: records, and where a reader whose subscription ends here goes on.

use std::io::Write as _;

use minicbor::encode::Encoder;
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::record::Record;
use model::stream::shard::Shard;

use crate::aws::wire::output::Output;
use crate::kinesis::read::records;
use crate::kinesis::stream::shapes::ChildShard;

/// One event.
pub(crate) struct PushEvent {
    pub(crate) shard: Shard,
    pub(crate) records: Vec<Record>,
    /// The stream is encrypted at rest.
    pub(crate) encrypted: bool,
    pub(crate) millis_behind: u64,
    pub(crate) next: Next,
}

/// Where a reader goes on.
pub(crate) enum Next {
    /// In the same shard, at or after this number.
    Continuation(PrintedSequenceNumber),
    /// In the children of a closed shard that has no more. KCL takes the missing number for the end of the shard.
    Children(Vec<ChildShard>),
}

impl PushEvent {
    /// Whether nothing can follow.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self.next, Next::Children(_))
    }
}

impl Output for PushEvent {
    fn write_json(&self, into: &mut Vec<u8>) {
        into.reserve(BYTES_BESIDES_RECORDS + records::bytes_expected(&self.records));
        into.extend_from_slice(b"{\"Records\":");
        records::write_json(&self.shard, &self.records, self.encrypted, into);
        write!(into, ",\"MillisBehindLatest\":{}", self.millis_behind).expect(INFALLIBLE);
        match &self.next {
            Next::Continuation(number) => {
                write!(into, ",\"ContinuationSequenceNumber\":\"{number}\"").expect(INFALLIBLE)
            }
            Next::Children(children) => {
                into.extend_from_slice(b",\"ChildShards\":");
                children.write_json(into);
            }
        }
        into.push(b'}');
    }

    fn write_cbor(&self, into: &mut Vec<u8>) {
        into.reserve(BYTES_BESIDES_RECORDS + records::bytes_expected(&self.records));
        let mut encoder = Encoder::new(into);
        let members = encoder.map(3).expect(INFALLIBLE);
        members.str("MillisBehindLatest").and_then(|members| members.u64(self.millis_behind)).expect(INFALLIBLE);
        match &self.next {
            Next::Continuation(number) => {
                members
                    .str("ContinuationSequenceNumber")
                    .expect(INFALLIBLE)
                    .str(&number.to_string())
                    .expect(INFALLIBLE);
            }
            Next::Children(children) => {
                members.str("ChildShards").expect(INFALLIBLE);
                children.write_cbor(members.writer_mut());
            }
        }
        encoder.str("Records").expect(INFALLIBLE);
        records::write_cbor(&self.shard, &self.records, self.encrypted, encoder.writer_mut());
    }
}

const BYTES_BESIDES_RECORDS: usize = 512;

const INFALLIBLE: &str = "writing to memory does not fail";

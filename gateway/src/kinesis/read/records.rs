//! `Records` of an answer, written straight into its bytes: the same for GetRecords and for pushed
//! events. As where records are put, only those of an encrypted stream speak of encryption.

use minicbor::data::Tag;
use minicbor::encode::Encoder;
use model::stream::record::Record;
use model::stream::sequence_number_printer::SequenceNumberPrinter;
use model::stream::shard::Shard;

use crate::aws::wire::json;
use crate::aws::wire::time::CBOR_TAG;
use crate::kinesis::put::appended::{ENCRYPTED_JSON, write_encrypted_cbor};

/// Bytes of one record in an answer, besides its data and key.
const RECORD_BYTES: usize = 192;

/// About how many bytes the records take, for the answer's first allocation.
pub(crate) fn bytes_expected(records: &[Record]) -> usize {
    let bytes: usize = records.iter().map(Record::size_bytes).sum();
    bytes / 3 * 4 + records.len() * RECORD_BYTES
}

/// Appends the records as a JSON array.
pub(crate) fn write_json(shard: &Shard, records: &[Record], encrypted: bool, into: &mut Vec<u8>) {
    let mut printer = SequenceNumberPrinter::new(shard.id, shard.created_at);
    // What stands between the number and the data is the same for all that arrived together.
    let (mut between, mut between_of) = (Vec::new(), None);
    let end = if encrypted { [ENCRYPTED_JSON, b"}"].concat() } else { b"}".to_vec() };
    into.push(b'[');
    for (i, record) in records.iter().enumerate() {
        into.extend_from_slice(if i == 0 { &b"{\"SequenceNumber\":\""[..] } else { &b",{\"SequenceNumber\":\""[..] });
        printer.print(record.sequence_number, record.arrived_at, into);
        if between_of != Some(record.arrived_at) {
            between_of = Some(record.arrived_at);
            between.clear();
            between.extend_from_slice(b"\",\"ApproximateArrivalTimestamp\":");
            json::write_seconds(record.arrived_at, &mut between);
            between.extend_from_slice(b",\"Data\":\"");
        }
        into.extend_from_slice(&between);
        json::write_base64(&record.data, into);
        into.extend_from_slice(b"\",\"PartitionKey\":");
        json::write_text(record.partition_key.as_str(), into);
        into.extend_from_slice(&end);
    }
    into.push(b']');
}

/// Appends the records as a CBOR array.
pub(crate) fn write_cbor(shard: &Shard, records: &[Record], encrypted: bool, into: &mut Vec<u8>) {
    let mut printer = SequenceNumberPrinter::new(shard.id, shard.created_at);
    let mut encoder = Encoder::new(into);
    encoder.array(records.len() as u64).expect(INFALLIBLE);
    for record in records {
        let members = encoder.map(if encrypted { 5 } else { 4 }).expect(INFALLIBLE);
        let number = printer.text(record.sequence_number, record.arrived_at);
        members.str("SequenceNumber").and_then(|members| members.str(number)).expect(INFALLIBLE);
        members.str("ApproximateArrivalTimestamp").expect(INFALLIBLE);
        members.tag(Tag::new(CBOR_TAG)).expect(INFALLIBLE).i64(record.arrived_at.as_millis()).expect(INFALLIBLE);
        members.str("Data").and_then(|members| members.bytes(&record.data)).expect(INFALLIBLE);
        members.str("PartitionKey").and_then(|members| members.str(record.partition_key.as_str())).expect(INFALLIBLE);
        if encrypted {
            write_encrypted_cbor(members);
        }
    }
}

const INFALLIBLE: &str = "writing to memory does not fail";

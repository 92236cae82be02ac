//! Dead letters: what a sink cannot take, kept with the reason and all that is needed to send it again.
//!
//! One line each, in objects under `errors/`:
//! `{"reason","shard","sequence_number","arrived_at","partition_key","data_base64"}`.

use base64_simd::STANDARD;
use model::record::Record;
use model::shard::ShardId;
use serde::Serialize;

#[derive(Serialize)]
struct DeadLetter<'a> {
    reason: &'a str,
    shard: String,
    sequence_number: u64,
    arrived_at: String,
    partition_key: &'a str,
    data_base64: String,
}

/// Appends a record and the reason as one line.
pub fn push_dead_letter(lines: &mut Vec<u8>, shard: ShardId, record: &Record, reason: &str) {
    let letter = DeadLetter {
        reason,
        shard: shard.to_string(),
        sequence_number: record.sequence_number.0,
        arrived_at: record.arrived_at.to_string(),
        partition_key: record.partition_key.as_str(),
        data_base64: STANDARD.encode_to_string(&record.data),
    };
    serde_json::to_writer(&mut *lines, &letter).expect("texts and numbers become JSON");
    lines.push(b'\n');
}

//! Dead letters: what a sink cannot take, kept with the reason and all that is needed to send it again.
//!
//! One line each, in objects under `errors/`:
//! `{"reason","shard","sequence_number","arrived_at","partition_key","data_base64"}`; a part of an aggregate has its
//! `"sub_sequence_number"` too, and its own key and data.

use base64_simd::STANDARD;
use model::stream::aggregate::UserRecord;
use model::stream::shard::ShardId;
use serde::Serialize;

#[derive(Serialize)]
struct DeadLetter<'a> {
    reason: &'a str,
    shard: String,
    sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_sequence_number: Option<u32>,
    arrived_at: String,
    partition_key: &'a str,
    data_base64: String,
}

/// Why a part of an aggregate that [`UserRecord::misplaced`] marks is not delivered.
pub const MISPLACED: &str = "its hash key belongs to another shard: its producer sends it again";

/// Appends a record and the reason as one line.
pub fn push_dead_letter(lines: &mut Vec<u8>, shard: ShardId, user: &UserRecord<'_>, reason: &str) {
    let letter = DeadLetter {
        reason,
        shard: shard.to_string(),
        sequence_number: user.record.sequence_number.0,
        sub_sequence_number: user.sub_sequence_number,
        arrived_at: user.record.arrived_at.to_string(),
        partition_key: user.partition_key,
        data_base64: STANDARD.encode_to_string(&user.data),
    };
    serde_json::to_writer(&mut *lines, &letter).expect("texts and numbers become JSON");
    lines.push(b'\n');
}

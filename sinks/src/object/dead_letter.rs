//! Dead letters: what a sink cannot take, kept with the reason and all that is needed to send it again.
//!
//! One line each, in objects under `errors/`:
//! `{"reason","shard","sequence_number","arrived_at","partition_key","data_base64"}`; a part of an aggregate has its
//! `"sub_sequence_number"` too, and its own key and data.

use base64_simd::STANDARD;
use model::archive::name::error_object;
use model::archive::store::Archive;
use model::stream::aggregate::UserRecord;
use model::stream::shard::ShardId;
use serde::Serialize;

use crate::delivery::cut::CutRange;
use crate::delivery::sink::SinkError;
use crate::object::put::PackedLines;

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

/// Dead letters of one cut.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DeadLetters {
    lines: Vec<u8>,
    count: usize,
}

impl DeadLetters {
    /// Adds a record of `shard` and the reason.
    pub fn push(&mut self, shard: ShardId, user: &UserRecord<'_>, reason: &str) {
        let letter = DeadLetter {
            reason,
            shard: shard.to_string(),
            sequence_number: user.record.sequence_number.0,
            sub_sequence_number: user.sub_sequence_number,
            arrived_at: user.record.arrived_at.to_string(),
            partition_key: user.partition_key,
            data_base64: STANDARD.encode_to_string(&user.data),
        };
        serde_json::to_writer(&mut self.lines, &letter).expect("texts and numbers become JSON");
        self.lines.push(b'\n');
        self.count += 1;
    }

    /// Puts them, if there are any, into one object of `owner` that is named by the cut, and says how many they are.
    /// The owner is the stream for an archive and the delivery for other destinations.
    pub async fn put(self, archive: &dyn Archive, owner: &str, cut: &CutRange) -> Result<u64, SinkError> {
        if self.count > 0 {
            let compression = cut.format.compression();
            let name = error_object(owner, cut.records(), cut.arrived_at, compression);
            PackedLines::pack(compression, self.lines, self.count).await?.put(archive, &name).await?;
        }
        Ok(self.count as u64)
    }
}

//! All state of a query as bytes.
//!
//! ```text
//! "GLQ1" | header length u32 | header, JSON | state rows, Arrow IPC stream | CRC32C u32 of all before
//! ```
//! Numbers are little-endian.

use std::io::Cursor;

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use model::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::continuous::event_time::EventTime;
use crate::sql::schema::SqlColumn;

const MAGIC: &[u8; 4] = b"GLQ1";

/// Everything but the state rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The query that the state belongs to, as text.
    pub(crate) fingerprint: String,
    /// Windows that end here or before are closed.
    pub(crate) closed_until: Timestamp,
    /// The source's columns, once they are known.
    pub(crate) columns: Option<Vec<SqlColumn>>,
    /// Records read.
    pub(crate) records: u64,
    /// Rows written.
    pub(crate) rows: u64,
    /// Records and rows left out.
    #[serde(rename = "errors")]
    pub(crate) left_out: u64,
    /// Of windows that rows begin: those that end here or before were given out.
    #[serde(default)]
    pub(crate) given_out_until: Option<Timestamp>,
    /// How far the time has come that rows say, where the query goes by it.
    #[serde(default)]
    pub(crate) event_time: EventTime,
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("its bytes differ from what was written")]
    Damaged,
    #[error("its header cannot be read")]
    Header(#[from] serde_json::Error),
    #[error("its state rows cannot be read")]
    States(#[from] ArrowError),
}

/// Writes a snapshot; `states` is none while the source's columns are unknown.
pub(crate) fn encode(header: &Header, states: Option<(&Schema, &[RecordBatch])>) -> Result<Bytes, SnapshotError> {
    let header = serde_json::to_vec(header)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&u32::try_from(header.len()).map_err(|_| SnapshotError::Damaged)?.to_le_bytes());
    bytes.extend_from_slice(&header);
    if let Some((schema, states)) = states {
        let mut writer = StreamWriter::try_new(&mut bytes, schema)?;
        states.iter().try_for_each(|states| writer.write(states))?;
        writer.finish()?;
    }
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes.into())
}

/// Reads a snapshot.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Header, Vec<RecordBatch>), SnapshotError> {
    let (bytes, checksum) = bytes.split_last_chunk::<4>().ok_or(SnapshotError::Damaged)?;
    if crc32c::crc32c(bytes) != u32::from_le_bytes(*checksum) {
        return Err(SnapshotError::Damaged);
    }
    let bytes = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Damaged)?;
    let (length, bytes) = bytes.split_first_chunk::<4>().ok_or(SnapshotError::Damaged)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, states) = bytes.split_at_checked(length).ok_or(SnapshotError::Damaged)?;
    let states = match states.is_empty() {
        true => Vec::new(),
        false => StreamReader::try_new(Cursor::new(states), None)?.collect::<Result<_, _>>()?,
    };
    Ok((serde_json::from_slice(header)?, states))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_is_seen() {
        let header = Header {
            fingerprint: "q".into(),
            closed_until: Timestamp::from_millis(5),
            columns: None,
            records: 1,
            rows: 2,
            left_out: 3,
            given_out_until: Some(Timestamp::from_millis(6)),
            event_time: EventTime::default(),
        };
        let bytes = encode(&header, None).unwrap();
        assert_eq!(decode(&bytes).unwrap(), (header, Vec::new()));
        for index in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[index] ^= 1;
            assert!(matches!(decode(&flipped), Err(SnapshotError::Damaged)), "byte {index}");
        }
    }
}

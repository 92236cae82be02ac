//! Putting an object that may have been put before.

use bytes::Bytes;
use model::archive::format::Compression;
use model::archive::name::conflict_object;
use model::archive::store::{Archive, ObjectName, PutOutcome};
use model::blocking::blocking_io;
use tracing::error;

use crate::delivery::sink::SinkError;
use crate::object::compressed::{compress, decompress};

/// Packing more than this takes so long that it moves to a thread of its own.
const PACK_INLINE_BYTES_MAX: usize = 64 << 10;

/// Lines as an object holds them.
pub struct PackedLines {
    body: Bytes,
    compression: Compression,
    /// Before they were compressed.
    lines_len: u64,
}

impl PackedLines {
    /// Compresses the lines of so many records.
    pub async fn pack(compression: Compression, lines: Vec<u8>, records: usize) -> Result<PackedLines, SinkError> {
        let failed = |source| SinkError::Encode { records, source };
        let lines_len = lines.len() as u64;
        let packed = if lines.len() <= PACK_INLINE_BYTES_MAX {
            compress(compression, lines)
        } else {
            blocking_io(move || compress(compression, lines)).await
        };
        Ok(PackedLines { body: Bytes::from(packed.map_err(failed)?), compression, lines_len })
    }

    /// Puts them under `name`. An object that is there with the same lines is success: a crash came
    /// between its put and the checkpoint. One with other lines is of another origin (a stream that
    /// was deleted and created anew, say): both are kept, ours under `conflicts/`.
    pub async fn put(self, archive: &dyn Archive, name: &ObjectName) -> Result<(), SinkError> {
        let PackedLines { body, compression, lines_len } = self;
        // Another version of a compressor may have written the same lines as other bytes.
        put_object(archive, name, body, |there, ours| same_lines(compression, there, ours, lines_len)).await
    }
}

/// Puts an object whose bytes are made, the same way; `is_same` compares the content of two
/// objects.
pub async fn put_object(
    archive: &dyn Archive,
    name: &ObjectName,
    body: Bytes,
    is_same: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<(), SinkError> {
    if archive.put_if_absent(name, body.clone()).await? == PutOutcome::Created {
        return Ok(());
    }
    let there = archive.get(name, None).await?;
    if there == body || is_same(&there, &body) {
        return Ok(());
    }
    let mut checksum = flate2::Crc::new();
    checksum.update(&body);
    let beside = conflict_object(name, checksum.sum());
    error!(object = %name, kept_as = %beside, "an object of this name exists with other content");
    archive.put_if_absent(&beside, body).await?;
    Ok(())
}

fn same_lines(compression: Compression, there: &[u8], ours: &[u8], lines_len: u64) -> bool {
    match (decompress(compression, there, lines_len), decompress(compression, ours, lines_len)) {
        (Ok(there), Ok(ours)) => there == ours,
        _ => false,
    }
}

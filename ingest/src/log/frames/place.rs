//! Where a frame stands: part of every checksum, so that no frame verifies where it was not written.

/// The file a frame stands in; part of its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which life of the stream's name.
    pub incarnation: u64,
    /// Which of its segments.
    pub segment: u64,
}

impl Place {
    /// The bytes that stand for `offset` of this file in checksums.
    pub(crate) fn bytes_at(self, offset: u64) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.segment.to_le_bytes());
        bytes[16..].copy_from_slice(&offset.to_le_bytes());
        bytes
    }
}

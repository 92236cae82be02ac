//! Why bytes are not a valid datagram.

/// The first thing that is wrong with the bytes, in the order in which they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Fewer bytes than a header.
    #[error("shorter than a header of 32 bytes")]
    Short,
    /// It does not begin like a datagram of ours.
    #[error("does not begin with the magic number 0x5346")]
    Magic,
    /// A version that this reader does not know.
    #[error("not version 1")]
    Version,
    /// A flag that this reader does not know: what follows cannot be understood.
    #[error("unknown flags")]
    Flags,
    /// No record, records of no bytes, records too short for their time, or more or fewer bytes
    /// than the header says.
    #[error("lengths do not add up")]
    Length,
    /// The sequence numbers of its records, or their times, pass the largest number.
    #[error("numbers overflow")]
    Overflow,
}

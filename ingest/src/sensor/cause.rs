//! Why a datagram was not kept.

use model::datagram::malformed::Malformed;
use serde::Serialize;

/// Why a poller rejected a datagram, in the order in which it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// The packet around it is cut short, or its checksum is wrong.
    Packet,
    /// Its port has no rule any more.
    NoRule,
    /// It came from an address that the port, or the source, may not send from.
    Address,
    /// Fewer bytes than a header.
    Short,
    /// It does not begin like a datagram of ours.
    Magic,
    /// A version that is not known.
    Version,
    /// A flag that is not known.
    Flags,
    /// Lengths that do not add up.
    Length,
    /// Numbers or times that overflow.
    Overflow,
    /// Not the schema that the port takes, or records of another width.
    Schema,
    /// A source that is not registered, on a port that takes only registered ones.
    UnknownSource,
    /// More sources than there is room for.
    SourcesFull,
    /// The source sends faster than it may.
    RateLimited,
    /// No tag where one must be, or a wrong one, or one by a key that the source does not have.
    Tag,
    /// Seen before, or too old to know.
    Replayed,
    /// The writer of its stream is behind, and the port's policy is to drop what is newest.
    ShardFull,
    /// Its stream has no writer any more.
    NoWriter,
}

impl Rejection {
    /// Every cause, in declared order.
    pub const ALL: [Rejection; 17] = [
        Rejection::Packet,
        Rejection::NoRule,
        Rejection::Address,
        Rejection::Short,
        Rejection::Magic,
        Rejection::Version,
        Rejection::Flags,
        Rejection::Length,
        Rejection::Overflow,
        Rejection::Schema,
        Rejection::UnknownSource,
        Rejection::SourcesFull,
        Rejection::RateLimited,
        Rejection::Tag,
        Rejection::Replayed,
        Rejection::ShardFull,
        Rejection::NoWriter,
    ];

    /// As it is called in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Rejection::Packet => "packet",
            Rejection::NoRule => "no_rule",
            Rejection::Address => "address",
            Rejection::Short => "short",
            Rejection::Magic => "magic",
            Rejection::Version => "version",
            Rejection::Flags => "flags",
            Rejection::Length => "length",
            Rejection::Overflow => "overflow",
            Rejection::Schema => "schema",
            Rejection::UnknownSource => "unknown_source",
            Rejection::SourcesFull => "sources_full",
            Rejection::RateLimited => "rate_limited",
            Rejection::Tag => "tag",
            Rejection::Replayed => "replayed",
            Rejection::ShardFull => "shard_full",
            Rejection::NoWriter => "no_writer",
        }
    }
}

impl From<Malformed> for Rejection {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Short => Rejection::Short,
            Malformed::Magic => Rejection::Magic,
            Malformed::Version => Rejection::Version,
            Malformed::Flags => Rejection::Flags,
            Malformed::Length => Rejection::Length,
            Malformed::Overflow => Rejection::Overflow,
        }
    }
}

/// Why the writer of a stream did not keep a datagram that a poller had accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The stream takes no more at the moment.
    Throttled,
    /// The stream takes no records of its size.
    TooLarge,
    /// The disk is full.
    DiskFull,
    /// The stream is gone, or its shard is closed.
    StreamGone,
    /// Writing failed.
    Failed,
}

impl Refusal {
    /// Every cause, in declared order.
    pub const ALL: [Refusal; 5] =
        [Refusal::Throttled, Refusal::TooLarge, Refusal::DiskFull, Refusal::StreamGone, Refusal::Failed];

    /// As it is called in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Throttled => "throttled",
            Refusal::TooLarge => "too_large",
            Refusal::DiskFull => "disk_full",
            Refusal::StreamGone => "stream_gone",
            Refusal::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_counted_where_they_stand() {
        for (at, cause) in Rejection::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, at, "{}", cause.name());
        }
        for (at, cause) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, at, "{}", cause.name());
        }
    }
}

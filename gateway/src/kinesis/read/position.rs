//! Where a reader begins, as GetShardIterator and SubscribeToShard are told it.

use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::Shard;
use model::stream::store::StartingPosition;

use crate::aws::error::AwsError;
use crate::aws::wire::time::Time;

/// The three members that name a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Such as `LATEST`.
    pub(crate) kind: &'a str,
    pub(crate) sequence_number: Option<&'a str>,
    pub(crate) timestamp: Option<Time>,
}

/// What the members are called in the operation at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Members {
    pub(crate) operation: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) sequence_number: &'static str,
    pub(crate) timestamp: &'static str,
}

impl Place<'_> {
    /// The place in `shard`.
    pub(crate) fn in_shard(self, shard: &Shard, members: Members) -> Result<StartingPosition, AwsError> {
        match self.kind {
            "TRIM_HORIZON" => Ok(StartingPosition::TrimHorizon),
            "LATEST" => Ok(StartingPosition::Latest),
            "AT_SEQUENCE_NUMBER" => Ok(StartingPosition::At(self.number(shard, members)?.sequence_number)),
            "AFTER_SEQUENCE_NUMBER" => Ok(match self.number(shard, members)? {
                // No record has this number: it stands before the next one.
                place if place.is_place() => StartingPosition::At(place.sequence_number),
                record => StartingPosition::After(record.sequence_number),
            }),
            "AT_TIMESTAMP" => self
                .timestamp
                .map(|at| StartingPosition::AtTime(at.0))
                .ok_or_else(|| self.needs(members.timestamp, members)),
            other => Err(AwsError::validation(
                &format!("'{other}'"),
                members.kind,
                "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, \
                 AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
            )),
        }
    }

    fn needs(self, member: &str, members: Members) -> AwsError {
        let message = format!("Must specify {member} parameter for {} type {}.", members.noun(), self.kind);
        AwsError::invalid_argument(message)
    }

    fn number(self, shard: &Shard, members: Members) -> Result<PrintedSequenceNumber, AwsError> {
        let text = self.sequence_number.ok_or_else(|| self.needs(members.sequence_number, members))?;
        let foreign = || {
            AwsError::invalid_argument(format!(
                "StartingSequenceNumber {text} used in {} on shard {} is invalid because it did not come from this shard.",
                members.operation, shard.id
            ))
        };
        let number: PrintedSequenceNumber = text.parse().map_err(|_| foreign())?;
        let own = PrintedSequenceNumber::before(shard.id, shard.created_at, SequenceNumber::FIRST);
        if (number.shard, number.shard_created_secs) != (own.shard, own.shard_created_secs)
            || number.sequence_number > PrintedSequenceNumber::INDEX_MAX
        {
            return Err(foreign());
        }
        Ok(number)
    }
}

impl Members {
    fn noun(self) -> &'static str {
        if self.operation == "GetShardIterator" { "shard iterator" } else { "starting position" }
    }
}

//! Where to begin reading a stream: the parameters `position` and `value` of every route that reads records.

use model::clock::Timestamp;
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::store::StartingPosition;

use crate::rest::error::RestError;
use crate::rest::parameters::Parameters;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// In every shard.
    Everywhere(StartingPosition),
    /// In the shard of this record, at it or after it.
    Record(PrintedSequenceNumber, StartingPosition),
}

impl Start {
    /// Reads both parameters. Without a position it is the oldest record kept, so that no answer is empty by default.
    pub(crate) fn read(parameters: &Parameters) -> Result<Start, RestError> {
        let value = parameters.get("value").unwrap_or_default();
        let number = || value.parse::<PrintedSequenceNumber>().map_err(|wrong| RestError::invalid(wrong.to_string()));
        match parameters.get("position").unwrap_or("TRIM_HORIZON") {
            "TRIM_HORIZON" => Ok(Start::Everywhere(StartingPosition::TrimHorizon)),
            "LATEST" => Ok(Start::Everywhere(StartingPosition::Latest)),
            "AT_TIMESTAMP" => {
                let wrong = |_| RestError::invalid(format!("`value` is `{value}`, not a number of milliseconds"));
                let at = Timestamp::from_millis(value.parse().map_err(wrong)?);
                Ok(Start::Everywhere(StartingPosition::AtTime(at)))
            }
            "AT_SEQUENCE_NUMBER" => {
                let number = number()?;
                Ok(Start::Record(number, StartingPosition::At(number.sequence_number)))
            }
            "AFTER_SEQUENCE_NUMBER" => {
                let number = number()?;
                Ok(Start::Record(number, StartingPosition::After(number.sequence_number)))
            }
            other => Err(RestError::invalid(format!(
                "`position` is `{other}`, not TRIM_HORIZON, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER or \
                 AFTER_SEQUENCE_NUMBER"
            ))),
        }
    }
}

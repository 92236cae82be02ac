//! The errors of the stream store in the words of Kinesis. Only here do the two meet.

use model::stream_store::{AppendError, StreamError};
use tracing::error;

use crate::aws::error::AwsError;

/// What Kinesis answers where the store failed as a whole.
pub(crate) fn of_stream(failure: &StreamError, account: &str) -> AwsError {
    match failure {
        StreamError::NotFound(stream) => not_found(stream.as_str(), account),
        StreamError::Exists(stream) => {
            AwsError::new("ResourceInUseException", format!("Stream {stream} under account {account} already exists."))
        }
        StreamError::LimitExceeded(reason) => AwsError::new("LimitExceededException", reason.clone()),
        StreamError::ShardNotFound { stream, shard } => AwsError::new(
            "ResourceNotFoundException",
            format!("Shard {shard} in stream {stream} under account {account} does not exist"),
        ),
        StreamError::Throttled(stream) => AwsError::new(
            "ProvisionedThroughputExceededException",
            format!("Rate exceeded for stream {stream} under account {account}."),
        ),
        StreamError::SettingsConflict(stream) => AwsError::new(
            "ResourceInUseException",
            format!("Stream {stream} under account {account} is being changed by somebody else."),
        ),
        StreamError::Trimmed { .. } | StreamError::Reshard { .. } => AwsError::invalid_argument(failure.to_string()),
        StreamError::CheckpointConflict { .. }
        | StreamError::InvalidCommit { .. }
        | StreamError::Damaged { .. }
        | StreamError::Stopped { .. }
        | StreamError::Io { .. } => {
            error!(error = failure as &dyn std::error::Error, "a request failed in the stream store");
            AwsError::internal("Internal Service Failure")
        }
    }
}

/// What Kinesis answers for a stream that is not there.
pub(crate) fn not_found(stream: &str, account: &str) -> AwsError {
    AwsError::new("ResourceNotFoundException", format!("Stream {stream} under account {account} not found."))
}

/// What Kinesis answers for one record that was not taken.
pub(crate) fn of_append(failure: &AppendError, stream: &str, account: &str) -> AwsError {
    match failure {
        AppendError::Throttled { shard } => AwsError::new(
            "ProvisionedThroughputExceededException",
            format!("Rate exceeded for shard {shard} in stream {stream} under account {account}."),
        ),
        AppendError::TooLarge { bytes_max, .. } => record_too_large("data", *bytes_max),
    }
}

/// A record whose data and key are over what its stream takes.
pub(crate) fn record_too_large(member: &str, bytes_max: usize) -> AwsError {
    let constraint = format!("Member must have length less than or equal to {bytes_max}, partition key included");
    AwsError::validation("", member, &constraint)
}

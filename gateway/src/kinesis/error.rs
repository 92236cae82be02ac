//! The errors of the stream store in the words of Kinesis. Only here do the two meet.

use model::stream::settings::StreamMode;
use model::stream::shard::ReshardError;
use model::stream::store::{AppendError, StreamError};
use tracing::error;

use crate::aws::error::AwsError;
use crate::reshard::Refused;
use crate::state::GatewayOptions;
use crate::usage::{Exceeded, OPEN_SHARDS_MAX};

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
            format!("Stream {stream} under account {account} is being changed by another call."),
        ),
        StreamError::Reshard { stream, source } => of_reshard(source, stream.as_str(), account),
        StreamError::KeyMissing { .. } => AwsError::new("KMSNotFoundException", failure.to_string()),
        StreamError::KeyDiffers { .. } | StreamError::KeysUnusable { .. } => {
            AwsError::new("KMSInvalidStateException", failure.to_string())
        }
        StreamError::Trimmed { .. } => AwsError::invalid_argument(failure.to_string()),
        // The log says it once, not at every request.
        StreamError::DiskFull { .. } | StreamError::ReadOnly(_) => AwsError::unavailable(failure.to_string()),
        StreamError::Damaged { .. } | StreamError::Stopped { .. } => {
            error!(error = failure as &dyn std::error::Error, "a request failed in the stream store");
            AwsError::internal(failure.to_string())
        }
        StreamError::Io { source, .. } => {
            error!(error = failure as &dyn std::error::Error, "a request failed in the stream store");
            AwsError::internal(format!("{failure}: {source}"))
        }
        StreamError::CheckpointConflict { .. } | StreamError::InvalidCommit { .. } => {
            error!(error = failure as &dyn std::error::Error, "a request failed in the stream store");
            AwsError::internal("Internal Service Failure")
        }
    }
}

/// What Kinesis answers where shards cannot change like that.
fn of_reshard(failure: &ReshardError, stream: &str, account: &str) -> AwsError {
    match failure {
        ReshardError::NotFound(shard) => shard_not_found(&shard.to_string(), stream, account),
        ReshardError::Closed(shard) => AwsError::invalid_argument(format!(
            "Shard {shard} in stream {stream} under account {account} has already been merged or split, and thus is not \
             eligible for merging or splitting."
        )),
        ReshardError::SplitOutside { shard, at, range } => AwsError::invalid_argument(format!(
            "NewStartingHashKey {at} used in SplitShard() on shard {shard} in stream {stream} under account {account} is \
             not both greater than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
            range.start, range.end
        )),
        ReshardError::NotAdjacent(one, other) => AwsError::invalid_argument(format!(
            "Shards {one} and {other} in stream {stream} under account {account} are not an adjacent pair of shards \
             eligible for merging"
        )),
        ReshardError::Unsupported(reason) => AwsError::invalid_argument(format!(
            "The shards of stream {stream} under account {account} cannot be changed like that: {reason}"
        )),
        ReshardError::TooMany(_) => AwsError::new("LimitExceededException", failure.to_string()),
    }
}

/// What Kinesis answers where the rules of splitting and merging reject a change.
pub(crate) fn of_reshard_rules(refused: &Refused, options: &GatewayOptions) -> AwsError {
    match refused {
        Refused::OnDemand(stream) => wrong_mode(stream.as_str(), StreamMode::Provisioned),
        Refused::Exceeded(exceeded) => of_exceeded(exceeded, options),
        Refused::Stream(failure) => of_stream(failure, &options.account_id),
    }
}

/// What Kinesis answers where a request would exceed a limit of the whole server.
pub(crate) fn of_exceeded(exceeded: &Exceeded, options: &GatewayOptions) -> AwsError {
    let message = match exceeded {
        Exceeded::OpenShards { open, more } => format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: \
             {open}. Limit: {OPEN_SHARDS_MAX}. Number of additional shards that would have resulted from this request: \
             {more}.",
            options.account_id, options.region
        ),
        Exceeded::OnDemandStreams(count) => format!("There are {count} on-demand streams, the most allowed."),
    };
    AwsError::new("LimitExceededException", message)
}

/// What Kinesis answers for an operation that only streams in `mode` have.
pub(crate) fn wrong_mode(stream: &str, mode: StreamMode) -> AwsError {
    let name = match mode {
        StreamMode::Provisioned => "PROVISIONED",
        StreamMode::OnDemand => "ON_DEMAND",
    };
    let message = format!("Stream {stream} is not in mode {name}, and only such streams have this API.");
    AwsError::new("ValidationException", message)
}

/// What Kinesis answers for a shard that cannot be changed because it is not there.
pub(crate) fn shard_not_found(shard: &str, stream: &str, account: &str) -> AwsError {
    let message = format!("Could not find shard {shard} in stream {stream} under account {account}.");
    AwsError::new("ResourceNotFoundException", message)
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
        // The store says why, once a call.
        AppendError::Unanswered { .. } => AwsError::internal("Internal Service Failure"),
    }
}

/// A record whose data and key are over what its stream takes.
pub(crate) fn record_too_large(member: &str, bytes_max: usize) -> AwsError {
    let constraint = format!("Member must have length less than or equal to {bytes_max}, partition key included");
    AwsError::validation("", member, &constraint)
}

#[cfg(test)]
mod tests {
    use model::name::StreamName;

    use super::*;

    #[test]
    fn trouble_with_the_disk_is_told_and_may_be_tried_again() {
        let stream = StreamName::new("rides").expect("a valid name");
        let full = StreamError::DiskFull { stream: stream.clone(), doing: "writing 00.log".into() };
        let full = of_stream(&full, "000000000000");
        assert_eq!((full.status.as_u16(), full.name), (503, "ServiceUnavailable"));
        assert!(full.message.contains("`rides`") && full.message.contains("disk is full"), "{}", full.message);

        let stopped = of_stream(&StreamError::Stopped { stream, reason: "syncing 00.log: EIO".into() }, "000000000000");
        assert_eq!((stopped.status.as_u16(), stopped.name), (500, "InternalFailureException"));
        assert!(stopped.message.contains("syncing 00.log: EIO"), "{}", stopped.message);

        let (stream, source) = (StreamName::new("rides").expect("a valid name"), std::io::Error::other("EIO"));
        let unread = of_stream(&StreamError::Io { stream, doing: "reading 00.log".into(), source }, "000000000000");
        assert_eq!((unread.status.as_u16(), unread.name), (500, "InternalFailureException"));
        assert_eq!(unread.message, "stream `rides`: reading 00.log: EIO");
    }
}

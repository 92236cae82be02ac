//! The bounds of the Kinesis API and the checks of members that several operations share.

use bytestring::ByteString;
use model::name::{NAME_LENGTH_MAX, StreamName};
use model::stream::hash_key::{HashKey, PartitionKey};
use model::stream::shard::ShardId;

use crate::aws::error::AwsError;
use crate::kinesis::error;
use crate::state::GatewayOptions;

/// The most records of one PutRecords.
pub(crate) const PUT_RECORDS_MAX: usize = 500;
/// The most data and keys of one PutRecords.
pub(crate) const PUT_BYTES_MAX: usize = 10 << 20;
/// The most records of one GetRecords, and how many come when no limit is named.
pub(crate) const GET_RECORDS_MAX: i64 = 10_000;
/// The most data and keys of one GetRecords; a single record always fits.
pub(crate) const GET_BYTES_MAX: usize = 10 << 20;
/// The most data and keys of one pushed event; a single record always fits.
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;
/// How long an iterator or a page token is valid.
pub(crate) const ITERATOR_MILLIS_MAX: i64 = 300_000;
/// Shards of an on-demand stream at creation.
pub(crate) const ON_DEMAND_SHARDS: u32 = 4;
/// The most shards one stream is created with.
pub(crate) const SHARDS_MAX: i64 = 10_000;
/// The most that an on-demand stream is kept ready for, in MiB a second.
pub(crate) const WARM_MIBPS_MAX: i64 = 10_240;
/// What a shard takes, in MiB a second, for counting how many make a throughput.
pub(crate) const SHARD_MIBPS: i64 = 1;
/// Retention, in hours.
pub(crate) const RETENTION_HOURS: std::ops::RangeInclusive<i64> = 24..=8760;
/// Registered consumers of one stream.
pub(crate) const CONSUMERS_MAX: usize = 20;
/// How often a stream's mode may change in 24 hours.
pub(crate) const MODE_CHANGES_A_DAY: usize = 2;
/// How often a stream's number of shards may be set in 24 hours.
pub(crate) const SHARD_COUNTS_A_DAY: usize = 10;
/// The most streams or shards one page of a listing asks for.
pub(crate) const PAGE_MAX: i64 = 10_000;
/// Streams or shards of a page of ListStreams and DescribeStream when no limit is named.
pub(crate) const PAGE_DEFAULT: i64 = 100;
/// Shards of a page of ListShards: by default, and at most whatever is asked.
pub(crate) const LIST_SHARDS_PAGE: usize = 1000;

/// The stream that a request means, by name or by ARN.
pub(crate) fn stream(
    options: &GatewayOptions,
    name: Option<&str>,
    arn: Option<&str>,
    id: Option<&str>,
) -> Result<StreamName, AwsError> {
    if id.is_some() {
        return Err(AwsError::not_supported("StreamId"));
    }
    match (name, arn) {
        (None, None) => Err(AwsError::invalid_argument("Either StreamName or StreamARN must be given.")),
        (Some(name), None) => stream_name(name),
        (name, Some(arn)) => {
            let of_arn = stream_of_arn(options, arn)?;
            match name {
                Some(name) if name != of_arn.as_str() => {
                    Err(AwsError::invalid_argument("StreamName and StreamARN name different streams."))
                }
                _ => Ok(of_arn),
            }
        }
    }
}

/// A stream's name, checked in the words of Kinesis.
pub(crate) fn stream_name(name: &str) -> Result<StreamName, AwsError> {
    let refused = |constraint: &str| AwsError::validation(&format!("'{name}'"), "streamName", constraint);
    if name.is_empty() {
        return Err(refused("Member must have length greater than or equal to 1"));
    }
    if name.chars().count() > NAME_LENGTH_MAX {
        return Err(refused("Member must have length less than or equal to 128"));
    }
    StreamName::new(name)
        .map_err(|_| refused("Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+, and not be only dots"))
}

/// The stream of a request that may name it by its ARN only.
pub(crate) fn stream_by_arn(
    options: &GatewayOptions,
    arn: Option<&str>,
    id: Option<&str>,
) -> Result<StreamName, AwsError> {
    let arn = arn.ok_or_else(|| AwsError::missing("streamARN"))?;
    stream(options, None, Some(arn), id)
}

/// The stream that an ARN of this region and account names.
pub(crate) fn stream_of_arn(options: &GatewayOptions, arn: &str) -> Result<StreamName, AwsError> {
    let pattern = "Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+";
    let refused = || AwsError::validation(&format!("'{arn}'"), "streamARN", pattern);
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [scheme, partition, service, region, account, resource] = parts[..] else { return Err(refused()) };
    let name = resource.strip_prefix("stream/").ok_or_else(refused)?;
    if scheme != "arn" || !partition.starts_with("aws") || service != "kinesis" {
        return Err(refused());
    }
    let name = StreamName::new(name).map_err(|_| refused())?;
    if region != options.region || account != options.account_id {
        return Err(error::not_found(name.as_str(), account));
    }
    Ok(name)
}

/// The ARN of a stream.
pub(crate) fn arn(options: &GatewayOptions, stream: &StreamName) -> String {
    format!("arn:aws:kinesis:{}:{}:stream/{stream}", options.region, options.account_id)
}

/// A number within its bounds, or the default.
pub(crate) fn number(value: Option<i64>, member: &str, max: i64, default: i64) -> Result<usize, AwsError> {
    let value = value.unwrap_or(default);
    let refused = |constraint| AwsError::validation(&format!("'{value}'"), member, constraint);
    if value < 1 {
        return Err(refused("Member must have value greater than or equal to 1"));
    }
    if value > max {
        return Err(refused(&format!("Member must have value less than or equal to {max}")));
    }
    Ok(usize::try_from(value).expect("between 1 and a small bound"))
}

/// A shard's id.
pub(crate) fn shard_id(text: &str, member: &str) -> Result<ShardId, AwsError> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if text.is_empty() || text.len() > NAME_LENGTH_MAX || !plain {
        let constraint = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+ of 1 to 128 characters";
        return Err(AwsError::validation(&format!("'{text}'"), member, constraint));
    }
    text.parse().map_err(|_| AwsError::new("ResourceNotFoundException", format!("Shard {text} does not exist")))
}

/// A shard's id, in operations that say which stream lacks it.
pub(crate) fn shard_of(text: &str, member: &str, stream: &StreamName, account: &str) -> Result<ShardId, AwsError> {
    shard_id(text, member).map_err(|refused| match refused.name {
        "ResourceNotFoundException" => error::shard_not_found(text, stream.as_str(), account),
        _ => refused,
    })
}

/// The most data and key of a record, given in KiB.
pub(crate) fn record_bytes_max(kib: i64) -> Result<usize, AwsError> {
    if kib < 1024 {
        let constraint = "Member must have value greater than or equal to 1024";
        return Err(AwsError::validation(&format!("'{kib}'"), "maxRecordSizeInKiB", constraint));
    }
    Ok(number(Some(kib), "maxRecordSizeInKiB", 10_240, 1024)? << 10)
}

/// Refuses what would put records elsewhere than their partition keys say.
pub(crate) fn record_distribution(strategy: &str) -> Result<(), AwsError> {
    match strategy {
        "USER_PARTITION_KEY" => Ok(()),
        "AUTO" => Err(AwsError::not_supported("RecordDistributionStrategy AUTO")),
        other => {
            let constraint = "Member must satisfy enum value set: [AUTO, USER_PARTITION_KEY]";
            Err(AwsError::validation(&format!("'{other}'"), "recordDistributionStrategy", constraint))
        }
    }
}

/// A partition key. `member` is only made when it is wrong.
pub(crate) fn partition_key(key: ByteString, member: impl FnOnce() -> String) -> Result<PartitionKey, AwsError> {
    PartitionKey::new(key.clone()).map_err(|wrong| match wrong.length {
        0 => AwsError::validation("''", &member(), "Member must have length greater than or equal to 1"),
        _ => AwsError::validation(&format!("'{key}'"), &member(), "Member must have length less than or equal to 256"),
    })
}

/// An explicit hash key.
pub(crate) fn hash_key(key: &str, member: impl FnOnce() -> String) -> Result<HashKey, AwsError> {
    let plain = key == "0" || (!key.starts_with('0') && key.bytes().all(|b| b.is_ascii_digit()));
    if key.is_empty() || !plain || key.len() > 39 {
        let constraint = "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})";
        return Err(AwsError::validation(&format!("'{key}'"), &member(), constraint));
    }
    key.parse().map_err(|_| {
        AwsError::invalid_argument(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {key}"
        ))
    })
}

/// Ends a rehearsal, once everything that would refuse the request has been asked: as in AWS, its success is an error too.
pub(crate) fn end_dry_run(dry_run: Option<bool>) -> Result<(), AwsError> {
    if dry_run != Some(true) {
        return Ok(());
    }
    let message = "The request was rejected because the DryRun parameter was specified.";
    Err(AwsError::new("DryRunOperationException", message))
}

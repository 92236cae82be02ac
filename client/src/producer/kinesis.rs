//! A transport over the Kinesis API, with the SDK.

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use model::stream::record::PutEntry;

use crate::producer::transport::{CallError, Place, Transport};
use crate::server::identity::Identity;
use crate::server::trust::{self, TrustError};

/// Sends to one stream.
#[derive(Debug, Clone)]
pub struct KinesisTransport {
    client: Client,
    stream: String,
}

impl KinesisTransport {
    /// A client of `endpoint` that signs as `identity`. Sends nothing yet.
    pub fn new(endpoint: &str, stream: &str, identity: Identity) -> Result<Self, TrustError> {
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(identity.region))
            .credentials_provider(identity.credentials)
            // The producer retries: it knows which entries failed.
            .retry_config(RetryConfig::disabled())
            .http_client(trust::http(endpoint)?)
            .build();
        Ok(KinesisTransport { client: Client::from_conf(config), stream: stream.to_owned() })
    }

    /// Creates the stream, if it is not there.
    pub async fn create(&self, shards: u32) -> Result<(), CallError> {
        let shards = i32::try_from(shards).unwrap_or(i32::MAX);
        match self.client.create_stream().stream_name(&self.stream).shard_count(shards).send().await {
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(call_error(error)),
            Ok(_) => Ok(()),
        }
    }

    /// Checks that the stream is there.
    pub async fn check(&self) -> Result<(), CallError> {
        let described = self.client.describe_stream_summary().stream_name(&self.stream).send().await;
        described.map(drop).map_err(call_error)
    }
}

/// Codes that a later try may not meet.
const PASSING_CODES: [&str; 6] = [
    "InternalFailure",
    "InternalFailureException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ServiceUnavailable",
    "ThrottlingException",
];

fn call_error<E>(error: SdkError<E>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error.as_service_error() {
        Some(service) => {
            let code = service.code().unwrap_or("unknown error").to_owned();
            let text = format!("{code}: {}", service.message().unwrap_or("no message"));
            if PASSING_CODES.contains(&code.as_str()) { CallError::Passing(text) } else { CallError::Final(text) }
        }
        None => CallError::Passing(DisplayErrorContext(&error).to_string()),
    }
}

#[async_trait]
impl Transport for KinesisTransport {
    async fn put(&self, entries: &[PutEntry]) -> Result<Vec<Result<Place, String>>, CallError> {
        let records = entries.iter().map(|entry| {
            PutRecordsRequestEntry::builder()
                .data(Blob::new(entry.data.as_ref()))
                .partition_key(entry.partition_key.as_str())
                .set_explicit_hash_key(entry.explicit_hash_key.map(|key| key.to_string()))
                .build()
                .expect("data and key are given")
        });
        let call = self.client.put_records().stream_name(&self.stream).set_records(Some(records.collect()));
        let answer = call.send().await.map_err(call_error)?;
        if answer.records().len() != entries.len() {
            let got = answer.records().len();
            return Err(CallError::Final(format!("{got} results for {} entries", entries.len())));
        }
        let results = answer.records().iter().map(|result| match result.error_code() {
            None => Ok(Place {
                shard: result.shard_id().unwrap_or_default().to_owned(),
                sequence_number: result.sequence_number().unwrap_or_default().to_owned(),
            }),
            Some(code) => Err(format!("{code}: {}", result.error_message().unwrap_or("no message"))),
        });
        Ok(results.collect())
    }
}

//! The ARN of a registered consumer: `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME/consumer/CONSUMER:CREATED`.
//!
//! The seconds at its end tell a consumer from an earlier one of the same name.

use model::clock::Timestamp;
use model::name::{ConsumerName, StreamName};
use model::stream::settings::RegisteredConsumer;
use model::stream::store::StreamDescription;

use crate::aws::error::AwsError;
use crate::kinesis::limits;
use crate::state::GatewayOptions;

/// What the ARN names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerArn {
    pub(crate) stream: StreamName,
    pub(crate) name: ConsumerName,
    created_secs: i64,
}

impl ConsumerArn {
    /// The ARN of a consumer that was registered at a time.
    pub(crate) fn new(stream: StreamName, name: ConsumerName, created_at: Timestamp) -> Self {
        ConsumerArn { stream, name, created_secs: created_at.as_secs() }
    }

    /// Reads an ARN of this server's region and account.
    pub(crate) fn parse(options: &GatewayOptions, arn: &str) -> Result<Self, AwsError> {
        let refused = || {
            let pattern =
                "^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/[a-zA-Z0-9_.-]+:[0-9]+";
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            AwsError::validation(&format!("'{arn}'"), "consumerARN", &constraint)
        };
        let (stream_arn, consumer) = arn.split_once("/consumer/").ok_or_else(refused)?;
        let (name, created_secs) = consumer.rsplit_once(':').ok_or_else(refused)?;
        if !created_secs.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        let stream = limits::stream_of_arn(options, stream_arn)?;
        let name = ConsumerName::new(name).map_err(|_| refused())?;
        let created_secs = created_secs.parse().map_err(|_| refused())?;
        Ok(ConsumerArn { stream, name, created_secs })
    }

    /// The ARN as it is written.
    pub(crate) fn print(&self, options: &GatewayOptions) -> String {
        format!("{}/consumer/{}:{}", limits::arn(options, &self.stream), self.name, self.created_secs)
    }

    /// The consumer itself, if it is registered.
    pub(crate) fn find<'a>(
        &self,
        description: &'a StreamDescription,
        account: &str,
    ) -> Result<&'a RegisteredConsumer, AwsError> {
        let found = description.settings.consumers.get(&self.name);
        found.filter(|consumer| consumer.created_at.as_secs() == self.created_secs).ok_or_else(|| {
            let message =
                format!("Consumer {}, of stream {} under account {account} not found.", self.name, self.stream);
            AwsError::new("ResourceNotFoundException", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arn: &str) -> Result<ConsumerArn, &'static str> {
        ConsumerArn::parse(&GatewayOptions::default(), arn).map_err(|error| error.name)
    }

    #[test]
    fn arns_are_read_whole_or_refused() {
        let arn = parse("arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1700000000").expect("an ARN");
        assert_eq!((arn.stream.as_str(), arn.name.as_str(), arn.created_secs), ("s", "c", 1_700_000_000));
        for (arn, error) in [
            ("arn:aws:kinesis:us-east-1:000000000000:stream/s", "ValidationException"),
            ("arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c", "ValidationException"),
            ("arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:-1", "ValidationException"),
            ("arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:", "ValidationException"),
            ("arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/:1", "ValidationException"),
            ("arn:aws:kinesis:us-east-1:000000000000:stream/s/t/consumer/c:1", "ValidationException"),
            ("arn:aws:kinesis:eu-west-1:000000000000:stream/s/consumer/c:1", "ResourceNotFoundException"),
        ] {
            assert_eq!(parse(arn), Err(error), "{arn}");
        }
    }
}

//! Registered consumers: how a request names one, and how one is shown.

use model::name::{ConsumerName, StreamName};
use model::stream::settings::RegisteredConsumer;
use model::stream::store::StreamDescription;
use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::limits;
use crate::kinesis::stream::consumer_arn::ConsumerArn;
use crate::kinesis::target::{Target, Targets};
use crate::state::{GatewayOptions, GatewayState};

/// A consumer as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Consumer {
    consumer_name: ConsumerName,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: String,
    consumer_status: &'static str,
    consumer_creation_timestamp: Time,
    #[serde(rename = "StreamARN", skip_serializing_if = "Option::is_none")]
    stream_arn: Option<String>,
}

impl Consumer {
    /// The consumer `name` of `stream`.
    pub(crate) fn of(
        options: &GatewayOptions,
        stream: &StreamName,
        name: &ConsumerName,
        consumer: &RegisteredConsumer,
    ) -> Self {
        Consumer {
            consumer_name: name.clone(),
            consumer_arn: ConsumerArn::new(stream.clone(), name.clone(), consumer.created_at).print(options),
            consumer_status: "ACTIVE",
            consumer_creation_timestamp: Time(consumer.created_at),
            stream_arn: None,
        }
    }

    /// The same, with its stream.
    pub(crate) fn with_stream(self, stream_arn: String) -> Self {
        Consumer { stream_arn: Some(stream_arn), ..self }
    }
}

/// The input of an operation on a consumer: its ARN, or its name and its stream's ARN.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    consumer_name: Option<Text<'a>>,
    #[serde(borrow, rename = "ConsumerARN")]
    consumer_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
}

impl Targets for Input<'_> {
    fn target(&self, state: &GatewayState) -> Result<Target, AwsError> {
        self.named(state).map(Named::target)
    }
}

impl Input<'_> {
    /// The consumer that is named.
    pub(crate) fn named(&self, state: &GatewayState) -> Result<Named, AwsError> {
        let (options, stream_id) = (&state.options, self.stream_id.as_deref());
        let arn = self.consumer_arn.as_deref().map(|arn| ConsumerArn::parse(options, arn)).transpose()?;
        if let (Some(arn), None) = (&arn, stream_id) {
            self.check_others(options, arn)?;
            return Ok(Named { stream: arn.stream.clone(), name: arn.name.clone(), arn: Some(arn.clone()) });
        }
        let (Some(stream), Some(consumer)) = (self.stream_arn.as_deref(), self.consumer_name.as_deref()) else {
            let message = "Either ConsumerARN, or StreamARN and ConsumerName must be given.";
            return Err(AwsError::invalid_argument(message));
        };
        Ok(Named { stream: limits::stream(options, None, Some(stream), stream_id)?, name: name(consumer)?, arn })
    }

    /// Beside the consumer's ARN, the other members name the same consumer.
    fn check_others(&self, options: &GatewayOptions, arn: &ConsumerArn) -> Result<(), AwsError> {
        let stream = self.stream_arn.as_deref().map(|stream| limits::stream_of_arn(options, stream)).transpose()?;
        let same_stream = stream.is_none_or(|stream| stream == arn.stream);
        let same_name = self.consumer_name.as_deref().is_none_or(|name| name == arn.name.as_str());
        if same_stream && same_name {
            return Ok(());
        }
        Err(AwsError::invalid_argument("ConsumerARN, StreamARN and ConsumerName name different consumers."))
    }
}

/// A consumer that a request names.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) stream: StreamName,
    pub(crate) name: ConsumerName,
    /// Where it was named by it, what it says must fit.
    arn: Option<ConsumerArn>,
}

impl Named {
    /// What the request acts on.
    fn target(self) -> Target {
        self.arn.map_or(Target::NamedConsumer(self.stream, self.name), Target::Consumer)
    }

    /// The consumer itself, if it is registered.
    pub(crate) fn find<'a>(
        &self,
        description: &'a StreamDescription,
        account: &str,
    ) -> Result<&'a RegisteredConsumer, AwsError> {
        match &self.arn {
            Some(arn) => arn.find(description, account),
            None => {
                let found = description.settings.consumers.get(&self.name);
                found.ok_or_else(|| not_found(&self.name, &self.stream, account))
            }
        }
    }
}

/// A consumer's name, checked in the words of Kinesis.
pub(crate) fn name(name: &str) -> Result<ConsumerName, AwsError> {
    ConsumerName::new(name).map_err(|_| {
        let constraint = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+ of 1 to 128 characters";
        AwsError::validation(&format!("'{name}'"), "consumerName", constraint)
    })
}

/// What Kinesis answers for a consumer that is not registered.
pub(crate) fn not_found(name: &ConsumerName, stream: &StreamName, account: &str) -> AwsError {
    let message = format!("Consumer {name}, of stream {stream} under account {account} not found.");
    AwsError::new("ResourceNotFoundException", message)
}

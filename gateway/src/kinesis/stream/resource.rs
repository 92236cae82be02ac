//! A resource that is named by its ARN only: a stream, or a consumer that is registered with one.

use model::name::StreamName;
use model::stream::settings::{StreamSettings, Tags};
use model::stream::store::StreamDescription;

use crate::aws::error::AwsError;
use crate::kinesis::limits;
use crate::kinesis::stream::consumer_arn::ConsumerArn;
use crate::kinesis::target::Target;
use crate::state::{GatewayOptions, GatewayState};

/// What a `ResourceARN` names.
#[derive(Debug)]
pub(crate) enum Resource {
    Stream(StreamName),
    Consumer(ConsumerArn),
}

/// What streams and consumers both have.
pub(crate) struct Part<'a> {
    pub(crate) tags: &'a mut Tags,
    pub(crate) policy: &'a mut Option<String>,
}

impl From<Resource> for Target {
    fn from(resource: Resource) -> Self {
        match resource {
            Resource::Stream(stream) => Target::Stream(stream),
            Resource::Consumer(consumer) => Target::Consumer(consumer),
        }
    }
}

impl Resource {
    /// Reads an ARN of this server's region and account.
    pub(crate) fn parse(options: &GatewayOptions, arn: Option<&str>, id: Option<&str>) -> Result<Self, AwsError> {
        if id.is_some() {
            return Err(AwsError::not_supported("StreamId"));
        }
        let arn = arn.ok_or_else(|| AwsError::missing("resourceARN"))?;
        if arn.contains("/consumer/") {
            return ConsumerArn::parse(options, arn).map(Resource::Consumer);
        }
        limits::stream_of_arn(options, arn).map(Resource::Stream)
    }

    /// The stream it is, or belongs to.
    pub(crate) fn stream(&self) -> &StreamName {
        match self {
            Resource::Stream(stream) => stream,
            Resource::Consumer(consumer) => &consumer.stream,
        }
    }

    /// Its tags and its policy.
    pub(crate) fn look<'a>(
        &self,
        state: &GatewayState,
        description: &'a StreamDescription,
    ) -> Result<(&'a Tags, Option<&'a str>), AwsError> {
        match self {
            Resource::Stream(_) => Ok((&description.settings.tags, description.settings.policy.as_deref())),
            Resource::Consumer(arn) => {
                let consumer = arn.find(description, &state.options.account_id)?;
                Ok((&consumer.tags, consumer.policy.as_deref()))
            }
        }
    }

    /// Its part of `settings`, which were those of `description`, to be changed.
    pub(crate) fn part<'a>(
        &self,
        state: &GatewayState,
        description: &StreamDescription,
        settings: &'a mut StreamSettings,
    ) -> Result<Part<'a>, AwsError> {
        match self {
            Resource::Stream(_) => Ok(Part { tags: &mut settings.tags, policy: &mut settings.policy }),
            Resource::Consumer(arn) => {
                arn.find(description, &state.options.account_id)?;
                let consumer = settings.consumers.get_mut(&arn.name).expect("it was found in the same settings");
                Ok(Part { tags: &mut consumer.tags, policy: &mut consumer.policy })
            }
        }
    }
}

//! What a request acts on, and whether its caller may.
//!
//! Every input says what it is about, in the same words that its action reads: an operation cannot be reached without
//! its target having been judged, because the router asks for it by type.

use model::name::StreamName;
use model::stream_store::StreamError;

use crate::auth::access::Caller;
use crate::auth::policy::Verdict;
use crate::auth::resource_policy::ResourcePolicy;
use crate::aws::error::AwsError;
use crate::kinesis::consumer_arn::ConsumerArn;
use crate::kinesis::{error, limits};
use crate::router::GatewayState;

/// What an operation acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// No stream in particular: the resource `*` of policies.
    Account,
    /// A stream: its ARN.
    Stream(StreamName),
    /// A registered consumer: its ARN.
    Consumer(ConsumerArn),
}

/// An input that says what it acts on.
pub(crate) trait Targets {
    /// The target. Error: what the action itself would say of an input without one.
    fn target(&self, state: &GatewayState) -> Result<Target, AwsError>;
}

/// For inputs that name their stream in the usual three members.
macro_rules! targets_stream {
    ($input:ident) => {
        impl crate::kinesis::target::Targets for $input<'_> {
            fn target(
                &self,
                state: &crate::router::GatewayState,
            ) -> Result<crate::kinesis::target::Target, crate::aws::error::AwsError> {
                crate::kinesis::limits::stream(
                    &state.options,
                    self.stream_name.as_deref(),
                    self.stream_arn.as_deref(),
                    self.stream_id.as_deref(),
                )
                .map(crate::kinesis::target::Target::Stream)
            }
        }
    };
}
pub(crate) use targets_stream;

/// For inputs that name their stream by its ARN.
macro_rules! targets_stream_arn {
    ($input:ident) => {
        impl crate::kinesis::target::Targets for $input<'_> {
            fn target(
                &self,
                state: &crate::router::GatewayState,
            ) -> Result<crate::kinesis::target::Target, crate::aws::error::AwsError> {
                let (arn, id) = (self.stream_arn.as_deref(), self.stream_id.as_deref());
                let stream = crate::kinesis::limits::stream_by_arn(&state.options, arn, id);
                stream.map(crate::kinesis::target::Target::Stream)
            }
        }
    };
}
pub(crate) use targets_stream_arn;

/// For inputs that name a stream or a consumer by its ARN.
macro_rules! targets_resource {
    ($input:ident) => {
        impl crate::kinesis::target::Targets for $input<'_> {
            fn target(
                &self,
                state: &crate::router::GatewayState,
            ) -> Result<crate::kinesis::target::Target, crate::aws::error::AwsError> {
                let (arn, id) = (self.resource_arn.as_deref(), self.stream_id.as_deref());
                crate::kinesis::resource::Resource::parse(&state.options, arn, id)
                    .map(crate::kinesis::resource::Resource::target)
            }
        }
    };
}
pub(crate) use targets_resource;

/// For inputs that are about no stream in particular.
macro_rules! targets_account {
    ($input:ty) => {
        impl crate::kinesis::target::Targets for $input {
            fn target(
                &self,
                _: &crate::router::GatewayState,
            ) -> Result<crate::kinesis::target::Target, crate::aws::error::AwsError> {
                Ok(crate::kinesis::target::Target::Account)
            }
        }
    };
}
pub(crate) use targets_account;

/// Refuses what the caller's policy and the stream's own do not allow together.
pub(crate) async fn authorize(
    state: &GatewayState,
    caller: &Caller,
    operation: &str,
    target: &Target,
) -> Result<(), AwsError> {
    let action = format!("kinesis:{operation}");
    let (arn, verdict) = match target {
        Target::Account => ("*".to_owned(), Verdict::Silent),
        Target::Stream(stream) => {
            let arn = limits::arn(&state.options, stream);
            let verdict = own_verdict(state, caller, stream, None, &action, &arn).await?;
            (arn, verdict)
        }
        Target::Consumer(consumer) => {
            let arn = consumer.print(&state.options);
            let verdict = own_verdict(state, caller, &consumer.stream, Some(consumer), &action, &arn).await?;
            (arn, verdict)
        }
    };
    Ok(caller.check(&state.options.account_id, &action, &arn, verdict)?)
}

/// What the policy of the stream, or of one of its consumers, says, if there is one.
async fn own_verdict(
    state: &GatewayState,
    caller: &Caller,
    stream: &StreamName,
    consumer: Option<&ConsumerArn>,
    action: &str,
    arn: &str,
) -> Result<Verdict, AwsError> {
    let account = &state.options.account_id;
    let Caller::Principal(credential) = caller else { return Ok(Verdict::Silent) };
    let described = match state.streams.describe(stream).await {
        // Whether it is there is told only to those who may ask.
        Err(StreamError::NotFound(_)) => return Ok(Verdict::Silent),
        described => described.map_err(|failure| error::of_stream(&failure, account))?,
    };
    let policy = match consumer {
        None => described.settings.policy.as_deref(),
        Some(consumer) => consumer.find(&described, account).ok().and_then(|consumer| consumer.policy.as_deref()),
    };
    let Some(policy) = policy else { return Ok(Verdict::Silent) };
    Ok(match ResourcePolicy::parse(policy) {
        Ok(policy) => policy.verdict(account, &credential.name, action, arn),
        Err(wrong) => {
            // It was checked when it was put: only another version of this server can have kept it.
            tracing::error!(arn, wrong, "a resource's policy does not read; nobody may use the resource");
            Verdict::Denied
        }
    })
}

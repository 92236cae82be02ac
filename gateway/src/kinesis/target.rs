//! What a request acts on, and whether its caller may.
//!
//! Every input says what it is about, in the same words that its action reads: an operation cannot be reached without
//! its target having been judged, because the service asks for it by type.

use std::sync::Arc;

use model::name::{ConsumerName, StreamName};
use model::stream::store::{StreamDescription, StreamError};

use crate::auth::access::Caller;
use crate::auth::policy::Verdict;
use crate::auth::resource_policy::own_verdict;
use crate::aws::error::AwsError;
use crate::kinesis::stream::consumer_arn::ConsumerArn;
use crate::kinesis::{error, limits};
use crate::state::GatewayState;

/// What an operation acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// No stream in particular: the resource `*` of policies.
    Account,
    /// A stream: its ARN.
    Stream(StreamName),
    /// A registered consumer: its ARN.
    Consumer(ConsumerArn),
    /// The consumer that is registered with a stream by this name: the ARN it has now.
    NamedConsumer(StreamName, ConsumerName),
}

/// An input that says what it acts on.
pub(crate) trait Targets {
    /// The target. Error: what the action itself would say of an input without one.
    fn target(&self, state: &GatewayState) -> Result<Target, AwsError>;
}

impl From<StreamName> for Target {
    fn from(stream: StreamName) -> Self {
        Target::Stream(stream)
    }
}

/// Refuses what the caller's policy and the resource's own do not allow together.
pub(crate) async fn authorize(
    state: &GatewayState,
    caller: &Caller,
    operation: &str,
    target: &Target,
) -> Result<(), AwsError> {
    let action = format!("kinesis:{operation}");
    let account = &state.options.account_id;
    let (arn, policy) = resource(state, target).await?;
    let verdict = match (caller, policy) {
        (Caller::Principal(credential), Some(policy)) => own_verdict(&policy, account, credential, &action, &arn),
        _ => Verdict::Silent,
    };
    Ok(caller.check(account, &action, &arn, verdict)?)
}

/// The ARN that policies are asked about, and the policy that the resource itself has. Of one that is not there only
/// the ARN it would have: whether it is there is told only to those who may ask.
async fn resource(state: &GatewayState, target: &Target) -> Result<(String, Option<String>), AwsError> {
    let (options, account) = (&state.options, &state.options.account_id);
    Ok(match target {
        Target::Account => ("*".to_owned(), None),
        Target::Stream(stream) => {
            let described = described(state, stream).await?;
            (limits::arn(options, stream), described.and_then(|described| described.settings.policy.clone()))
        }
        Target::Consumer(arn) => {
            let described = described(state, &arn.stream).await?;
            let consumer = described.as_ref().and_then(|described| arn.find(described, account).ok());
            (arn.print(options), consumer.and_then(|consumer| consumer.policy.clone()))
        }
        Target::NamedConsumer(stream, name) => {
            let described = described(state, stream).await?;
            let consumer = described.as_ref().and_then(|described| described.settings.consumers.get(name));
            let created_at = consumer.map(|consumer| consumer.created_at).unwrap_or_default();
            let arn = ConsumerArn::new(stream.clone(), name.clone(), created_at);
            (arn.print(options), consumer.and_then(|consumer| consumer.policy.clone()))
        }
    })
}

async fn described(state: &GatewayState, stream: &StreamName) -> Result<Option<Arc<StreamDescription>>, AwsError> {
    match state.streams.describe(stream).await {
        Ok(description) => Ok(Some(description)),
        Err(StreamError::NotFound(_)) => Ok(None),
        Err(failure) => Err(error::of_stream(&failure, &state.options.account_id)),
    }
}

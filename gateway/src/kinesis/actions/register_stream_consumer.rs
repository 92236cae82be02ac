//! RegisterStreamConsumer: a consumer that SubscribeToShard pushes records to. It is ACTIVE at once.

use std::collections::BTreeMap;

use model::clock::Timestamp;
use model::stream::settings::RegisteredConsumer;
use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::input::input;
use crate::kinesis::limits;
use crate::kinesis::stream::consumers::Consumer;
use crate::kinesis::stream::{calls, consumers, tags};
use crate::state::GatewayState;

input!(stream_arn {
    #[serde(borrow)]
    consumer_name: Option<Text<'a>>,
    #[serde(borrow)]
    tags: Option<BTreeMap<Text<'a>, Text<'a>>>,
});

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    consumer: Consumer,
}

/// Registers a consumer.
pub(crate) async fn run(state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let stream = input.stream(state)?;
    let name = input.consumer_name.as_deref().ok_or_else(|| AwsError::missing("consumerName"))?;
    let name = consumers::name(name)?;
    let tags = input.tags.as_ref().map(tags::given).transpose()?.unwrap_or_default();
    let (now, account) = (state.clock.now(), &state.options.account_id);
    let description = calls::alter(state, &stream, |_, settings| {
        if settings.consumers.contains_key(&name) {
            let message = format!("Consumer {name} under stream {stream} already exists for account {account}.");
            return Err(AwsError::new("ResourceInUseException", message));
        }
        if settings.consumers.len() >= limits::CONSUMERS_MAX {
            let message =
                format!("Stream {stream} has {} registered consumers, the most allowed.", limits::CONSUMERS_MAX);
            return Err(AwsError::new("LimitExceededException", message));
        }
        // The ARN tells it by the second from those that had the name before.
        let not_before = settings.consumers_gone_at.map(|at| Timestamp::from_millis((at.as_secs() + 1) * 1000));
        let created_at = not_before.map_or(now, |not_before| not_before.max(now));
        settings.consumers.insert(name.clone(), RegisteredConsumer { created_at, tags: tags.clone(), policy: None });
        Ok(())
    })
    .await?;
    let registered =
        description.settings.consumers.get(&name).ok_or_else(|| consumers::not_found(&name, &stream, account))?;
    Ok(Output { consumer: Consumer::of(&state.options, &stream, &name, registered) })
}

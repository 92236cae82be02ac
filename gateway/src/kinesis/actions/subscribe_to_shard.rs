//! SubscribeToShard: the records of a shard, pushed to a registered consumer for five minutes.

use std::sync::Arc;

use axum::body::Body;
use model::stream::shard::Shard;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::aws::error::AwsError;
use crate::aws::wire::format::Format;
use crate::aws::wire::text::Text;
use crate::aws::wire::time::Time;
use crate::kinesis::push::frames::{Push, SUBSCRIPTION_MAX};
use crate::kinesis::push::subscriptions::{Refused, Subscriber, Subscriptions};
use crate::kinesis::read::answer_memory::AnswerMemory;
use crate::kinesis::read::position::{Members, Place};
use crate::kinesis::stream::consumer_arn::ConsumerArn;
use crate::kinesis::target::{Target, Targets};
use crate::kinesis::{error, limits};
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow, rename = "ConsumerARN")]
    consumer_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow)]
    shard_id: Option<Text<'a>>,
    #[serde(borrow)]
    starting_position: Option<StartingPosition<'a>>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartingPosition<'a> {
    #[serde(borrow, rename = "Type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    sequence_number: Option<Text<'a>>,
    timestamp: Option<Time>,
}

const MEMBERS: Members = Members {
    operation: "SubscribeToShard",
    kind: "startingPosition.type",
    sequence_number: "startingPosition.sequenceNumber",
    timestamp: "startingPosition.timestamp",
};

impl Targets for Input<'_> {
    fn target(&self, state: &GatewayState) -> Result<Target, AwsError> {
        let arn = self.consumer_arn.as_deref().ok_or_else(|| AwsError::missing("consumerARN"))?;
        Ok(Target::Consumer(ConsumerArn::parse(&state.options, arn)?))
    }
}

/// What all subscriptions of a server share; the memory also with what is read.
#[derive(Default)]
pub(crate) struct Pushing {
    subscriptions: Arc<Subscriptions>,
    pub(crate) memory: Arc<AnswerMemory>,
}

/// Begins a subscription. Where it begins is settled before this returns: LATEST means after this call.
pub(crate) async fn run(
    state: &Arc<GatewayState>,
    pushing: &Pushing,
    draining: CancellationToken,
    format: Format,
    input: Input<'_>,
) -> Result<Body, AwsError> {
    if input.stream_id.is_some() {
        return Err(AwsError::not_supported("StreamId"));
    }
    let arn = input.consumer_arn.as_deref().ok_or_else(|| AwsError::missing("consumerARN"))?;
    let shard_id = input.shard_id.as_deref().ok_or_else(|| AwsError::missing("shardId"))?;
    let place = input.starting_position.as_ref().ok_or_else(|| AwsError::missing("startingPosition"))?;
    let kind = place.kind.as_deref().ok_or_else(|| AwsError::missing(MEMBERS.kind))?;
    let consumer = ConsumerArn::parse(&state.options, arn)?;
    let shard_id = limits::shard_id(shard_id, "shardId")?;
    let account = &state.options.account_id;
    let described = state.streams.describe(&consumer.stream).await;
    let description = described.map_err(|failure| error::of_stream(&failure, account))?;
    let registered = consumer.find(&description, account)?;
    let shard: Shard = description.shards.get(shard_id).cloned().ok_or_else(|| {
        let stream = &consumer.stream;
        let message = format!("Shard {shard_id} in stream {stream} under account {account} does not exist");
        AwsError::new("ResourceNotFoundException", message)
    })?;
    let sequence_number = place.sequence_number.as_deref();
    let position = Place { kind, sequence_number, timestamp: place.timestamp }.in_shard(&shard, MEMBERS)?;
    let subscriber = Subscriber {
        stream: consumer.stream.clone(),
        stream_created_at: description.created_at,
        registered_at: registered.created_at,
        consumer: consumer.name,
        shard: shard_id,
    };
    let now = state.clock.now();
    let refused = |refused| refusal(refused, &subscriber, account);
    if input.dry_run == Some(true) {
        pushing.subscriptions.check(&subscriber, now).map_err(refused)?;
        limits::end_dry_run(input.dry_run)?;
    }
    let subscription = pushing.subscriptions.begin(subscriber.clone(), now).map_err(refused)?;
    let next = state.streams.locate(&consumer.stream, shard_id, position).await;
    let next = next.map_err(|failure| error::of_stream(&failure, account))?;
    let push = Push {
        gateway: Arc::clone(state),
        memory: Arc::clone(&pushing.memory),
        subscription,
        draining,
        format,
        shard,
        next,
        quiet_since: now,
        ends_at: now + SUBSCRIPTION_MAX,
    };
    Ok(Body::from_stream(push.frames()))
}

fn refusal(refused: Refused, subscriber: &Subscriber, account: &str) -> AwsError {
    match refused {
        Refused::TooSoon => AwsError::new(
            "ResourceInUseException",
            format!("Another active subscription exists for this consumer: {}", subscriber.in_words(account)),
        ),
        Refused::TooMany => AwsError::new(
            "LimitExceededException",
            "This server has reached its limit of subscriptions. Try again later.",
        ),
    }
}

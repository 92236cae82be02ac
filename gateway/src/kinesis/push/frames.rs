//! What a subscription sends: the records of a shard as they become durable, until five minutes are over.
//!
//! Nothing runs between two events but the store's own wait: the next frame is made when the connection asks for it,
//! so a client that does not read holds one frame and delays nobody. An empty event goes out when nothing else has for
//! [`HEARTBEAT_EVERY`]: clients take silence for a broken connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
use model::clock::Timestamp;
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::Shard;
use model::stream::store::ReadLimit;
use tokio_util::sync::CancellationToken;

use crate::aws::error::AwsError;
use crate::aws::event_stream;
use crate::aws::wire::format::Format;
use crate::kinesis::push::event::{Next, PushEvent};
use crate::kinesis::push::subscriptions::Subscription;
use crate::kinesis::read::answer_memory::AnswerMemory;
use crate::kinesis::read::reading::Shown;
use crate::kinesis::read::{bulk, reading};
use crate::kinesis::stream::shapes::ChildShard;
use crate::kinesis::{error, limits};
use crate::state::GatewayState;

/// How long a subscription lasts.
pub(crate) const SUBSCRIPTION_MAX: Duration = Duration::from_secs(300);

/// The longest silence.
pub(crate) const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// A subscription under way.
pub(crate) struct Push {
    pub(crate) gateway: Arc<GatewayState>,
    pub(crate) memory: Arc<AnswerMemory>,
    pub(crate) subscription: Subscription,
    /// Done when the server goes down.
    pub(crate) draining: CancellationToken,
    pub(crate) format: Format,
    pub(crate) shard: Shard,
    /// What comes next.
    pub(crate) next: SequenceNumber,
    /// When the last event was made, or the call.
    pub(crate) quiet_since: Timestamp,
    pub(crate) ends_at: Timestamp,
}

/// What the next frame is.
enum Phase {
    Opening,
    /// The first event does not wait, so that a client learns at once where it stands.
    First,
    Following,
    Over,
}

impl Push {
    /// The frames, made one by one as they are asked for.
    pub(crate) fn frames(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        stream::unfold((self, Phase::Opening), |(mut push, phase)| async move {
            let (frame, phase) = push.frame(phase).await?;
            Some((Ok(frame), (push, phase)))
        })
    }

    async fn frame(&mut self, phase: Phase) -> Option<(Bytes, Phase)> {
        let event = match phase {
            Phase::Opening => return Some((event_stream::initial_response(self.format).into(), Phase::First)),
            Phase::First => self.event(false).await,
            Phase::Following => self.event(true).await,
            Phase::Over => return None,
        };
        let framed = match event {
            Ok(Some(event)) => {
                let phase = if event.is_last() { Phase::Over } else { Phase::Following };
                let bytes = self.written(event).await;
                self.memory.hold(bytes).map(|frame| (frame, phase)).ok_or_else(no_room)
            }
            Ok(None) => return None,
            Err(failed) => Err(failed),
        };
        Some(framed.unwrap_or_else(|failed| (event_stream::exception(self.format, &failed).into(), Phase::Over)))
    }

    /// The frame of an event. At the tip it is written here, whatever its size: somebody waits for it.
    async fn written(&self, event: PushEvent) -> Vec<u8> {
        let format = self.format;
        let write = move |event: &PushEvent| event_stream::event("SubscribeToShardEvent", format, event);
        if event.millis_behind > 0 && bulk::is_large(&event.records) {
            return bulk::run(&self.gateway.bulk, move || write(&event)).await;
        }
        write(&event)
    }

    /// The next event; nothing when the time is over.
    async fn event(&mut self, wait: bool) -> Result<Option<PushEvent>, AwsError> {
        let (gateway, subscriber) = (Arc::clone(&self.gateway), &self.subscription.subscriber);
        let (records_max, bytes_max) =
            (limits::GET_RECORDS_MAX as usize, self.memory.data_bytes_max(limits::EVENT_BYTES_MAX));
        let limit = ReadLimit { records_max, bytes_max, wait };
        let wake_at = self.ends_at.min(self.quiet_since + HEARTBEAT_EVERY);
        let batch = tokio::select! {
            biased;
            () = self.subscription.taken_over.cancelled() => return Err(self.taken_over()),
            () = self.draining.cancelled() => return Ok(None),
            batch = reading::read(&gateway, &subscriber.stream, self.shard.id, self.next, limit) => Some(batch?),
            () = gateway.clock.sleep_until(wake_at) => None,
        };
        self.check_registered().await?;
        self.quiet_since = gateway.clock.now();
        if self.ends_at <= self.quiet_since {
            return Ok(None);
        }
        match batch {
            Some(shown) => self.event_of(shown).await.map(Some),
            None => Ok(Some(self.quiet_event())),
        }
    }

    async fn event_of(&mut self, shown: Shown) -> Result<PushEvent, AwsError> {
        let Shown { batch, encrypted } = shown;
        let millis_behind = reading::millis_behind(&batch, self.gateway.clock.now());
        self.next = batch.next;
        let next = if batch.end_of_shard {
            let described = self.gateway.streams.describe(&self.subscription.subscriber.stream).await;
            let description = described.map_err(|failure| error::of_stream(&failure, self.account()))?;
            Next::Children(ChildShard::all(&description.shards, self.shard.id))
        } else {
            self.continuation()
        };
        Ok(PushEvent { shard: self.shard.clone(), records: batch.records, encrypted, millis_behind, next })
    }

    /// An event without records.
    fn quiet_event(&self) -> PushEvent {
        let (shard, next) = (self.shard.clone(), self.continuation());
        PushEvent { shard, records: Vec::new(), encrypted: false, millis_behind: 0, next }
    }

    /// A number after all that was sent and before all that was not: good for AT and for AFTER.
    fn continuation(&self) -> Next {
        Next::Continuation(PrintedSequenceNumber::before(self.shard.id, self.shard.created_at, self.next))
    }

    /// The stream or the consumer may be gone, and another one there under its name.
    async fn check_registered(&self) -> Result<(), AwsError> {
        let subscriber = &self.subscription.subscriber;
        let described = self.gateway.streams.describe(&subscriber.stream).await;
        let description = described.map_err(|failure| error::of_stream(&failure, self.account()))?;
        if description.created_at != subscriber.stream_created_at {
            return Err(error::not_found(subscriber.stream.as_str(), self.account()));
        }
        match description.settings.consumers.get(&subscriber.consumer) {
            Some(registered) if registered.created_at == subscriber.registered_at => Ok(()),
            _ => Err(AwsError::new(
                "ResourceNotFoundException",
                format!("Consumer {} of stream {} was deregistered.", subscriber.consumer, subscriber.stream),
            )),
        }
    }

    fn taken_over(&self) -> AwsError {
        let subscriber = &self.subscription.subscriber;
        let message =
            format!("Another call has taken over the subscription of {}.", subscriber.in_words(self.account()));
        AwsError::new("ResourceInUseException", message)
    }

    fn account(&self) -> &str {
        &self.gateway.options.account_id
    }
}

fn no_room() -> AwsError {
    AwsError::new(
        "LimitExceededException",
        "Too many bytes of events wait to be sent on this server: subscribe again later.",
    )
}

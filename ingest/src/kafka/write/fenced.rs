//! Transactions under an id that only one producer holds at a time.
//!
//! ```text
//! process A   hold ── read version 4 ── begin .. paused ........................ commit: refused, A is fenced
//! process B                                     hold ── read version 4 ── begin .. commit version 5
//! ```
//!
//! Brokers give each holder of a transactional id a higher epoch, end what the one before had open,
//! and take nothing more from it. So a holder who reads a version after it began to hold, and
//! commits while it still holds, replaces exactly that version: nobody can have come in between,
//! however long either was paused.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, Producer};
use tokio::time::Instant;
use tracing::warn;

use crate::kafka::cluster::clients::{Clients, Context, StoreProducer};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::cluster::views::Outdated;
use crate::kafka::write::outgoing::{Delivered, Outgoing, answer, enqueue, look};
use model::blocking::blocking;

/// How long a message waits for room before it is tried again.
const ROOM_INTERVAL: Duration = Duration::from_millis(5);
/// How long one call of the client may block; it is called again within the transaction's own time.
const CALL_DELAY_MAX: Duration = Duration::from_secs(5);
/// How long it may take to hold an id: the brokers' coordinators move when one of them is gone.
const HOLD_DELAY_MAX: Duration = Duration::from_secs(30);
/// How long a call that may be repeated waits before it is.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Why a transaction did not end well.
#[derive(Debug)]
pub(crate) enum NotCommitted {
    /// Somebody else holds the id, and nothing of it stands.
    Fenced,
    /// The brokers did not say how it ended: after holding the id anew it is seen whether it
    /// stands, and then these are its places.
    Unknown(Vec<Delivered>, Fault),
    /// Nothing of it stands.
    Failed(Fault),
}

/// A transactional id, held or not.
pub(crate) struct Fenced {
    clients: Arc<Clients>,
    id: String,
    producer: Option<StoreProducer>,
    /// Topics that the producer has been made to look at: by itself it does so once a second.
    known: HashSet<String>,
}

impl Fenced {
    pub(crate) fn new(clients: Arc<Clients>, id: String) -> Self {
        Fenced { clients, id, producer: None, known: HashSet::new() }
    }

    /// Whether this process believes to hold the id.
    pub(crate) fn is_held(&self) -> bool {
        self.producer.is_some()
    }

    /// Holds the id, if it is not held: nobody who held it before can commit any more, and what
    /// they had open has ended.
    pub(crate) async fn hold(&mut self) -> Result<(), Fault> {
        if self.is_held() {
            return Ok(());
        }
        let doing = || format!("taking over transactional id {}", self.id);
        let producer: StoreProducer =
            self.clients.options.transactional(&self.id).create_with_context(Context).map_err(Fault::doing(doing()))?;
        let holder = producer.clone();
        let until = Instant::now() + HOLD_DELAY_MAX;
        repeat(until, move || holder.init_transactions(CALL_DELAY_MAX)).await.map_err(Fault::doing(doing()))?;
        self.producer = Some(producer);
        self.known.clear();
        Ok(())
    }

    /// Makes all messages readable at once or none of them, and returns where they went. The id
    /// must be held. After an error other than [`NotCommitted::Failed`] it is not held any more.
    pub(crate) async fn commit(&mut self, messages: Vec<Outgoing>) -> Result<Vec<Delivered>, NotCommitted> {
        self.commit_if(messages, std::future::ready(Ok(()))).await
    }

    /// The same, unless `condition` turns out not to hold once the messages are with the brokers.
    pub(crate) async fn commit_if(
        &mut self,
        messages: Vec<Outgoing>,
        condition: impl Future<Output = Result<(), Outdated>>,
    ) -> Result<Vec<Delivered>, NotCommitted> {
        let producer = self.producer.clone().expect("the caller holds the id");
        for Outgoing { topic, .. } in &messages {
            if !self.known.contains(topic) {
                look(&producer, topic).await;
                self.known.insert(topic.clone());
            }
        }
        let until = Instant::now() + self.clients.options.transaction_delay_max;
        let sent = match producer.begin_transaction() {
            Ok(()) => send(&producer, messages, until).await,
            Err(error) => Err(error),
        };
        let delivered = match sent {
            Ok(delivered) => delivered,
            Err(error) => return Err(self.give_up(producer, error).await),
        };
        if condition.await.is_err() {
            self.give_up(producer, KafkaError::Canceled).await;
            return Err(NotCommitted::Failed(Fault::late("waiting for shard maps that are young enough")));
        }
        let committer = producer.clone();
        // Once the commit has been asked for, no error says that nothing stands: it may be the
        // answer to a second attempt, or "unknown server error", which brokers give to a commit
        // that meets the next holder half-way.
        let Err(error) = repeat(until, move || committer.commit_transaction(CALL_DELAY_MAX)).await else {
            return Ok(delivered);
        };
        self.producer = None;
        let doing = format!("committing under transactional id {}", self.id);
        Err(NotCommitted::Unknown(delivered, Fault::doing(doing)(error)))
    }

    /// Ends a transaction of which nothing is to stand. The commit has not been asked for, so
    /// nothing can stand.
    async fn give_up(&mut self, producer: StoreProducer, error: KafkaError) -> NotCommitted {
        if is_fenced(&producer, &error) {
            self.producer = None;
            return NotCommitted::Fenced;
        }
        let fatal = producer.client().fatal_error().is_some();
        let aborter = producer.clone();
        let until = Instant::now() + CALL_DELAY_MAX;
        let aborted = !fatal && repeat(until, move || aborter.abort_transaction(CALL_DELAY_MAX)).await.is_ok();
        if !aborted {
            // The next holder aborts it.
            self.producer = None;
        }
        warn!(id = self.id, %error, aborted, "transaction given up");
        NotCommitted::Failed(Fault::doing(format!("writing under transactional id {}", self.id))(error))
    }
}

/// Sends all and waits until the brokers have taken all.
async fn send(producer: &StoreProducer, messages: Vec<Outgoing>, until: Instant) -> Result<Vec<Delivered>, KafkaError> {
    let mut waiting: Vec<DeliveryFuture> = Vec::with_capacity(messages.len());
    for Outgoing { topic, partition, key, value } in &messages {
        loop {
            match enqueue(producer, topic, *partition, key, value.as_deref()).await {
                Ok(delivery) => break waiting.push(delivery),
                Err(error) => {
                    let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    if !full || Instant::now() >= until {
                        return Err(error);
                    }
                    tokio::time::sleep(ROOM_INTERVAL).await;
                }
            }
        }
    }
    let mut delivered = Vec::with_capacity(waiting.len());
    for delivery in waiting {
        delivered.push(answer(delivery).await?);
    }
    Ok(delivered)
}

/// Calls again what may be called again, until it must have ended.
async fn repeat(
    until: Instant,
    call: impl Fn() -> Result<(), KafkaError> + Send + Sync + 'static,
) -> Result<(), KafkaError> {
    let call = Arc::new(call);
    loop {
        let once = Arc::clone(&call);
        let result = blocking(move || once()).await;
        let again = match &result {
            Err(KafkaError::Transaction(error)) => error.is_retriable(),
            _ => false,
        };
        if !again || Instant::now() >= until {
            return result;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

fn is_fenced(producer: &StoreProducer, error: &KafkaError) -> bool {
    let fences = |code: RDKafkaErrorCode| {
        matches!(
            code,
            RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch
        )
    };
    error.rdkafka_error_code().is_some_and(fences)
        || producer.client().fatal_error().is_some_and(|(code, _)| fences(code))
}

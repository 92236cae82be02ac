//! Appends: one idempotent producer for all streams. Over its bound entries are refused at once,
//! not kept waiting.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, RwLock};

use model::stream::record::PutEntry;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{DeliveryFuture, Producer};
use tracing::error;

use crate::kafka::cluster::clients::{Clients, Context, StoreProducer};
use crate::kafka::cluster::fault::Fault;
use crate::kafka::write::outgoing::{Delivered, answer, enqueue, look};
use model::blocking::blocking;

/// Why an entry was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many bytes wait: it was not taken.
    Full,
    /// It may be kept or not.
    Unanswered(String),
}

/// The producer; another takes its place when it fails for good.
pub(crate) struct Appender {
    clients: Arc<Clients>,
    producer: RwLock<StoreProducer>,
    /// Topics that the producer has been made to look at: by itself it does so once a second.
    known: Mutex<HashSet<String>>,
}

impl Appender {
    pub(crate) fn new(clients: Arc<Clients>) -> Result<Appender, Fault> {
        let producer = RwLock::new(create(&clients)?);
        Ok(Appender { clients, producer, known: Mutex::default() })
    }

    fn producer(&self) -> StoreProducer {
        self.producer.read().expect("no holder of the lock panics").clone()
    }

    /// Appends entries to the partitions they are routed to, in order, and waits until brokers have
    /// answered for each.
    pub(crate) async fn append(&self, topic: &str, entries: &[(i32, PutEntry)]) -> Vec<Result<Delivered, Refused>> {
        let producer = self.producer();
        if self.known.lock().expect("no holder of the lock panics").insert(topic.to_owned()) {
            look(&producer, topic).await;
        }
        let mut sent: Vec<Result<DeliveryFuture, Refused>> = Vec::with_capacity(entries.len());
        for (partition, entry) in entries {
            let key = entry.partition_key.as_str().as_bytes();
            let taken = enqueue(&producer, topic, *partition, key, Some(&entry.data)).await;
            sent.push(taken.map_err(|error| match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => Refused::Full,
                _ => Refused::Unanswered(error.to_string()),
            }));
        }
        let mut results = Vec::with_capacity(sent.len());
        for delivery in sent {
            results.push(match delivery {
                Ok(delivery) => answer(delivery).await.map_err(|error| Refused::Unanswered(error.to_string())),
                Err(refused) => Err(refused),
            });
        }
        if let Some((code, reason)) = producer.client().fatal_error() {
            self.replace(code, &reason);
        }
        results
    }

    /// A topic of that name is another one from now on.
    pub(crate) fn forget(&self, topic: &str) {
        self.known.lock().expect("no holder of the lock panics").remove(topic);
    }

    /// Waits until nothing is on its way any more.
    pub(crate) async fn flush(&self) -> Result<(), Fault> {
        let (producer, patience) = (self.producer(), self.clients.options.answer_delay_max * 2);
        blocking(move || producer.flush(patience)).await.map_err(Fault::doing("waiting for appends to end"))
    }

    /// Puts a new producer in the place of one that takes nothing any more.
    fn replace(&self, code: RDKafkaErrorCode, reason: &str) {
        let mut producer = self.producer.write().expect("no holder of the lock panics");
        if producer.client().fatal_error().is_none() {
            return;
        }
        error!(?code, reason, "the Kafka producer has failed and is replaced");
        match create(&self.clients) {
            Ok(new) => *producer = new,
            Err(fault) => error!(error = &fault as &dyn std::error::Error, "no new Kafka producer"),
        }
    }
}

fn create(clients: &Clients) -> Result<StoreProducer, Fault> {
    clients.options.appender().create_with_context(Context).map_err(Fault::doing("setting up the Kafka producer"))
}

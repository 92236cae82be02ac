//! Handing one message to a producer, and its answer.

use bytes::Bytes;
use model::clock::Timestamp;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryFuture, FutureRecord, Producer};

use crate::kafka::cluster::clients::{ASK_DELAY_MAX, LOOK_INTERVAL, LOOKS_MAX, StoreProducer, is_unknown};
use model::blocking::blocking;

/// A message of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) key: Bytes,
    /// None removes the key from a compacted topic.
    pub(crate) value: Option<Bytes>,
}

/// Where a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) offset: u64,
    pub(crate) arrived_at: Timestamp,
}

/// Gives a message to the producer, which sends it in the order of calls for its partition. After
/// an error it was not taken.
pub(crate) async fn enqueue(
    producer: &StoreProducer,
    topic: &str,
    partition: i32,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<DeliveryFuture, KafkaError> {
    let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic).partition(partition).key(key);
    if let Some(value) = value {
        record = record.payload(value);
    }
    let mut looks = 0;
    loop {
        match producer.send_result(record) {
            Ok(delivery) => return Ok(delivery),
            Err((error, back)) if is_unknown(&error) && looks < LOOKS_MAX => {
                if looks > 0 {
                    tokio::time::sleep(LOOK_INTERVAL).await;
                }
                looks += 1;
                look(producer, topic).await;
                record = back;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Waits for the brokers' answer.
pub(crate) async fn answer(delivery: DeliveryFuture) -> Result<Delivered, KafkaError> {
    let delivery = delivery.await.map_err(|_| KafkaError::Canceled)?.map_err(|(error, _)| error)?;
    let offset = u64::try_from(delivery.offset).map_err(|_| KafkaError::Canceled)?;
    Ok(Delivered { offset, arrived_at: Timestamp::from_millis(delivery.timestamp.to_millis().unwrap_or(0)) })
}

/// Lets the producer see the topic's partitions as they are now.
pub(crate) async fn look(producer: &StoreProducer, topic: &str) {
    let (producer, topic) = (producer.clone(), topic.to_owned());
    // Its answer is in what the producer does next.
    let _ = blocking(move || producer.client().fetch_metadata(Some(&topic), ASK_DELAY_MAX).map(drop)).await;
}

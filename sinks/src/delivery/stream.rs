//! A delivery stream: what it reads, where that goes, and how it shows its status. `work.rs` runs it.

use std::sync::{Arc, Mutex};

use model::clock::Clock;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Positions;
use model::stream::store::{StartingPosition, StreamError, StreamStore};

use super::options::DeliveryOptions;
use super::status::StatusHandle;
use crate::delivery::sink::Sink;

/// Why a delivery stream ended by itself. What fails at its destination is tried again instead.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The stream is gone, or the checkpoint can never be taken.
    #[error("delivery `{delivery}` of stream `{source_stream}` has ended")]
    Stream {
        delivery: ConsumerName,
        /// What it reads.
        source_stream: StreamName,
        /// Why.
        #[source]
        source: StreamError,
    },
    /// The checkpoint's state is not one of a delivery: another kind of consumer has this name.
    #[error("the checkpoint of delivery `{delivery}` cannot be read")]
    State {
        delivery: ConsumerName,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// A consumer joined to a sink. Its name must be its own among the consumers of its source.
#[derive(Clone)]
pub struct DeliveryStream {
    pub(super) name: ConsumerName,
    pub(super) source: StreamName,
    pub(super) start: StartingPosition,
    pub(super) store: Arc<dyn StreamStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) options: DeliveryOptions,
    pub(super) status: StatusHandle,
    /// How far it has come in this process: where the source is deleted, its checkpoint goes with it.
    pub(super) reached: Arc<Mutex<Option<Positions>>>,
}

impl DeliveryStream {
    /// Delivers records of `source` to `sink`, beginning at `start` unless a checkpoint is there.
    pub fn new(
        name: ConsumerName,
        source: StreamName,
        start: StartingPosition,
        store: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
        sink: Arc<dyn Sink>,
        options: DeliveryOptions,
    ) -> Self {
        let status = StatusHandle::new(Arc::clone(&clock));
        DeliveryStream { name, source, start, store, clock, sink, options, status, reached: Arc::default() }
    }

    /// Shows how it goes.
    pub fn status(&self) -> StatusHandle {
        self.status.clone()
    }
}

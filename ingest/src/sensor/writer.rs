//! Turns batches of datagrams into records of a stream. Each stream has one writer for all pollers.
//!
//! ```text
//! batches ──▶ run: keys by place, bytes copied once ──▶ append_run ──▶ group commit
//!    ▲                         │                                            │
//!    └── given back at once ◀──┘                    stored, or rejected by cause
//! ```
//!
//! A record is one complete datagram. Its partition key is the source id in decimal, hashed once
//! for each source. A datagram is counted as stored after it is durable. A few runs are in flight
//! at a time, so the next is made while one is synced. Beyond that batches stay in the rings, and
//! pollers follow their ports' policy. The datagrams of a source keep their order, except for runs
//! that had to wait for room in the stream.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::datagram::header::SourceId;
use model::name::StreamName;
use model::stream::hash_key::PartitionKey;
use model::stream::put_run::{PutRun, RunEntry, RunKeys};
use model::stream::store::{AppendError, StreamError, StreamStore};
use tracing::{error, info};

use super::batch::{DatagramBatch, Entry};
use super::cause::Refusal;
use super::id_hash::IdHash;
use super::reader::BatchReader;

/// Bytes of a run: what comes while one is made goes into the next.
const RUN_BYTES_MAX: usize = 2 << 20;
/// Runs under way.
const RUNS_IN_FLIGHT_MAX: usize = 4;
/// Keys that are remembered; beyond it all are forgotten, and made anew when they come.
const KEYS_MAX: usize = 1 << 17;

/// Writes what comes for one stream.
pub struct StreamWriter {
    store: Arc<dyn StreamStore>,
    stream: StreamName,
    reader: BatchReader,
    keys: KeyPlaces,
    /// The cause of the last refusal, until something is stored again. Each is logged once.
    last_refusal: Option<Refusal>,
}

/// Where sources stand among the keys of runs.
#[derive(Default)]
struct KeyPlaces {
    keys: Arc<RunKeys>,
    places: HashMap<SourceId, u32, IdHash>,
}

/// What became of a run: the entries that were rejected, and all entries.
type AppendedRun = (Result<Vec<(usize, AppendError)>, StreamError>, Vec<Entry>);

impl StreamWriter {
    /// Writes what `reader` hands over to `stream`.
    pub fn new(store: Arc<dyn StreamStore>, stream: StreamName, reader: BatchReader) -> Self {
        StreamWriter { store, stream, reader, keys: KeyPlaces::default(), last_refusal: None }
    }

    /// Runs until all pollers have ended and everything they accepted is stored or rejected. If it
    /// is dropped before, runs in flight are not counted.
    pub async fn run(mut self) {
        let mut in_flight = FuturesUnordered::new();
        let mut ended = false;
        while !(ended && in_flight.is_empty()) {
            tokio::select! {
                biased;
                Some(done) = in_flight.next() => self.settle(done),
                batch = self.reader.next(), if !ended && in_flight.len() < RUNS_IN_FLIGHT_MAX => match batch {
                    None => ended = true,
                    Some(batch) => {
                        let (run, entries) = self.gather(batch);
                        let (store, stream) = (Arc::clone(&self.store), self.stream.clone());
                        in_flight.push(async move { (store.append_run(&stream, run).await, entries) });
                    }
                },
            }
        }
    }

    /// Makes a run of a batch and of what waits behind it.
    fn gather(&mut self, first: DatagramBatch) -> (PutRun, Vec<Entry>) {
        let mut data = Vec::with_capacity(RUN_BYTES_MAX.max(first.bytes().len()));
        let (mut run, mut entries) =
            (Vec::with_capacity(first.entries().len()), Vec::with_capacity(first.entries().len()));
        self.keys.make_room();
        let mut next = Some(first);
        while let Some(batch) = next {
            data.extend_from_slice(batch.bytes());
            for entry in batch.entries() {
                run.push(RunEntry { key: self.keys.place(entry.source_id), bytes: u32::from(entry.length) });
            }
            entries.extend_from_slice(batch.entries());
            self.reader.give_back(batch);
            next = if data.len() < RUN_BYTES_MAX { self.reader.try_next() } else { None };
        }
        (PutRun::new(Arc::clone(&self.keys.keys), run, Bytes::from(data)), entries)
    }

    /// Counts what became of a run.
    fn settle(&mut self, (appended, entries): AppendedRun) {
        match appended {
            Ok(refused) if refused.is_empty() => {
                self.reader.stored(&entries);
                if self.last_refusal.take().is_some() {
                    info!(stream = %self.stream, "sensor datagrams are stored again");
                }
            }
            Ok(refused) => {
                let mut refused = refused.into_iter().peekable();
                let mut causes = Vec::new();
                let stored = entries.iter().enumerate().filter(|(place, entry)| {
                    match refused.next_if(|(at, _)| at == place) {
                        Some((_, why)) => causes.push((**entry, cause_of_entry(&why))),
                        None => return true,
                    }
                    false
                });
                let stored: Vec<Entry> = stored.map(|(_, entry)| *entry).collect();
                self.reader.stored(&stored);
                for (entry, cause) in causes {
                    self.reader.refused([&entry], cause);
                }
            }
            Err(error) => {
                let cause = cause_of(&error);
                self.reader.refused(&entries, cause);
                if self.last_refusal.replace(cause) != Some(cause) {
                    let error = &error as &dyn std::error::Error;
                    error!(stream = %self.stream, error, cause = cause.name(), "sensor datagrams are rejected and counted");
                }
            }
        }
    }
}

impl KeyPlaces {
    /// Forgets all when there are too many. Between runs only: entries of one run mean the same
    /// keys.
    fn make_room(&mut self) {
        if KEYS_MAX <= self.keys.len() {
            *self = KeyPlaces::default();
        }
    }

    fn place(&mut self, source: SourceId) -> u32 {
        if let Some(place) = self.places.get(&source) {
            return *place;
        }
        let key = PartitionKey::new(source.0.to_string()).expect("a number is a key");
        // Copied if a run in flight still has the keys: only for the first new source of a run.
        let place = Arc::make_mut(&mut self.keys).add(key);
        self.places.insert(source, place);
        place
    }
}

fn cause_of_entry(why: &AppendError) -> Refusal {
    match why {
        AppendError::Throttled { .. } => Refusal::Throttled,
        AppendError::TooLarge { .. } => Refusal::TooLarge,
        AppendError::Unanswered { .. } => Refusal::Failed,
    }
}

fn cause_of(error: &StreamError) -> Refusal {
    match error {
        StreamError::Throttled(_) => Refusal::Throttled,
        StreamError::DiskFull { .. } => Refusal::DiskFull,
        StreamError::NotFound(_) | StreamError::ShardNotFound { .. } => Refusal::StreamGone,
        _ => Refusal::Failed,
    }
}

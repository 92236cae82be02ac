//! Counts what passes through the seam of streams: a wrapper around the store, one for each kind of reader.

use std::sync::Arc;
use std::time::Instant;

use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::layer::StreamLayer;
use model::stream::put_run::PutRun;
use model::stream::record::{Appended, PutEntry, Record};
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::ShardId;
use model::stream::store::{AppendError, AppendedBatch, ReadBatch, ReadLimit, StreamError, StreamStore};

use tracing::Instrument;

use super::stream_meters::{Reader, StreamMeters};
use crate::telemetry::spans;

/// A store whose calls are counted.
pub(crate) struct CountedStreams {
    store: Arc<dyn StreamStore>,
    meters: Arc<StreamMeters>,
    reader: Reader,
}

impl CountedStreams {
    /// Counts calls of `store`, whose reads are those of `reader`.
    pub(crate) fn new(store: Arc<dyn StreamStore>, meters: Arc<StreamMeters>, reader: Reader) -> Self {
        CountedStreams { store, meters, reader }
    }
}

impl StreamLayer for CountedStreams {
    fn below(&self) -> &dyn StreamStore {
        &*self.store
    }

    async fn delete(&self, stream: &StreamName) -> Result<(), StreamError> {
        let deleted = self.store.delete(stream).await;
        if deleted.is_ok() {
            self.meters.forget(stream);
        }
        deleted
    }

    async fn append(&self, stream: &StreamName, entries: Vec<PutEntry>) -> Result<AppendedBatch, StreamError> {
        let begin = Instant::now();
        let sizes: Vec<usize> = entries.iter().map(PutEntry::size_bytes).collect();
        let span = spans::append(stream, sizes.len());
        let batch = self.store.append(stream, entries).instrument(span.clone()).await;
        spans::note(&span, &batch);
        match &batch {
            Ok(batch) => {
                self.meters.append_seconds.observe(begin.elapsed().as_secs_f64());
                self.meters.of(stream).appended(&sizes, &batch.results);
            }
            Err(error) => self.meters.failed(stream, sizes.len(), error),
        }
        batch
    }

    async fn append_run(&self, stream: &StreamName, run: PutRun) -> Result<Vec<(usize, AppendError)>, StreamError> {
        let begin = Instant::now();
        let (records, bytes) = (run.entries().len(), run.size_bytes());
        let sizes: Vec<usize> = run.sizes().collect();
        let refused = self.store.append_run(stream, run).await;
        match &refused {
            Ok(refused) => {
                self.meters.append_seconds.observe(begin.elapsed().as_secs_f64());
                let refused: Vec<_> = refused.iter().map(|(place, why)| (sizes[*place], why)).collect();
                self.meters.of(stream).appended_run(records, bytes, &refused);
            }
            Err(error) => self.meters.failed(stream, records, error),
        }
        refused
    }

    async fn read(
        &self,
        stream: &StreamName,
        shard: ShardId,
        from: SequenceNumber,
        limit: ReadLimit,
    ) -> Result<ReadBatch, StreamError> {
        let batch = if self.reader == Reader::Api {
            let span = spans::read(stream);
            let batch = self.store.read(stream, shard, from, limit).instrument(span.clone()).await;
            spans::note(&span, &batch);
            batch
        } else {
            // What follows a stream reads without end: it would be all that traces show.
            self.store.read(stream, shard, from, limit).await
        };
        match &batch {
            Ok(batch) if batch.records.is_empty() => {}
            Ok(batch) => {
                let bytes = batch.records.iter().map(Record::size_bytes).sum();
                self.meters.of(stream).read(self.reader, batch.records.len(), bytes);
            }
            Err(error) => self.meters.failed(stream, 0, error),
        }
        batch
    }

    async fn commit(
        &self,
        home: &StreamName,
        consumer: &ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<PutEntry>,
    ) -> Result<Vec<Appended>, StreamError> {
        let span = spans::commit(home, consumer, outputs.len());
        let committed = self.store.commit(home, consumer, checkpoint, outputs).instrument(span.clone()).await;
        spans::note(&span, &committed);
        match &committed {
            Ok(outputs) => self.meters.of(home).committed(outputs.len()),
            Err(error) => self.meters.failed(home, 0, error),
        }
        committed
    }
}

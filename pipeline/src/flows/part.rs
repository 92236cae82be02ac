//! What a flow is made of: a continuous query for each pump, or a delivery. Each part is a worker of its own.

use std::sync::Arc;

use analytics::continuous::error::QueryError;
use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use analytics::continuous::status::QueryStatus;
use async_trait::async_trait;
use model::clock::Clock;
use model::flow::admin::FlowUses;
use model::flow::destination::Destination;
use model::flow::spec::{DeliverySpec, FlowSpec, QuerySpec};
use model::flow::state::Trouble;
use model::name::{ConsumerName, StreamName};
use model::query::engine::SqlError;
use model::stream::stand_by::stand_by;
use model::stream::store::{StreamError, StreamStore};
use model::text::chain::chain;
use sinks::delivery::options::DeliveryOptions;
use sinks::delivery::status::DeliveryStatus;
use sinks::delivery::stream::{DeliveryError, DeliveryStream};
use sinks::destination::connect::Parts;
use tokio_util::sync::CancellationToken;

use crate::backends::Backends;
use crate::flows::kept::{Book, Holder};
use crate::flows::work::{Failure, Work, failure_of};
use crate::metrics::stream_meters::Reader;

/// A part of a flow, ready to run.
#[derive(Clone)]
pub(crate) enum Part {
    /// A pump.
    Query(ContinuousQuery),
    /// A delivery.
    Delivery(Delivery),
}

/// A delivery, and what it was made of.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) name: ConsumerName,
    pub(crate) source: StreamName,
    pub(crate) destination: Destination,
    stream: DeliveryStream,
}

impl Delivery {
    /// How it goes.
    pub(crate) fn status(&self) -> DeliveryStatus {
        self.stream.status().get()
    }
}

/// Checks a spec, and makes its parts.
pub(crate) fn parts(name: &ConsumerName, spec: &FlowSpec, backends: &Backends) -> Result<Vec<Part>, SqlError> {
    match spec {
        FlowSpec::Query(spec) => Ok(queries(name, spec)?.into_iter().map(Part::Query).collect()),
        FlowSpec::Delivery(spec) => Ok(vec![Part::Delivery(delivery(name, spec, backends))]),
    }
}

/// What the parts of a spec would read and write.
pub(crate) fn uses(name: &ConsumerName, spec: &FlowSpec) -> Result<FlowUses, SqlError> {
    Ok(match spec {
        FlowSpec::Query(spec) => {
            let queries = queries(name, spec)?;
            let reads = queries.iter().map(|query| query.source().clone()).collect();
            let writes = queries.iter().map(|query| query.output().clone()).collect();
            FlowUses { reads, writes, table: None }
        }
        FlowSpec::Delivery(DeliverySpec { source, destination, .. }) => {
            let table = match destination {
                Destination::Table(table) => Some(table.clone()),
                Destination::Archive(_) => None,
            };
            FlowUses { reads: [source.clone()].into(), writes: Default::default(), table }
        }
    })
}

fn queries(name: &ConsumerName, spec: &QuerySpec) -> Result<Vec<ContinuousQuery>, SqlError> {
    let options = QueryOptions { streams: spec.streams.clone(), start: spec.start.into(), ..QueryOptions::default() };
    ContinuousQuery::prepare(name, &spec.sql, options)
}

fn delivery(name: &ConsumerName, spec: &DeliverySpec, backends: &Backends) -> Delivery {
    let parts = Parts {
        streams: backends.metrics.streams(&backends.streams, Reader::Delivery),
        clock: Arc::clone(&backends.clock),
        tables: Arc::clone(&backends.tables),
        archive: Arc::clone(&backends.archive),
    };
    let DeliverySpec { source, destination, start } = spec.clone();
    let options = DeliveryOptions { seed: backends.seed, ..DeliveryOptions::for_destination(&destination) };
    let stream = DeliveryStream::connect(name.clone(), source.clone(), start.into(), &destination, parts, options);
    Delivery { name: name.clone(), source, destination, stream }
}

impl Part {
    /// The name its checkpoint is kept under.
    pub(crate) fn name(&self) -> &ConsumerName {
        match self {
            Part::Query(query) => query.name(),
            Part::Delivery(delivery) => &delivery.name,
        }
    }

    /// The stream it reads.
    pub(crate) fn source(&self) -> &StreamName {
        match self {
            Part::Query(query) => query.source(),
            Part::Delivery(delivery) => &delivery.source,
        }
    }

    /// The stream it writes, if it is one.
    pub(crate) fn output(&self) -> Option<&StreamName> {
        match self {
            Part::Query(query) => Some(query.output()),
            Part::Delivery(_) => None,
        }
    }

    /// The streams that it needs.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &StreamName> {
        [Some(self.source()), self.output()].into_iter().flatten()
    }

    /// Where its checkpoint is kept.
    pub(crate) fn holder(&self) -> Holder {
        let home = self.output().unwrap_or_else(|| self.source()).clone();
        Holder { home, consumer: self.name().clone() }
    }

    /// Records it has taken so far, for rates.
    pub(crate) fn records(&self) -> u64 {
        match self {
            Part::Query(query) => query.status().get().records,
            Part::Delivery(delivery) => delivery.status().delivered_records,
        }
    }

    /// The work of this part.
    pub(crate) fn work(&self, backends: &Backends, book: &Arc<Book>) -> Arc<dyn Work> {
        let reader = if matches!(self, Part::Query(_)) { Reader::Query } else { Reader::Delivery };
        Arc::new(PartWork {
            part: self.clone(),
            holder: self.holder(),
            streams: backends.metrics.streams(&backends.streams, reader),
            clock: Arc::clone(&backends.clock),
            book: Arc::clone(book),
        })
    }
}

struct PartWork {
    part: Part,
    holder: Holder,
    streams: Arc<dyn StreamStore>,
    clock: Arc<dyn Clock>,
    book: Arc<Book>,
}

#[async_trait]
impl Work for PartWork {
    async fn attempt(self: Arc<Self>, stop: CancellationToken) -> Result<(), Failure> {
        match stop.run_until_cancelled(self.book.settle(&self.holder)).await {
            None => return Ok(()),
            Some(settled) => settled.map_err(|error| of_stream(error, "its checkpoint cannot be forgotten"))?,
        }
        let shutdown = stop.cancelled_owned();
        match &self.part {
            Part::Query(query) => {
                let run = query.run(Arc::clone(&self.streams), Arc::clone(&self.clock), shutdown);
                run.await.map_err(of_query)
            }
            Part::Delivery(delivery) => delivery.stream.clone().run(shutdown).await.map_err(of_delivery),
        }
    }

    fn progress(&self) -> u64 {
        match &self.part {
            Part::Query(query) => {
                let QueryStatus { records, rows, left_out, .. } = query.status().get();
                records + rows + left_out
            }
            Part::Delivery(delivery) => {
                let status = delivery.status();
                status.delivered_records + status.delivered_cuts + status.dead_letters
            }
        }
    }

    async fn stand_by(self: Arc<Self>) {
        stand_by(&*self.streams, &*self.clock, &self.holder.home, &self.holder.consumer).await;
    }
}

fn of_stream(error: StreamError, doing: &str) -> Failure {
    let text = format!("{doing}: {}", chain(&error));
    failure_of(&error, text)
}

fn of_query(error: QueryError) -> Failure {
    let text = chain(&error);
    match error {
        QueryError::Stream { source, .. } => failure_of(&source, text),
        QueryError::Engine { .. } => Failure::Failed(Trouble::Fault, text),
        QueryError::Sql { .. }
        | QueryError::Changed { .. }
        | QueryError::Checkpoint { .. }
        | QueryError::StateTooLarge { .. } => Failure::Failed(Trouble::Hopeless, text),
    }
}

fn of_delivery(error: DeliveryError) -> Failure {
    let text = chain(&error);
    match error {
        DeliveryError::Stream { source, .. } => failure_of(&source, text),
        DeliveryError::State { .. } => Failure::Failed(Trouble::Hopeless, text),
    }
}

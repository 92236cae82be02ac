//! Puts the crates together.
//!
//! ```text
//! settings ──▶ streams ──┬──▶ gateway (Kinesis, REST, SQL) ──▶ one port
//!              tables ───┤
//!              archive ──┼──▶ queries, deliveries, retention: a task each
//!              SQL ──────┘
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use analytics::continuous::error::QueryError;
use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use anyhow::Context;
use dashboard::assets::Assets;
use dashboard::options::{DashboardOptions, Flow, FlowError, FlowState, FlowStateSource, FlowTarget};
use dashboard::routes::Dashboard;
use gateway::accept::answers::Answers;
use gateway::accept::options::AcceptOptions;
use gateway::accept::tls::Tls;
use gateway::auth::access::Access;
use gateway::quota::ShardQuotas;
use gateway::router::Beside;
use gateway::state::GatewayState;
use ingest::receiver::PreparedReceiver;
use model::flow::destination::Destination;
use model::flow::report::Incident;
use model::name::ConsumerName;
use model::stream::stand_by::stand_by;
use model::stream::store::{StreamError, StreamOptions, StreamStore};
use model::table::store::{TableError, TableSchema};
use model::text::chain::chain;
use sinks::delivery::options::DeliveryOptions;
use sinks::delivery::status::{LastError, StatusHandle as DeliveryStatusHandle};
use sinks::delivery::stream::DeliveryStream;
use sinks::destination::connect::Parts;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::backends::{Backends, START_WAIT_MAX};
use crate::bulk;
use crate::config::delivery::DeliveryConfig;
use crate::config::file::Config;
use crate::config::query::QueryConfig;
use crate::doctor::live::{Live, Looks};
use crate::doctor::settings;
use crate::flows::RunningFlows;
use crate::holder::{self, InUse};
use crate::metrics::http::counted;
use crate::metrics::registry::Metrics;
use crate::metrics::stream_meters::Reader;
use crate::sensors::Sensors;

/// What the server needs to know, brought together from flags, variables and file.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Folder for everything that is kept.
    pub(crate) data: PathBuf,
    /// Folder that paths in the settings file are relative to.
    pub(crate) folder: PathBuf,
    /// The settings file.
    pub(crate) config: Config,
    /// How clients come in.
    pub(crate) entrance: Entrance,
    /// How sensor datagrams come in.
    pub(crate) receiver: PreparedReceiver,
    /// Where the dashboard's page is read from at every request, for work on it; the one that was built in without.
    pub(crate) web_dir: Option<PathBuf>,
}

/// How clients come in.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// Who may.
    pub(crate) access: Access,
    /// How many, and how slowly.
    pub(crate) accept: AcceptOptions,
    /// The certificate by which they know the server.
    pub(crate) tls: Option<Tls>,
}

impl Entrance {
    /// For anyone on this machine.
    pub(crate) fn loopback() -> Self {
        Entrance { access: Access::anyone(), accept: AcceptOptions::default(), tls: None }
    }
}

/// How often streams are trimmed to their retention.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);
/// How long a query that failed waits before it starts again from its checkpoint.
const RESTART_DELAY: Duration = Duration::from_secs(1);
/// How long a drain waits for requests that are under way: a put takes milliseconds, a slow reader may be cut.
const REQUESTS_DRAIN_MAX: Duration = Duration::from_millis(3500);
/// How long a drain waits for sensor datagrams that were taken and are not stored yet: some MiB, a sync or two.
const SENSORS_DRAIN_MAX: Duration = Duration::from_millis(1500);
/// How long a drain waits after that for workers. What they have not delivered then comes after the next start.
const WORKERS_DRAIN_MAX: Duration = Duration::from_millis(2500);
/// How long a drain waits at last for the streams to be closed. With the waits of [`traces`](crate::telemetry::traces) and
/// [`main`](crate::cli::main) that follow, it takes less than the ten seconds after which others kill.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// The running server.
pub(crate) struct Engine {
    parts: Backends,
    scheme: &'static str,
    address: SocketAddr,
    sensors: Sensors,
    workers: TaskTracker,
    stop_workers: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
    stop_server: CancellationToken,
    ready: Arc<AtomicBool>,
}

impl Backends {
    /// Creates what the settings name and is not there yet.
    /// Tables that are out of reach, or not ready yet, are given back: they are for later.
    async fn create(&self, config: &Config) -> anyhow::Result<Vec<TableSchema>> {
        for (name, stream) in &config.streams {
            self.create_stream(name, stream.options()).await?;
        }
        let mut later = Vec::new();
        for (name, table) in &config.tables {
            match tokio::time::timeout(START_WAIT_MAX, self.tables.create(table.schema(name))).await {
                Ok(Ok(())) => {}
                Ok(Err(error @ TableError::Unavailable { .. })) => {
                    warn!(table = %name, %error, "table is unreachable: its rows wait in their stream until it is back");
                    later.push(table.schema(name));
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    warn!(table = %name, "table does not exist yet: its rows wait in their stream until it does");
                    later.push(table.schema(name));
                }
            }
        }
        Ok(later)
    }

    /// Creates tables that the start could not wait for, until cancelled.
    async fn create_later(self, schemas: Vec<TableSchema>, stop: CancellationToken) {
        for schema in schemas {
            loop {
                match stop.run_until_cancelled(self.tables.create(schema.clone())).await {
                    None => return,
                    Some(Ok(())) => break,
                    Some(Err(error)) => {
                        let text = chain(&error);
                        warn!(table = %schema.name, error = text, "table cannot be created now");
                    }
                }
                stop.run_until_cancelled(tokio::time::sleep(RESTART_DELAY)).await;
            }
            info!(table = %schema.name, "table exists");
        }
    }

    async fn create_stream(&self, name: &model::name::StreamName, options: StreamOptions) -> anyhow::Result<()> {
        match self.streams.create(name, options).await {
            Ok(_) => info!(stream = %name, "stream created"),
            // Naming it makes a topic of another producer a stream. What is wrong with one, its users are told.
            Err(StreamError::Exists(_)) => drop(self.streams.describe(name).await),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn queries(
        &self,
        name: &ConsumerName,
        config: &QueryConfig,
        folder: &Path,
    ) -> anyhow::Result<Vec<ContinuousQuery>> {
        let file = folder.join(&config.sql);
        let sql = std::fs::read_to_string(&file)
            .with_context(|| format!("query `{name}`: {} cannot be read", file.display()))?;
        let options =
            QueryOptions { streams: config.streams.clone(), start: config.start.into(), ..QueryOptions::default() };
        let queries = ContinuousQuery::prepare(name, &sql, options).with_context(|| file.display().to_string())?;
        for query in &queries {
            for stream in [query.source(), query.output()] {
                self.create_stream(stream, StreamOptions::default()).await?;
            }
        }
        Ok(queries)
    }

    fn delivery(&self, name: &ConsumerName, config: &DeliveryConfig, destination: &Destination) -> DeliveryStream {
        let parts = Parts {
            streams: self.metrics.streams(&self.streams, Reader::Delivery),
            clock: Arc::clone(&self.clock),
            tables: Arc::clone(&self.tables),
            archive: Arc::clone(&self.archive),
        };
        let options = DeliveryOptions::for_destination(destination);
        let (source, start) = (config.source.clone(), config.start.into());
        DeliveryStream::connect(name.clone(), source, start, destination, parts, options)
    }

    /// Drops what retention no longer keeps, until cancelled.
    async fn trim(self, stop: CancellationToken) {
        let mut pause = tokio::time::interval(TRIM_INTERVAL);
        while stop.run_until_cancelled(pause.tick()).await.is_some() {
            for stream in self.streams.list().await.unwrap_or_default() {
                match self.streams.trim(&stream).await {
                    Ok(()) | Err(StreamError::NotFound(_)) => {}
                    // Told when it was opened, and to whoever asks for it.
                    Err(
                        StreamError::Damaged { .. } | StreamError::KeyMissing { .. } | StreamError::KeyDiffers { .. },
                    ) => {}
                    // The next trim makes up for it.
                    Err(error @ (StreamError::DiskFull { .. } | StreamError::Io { .. })) => {
                        warn!(%stream, error = &error as &dyn std::error::Error, "stream cannot be trimmed now");
                    }
                    Err(error) => error!(%stream, %error, "stream cannot be trimmed"),
                }
            }
        }
    }
}

/// What the dashboard is told of a query.
fn query_state(query: &ContinuousQuery, running: &Arc<RunningFlows>) -> FlowStateSource {
    let (name, status, running) = (query.name().clone(), query.status(), Arc::clone(running));
    FlowStateSource::new(move || FlowState {
        last_error: running.query_error(&name).map(|Incident { at, message }| FlowError { at, message }),
        window_end: status.get().window_end,
    })
}

/// And of a delivery.
fn delivery_state(status: DeliveryStatusHandle) -> FlowStateSource {
    FlowStateSource::new(move || FlowState {
        last_error: status.get().last_error.map(|LastError { at, message }| FlowError { at, message }),
        window_end: None,
    })
}

/// Why there is nothing to listen with.
fn not_bound(listen: SocketAddr, error: std::io::Error) -> anyhow::Error {
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return anyhow::Error::from(error).context(format!("{listen} cannot be listened on"));
    }
    let fix = "stop that process, or choose another port with --port (0 chooses a free one)".to_owned();
    InUse { what: format!("port {} is in use", listen.port()), holder: holder::of_port(listen), fix }.into()
}

/// Runs a query; after an error it goes on from its checkpoint.
async fn keep_running(query: ContinuousQuery, parts: Backends, flows: Arc<RunningFlows>, stop: CancellationToken) {
    let name = query.name().clone();
    parts.metrics.watch_query(&name, query.status());
    run_again_and_again(query, &parts, &flows, stop).await;
    parts.metrics.query_ended(&name);
}

async fn run_again_and_again(query: ContinuousQuery, parts: &Backends, flows: &RunningFlows, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let streams = parts.metrics.streams(&parts.streams, Reader::Query);
        match query.run(streams, Arc::clone(&parts.clock), stop.clone().cancelled_owned()).await {
            Ok(()) => return,
            Err(error) => {
                let lost = matches!(&error, QueryError::Stream { source: StreamError::CheckpointConflict { .. }, .. });
                let passing = matches!(error, QueryError::Stream { .. } | QueryError::Engine { .. });
                let text = chain(&error);
                flows.query_failed(query.name(), &text, !passing);
                if !passing {
                    // Nothing that time mends: somebody must come.
                    error!(query = %query.name(), error = text, "query ended");
                    return;
                }
                parts.metrics.query_restarted(query.name());
                if lost {
                    warn!(query = %query.name(), reason = text, "standing by until the other holder is silent");
                    let waits = stand_by(&*parts.streams, &*parts.clock, query.output(), query.name());
                    stop.run_until_cancelled(waits).await;
                    continue;
                }
                warn!(query = %query.name(), error = text, "query failed; it starts again from its checkpoint");
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(RESTART_DELAY)).await;
    }
}

impl Engine {
    /// Opens everything, starts the workers and listens.
    pub(crate) async fn start(settings: Settings) -> anyhow::Result<Engine> {
        let Settings { listen, data, folder, config, entrance, receiver, web_dir } = settings;
        let Entrance { access, accept, tls } = entrance;
        let listener = TcpListener::bind(listen).await.map_err(|error| not_bound(listen, error))?;
        let address = listener.local_addr()?;
        let accept = AcceptOptions { drain_max: accept.drain_max.min(REQUESTS_DRAIN_MAX), ..accept };
        let (answers, stop_server) = (Answers::starting(gateway::router::starting()), CancellationToken::new());
        let stop = stop_server.clone().cancelled_owned();
        let server = tokio::spawn(gateway::accept::server::serve(listener, answers.clone(), accept, tls.clone(), stop));
        let metrics = Metrics::new();
        let parts = Box::pin(Backends::open(&data, &folder, &config, Arc::clone(&metrics))).await?;
        let tables_later = parts.create(&config).await?;
        let (workers, stop_workers) = (TaskTracker::new(), CancellationToken::new());
        // Before queries and deliveries, so that streams of sensors are such from their first record on.
        let sensors = Sensors::start(&parts, &data, &folder, &config.sensor, listen.ip(), receiver).await?;
        let running = RunningFlows::new(
            Arc::clone(&parts.streams),
            Arc::clone(&parts.clock),
            // On Kafka, a checkpoint is fetched from its brokers.
            config.kafka.is_none(),
        );
        let mut flows = Vec::new();
        for (name, query) in &config.queries {
            for query in parts.queries(name, query, &folder).await? {
                flows.push(Flow {
                    name: query.name().clone(),
                    source: query.source().clone(),
                    target: FlowTarget::Query(query.output().clone()),
                    state: query_state(&query, &running),
                });
                running.watch_query(&query);
                workers.spawn(keep_running(query, parts.clone(), Arc::clone(&running), stop_workers.clone()));
            }
        }
        for (name, delivery) in &config.deliveries {
            parts.create_stream(&delivery.source, StreamOptions::default()).await?;
            let destination = delivery.destination().with_context(|| format!("delivery `{name}`"))?;
            let (name, stream) = (name.clone(), parts.delivery(name, delivery, &destination));
            let state = delivery_state(stream.status());
            metrics.watch_delivery(&name, stream.status());
            running.watch_delivery(&name, &delivery.source, destination.clone(), stream.status());
            let target = FlowTarget::Delivery(destination);
            flows.push(Flow { name: name.clone(), source: delivery.source.clone(), target, state });
            let stop = stop_workers.clone().cancelled_owned();
            workers.spawn(async move {
                if let Err(error) = stream.run(stop).await {
                    let error = anyhow::Error::from(error);
                    error!(delivery = %name, error = %format!("{error:#}"), "delivery ended");
                }
            });
        }
        workers.spawn(parts.clone().create_later(tables_later, stop_workers.clone()));
        workers.spawn(parts.clone().trim(stop_workers.clone()));
        workers.spawn(Arc::clone(&running).sample(stop_workers.clone()));
        let dashboard = Dashboard::new(DashboardOptions {
            streams: Arc::clone(&parts.streams),
            clock: Arc::clone(&parts.clock),
            assets: web_dir.map_or(Assets::Packed, Assets::Folder),
            fleet: config.dashboard.fleet.clone(),
            flows,
            // On Kafka, a checkpoint is fetched from its brokers.
            checkpoints_are_at_hand: config.kafka.is_none(),
            stop: stop_server.clone(),
        });
        workers.spawn(dashboard.run());
        workers.close();

        let ready = Arc::new(AtomicBool::new(true));
        let mut streams = Arc::clone(&parts.streams);
        if config.kinesis.shard_quotas {
            streams = Arc::new(ShardQuotas::new(streams, Arc::clone(&parts.clock)));
        }
        let streams = metrics.streams(&streams, Reader::Api);
        let (counts, taking) = (Arc::clone(&metrics), Arc::clone(&ready));
        let doctor = Looks::new(Live {
            data: data.clone(),
            secrets: settings::secret_files(&config, &folder, &data),
            certificate: settings::certificate_file(&config, &folder),
        });
        let state = GatewayState {
            streams,
            browse: Arc::clone(&parts.streams),
            tables: Arc::clone(&parts.tables),
            sql: Arc::clone(&parts.sql),
            flows: Some(running),
            sensors: Some(sensors.control()),
            doctor: Some(Arc::new(doctor)),
            stop: stop_server.clone(),
            clock: Arc::clone(&parts.clock),
            ready: Arc::clone(&ready),
            metrics: Arc::new(move || counts.text(taking.load(Ordering::Relaxed))),
            access: Arc::new(access),
            bulk: bulk::runtime(),
            options: config.gateway(),
        };
        let beside = Beside { pages: dashboard.page(), live: dashboard.feed() };
        let router = counted(gateway::router::router_beside(state, beside), metrics);
        let scheme = if tls.is_some() { "https" } else { "http" };
        if let Some(tls) = tls {
            let stop = stop_workers.clone();
            workers.spawn(async move { stop.run_until_cancelled(tls.follow()).await });
        }
        answers.start(router);
        info!(%address, data = %data.display(), "gallop listens");
        Ok(Engine { parts, scheme, address, sensors, workers, stop_workers, server, stop_server, ready })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The streams, for a command that runs in the same process.
    pub(crate) fn streams(&self) -> Arc<dyn StreamStore> {
        Arc::clone(&self.parts.streams)
    }

    /// Serves until `shutdown` ends or the server fails, then drains.
    pub(crate) async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::select! {
            () = shutdown => self.drain().await,
            ended = &mut self.server => ended.context("the server panicked")?.context("the server ended"),
        }
    }

    /// Takes no more calls, lets workers finish what they have, and closes the log: in this order, so that what is
    /// acknowledged is delivered as far as it can be.
    pub(crate) async fn drain(self) -> anyhow::Result<()> {
        self.ready.store(false, Ordering::Release);
        self.stop_server.cancel();
        self.server.await.context("the server panicked")?.context("the server ended")?;
        if tokio::time::timeout(SENSORS_DRAIN_MAX, self.sensors.drain()).await.is_err() {
            warn!("not all sensor datagrams were stored in {SENSORS_DRAIN_MAX:?}; the rest is lost");
        }
        self.stop_workers.cancel();
        if tokio::time::timeout(WORKERS_DRAIN_MAX, self.workers.wait()).await.is_err() {
            warn!("not everything was delivered in {WORKERS_DRAIN_MAX:?}; the rest follows after the next start");
        }
        if tokio::time::timeout(CLOSE_MAX, self.parts.close()).await.is_err() {
            warn!("the streams were not closed in {CLOSE_MAX:?}; the next start recovers them");
        }
        info!("drained");
        Ok(())
    }
}

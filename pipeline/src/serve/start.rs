//! How the server starts: it listens at once, answers 503 until everything is open, and then takes calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashboard::assets::Assets;
use dashboard::options::DashboardOptions;
use dashboard::routes::Dashboard;
use gateway::accept::answers::Answers;
use gateway::accept::options::AcceptOptions;
use gateway::accept::tls::Tls;
use gateway::auth::access::Access;
use gateway::quota::ShardQuotas;
use gateway::router::DashboardRoutes;
use gateway::state::GatewayState;
use model::flow::report::Flows;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::backends::Backends;
use crate::bulk;
use crate::config::file::Config;
use crate::doctor::live::{Live, Looks};
use crate::doctor::settings;
use crate::flows::control::FlowControl;
use crate::flows::panics;
use crate::flows::settings::flows;
use crate::flows::supervisor::Supervisor;
use crate::flows::tasks::Tasks;
use crate::holder::{self, InUse};
use crate::metrics::registry::Metrics;
use crate::metrics::stream_meters::Reader;
use crate::sensors::Sensors;
use crate::serve::engine::{Engine, REQUESTS_DRAIN_MAX};
use crate::serve::options::{HttpOptions, Settings};
use crate::serve::scrub::scrub;
use crate::serve::tables::{create, create_later};
use crate::serve::trim::trim;

/// Why there is nothing to listen with.
fn not_bound(listen: SocketAddr, error: std::io::Error) -> anyhow::Error {
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return anyhow::Error::from(error).context(format!("{listen} cannot be listened on"));
    }
    let fix = "stop that process, or choose another port with --port (0 chooses a free one)".to_owned();
    InUse { what: format!("port {} is in use", listen.port()), holder: holder::of_port(listen), fix }.into()
}

impl Engine {
    /// Opens everything, starts the workers and listens.
    pub(crate) async fn start(settings: Settings) -> anyhow::Result<Engine> {
        Engine::start_on(settings, |backends| backends).await
    }

    /// [`Engine::start`] on backends that `adapt` has put layers around.
    pub(super) async fn start_on(
        settings: Settings,
        adapt: impl FnOnce(Backends) -> Backends,
    ) -> anyhow::Result<Engine> {
        let Settings { listen, data, folder, config, http, receiver, web_dir } = settings;
        let HttpOptions { access, accept, tls } = http;
        let listener = TcpListener::bind(listen).await.map_err(|error| not_bound(listen, error))?;
        let address = listener.local_addr()?;
        let accept = AcceptOptions { drain_max: accept.drain_max.min(REQUESTS_DRAIN_MAX), ..accept };
        let (answers, stop_server) = (Answers::starting(gateway::router::starting()), CancellationToken::new());
        let stop = stop_server.clone().cancelled_owned();
        let server = tokio::spawn(gateway::accept::server::serve(listener, answers.clone(), accept, tls.clone(), stop));
        let metrics = Metrics::new();
        let backends = adapt(Box::pin(Backends::open(&data, &folder, &config, Arc::clone(&metrics))).await?);
        let later = create(&backends, &config).await?;
        backends.refuse_changes().await;
        let workers = TaskTracker::new();
        let tasks = Tasks::new(Arc::clone(&backends.clock), workers.clone());
        panics::watch(&tasks);
        // Before flows, so that streams of sensors are such from their first record on.
        let sensors = Sensors::start(&backends, &data, &folder, &config.sensor, listen.ip(), receiver).await?;
        // On Kafka, a checkpoint is fetched from its brokers.
        let supervisor = Supervisor::open(&data, &backends, Arc::clone(&tasks), config.kafka.is_none())?;
        supervisor.start(flows(&config, &folder)?).await?;
        let figures = Arc::clone(&supervisor);
        metrics.watch_flows(move || figures.figures());
        let dashboard = Dashboard::new(DashboardOptions {
            streams: Arc::clone(&backends.streams),
            clock: Arc::clone(&backends.clock),
            assets: web_dir.map_or(Assets::Packed, Assets::Folder),
            fleet: config.dashboard.fleet.clone(),
            flows: Arc::clone(&supervisor) as Arc<dyn Flows>,
            stop: stop_server.clone(),
        });
        let (of_later, of_trim, of_sample) = (backends.clone(), backends.clone(), Arc::clone(&supervisor));
        tasks.finish("tables", move |stop| create_later(of_later.clone(), later.clone(), stop));
        if !backends.is_read_only() {
            tasks.keep("retention", move |stop| trim(of_trim.clone(), stop));
        }
        if let Some(interval) = config.verify_interval() {
            let of_scrub = backends.clone();
            tasks.keep("verification", move |stop| scrub(of_scrub.clone(), interval, stop));
        }
        tasks.keep("samples", move |stop| Arc::clone(&of_sample).sample(stop));
        let hub = dashboard.clone();
        tasks.keep("dashboard", move |stop| run_dashboard(hub.clone(), stop));
        let doctor = Looks::new(Live {
            data: data.clone(),
            secrets: settings::secret_files(&config, &folder, &data),
            certificate: settings::certificate_file(&config, &folder),
            flows: Arc::clone(&supervisor) as Arc<dyn Flows>,
            streams: backends.opened.clone(),
            is_read_only: backends.is_read_only(),
        });
        let routes = DashboardRoutes { pages: dashboard.page(), live: dashboard.feed() };
        let state = gateway_state(&backends, &config, &supervisor, &sensors, access);
        let state = GatewayState { doctor: Some(Arc::new(doctor)), stop: stop_server.clone(), ..state };
        let ready = Arc::clone(&state.ready);
        let router = metrics.counted(gateway::router::router_with(state, routes));
        let scheme = if tls.is_some() { "https" } else { "http" };
        if let Some(tls) = tls {
            tasks.keep("certificate", move |stop| follow(tls.clone(), stop));
        }
        answers.start(router);
        info!(%address, data = %data.display(), "gallop listens");
        Ok(Engine { backends, scheme, address, sensors, supervisor, workers, server, stop_server, ready })
    }
}

/// What the front door stands before.
fn gateway_state(
    backends: &Backends,
    config: &Config,
    supervisor: &Arc<Supervisor>,
    sensors: &Sensors,
    access: Access,
) -> GatewayState {
    let ready = Arc::new(AtomicBool::new(true));
    let (metrics, mut streams) = (&backends.metrics, Arc::clone(&backends.streams));
    if config.kinesis.shard_quotas {
        streams = Arc::new(ShardQuotas::new(streams, Arc::clone(&backends.clock)));
    }
    let (counts, taking) = (Arc::clone(metrics), Arc::clone(&ready));
    GatewayState {
        streams: metrics.streams(&streams, Reader::Api),
        browse: Arc::clone(&backends.streams),
        tables: Arc::clone(&backends.tables),
        sql: Arc::clone(&backends.sql),
        flows: Some(Arc::clone(supervisor) as _),
        flow_admin: Some(Arc::new(FlowControl(Arc::clone(supervisor)))),
        sensors: Some(sensors.control()),
        doctor: None,
        is_read_only: backends.is_read_only(),
        stop: CancellationToken::new(),
        clock: Arc::clone(&backends.clock),
        ready,
        metrics: Arc::new(move || counts.text(taking.load(Ordering::Relaxed))),
        access: Arc::new(access),
        bulk: bulk::runtime(),
        options: config.gateway(),
    }
}

async fn run_dashboard(dashboard: Dashboard, stop: CancellationToken) {
    // It ends with the server, which is before the workers.
    stop.run_until_cancelled(dashboard.run()).await;
    stop.cancelled().await;
}

async fn follow(tls: Tls, stop: CancellationToken) {
    stop.run_until_cancelled(tls.follow()).await;
}

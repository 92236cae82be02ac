//! One life of the server: the product's own assembly of backends, flows and tasks, without its
//! front door.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use model::flow::admin::FlowAdmin;
use model::flow::report::{DeliveryReport, Flows, QueryReport};
use tokio_util::task::TaskTracker;

use crate::backends::Backends;
use crate::config::file::Config;
use crate::flows::control::FlowControl;
use crate::flows::supervisor::Supervisor;
use crate::flows::tasks::Tasks;
use crate::machine::Machine;
use crate::metrics::registry::Metrics;
use crate::serve::trim::trim;

use super::cast;

const DATA: &str = "/data";
/// How long a stop waits for the workers.
const WORKERS_DRAIN_MAX: Duration = Duration::from_secs(3);

/// A server that runs.
pub(super) struct Server {
    pub(super) backends: Backends,
    supervisor: Arc<Supervisor>,
    pub(super) admin: FlowControl,
    workers: TaskTracker,
}

impl Server {
    /// Opens what is there, and creates what is missing.
    pub(super) async fn start(machine: Machine) -> anyhow::Result<Server> {
        let (data, clock) = (Path::new(DATA), Arc::clone(&machine.clock));
        let backends = Backends::open_on(machine, data, data, &Config::default(), Metrics::new()).await?;
        for name in cast::SOURCES {
            backends.create_stream(&cast::stream(name), cast::stream_options(name)).await?;
        }
        backends.tables.create(cast::table_schema()).await.context("the table is not created")?;
        let workers = TaskTracker::new();
        let tasks = Tasks::new(clock, workers.clone());
        let supervisor = Supervisor::open(data, &backends, Arc::clone(&tasks), true)?;
        supervisor.start(Vec::new()).await?;
        let (of_trim, of_samples) = (backends.clone(), Arc::clone(&supervisor));
        tasks.keep("retention", move |stop| trim(of_trim.clone(), stop));
        tasks.keep("samples", move |stop| Arc::clone(&of_samples).sample(stop));
        let admin = FlowControl(Arc::clone(&supervisor));
        for (name, spec) in cast::flows() {
            if admin.spec(spec.kind(), &name).await.is_err() {
                admin.create(name, spec).await?;
            }
        }
        Ok(Server { backends, supervisor, admin, workers })
    }

    /// Stops in order.
    pub(super) async fn stop(self) {
        self.supervisor.stop();
        self.workers.close();
        // What is not delivered by then is after the next start.
        let _ = tokio::time::timeout(WORKERS_DRAIN_MAX, self.workers.wait()).await;
        self.backends.close().await;
    }

    pub(super) async fn queries(&self) -> Vec<QueryReport> {
        self.supervisor.queries().await
    }

    pub(super) async fn deliveries(&self) -> Vec<DeliveryReport> {
        self.supervisor.deliveries().await
    }
}

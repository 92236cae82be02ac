//! Holds all flows of a server: those of its settings, and those that were created while it ran.
//!
//! ```text
//! settings ──┐                          ┌─▶ a worker for each part ──▶ its task
//!            ├──▶ spec ──▶ parts ──▶ flow
//! kept ──────┘                          └─▶ one report: REST, page, metrics, doctor, readiness
//! ```
//!
//! A flow of the settings goes before a kept one of the same name. What people may change is in `admin`, what is
//! told of flows in `report`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use model::flow::incident::Incident;
use model::flow::report::{Origin, Standing, WorkerKind};
use model::flow::spec::{FlowKind, FlowSpec};
use model::flow::state::FlowState;
use model::name::ConsumerName;
use model::stream::store::StreamOptions;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::backends::Backends;
use crate::flows::kept::{Book, Kept};
use crate::flows::part::{Part, parts};
use crate::flows::rate::Rate;
use crate::flows::tasks::Tasks;
use crate::flows::worker::Worker;

/// How often rates and what is still to be read are looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// A part that is supervised.
pub(super) struct Running {
    pub(super) part: Part,
    pub(super) worker: Worker,
    pub(super) rate: Rate,
    /// Records that it has still to read, as of the last sample.
    pub(super) behind: Option<u64>,
}

/// A flow that is supervised.
pub(super) struct Flow {
    pub(super) spec: FlowSpec,
    pub(super) origin: Origin,
    pub(super) running: Vec<Running>,
    /// Why a flow that was kept cannot be started, where it cannot.
    pub(super) broken: Option<Standing>,
}

/// A flow's kind and name.
pub(super) type Key = (FlowKind, ConsumerName);

/// All flows of a server.
pub(crate) struct Supervisor {
    pub(super) backends: Backends,
    pub(super) book: Arc<Book>,
    pub(super) tasks: Arc<Tasks>,
    /// Whether asking for a consumer's checkpoint costs nothing.
    pub(super) checkpoints_are_at_hand: bool,
    flows: Mutex<BTreeMap<Key, Flow>>,
    /// Held while somebody changes what flows there are.
    pub(super) changing: tokio::sync::Mutex<()>,
}

impl Supervisor {
    /// Reads what was kept in `data`. No flow runs yet.
    pub(crate) fn open(
        data: &Path,
        backends: &Backends,
        tasks: Arc<Tasks>,
        checkpoints_are_at_hand: bool,
    ) -> anyhow::Result<Arc<Supervisor>> {
        let book = Book::open(Arc::clone(&backends.disk), data, Arc::clone(&backends.streams))?;
        let (backends, flows, changing) = (backends.clone(), Mutex::default(), tokio::sync::Mutex::default());
        Ok(Arc::new(Supervisor { backends, book, tasks, checkpoints_are_at_hand, flows, changing }))
    }

    /// Starts the flows of the settings, and those that were kept. Error: a flow of the settings that cannot run.
    pub(crate) async fn start(&self, settings: Vec<(ConsumerName, FlowSpec)>) -> anyhow::Result<()> {
        let mut kept = self.book.kept().await;
        let names: BTreeSet<Key> = settings.iter().map(|(name, spec)| (spec.kind(), name.clone())).collect();
        for (kind, name) in &names {
            if kept.remove(*kind, name) {
                warn!(
                    kind = kind.as_str(), %name,
                    "this flow is in the settings now: what was kept of it from run time is dropped"
                );
            }
        }
        let known: BTreeSet<Key> =
            kept.specs().into_iter().map(|(name, spec)| (spec.kind(), name)).chain(names).collect();
        for kind in [FlowKind::Query, FlowKind::Delivery] {
            kept.paused(kind).retain(|name| known.contains(&(kind, name.clone())));
        }
        // Where nothing can be committed, every flow is paused.
        let is_read_only = self.backends.is_read_only();
        if !is_read_only {
            self.keep_known(kept.clone()).await?;
        }
        for (name, spec) in settings {
            let about = || format!("{} `{name}`", spec.kind().as_str());
            let parts = parts(&name, &spec, &self.backends).with_context(about)?;
            self.create_streams(&parts).await?;
            let paused = is_read_only || kept.paused(spec.kind()).contains(&name);
            self.launch(name.clone(), spec.clone(), Origin::Settings, parts, paused);
        }
        self.start_kept(kept).await;
        Ok(())
    }

    async fn keep_known(&self, new: Kept) -> anyhow::Result<()> {
        self.book.change(|kept| *kept = new).await.context("the file of flows cannot be written")?;
        if let Err(error) = self.book.write_again().await {
            warn!(%error, "the file of flows cannot be written again: a power cut may bring back an older one");
        }
        Ok(())
    }

    /// What cannot be started is shown with the reason, and does not keep the server from starting.
    async fn start_kept(&self, mut kept: Kept) {
        for holder in &kept.forget {
            if let Err(error) = self.book.settle(holder).await {
                let error = &error as &dyn std::error::Error;
                warn!(consumer = %holder.consumer, error, "a checkpoint cannot be forgotten now; its flow tries it again");
            }
        }
        for (name, spec) in kept.specs() {
            let kind = spec.kind();
            match parts(&name, &spec, &self.backends) {
                Ok(parts) => {
                    if let Err(error) = self.create_streams(&parts).await {
                        warn!(kind = kind.as_str(), %name, error = format!("{error:#}"), "its streams cannot be created");
                    }
                    let paused = self.backends.is_read_only() || kept.paused(kind).contains(&name);
                    self.launch(name, spec, Origin::RunTime, parts, paused);
                }
                Err(why) => self.keep_broken(name, spec, why.to_string()),
            }
        }
    }

    fn keep_broken(&self, name: ConsumerName, spec: FlowSpec, message: String) {
        error!(kind = spec.kind().as_str(), %name, error = message, "this flow cannot be started");
        let now = self.backends.clock.now();
        let standing = Standing {
            kind: worker_kind(spec.kind()),
            name: name.to_string(),
            state: FlowState::Failed,
            since: now,
            restarts: 0,
            last_error: Some(Incident { at: now, message }),
        };
        let key = (spec.kind(), name);
        let flow = Flow { spec, origin: Origin::RunTime, running: Vec::new(), broken: Some(standing) };
        self.flows().insert(key, flow);
    }

    pub(super) async fn create_streams(&self, parts: &[Part]) -> anyhow::Result<()> {
        for stream in parts.iter().flat_map(Part::streams) {
            self.backends.create_stream(stream, StreamOptions::default()).await?;
        }
        Ok(())
    }

    /// Lets a flow run from now on.
    pub(super) fn launch(&self, name: ConsumerName, spec: FlowSpec, origin: Origin, parts: Vec<Part>, paused: bool) {
        let kind = worker_kind(spec.kind());
        let start = |part: Part| {
            let (work, clock) = (part.work(&self.backends, &self.book), Arc::clone(&self.backends.clock));
            let worker = Worker::spawn(kind, part.name().as_str(), work, clock, paused, self.tasks.tracker());
            Running { part, worker, rate: Rate::default(), behind: None }
        };
        let running = parts.into_iter().map(start).collect();
        self.flows().insert((spec.kind(), name), Flow { spec, origin, running, broken: None });
    }

    pub(super) fn flows(&self) -> MutexGuard<'_, BTreeMap<Key, Flow>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Samples what reports show, until cancelled.
    pub(crate) async fn sample(self: Arc<Self>, stop: CancellationToken) {
        let mut pause = tokio::time::interval(SAMPLE_INTERVAL);
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(pause.tick()).await.is_some() {
            let now = self.backends.clock.now();
            let mut parts = Vec::new();
            for running in self.flows().values_mut().flat_map(|flow| &mut flow.running) {
                running.rate.sample(now, running.part.records());
                parts.push(running.part.clone());
            }
            for part in parts {
                let Some(behind) = stop.run_until_cancelled(self.behind(&part)).await else { return };
                let mut flows = self.flows();
                let mut all = flows.values_mut().flat_map(|flow| &mut flow.running);
                let same = all.find(|running| running.part.holder() == part.holder());
                same.into_iter().for_each(|running| running.behind = behind);
            }
        }
    }

    /// Lets all workers end.
    pub(crate) fn stop(&self) {
        for running in self.flows().values().flat_map(|flow| &flow.running) {
            running.worker.stop();
        }
        self.tasks.stop();
    }
}

/// What a flow's workers are.
pub(super) fn worker_kind(kind: FlowKind) -> WorkerKind {
    match kind {
        FlowKind::Query => WorkerKind::Query,
        FlowKind::Delivery => WorkerKind::Delivery,
    }
}

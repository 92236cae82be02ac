//! The server's own tasks: each is supervised like a flow, so none can end without being seen.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::clock::Clock;
use model::flow::incident::Incident;
use model::flow::report::{Standing, WorkerKind};
use model::flow::state::FlowState;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::flows::work::{Failure, Work};
use crate::flows::worker::Worker;

/// How many threads that ended are kept for reports.
const LOST_MAX: usize = 64;

type Make = Box<dyn Fn(CancellationToken) -> BoxFuture<'static, ()> + Send + Sync>;

/// A task of the server.
struct Task {
    make: Make,
    ends: bool,
}

#[async_trait]
impl Work for Task {
    async fn attempt(self: Arc<Self>, stop: CancellationToken) -> Result<(), Failure> {
        (self.make)(stop).await;
        Ok(())
    }

    fn ends(&self) -> bool {
        self.ends
    }
}

/// The tasks of one server.
pub(crate) struct Tasks {
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
    workers: Mutex<Vec<Worker>>,
    /// Threads that have ended and cannot be started again.
    lost: Mutex<Vec<Standing>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tasks {
    /// None yet.
    pub(crate) fn new(clock: Arc<dyn Clock>, tracker: TaskTracker) -> Arc<Tasks> {
        Arc::new(Tasks { clock, tracker, workers: Mutex::default(), lost: Mutex::default() })
    }

    /// Where workers run.
    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Runs what `make` gives until the server stops, and again after a failure.
    pub(crate) fn keep<F>(&self, name: &str, make: impl Fn(CancellationToken) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(name, make, false);
    }

    /// Runs what `make` gives until it is done, and again after a failure.
    pub(crate) fn finish<F>(&self, name: &str, make: impl Fn(CancellationToken) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(name, make, true);
    }

    fn spawn<F>(&self, name: &str, make: impl Fn(CancellationToken) -> F + Send + Sync + 'static, ends: bool)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let make: Make = Box::new(move |stop| make(stop).boxed());
        let (work, clock) = (Arc::new(Task { make, ends }), Arc::clone(&self.clock));
        lock(&self.workers).push(Worker::spawn(WorkerKind::Task, name, work, clock, false, &self.tracker));
    }

    /// A thread has ended that cannot be started again. The first [`LOST_MAX`] are kept.
    pub(crate) fn lost(&self, name: &str, message: String) {
        error!(task = name, error = message, "a thread of the server ended; restart the server");
        let (now, mut lost) = (self.clock.now(), lock(&self.lost));
        if lost.len() == LOST_MAX {
            return;
        }
        lost.push(Standing {
            kind: WorkerKind::Task,
            name: name.to_owned(),
            state: FlowState::Failed,
            since: now,
            restarts: 0,
            last_error: Some(Incident { at: now, message }),
        });
    }

    /// How each is. One that is done is not there any more.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let workers = lock(&self.workers);
        let running = workers.iter().map(Worker::standing).filter(|standing| standing.state != FlowState::Stopped);
        running.chain(lock(&self.lost).iter().cloned()).collect()
    }

    /// Lets all end.
    pub(crate) fn stop(&self) {
        lock(&self.workers).iter().for_each(Worker::stop);
    }
}

//! The workers of one server: one ready ahead of time, more on demand up to one a query slot, and back to one when the
//! rest has had nothing to do for a while.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::warn;

use crate::worker::frame::{FrameReader, FrameSender};
use crate::worker::message::{Opening, ToWorker};
use crate::worker::process::{Launched, Launcher};
use crate::worker::session::Worker;

/// How long a worker beyond the first may have nothing to do.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How often workers with nothing to do are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(20);

/// Workers, at rest or lent to a query.
pub(crate) struct Pool {
    launcher: Arc<dyn Launcher>,
    opening: Opening,
    ahead: bool,
    /// The last one returned is the first one lent: it knows most, and the others come of age.
    idle: Mutex<Vec<(Worker, Instant)>>,
    lent: AtomicUsize,
}

impl Pool {
    /// No worker yet; [`Pool::ensure_spare`] starts the first where one is wanted `ahead` of time.
    pub(crate) fn new(launcher: Arc<dyn Launcher>, opening: Opening, ahead: bool) -> Arc<Pool> {
        Arc::new(Pool { launcher, opening, ahead, idle: Mutex::default(), lent: AtomicUsize::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Worker, Instant)>> {
        self.idle.lock().expect("no holder of the lock panics")
    }

    /// A worker for one query, which gives it back.
    pub(crate) async fn lend(self: &Arc<Self>) -> io::Result<Lent> {
        self.lent.fetch_add(1, Ordering::Relaxed);
        // From here on it is counted off again, whatever happens.
        let mut lent = Lent { pool: Arc::clone(self), worker: None };
        while lent.worker.is_none() {
            let at_rest = self.lock().pop();
            lent.worker = match at_rest {
                // One that died at rest goes: nothing of the query has run on it.
                Some((mut worker, _)) => worker.process.is_alive().then_some(worker),
                None => Some(self.launch().await?),
            };
        }
        Ok(lent)
    }

    async fn launch(&self) -> io::Result<Worker> {
        let Launched { read, write, process } = self.launcher.launch().await?;
        let worker = Worker { frames: FrameReader::new(read), to: FrameSender::new(write), process };
        // One that is gone already is seen by its first query.
        let _ = worker.to.send(ToWorker::Open(Box::new(self.opening.clone())), Bytes::new()).await;
        Ok(worker)
    }

    /// Starts a worker ahead of time, if that is wanted and none is at rest.
    pub(crate) fn ensure_spare(self: &Arc<Self>) {
        if !self.ahead || !self.lock().is_empty() {
            return;
        }
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            match pool.launch().await {
                Ok(worker) => pool.keep(worker),
                Err(error) => warn!(%error, "no process for SQL can be started"),
            }
        });
    }

    fn keep(&self, worker: Worker) {
        self.lock().push((worker, Instant::now()));
    }

    /// Ends workers that have had nothing to do, until the pool is gone.
    pub(crate) async fn retire(pool: Weak<Pool>) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let Some(pool) = pool.upgrade() else { return };
            // Ended outside the lock.
            drop(take_old(&mut pool.lock(), |(_, since)| IDLE_MAX < since.elapsed()));
        }
    }

    /// How many there are, and how many of them answer queries.
    pub(crate) fn count(&self) -> (usize, usize) {
        let lent = self.lent.load(Ordering::Relaxed);
        (self.lock().len() + lent, lent)
    }
}

/// Takes the old ones out and leaves at least one.
fn take_old<T>(idle: &mut Vec<T>, is_old: impl Fn(&T) -> bool) -> Vec<T> {
    let old = idle.iter().take_while(|worker| is_old(worker)).count().min(idle.len().saturating_sub(1));
    idle.drain(..old).collect()
}

/// A worker that is lent. Dropped, it ends.
pub(crate) struct Lent {
    pool: Arc<Pool>,
    worker: Option<Worker>,
}

impl Lent {
    /// The worker.
    pub(crate) fn take(&mut self) -> Worker {
        self.worker.take().expect("it is taken once")
    }

    /// Gives it back, to be used again.
    pub(crate) fn give_back(self, worker: Worker) {
        self.pool.keep(worker);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.lent.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::take_old;

    #[test]
    fn old_ones_go_and_one_stays() {
        let check = |idle: &[u32], left: &[u32]| {
            let mut workers = idle.to_vec();
            take_old(&mut workers, |age| *age > 60);
            assert_eq!(workers, left, "{idle:?}");
        };
        check(&[], &[]);
        check(&[90], &[90]);
        check(&[90, 80, 70], &[70]);
        check(&[90, 20, 10], &[20, 10]);
        check(&[30, 20], &[30, 20]);
    }
}

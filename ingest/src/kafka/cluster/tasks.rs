//! The store's own tasks: none ends by a panic.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinHandle;
use tracing::error;

/// How long after a panic a task starts again.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// Runs `work` at every tick, as long as `of` lives.
pub(crate) async fn every<T>(interval: Duration, of: Weak<T>, work: impl AsyncFn(Arc<T>)) {
    let mut pause = tokio::time::interval(interval);
    loop {
        pause.tick().await;
        let Some(of) = of.upgrade() else { return };
        work(of).await;
    }
}

/// Runs what `make` gives until it ends or is aborted, and starts it again after a panic.
pub(crate) fn keep<F>(task: &'static str, make: impl Fn() -> F + Send + 'static) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while AssertUnwindSafe(make()).catch_unwind().await.is_err() {
            error!(task, "a task of the Kafka store panicked and starts again");
            tokio::time::sleep(RESTART_DELAY).await;
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_starts_again_and_ends_with_what_it_works_for() {
        let (works, turns) = (Arc::new(()), Arc::new(AtomicU64::new(0)));
        let (of, counted) = (Arc::downgrade(&works), Arc::clone(&turns));
        let task = keep("test", move || {
            let turns = Arc::clone(&counted);
            every(RESTART_DELAY, Weak::clone(&of), async move |_| {
                assert_ne!(turns.fetch_add(1, Ordering::Relaxed), 1, "the second turn fails");
            })
        });
        tokio::time::sleep(RESTART_DELAY * 10).await;
        assert!(turns.load(Ordering::Relaxed) > 3);
        drop(works);
        task.await.expect("it ends by itself");
    }
}

//! A query that computes for long gives way to everything else on the machine.
//!
//! Usual queries share the processors with the server, at a lower priority. That is not enough beside a query that
//! computes for long: on a machine that is fully busy, the system still lets it run for some milliseconds before a
//! thread of the server. So after its first second of processor time, a query has only what nobody else wants. Its
//! process cannot undo that, so it answers no query after that one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::MissedTickBehavior;

use crate::worker::threads::Threads;

/// Processor time of a usual query.
pub const USUAL_CPU_MAX: Duration = Duration::from_secs(1);
/// How often the processor time of a query is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// When the threads of a worker give way.
#[derive(Debug, Default)]
pub struct Priority {
    /// None where they never do.
    usual_cpu_max: Option<Duration>,
    threads: Arc<Threads>,
}

impl Priority {
    /// That of a worker which has a process for itself: its threads give way once a query has used more than this.
    pub fn until(usual_cpu_max: Duration) -> Arc<Priority> {
        Arc::new(Priority { usual_cpu_max: Some(usual_cpu_max), threads: Arc::default() })
    }

    /// That of a worker which shares its process: it stays as it is.
    pub fn unchanged() -> Arc<Priority> {
        Arc::default()
    }

    /// The current thread works for queries, until it ends.
    pub(crate) fn enter(&self) {
        self.threads.enter();
    }

    /// Does the work of one query. The current thread gives way with the others.
    pub(crate) async fn watch<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        let Some(usual_cpu_max) = self.usual_cpu_max else { return work.await };
        let usual_until = cpu_time() + usual_cpu_max;
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let time_is_up = async {
            while cpu_time() <= usual_until {
                look.tick().await;
            }
        };
        let mut work = pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = time_is_up => self.threads.give_way(),
        }
        work.await
    }

    /// Whether the worker should answer no more queries.
    pub(crate) fn is_spent(&self) -> bool {
        self.threads.has_given_way()
    }
}

/// Processor time of this process so far.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Runs a query that uses so much on a thread of its own, which gives way; whether the worker is spent then.
    fn is_spent_after(usual_cpu_max: Duration, used: Duration) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let query = async {
            let until = cpu_time() + used;
            while cpu_time() < until {
                tokio::task::yield_now().await;
            }
            // One more look, whatever was used meanwhile.
            tokio::time::sleep(2 * LOOK_INTERVAL).await;
        };
        let run = || {
            let priority = Priority::until(usual_cpu_max);
            runtime.block_on(Arc::clone(&priority).watch(query));
            priority.is_spent()
        };
        std::thread::scope(|scope| scope.spawn(run).join().unwrap())
    }

    #[test]
    fn a_worker_is_spent_once_a_query_has_used_its_time() {
        assert!(is_spent_after(Duration::from_millis(50), Duration::from_millis(100)));
        assert!(!is_spent_after(Duration::from_secs(3600), Duration::from_millis(1)));
    }

    #[tokio::test]
    async fn a_worker_that_shares_its_process_stays_as_it_is() {
        let priority = Priority::unchanged();
        assert_eq!(Arc::clone(&priority).watch(async { 7 }).await, 7);
        assert!(!priority.is_spent());
    }
}

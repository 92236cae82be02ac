//! Panics of threads that nobody waits for: writers of streams, pollers of sensors, the reader of Kafka's tips.
//!
//! Such a thread holds state that is lost with it, so it cannot start again in place. Its end is
//! reported as a failed task of the server, which `/readyz`, `doctor` and metrics show.

use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use crate::flows::tasks::Tasks;
use crate::flows::worker::text_of;

/// Threads of pools: whoever waits for the work that panicked sees the panic, and the pool goes on.
const POOLS: [&str; 4] = ["tokio-", "bulk", "sql", "main"];

/// The tasks of all servers of this process, which is more than one in tests.
static WATCHING: Mutex<Vec<Weak<Tasks>>> = Mutex::new(Vec::new());
static INSTALLED: Once = Once::new();

/// Reports to `tasks` every thread that ends by a panic from now on.
pub(crate) fn watch(tasks: &Arc<Tasks>) {
    let mut watching = WATCHING.lock().unwrap_or_else(PoisonError::into_inner);
    watching.retain(|tasks| tasks.strong_count() > 0);
    watching.push(Arc::downgrade(tasks));
    INSTALLED.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            print(panic);
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("a thread without a name");
            if !POOLS.iter().any(|pool| name.starts_with(pool)) {
                report(name, &text_of(panic.payload()));
            }
        }));
    });
}

fn report(thread: &str, text: &str) {
    let watching = WATCHING.lock().unwrap_or_else(PoisonError::into_inner);
    for tasks in watching.iter().filter_map(Weak::upgrade) {
        tasks.lost(thread, format!("its thread panicked: {text}; restart the server"));
    }
}

#[cfg(test)]
mod tests {
    use model::clock::SystemClock;
    use model::flow::state::FlowState;
    use tokio_util::task::TaskTracker;

    use super::*;

    fn panic_in(name: &str) {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let ended = thread.spawn(|| panic!("no room")).expect("a thread starts").join();
        assert!(ended.is_err());
    }

    #[test]
    fn a_thread_that_panics_is_a_failed_task_and_one_of_a_pool_is_not() {
        let tasks = Tasks::new(Arc::new(SystemClock), TaskTracker::new());
        watch(&tasks);
        panic_in("log rides");
        panic_in("tokio-rt-worker");
        let standings = tasks.standings();
        let of_log: Vec<_> = standings.iter().filter(|standing| standing.name == "log rides").collect();
        assert_eq!(of_log.len(), 1, "{standings:?}");
        assert_eq!(of_log[0].state, FlowState::Failed);
        let message = &of_log[0].last_error.as_ref().expect("the reason").message;
        assert!(message.contains("no room"), "{message}");
        assert!(standings.iter().all(|standing| standing.name != "tokio-rt-worker"), "{standings:?}");
    }
}

//! The threads for bulk work: reading segment files for consumers behind the tip, and writing large
//! answers.
//!
//! They give way to the threads that serve requests and to the writers of streams. A consumer with
//! a long backlog uses the processors that nothing else needs, and does not slow puts down.

use std::sync::LazyLock;

#[cfg(target_os = "linux")]
use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Handle, Runtime};

/// The most pieces of work at a time; more wait for their turn, first come first served.
const THREADS_MAX: usize = 32;

/// How much they give way, in the system's measure: of one processor, a usual thread gets three
/// times their time.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// One for the process, as long as it runs: what is under way at the end of a server belongs to
/// calls that were cut.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(THREADS_MAX)
        .thread_name("bulk")
        .on_thread_start(give_way)
        .build()
        .expect("the system gives threads")
});

/// Where bulk work is done.
pub(crate) fn runtime() -> Handle {
    RUNTIME.handle().clone()
}

fn give_way() {
    // On Linux this is the thread; elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    if let Err(failure) = getpriority_process(None).and_then(|usual| setpriority_process(None, usual + NICENESS)) {
        tracing::debug!(%failure, "threads for bulk work have the usual priority");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    #[test]
    fn only_the_threads_for_bulk_work_give_way() {
        let usual = getpriority_process(None).expect("a thread may ask for its own");
        let (calls, bulk) = (tokio::runtime::Runtime::new().expect("the system gives threads"), super::runtime());
        let bulk = calls.block_on(async {
            let asked = bulk.spawn_blocking(|| getpriority_process(None)).await.expect("asking does not panic");
            let here = tokio::task::spawn_blocking(|| getpriority_process(None)).await.expect("asking does not panic");
            assert_eq!(here, Ok(usual));
            asked.expect("a thread may ask for its own")
        });
        // The system ends at 19.
        assert_eq!(bulk, (usual + super::NICENESS).min(19));
    }
}

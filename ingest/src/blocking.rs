//! Work beside the async tasks: what blocks has threads of its own, and a panic there is a panic of whoever waits for it.

use tokio::task::JoinHandle;

/// Runs a blocking call on a thread for such calls, to its end even when nobody waits for it any more.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    finished(tokio::task::spawn_blocking(work)).await
}

/// What a task that is never cancelled returns.
pub(crate) async fn finished<T>(task: JoinHandle<T>) -> T {
    task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

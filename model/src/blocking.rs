//! Calls that block, beside async tasks: they run on threads of their own, to their end, even if
//! nobody waits for them any more.

use std::io;

use tokio::task::JoinHandle;

/// Runs a blocking call. A panic in it is a panic of the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    finished(tokio::task::spawn_blocking(work)).await
}

/// Runs a blocking call that reads or writes. A panic in it, or the end of the runtime, is an error
/// like any other.
pub async fn blocking_io<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

/// What a task that is never cancelled returns. A panic in it is a panic of the caller.
pub async fn finished<T>(task: JoinHandle<T>) -> T {
    task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_callers_or_an_error() {
        assert_eq!(blocking(|| 7).await, 7);
        assert!(blocking_io(|| Ok(7)).await.is_ok_and(|seven| seven == 7));
        let failed = blocking_io(|| -> io::Result<()> { panic!("a bug") }).await.expect_err("it panicked");
        assert!(failed.to_string().contains("panicked"), "{failed}");
        let panicked = tokio::spawn(async { blocking(|| panic!("a bug")).await }).await;
        assert!(panicked.expect_err("it panicked").is_panic());
    }
}

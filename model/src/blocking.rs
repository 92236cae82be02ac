//! Calls that block, beside async tasks: they run on threads of their own, to their end, even if
//! nobody waits for them any more.
//!
//! A test that wants to see the same order of events again takes the threads away
//! ([`Turns::take`]): then such calls are tasks of the test's own thread, and a seed says how long
//! each lets others go first.

#[cfg(any(test, feature = "testing"))]
use std::cell::RefCell;
use std::io;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

/// Runs a blocking call. A panic in it is a panic of the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    blocking_on(&Handle::current(), work).await
}

/// The same, on the threads of `runtime`.
pub async fn blocking_on<T: Send + 'static>(runtime: &Handle, work: impl FnOnce() -> T + Send + 'static) -> T {
    finished(start(runtime, work)).await
}

/// What a task that is never cancelled returns. A panic in it is a panic of the caller.
pub async fn finished<T>(task: JoinHandle<T>) -> T {
    task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Runs a blocking call. A panic in it, or the end of the runtime, is an error.
pub async fn try_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    start(&Handle::current(), work).await
}

/// Runs a blocking call that reads or writes. A panic in it, or the end of the runtime, is an error
/// like any other.
pub async fn blocking_io<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    try_blocking(work).await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

fn start<T: Send + 'static>(runtime: &Handle, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    #[cfg(any(test, feature = "testing"))]
    if Turns::are_taken() {
        return tokio::spawn(async move {
            Turns::wait().await;
            work()
        });
    }
    runtime.spawn_blocking(work)
}

/// Whose turn it is on a thread that has no threads beside it.
#[cfg(any(test, feature = "testing"))]
pub struct Turns(u64);

#[cfg(any(test, feature = "testing"))]
thread_local! {
    static TURNS: RefCell<Option<Turns>> = const { RefCell::new(None) };
}

#[cfg(any(test, feature = "testing"))]
impl Turns {
    /// The most turns of other tasks that a call waits for.
    const TURNS_MAX: u64 = 4;

    /// From now on nothing that this thread's tasks start runs on another thread.
    pub fn take(seed: u64) {
        TURNS.with(|turns| turns.replace(Some(Turns(seed))));
    }

    /// Whether there are no other threads.
    pub fn are_taken() -> bool {
        TURNS.with(|turns| turns.borrow().is_some())
    }

    /// Lets others go first, as often as the seed says.
    pub async fn wait() {
        let drawn = TURNS.with(|turns| turns.borrow_mut().as_mut().map_or(0, Turns::draw));
        for _ in 0..drawn % Turns::TURNS_MAX {
            tokio::task::yield_now().await;
        }
    }

    /// The next random number (splitmix64).
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
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

    #[tokio::test]
    async fn without_threads_calls_run_on_this_one() {
        let here = std::thread::current().id();
        Turns::take(7);
        assert_eq!(blocking(|| std::thread::current().id()).await, here);
        let others = blocking_on(&Handle::current(), || std::thread::current().id()).await;
        assert_eq!(others, here);
    }
}

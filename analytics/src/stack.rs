//! Work that recurses once an operator: it gets a stack that holds as many as [`crate::depth`] lets through.

use std::io;
use std::thread;

/// Address space, of which only what is used becomes memory.
const STACK_BYTES: usize = 64 << 20;

/// Does `work` on a thread with a large stack and waits for it. A panic in it is a panic of the caller.
pub(crate) fn with_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("sql-plan".to_owned()).stack_size(STACK_BYTES);
        let done = thread.spawn_scoped(scope, work)?.join();
        Ok(done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

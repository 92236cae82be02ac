//! Where a writer works: on a thread of its own. Where a test has taken the threads away
//! ([`Turns`](model::blocking::Turns)) it works step by step, as a task of the test's thread.

#[cfg(any(test, feature = "testing"))]
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

#[cfg(any(test, feature = "testing"))]
use model::blocking::Turns;

use crate::log::error::LogError;
#[cfg(any(test, feature = "testing"))]
use crate::log::write::writer::EndOnPanic;
use crate::log::write::writer::Writer;

/// A writer at work.
pub(crate) enum Runner {
    /// On a thread.
    Thread(JoinHandle<()>),
    /// As a task.
    #[cfg(any(test, feature = "testing"))]
    Steps(Arc<Mutex<Writer>>),
}

impl Runner {
    /// Lets `writer` work from now on. Error: the system has no thread for it.
    pub(crate) fn start(writer: Writer, stack_bytes: usize) -> Result<Runner, LogError> {
        #[cfg(any(test, feature = "testing"))]
        if Turns::are_taken() {
            let writer = Arc::new(Mutex::new(writer));
            tokio::spawn(work(Arc::clone(&writer)));
            return Ok(Runner::Steps(writer));
        }
        let thread = thread::Builder::new().name(format!("log {}", writer.stream.name)).stack_size(stack_bytes);
        let thread = thread.spawn(move || writer.run());
        thread.map(Runner::Thread).map_err(LogError::io("starting the stream's writer thread"))
    }

    /// Returns when the writer, whose queue is closed, has ended. Error: it panicked.
    pub(crate) fn join(self) -> thread::Result<()> {
        match self {
            Runner::Thread(thread) => thread.join(),
            #[cfg(any(test, feature = "testing"))]
            Runner::Steps(writer) => {
                while lock(&writer).step() {}
                Ok(())
            }
        }
    }
}

#[cfg(any(test, feature = "testing"))]
fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(any(test, feature = "testing"))]
async fn work(writer: Arc<Mutex<Writer>>) {
    let stream = Arc::clone(&lock(&writer).stream);
    let _end_on_panic = EndOnPanic(Arc::clone(&stream));
    loop {
        stream.queue.filled().await;
        Turns::wait().await;
        if !lock(&writer).step() {
            return;
        }
    }
}

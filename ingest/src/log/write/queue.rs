//! What waits for a stream's writer: bounded in bytes, filled from async code, emptied by the writer's thread a group at
//! a time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use model::stream::settings::StreamSettings;
use model::stream::shard::Reshard;
use model::stream::store::{StreamDescription, StreamError};
use tokio::sync::{Notify, oneshot};

use crate::log::frames::block::Unnumbered;
use crate::log::write::batch::Placed;

/// What an entry costs beyond its bytes, so that empty records are bounded too.
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = 64;

pub(crate) type Done<T> = oneshot::Sender<Result<T, StreamError>>;

/// What became of a change of the stream that the disk had no trouble with.
pub(crate) enum Outcome<T> {
    /// It is made, and durable.
    Made(T),
    /// It cannot be made; nothing has changed.
    Refused(StreamError),
}

/// One thing for the writer to do.
pub(crate) enum Job {
    Append {
        blocks: Vec<Unnumbered>,
        bytes: usize,
        done: Done<Option<Placed>>,
    },
    Commit {
        consumer: ConsumerName,
        checkpoint: Checkpoint,
        outputs: Vec<Unnumbered>,
        bytes: usize,
        done: Done<Option<Placed>>,
    },
    Reshard {
        change: Reshard,
        done: Done<Arc<StreamDescription>>,
    },
    Alter {
        /// What stands, as far as the caller knows; and what it is replaced by.
        from_to: Box<(StreamSettings, StreamSettings)>,
        done: Done<Arc<StreamDescription>>,
    },
    Trim {
        done: Done<()>,
    },
}

impl Job {
    /// Bytes it holds of the queue's bound; changes of the stream hold none and go alone.
    pub(crate) fn bytes(&self) -> Option<usize> {
        match self {
            Job::Append { bytes, .. } | Job::Commit { bytes, .. } => Some(*bytes),
            Job::Reshard { .. } | Job::Alter { .. } | Job::Trim { .. } => None,
        }
    }

    /// Answers with an error.
    pub(crate) fn fail(self, error: StreamError) {
        // A caller that has gone away does not need the answer.
        match self {
            Job::Append { done, .. } | Job::Commit { done, .. } => drop(done.send(Err(error))),
            Job::Reshard { done, .. } | Job::Alter { done, .. } => drop(done.send(Err(error))),
            Job::Trim { done } => drop(done.send(Err(error))),
        }
    }
}

/// How the queue ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Takes jobs.
    Open,
    /// Takes no more; the writer finishes what waits.
    Drain,
    /// The writer leaves at once.
    Abandon,
}

/// What a writer finds.
pub(crate) enum Taken {
    /// Entries, or one change of the stream.
    Jobs(Vec<Job>),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    Closed,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    /// The same for a writer that is a task.
    #[cfg(any(test, feature = "testing"))]
    arrived: Notify,
    room: Notify,
    bytes_max: usize,
}

struct State {
    jobs: VecDeque<Job>,
    /// Of entries that wait or are being written.
    bytes: usize,
    /// Commits that wait for room; entries are throttled meanwhile, else a large commit might wait for ever.
    commits_waiting: usize,
    closing: Closing,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let state = State { jobs: VecDeque::new(), bytes: 0, commits_waiting: 0, closing: Closing::Open };
        Queue {
            state: Mutex::new(state),
            filled: Condvar::new(),
            #[cfg(any(test, feature = "testing"))]
            arrived: Notify::new(),
            room: Notify::new(),
            bytes_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// Holds `sizes` of room one after the other; true where there was room.
    pub(crate) fn admit(&self, sizes: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut state = self.lock();
        sizes.map(|size| state.commits_waiting == 0 && state.admit(size, self.bytes_max)).collect()
    }

    /// Waits for room for `size` and holds it.
    pub(crate) async fn admit_waiting(&self, size: usize) {
        if self.lock().admit(size, self.bytes_max) {
            return;
        }
        let _waiting = CommitWaiting::begin(self);
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            {
                let mut state = self.lock();
                if state.admit(size, self.bytes_max) || state.closing != Closing::Open {
                    return;
                }
            }
            room.await;
        }
    }

    /// The same for entries that can wait: commits come first, and nobody is throttled meanwhile.
    pub(crate) async fn admit_patiently(&self, size: usize) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            {
                let mut state = self.lock();
                let fits = state.commits_waiting == 0 && state.admit(size, self.bytes_max);
                if fits || state.closing != Closing::Open {
                    return;
                }
            }
            room.await;
        }
    }

    /// Holds room that was held before and given back, without asking: for a call that is routed a second time.
    pub(crate) fn hold(&self, size: usize) {
        self.lock().bytes += size;
    }

    /// Hands a job to the writer; gives it back when the queue is closed.
    pub(crate) fn push(&self, job: Job) -> Result<(), Job> {
        let mut state = self.lock();
        if state.closing != Closing::Open {
            return Err(job);
        }
        state.jobs.push_back(job);
        drop(state);
        self.filled.notify_one();
        #[cfg(any(test, feature = "testing"))]
        self.arrived.notify_one();
        Ok(())
    }

    /// Gives back the room of entries that are written, or failed.
    pub(crate) fn release(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        drop(state);
        self.room.notify_waiters();
    }

    /// Waits for jobs: entries up to about `bytes_max`, or one change of the stream. None once closed.
    pub(crate) fn take(&self, bytes_max: usize) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            match state.take(bytes_max) {
                Taken::Jobs(jobs) => return Some(jobs),
                Taken::Closed => return None,
                Taken::Nothing => state = self.filled.wait(state).expect("no holder of the lock panics"),
            }
        }
    }

    /// The same, without waiting.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn take_waiting(&self, bytes_max: usize) -> Taken {
        self.lock().take(bytes_max)
    }

    /// Returns when there is something to take, or the queue is closed. For one caller at a time.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn filled(&self) {
        while self.lock().is_idle() {
            self.arrived.notified().await;
        }
    }

    /// Takes no more jobs.
    pub(crate) fn close(&self, closing: Closing) {
        self.lock().closing = closing;
        self.filled.notify_all();
        #[cfg(any(test, feature = "testing"))]
        self.arrived.notify_one();
        self.room.notify_waiters();
    }

    /// Whether it was closed in order.
    pub(crate) fn is_draining(&self) -> bool {
        self.lock().closing == Closing::Drain
    }

    /// What is left after closing.
    pub(crate) fn drain(&self) -> Vec<Job> {
        self.lock().jobs.drain(..).collect()
    }
}

/// Counts a waiting commit, also when its future is dropped.
struct CommitWaiting<'a>(&'a Queue);

impl<'a> CommitWaiting<'a> {
    fn begin(queue: &'a Queue) -> Self {
        queue.lock().commits_waiting += 1;
        CommitWaiting(queue)
    }
}

impl Drop for CommitWaiting<'_> {
    fn drop(&mut self) {
        self.0.lock().commits_waiting -= 1;
    }
}

impl State {
    #[cfg(any(test, feature = "testing"))]
    fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.closing == Closing::Open
    }

    fn take(&mut self, bytes_max: usize) -> Taken {
        if self.closing == Closing::Abandon || (self.jobs.is_empty() && self.closing != Closing::Open) {
            return Taken::Closed;
        }
        if self.jobs.is_empty() {
            return Taken::Nothing;
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(job) = self.jobs.front() {
            let alone = job.bytes().is_none();
            if !group.is_empty() && (alone || bytes >= bytes_max) {
                break;
            }
            bytes += job.bytes().unwrap_or(0);
            group.extend(self.jobs.pop_front());
            if alone {
                break;
            }
        }
        Taken::Jobs(group)
    }

    fn admit(&mut self, size: usize, bytes_max: usize) -> bool {
        let fits = self.bytes == 0 || self.bytes + size <= bytes_max;
        if fits {
            self.bytes += size;
        }
        fits
    }
}

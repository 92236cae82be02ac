//! A worker's calls to the server, each with a number by which its answer is known.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::worker::frame::{FrameSender, Gone};
use crate::worker::message::{Answer, Asked, FromWorker};

/// An answer with its bytes; a long one comes in parts.
pub(crate) type Parts = Vec<(Answer, Bytes)>;

/// Calls that wait for their answers. Clones share them.
#[derive(Clone)]
pub(crate) struct Calls {
    to: FrameSender<FromWorker>,
    next: Arc<AtomicU64>,
    waiting: Arc<Mutex<Waiting>>,
}

/// By the number of the call: the parts that have arrived, and who gets them.
type Waiting = HashMap<u64, (Parts, oneshot::Sender<Parts>)>;

impl Calls {
    /// Calls go out through `to`.
    pub(crate) fn new(to: FrameSender<FromWorker>) -> Self {
        Calls { to, next: Arc::default(), waiting: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of the lock panics")
    }

    /// Asks the server. There are as many calls at a time as a query has parts that read at once.
    pub(crate) async fn ask(&self, asked: Asked) -> Result<Parts, Gone> {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer_to, answer) = oneshot::channel();
        self.lock().insert(call, (Vec::new(), answer_to));
        // A call that nobody waits for any more is forgotten.
        let _forget = Forget { calls: self, call };
        self.to.send(FromWorker::Call { call, asked }, Bytes::new()).await?;
        answer.await.map_err(|_| Gone)
    }

    /// As [`Calls::ask`], for an answer of one part.
    pub(crate) async fn ask_one(&self, asked: Asked) -> Result<(Answer, Bytes), Gone> {
        self.ask(asked).await?.pop().ok_or(Gone)
    }

    /// Takes an answer, or a part of it.
    pub(crate) fn answered(&self, call: u64, more: bool, answer: Answer, body: Bytes) {
        let mut waiting = self.lock();
        let Some((parts, _)) = waiting.get_mut(&call) else { return };
        parts.push((answer, body));
        if !more && let Some((parts, answer_to)) = waiting.remove(&call) {
            // Whoever asked may have been cancelled.
            let _ = answer_to.send(parts);
        }
    }
}

struct Forget<'a> {
    calls: &'a Calls,
    call: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.call);
    }
}

//! What the server remembers of objects, as a worker asks for it and adds to it.

use async_trait::async_trait;
use bytes::Bytes;

use crate::adhoc::keeper::ColumnsKeeper;
use crate::worker::calls::Calls;
use crate::worker::frame::FrameSender;
use crate::worker::message::{Answer, Asked, FromWorker};

/// The server's memory. One that cannot be asked knows nothing.
pub(crate) struct RemoteKeeper {
    pub(crate) calls: Calls,
    pub(crate) to: FrameSender<FromWorker>,
}

#[async_trait]
impl ColumnsKeeper for RemoteKeeper {
    async fn recall(&self, objects: Vec<String>) -> Vec<Option<String>> {
        match self.calls.ask_one(Asked::Columns(objects)).await {
            Ok((Answer::Columns(columns), _)) => columns,
            _ => Vec::new(),
        }
    }

    async fn keep(&self, object: String, columns: String) {
        // A server that is gone needs no memory.
        let _ = self.to.send(FromWorker::Learned { object, columns }, Bytes::new()).await;
    }
}

//! Runs a continuous query: what it waits for, and what it does then.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use model::clock::{Clock, sleep_until_elapsed_some, sleep_until_some};
use model::stream::store::StreamStore;

use crate::continuous::error::QueryError;
use crate::continuous::query::ContinuousQuery;
use crate::continuous::running::Running;

impl ContinuousQuery {
    /// Runs from the last checkpoint until `shutdown`, and then makes a last checkpoint. After an error, and after being
    /// dropped at any point, running again goes on where the last checkpoint was.
    pub async fn run(
        &self,
        store: Arc<dyn StreamStore>,
        clock: Arc<dyn Clock>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), QueryError> {
        let mut shutdown = pin!(shutdown);
        let mut running = Running::start(self, store, Arc::clone(&clock)).await?;
        loop {
            let window_end = running.next_end_by_clock().map(|end| end.max(running.ask_after));
            let ask_at = running.next_end().map(|_| running.ask_at);
            let checkpoint_at = running.checkpoint_at();
            // What is due comes before what there is more of.
            let turned = tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = sleep_until_elapsed_some(&*clock, checkpoint_at) => running.commit(Vec::new()).await,
                () = sleep_until_elapsed_some(&*clock, ask_at) => running.ask_tips().await,
                () = sleep_until_some(&*clock, window_end) => running.ask_tips().await,
                batch = running.reader.next() => {
                    batch.map_err(|error| self.stream(error)).and_then(|batch| running.absorb(batch))
                }
            };
            if let Err(error) = turned {
                return Err(running.keep_if_gone(error).await);
            }
            running.close().await?;
        }
        if running.dirty {
            running.commit(Vec::new()).await?;
        }
        Ok(())
    }
}

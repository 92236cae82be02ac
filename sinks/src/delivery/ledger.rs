//! A delivery's checkpoint: committed in its source stream, version by version, by one holder at a time.

use std::sync::Arc;

use bytes::Bytes;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::{Checkpoint, Positions};
use model::stream::store::{StreamError, StreamStore};

/// Commits checkpoints, and knows the last one.
pub(super) struct Ledger {
    store: Arc<dyn StreamStore>,
    source: StreamName,
    delivery: ConsumerName,
    committed: Checkpoint,
    /// What the last try wrote, if nobody knows whether it got through.
    in_doubt: Option<Checkpoint>,
}

impl Ledger {
    pub(super) async fn open(
        store: Arc<dyn StreamStore>,
        source: StreamName,
        delivery: ConsumerName,
    ) -> Result<Ledger, StreamError> {
        let committed = store.checkpoint(&source, &delivery).await?.unwrap_or_default();
        Ok(Ledger { store, source, delivery, committed, in_doubt: None })
    }

    /// The last checkpoint; version 0 before the first.
    pub(super) fn committed(&self) -> &Checkpoint {
        &self.committed
    }

    /// Commits once. After an error the same or another commit may be tried: what the failed one did is found out.
    pub(super) async fn commit(&mut self, positions: Positions, state: Bytes) -> Result<(), StreamError> {
        if let Some(tried) = self.in_doubt.take() {
            self.find_out(tried).await?;
        }
        if self.committed.version > 0 && self.committed.positions == positions && self.committed.state == state {
            return Ok(());
        }
        let checkpoint = Checkpoint { version: self.committed.version + 1, positions, state };
        // Set before the call: a failure leaves it standing.
        self.in_doubt = Some(checkpoint.clone());
        self.store.commit(&self.source, &self.delivery, checkpoint.clone(), Vec::new()).await?;
        self.in_doubt = None;
        self.committed = checkpoint;
        Ok(())
    }

    async fn find_out(&mut self, tried: Checkpoint) -> Result<(), StreamError> {
        match self.store.checkpoint(&self.source, &self.delivery).await {
            Ok(Some(found)) if found == tried => self.committed = tried,
            // Not taken, or taken by another holder: the next commit tells.
            Ok(_) => {}
            Err(error) => {
                self.in_doubt = Some(tried);
                return Err(error);
            }
        }
        Ok(())
    }
}

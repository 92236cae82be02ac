//! What every store accepts, wherever it keeps records.

use crate::name::ConsumerName;
use crate::stream::checkpoint::{Checkpoint, STATE_BYTES_MAX};
use crate::stream::record::PutEntry;
use crate::stream::settings::StreamSettings;
use crate::stream::store::{AppendError, StreamError};

/// The most bytes of outputs, keys included, that one commit may have.
pub const COMMIT_OUTPUT_BYTES_MAX: usize = 256 << 20;

impl StreamSettings {
    /// Whether an entry may be a record of the stream. Error: [`AppendError::TooLarge`].
    pub fn check(&self, entry: &PutEntry) -> Result<(), AppendError> {
        let (bytes, bytes_max) = (entry.size_bytes(), self.record_bytes_max);
        if bytes > bytes_max { Err(AppendError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
    }

    /// Whether a commit can be taken as it is. Error: [`StreamError::InvalidCommit`].
    pub fn check_commit(
        &self,
        consumer: &ConsumerName,
        checkpoint: &Checkpoint,
        outputs: &[PutEntry],
    ) -> Result<(), StreamError> {
        let invalid = |reason| Err(StreamError::InvalidCommit { consumer: consumer.clone(), reason });
        let state_bytes = checkpoint.state.len();
        if state_bytes > STATE_BYTES_MAX {
            return invalid(format!("{state_bytes} bytes of state are over {STATE_BYTES_MAX}"));
        }
        if let Err(error) = outputs.iter().try_for_each(|entry| self.check(entry)) {
            return invalid(error.to_string());
        }
        let output_bytes: usize = outputs.iter().map(PutEntry::size_bytes).sum();
        if output_bytes > COMMIT_OUTPUT_BYTES_MAX {
            return invalid(format!("{output_bytes} bytes of outputs are over {COMMIT_OUTPUT_BYTES_MAX}"));
        }
        Ok(())
    }
}

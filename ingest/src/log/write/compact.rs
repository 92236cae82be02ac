//! A stream's checkpoints that nobody needs any more are removed, a segment at a time, beside its
//! writer.

use model::stream::store::StreamError;

use crate::log::segments::compaction;
use crate::log::segments::segment::{index_name, log_name};
use crate::log::stream::StreamLog;

/// Segments at the end of a log that are left alone. The last one is being written. The one before it
/// has the checkpoints that count if the last one turns out to be unused.
const SEGMENTS_LEFT_ALONE: usize = 2;

impl StreamLog {
    /// Compacts the next segment, if that frees `freed_min` bytes; how many it freed. Nothing if there is
    /// no segment to look at.
    pub(crate) async fn compact(&self, freed_min: u64) -> Result<Option<u64>, StreamError> {
        let (segment, keys) = {
            let shared = self.lock();
            let end = shared.segments.len().saturating_sub(SEGMENTS_LEFT_ALONE);
            let next = shared.segments[..end].iter().find(|segment| shared.compact_from <= segment.id);
            // Without a consumer there are no checkpoints.
            let Some(next) = next.filter(|_| !shared.checkpoints.is_empty()) else { return Ok(None) };
            (next.id, shared.keys.clone())
        };
        let (folder, place) = (self.folder.clone(), self.place(segment));
        let done = self.file_reads.run(move |disk| compaction::compact(disk, &folder, place, &keys, freed_min)).await;
        let is_kept = {
            let mut shared = self.lock();
            shared.compact_from = segment + 1;
            shared.segments.iter().any(|kept| kept.id == segment)
        };
        if !is_kept {
            // Retention has dropped it meanwhile. The next start removes what cannot be removed now.
            for name in [log_name(segment), index_name(segment)] {
                let _ = self.disk.remove(&self.folder.join(name));
            }
            return Ok(Some(0));
        }
        if let Err(error) = &done {
            self.note_damage(segment, error);
        }
        done.map(Some).map_err(|error| error.of(&self.name))
    }
}

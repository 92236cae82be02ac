//! Verifying what is kept, a part at a time, so that damage is found before a reader meets it.

use crate::log::read::reader::{self, Stretch};
use crate::log::stream::StreamLog;
use model::stream::store::StreamError;

/// Where the next part of a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScrubPosition {
    segment: u64,
    offset: u64,
}

/// What the check of a part came to.
#[derive(Debug)]
pub struct ScrubPart {
    /// Bytes that were read.
    pub bytes: u64,
    /// What does not verify. The rest of that segment is left out.
    pub damage: Option<StreamError>,
    /// Where to go on; nothing at the end.
    pub next: Option<ScrubPosition>,
}

impl StreamLog {
    /// Verifies about `bytes` of the sealed segments from `at` on. The last segment is left alone: what
    /// is new is still in memory.
    pub(crate) async fn scrub(&self, at: ScrubPosition, bytes: u64) -> Result<ScrubPart, StreamError> {
        let found = {
            let shared = self.lock();
            let (_, sealed) = shared.segments.split_last().expect("at least one segment");
            let segment = sealed.iter().find(|segment| at.segment <= segment.id);
            segment.map(|segment| {
                let begin = if segment.id == at.segment { at.offset } else { 0 };
                (segment.id, Stretch { begins: vec![begin], ..self.whole(&shared, segment) })
            })
        };
        let Some((segment, stretch)) = found else { return Ok(ScrubPart { bytes: 0, damage: None, next: None }) };
        let (begin, end, folder) = (stretch.begins[0], stretch.end, self.folder.clone());
        let read = self.file_reads.run(move |disk| reader::verify(disk, &folder, &stretch, bytes)).await;
        let after = Some(ScrubPosition { segment: segment + 1, offset: 0 });
        match read {
            Ok(offset) if offset < end => {
                let next = Some(ScrubPosition { segment, offset });
                Ok(ScrubPart { bytes: offset - begin, damage: None, next })
            }
            Ok(offset) => Ok(ScrubPart { bytes: offset - begin, damage: None, next: after }),
            // Retention has dropped it meanwhile.
            Err(_) if self.lock().segments.iter().all(|kept| kept.id != segment) => {
                Ok(ScrubPart { bytes: 0, damage: None, next: after })
            }
            Err(error) => {
                self.note_damage(segment, &error);
                let damage = Some(error.of(&self.name));
                Ok(ScrubPart { bytes: end - begin, damage, next: after })
            }
        }
    }
}

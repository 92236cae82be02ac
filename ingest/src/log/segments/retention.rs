//! Which segments retention lets go: a decision on values.

use model::clock::Timestamp;
use model::stream::settings::StreamSettings;

use crate::log::segments::segment::{self, Segment};

/// Whether the segment being written should be sealed now, so that it can be dropped when its time comes.
pub(crate) fn should_seal(active: &Segment, settings: &StreamSettings, now: Timestamp) -> bool {
    active.index.first_arrived_at.is_some_and(|first| first < now - settings.retention)
}

/// How many of the oldest segments go. The last one is being written and always stays.
pub(crate) fn expired(segments: &[Segment], settings: &StreamSettings, now: Timestamp) -> usize {
    let horizon = now - settings.retention;
    let sealed = &segments[..segments.len() - 1];
    let by_age = sealed.iter().take_while(|segment| segment::last_stamp(&segment.index) < horizon).count();
    let mut bytes: u64 = segments.iter().map(|segment| segment.index.length).sum();
    let bytes_max = settings.retention_bytes_max.unwrap_or(u64::MAX);
    let by_bytes = sealed.iter().take_while(|segment| {
        let over = bytes > bytes_max;
        bytes -= segment.index.length;
        over
    });
    by_age.max(by_bytes.count())
}

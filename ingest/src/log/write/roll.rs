//! The writer goes from one segment to the next.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::clock::Timestamp;
use model::name::ConsumerName;
use model::stream::checkpoint::Checkpoint;
use tracing::warn;

use crate::log::error::LogError;
use crate::log::files::room;
use crate::log::frames::cipher::Sealer;
use crate::log::frames::group::Group;
use crate::log::frames::head::Head;
use crate::log::frames::key::StreamKeys;
use crate::log::frames::place::Place;
use crate::log::segments::index::SegmentIndex;
use crate::log::segments::manifest::Manifest;
use crate::log::segments::segment::{self, Segment, log_name};
use crate::log::write::writer::Writer;
use model::disk::{Disk, DiskFile, is_full};

impl Writer {
    /// Goes on in a new segment; in this one for now where the disk has no room for another.
    pub(crate) fn roll_if_room(&mut self) -> Result<(), LogError> {
        match self.roll() {
            Err(full @ LogError::Full { .. }) => {
                self.note_full(&full);
                Ok(())
            }
            rolled => rolled,
        }
    }

    /// Seals the segment and goes on in a new one, which begins with the newest checkpoints.
    pub(crate) fn roll(&mut self) -> Result<(), LogError> {
        let stream = Arc::clone(&self.stream);
        let (sealed, checkpoints, floor, keys) = {
            let mut shared = stream.lock();
            let index = &mut shared.segments.last_mut().expect("one segment is being written").index;
            index.shrink();
            let sealed = index.clone();
            (sealed, shared.checkpoints.clone(), shared.floor, Arc::clone(&shared.keys))
        };
        if let Err(error) = segment::save_index(&*stream.disk, &stream.folder, self.place(), &sealed) {
            warn!(stream = %stream.name, %error, "index not saved, it will be rebuilt");
            // What there is of it only takes room.
            let _ = stream.disk.remove(&stream.folder.join(segment::index_name(self.segment)));
        }
        let place = stream.place(self.segment + 1);
        let next = self.manifest.shards.iter().map(|shard| (shard.id, self.next[&shard.id])).collect();
        let manifest = self.manifest.encode().into();
        let head = Head { before_bytes: self.length, checkpoints: 0, next, manifest };
        let sealer = sealer(&self.manifest, &keys, place);
        let first = FirstGroup { place, stamp: floor, head, checkpoints: &checkpoints, sealer: sealer.clone() };
        let (file, length) = create_segment(&*stream.disk, &stream.folder, first)?;
        (self.file, self.segment, self.length, self.head_bytes) = (file, place.segment, length, length);
        self.sealer = sealer;
        let index = SegmentIndex { length, last_arrived_at: Some(floor), ..SegmentIndex::default() };
        stream.lock().segments.push(Segment { id: place.segment, index });
        Ok(())
    }
}

/// What encrypts frames at `place`, where `manifest` says so.
pub(crate) fn sealer(manifest: &Manifest, keys: &StreamKeys, place: Place) -> Option<Arc<Sealer>> {
    let key = manifest.key_in_use()?;
    let sealer = Sealer::new(keys, key.number, place);
    Some(Arc::new(sealer.expect("the keys of a manifest are unlocked when it is read")))
}

/// What a segment begins with.
pub(crate) struct FirstGroup<'a> {
    pub(crate) place: Place,
    pub(crate) stamp: Timestamp,
    pub(crate) head: Head,
    pub(crate) checkpoints: &'a BTreeMap<ConsumerName, Checkpoint>,
    pub(crate) sealer: Option<Arc<Sealer>>,
}

/// Creates a segment file with its first group; it and its name are durable when this returns. Nothing of it is left
/// when the disk has no room.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    folder: &Path,
    first: FirstGroup<'_>,
) -> Result<(Arc<dyn DiskFile>, u64), LogError> {
    let FirstGroup { place, stamp, head, checkpoints, sealer } = first;
    let name = log_name(place.segment);
    let fill = || {
        let file = disk.create(&folder.join(&name))?;
        let mut group = Group::new(place, 0, 0, stamp);
        group.push_head(&Head { checkpoints: u32::try_from(checkpoints.len()).unwrap_or(u32::MAX), ..head });
        let write = |group: Group| {
            file.write_vectored_at(group.offset(), &group.slices())?;
            Ok::<_, std::io::Error>(group.offset() + group.len())
        };
        let mut offset = write(group)?;
        for (consumer, checkpoint) in checkpoints {
            let mut group = Group::new(place, 0, offset, stamp).sealed_by(sealer.clone());
            group.push_commit(consumer, checkpoint, Vec::new());
            offset = write(group)?;
        }
        Ok((file, offset))
    };
    let (file, length) = match fill() {
        Ok(filled) => filled,
        Err(error) if is_full(&error) => {
            room::discard(disk, folder, &name)?;
            return Err(LogError::Full { doing: format!("creating {name}") });
        }
        Err(error) => return Err(LogError::io(format!("creating {name}"))(error)),
    };
    let sync = || {
        file.sync()?;
        disk.sync_folder(folder)
    };
    sync().map_err(LogError::io(format!("syncing {name}")))?;
    Ok((file, length))
}

//! The writer changes the stream itself: its shards, its settings, and how much of it is kept. The manifest is durable
//! before anybody sees the change.

use std::sync::Arc;

use model::clock::Timestamp;
use model::stream::settings::StreamSettings;
use model::stream::shard::Reshard;
use model::stream::store::{StreamDescription, StreamError};
use tracing::{info, warn};

use crate::log::error::LogError;
use crate::log::files::room;
use crate::log::frames::key::StreamKeys;
use crate::log::read::losses::Losses;
use crate::log::segments::manifest::Manifest;
use crate::log::segments::retention;
use crate::log::segments::segment::{self, log_name};
use crate::log::write::queue::Outcome;
use crate::log::write::roll::sealer;
use crate::log::write::writer::Writer;

impl Writer {
    pub(crate) fn reshard(&mut self, change: Reshard) -> Result<Outcome<Arc<StreamDescription>>, LogError> {
        // Children are never created before their parents' last record.
        let now = self.stream.lock().now(self.stream.read_clock());
        let shards = match self.manifest.shards.resharded(change, now, |shard| self.next[&shard]) {
            Ok(shards) => shards,
            Err(source) => {
                return Ok(Outcome::Refused(StreamError::Reshard { stream: self.stream.name.clone(), source }));
            }
        };
        self.save(Manifest { shards: shards.clone(), ..self.manifest.clone() })?;
        for shard in shards.iter() {
            self.next.entry(shard.id).or_insert(shard.first);
        }
        let mut shared = self.stream.lock();
        shared.set_shards(shards);
        for closed in shared.description.shards.iter().filter(|shard| !shard.is_open()) {
            shared.shards[&closed.id].changed.notify_waiters();
        }
        info!(stream = %self.stream.name, shards = shared.description.shards.open_count(), "stream resharded");
        Ok(Outcome::Made(Arc::clone(&shared.description)))
    }

    pub(crate) fn alter(
        &mut self,
        from: &StreamSettings,
        to: StreamSettings,
    ) -> Result<Outcome<Arc<StreamDescription>>, LogError> {
        if self.manifest.settings != *from {
            return Ok(Outcome::Refused(StreamError::SettingsConflict(self.stream.name.clone())));
        }
        let mut manifest = Manifest { settings: to.clone(), ..self.manifest.clone() };
        if to.retention < from.retention {
            let now = self.stream.lock().retention_time(self.stream.read_clock());
            manifest.horizon = manifest.horizon.max(now - to.retention);
        }
        let mut keys = None;
        if to.encryption_key != from.encryption_key {
            match self.go_on_with_key(&mut manifest, to.encryption_key.as_deref()) {
                Ok(unlocked) => keys = Some(unlocked),
                Err(locked) => return Ok(Outcome::Refused(locked.of(&self.stream.name))),
            }
        }
        self.save(manifest)?;
        let mut shared = self.stream.lock();
        if let Some(keys) = keys {
            self.sealer = sealer(&self.manifest, &keys, self.stream.place(self.segment));
            shared.keys = keys;
        }
        shared.horizon = self.manifest.horizon;
        shared.description = Arc::new(StreamDescription { settings: to, ..(*shared.description).clone() });
        info!(stream = %self.stream.name, "settings altered");
        Ok(Outcome::Made(Arc::clone(&shared.description)))
    }

    /// Makes `manifest` go on with another key, or none, for what is written next. Error: the key is not there.
    fn go_on_with_key(&self, manifest: &mut Manifest, name: Option<&str>) -> Result<Arc<StreamKeys>, LogError> {
        manifest.go_on_with_key(name, &self.ring, self.segment)?;
        Ok(Arc::new(StreamKeys::unlock(&manifest.keys, &self.ring)?))
    }

    /// What retention counts as now. Says once that the clock is in doubt, and once that it no longer is.
    fn retention_time(&mut self) -> Timestamp {
        let mut shared = self.stream.lock();
        let now = shared.retention_time(self.stream.read_clock());
        let (differs, floor) = (shared.time.differs(), shared.floor);
        drop(shared);
        if std::mem::replace(&mut self.clock_differs, differs) != differs {
            let (stream, clock) = (&self.stream.name, self.stream.clock.now());
            if differs {
                warn!(%stream, %clock, log = %floor, "the clock was set: records are stamped with the log's own time");
            } else {
                info!(%stream, %clock, log = %floor, "the clock agrees with the log again");
            }
        }
        now
    }

    /// Drops whole segments from the front, and shards that were closed so long ago.
    pub(crate) fn trim(&mut self) -> Result<(), LogError> {
        let (stream, now) = (Arc::clone(&self.stream), self.retention_time());
        let settings = self.manifest.settings.clone();
        self.manifest.horizon = self.manifest.horizon.max(now - settings.retention);
        {
            let mut shared = stream.lock();
            shared.horizon = self.manifest.horizon;
            shared.tail.rest();
        }
        let seal = retention::should_seal(stream.lock().segments.last().expect("at least one"), &settings, now);
        if seal {
            self.roll_if_room()?;
        }
        let shards = self.manifest.shards.without_closed_before(self.manifest.horizon);
        let dropped: Vec<u64> = {
            let shared = stream.lock();
            let expired = retention::expired(&shared.segments, &settings, now);
            shared.segments[..expired].iter().map(|segment| segment.id).collect()
        };
        let Some(last) = dropped.last() else {
            if shards == self.manifest.shards {
                return Ok(());
            }
            return self.trimmed(0, Manifest { shards, ..self.manifest.clone() });
        };
        // The manifest first: files that it no longer names are only leftovers.
        let mut manifest = Manifest { shards, oldest_segment: last + 1, ..self.manifest.clone() };
        manifest.forget_keys();
        manifest.forget_losses();
        match self.trimmed(dropped.len(), manifest.clone()) {
            // Indexes can be rebuilt: without them a full disk may have the room to write down what is to go.
            Err(LogError::Full { .. }) => {
                for index in dropped.iter().map(|id| segment::index_name(*id)) {
                    room::discard(&*stream.disk, &stream.folder, &index)?;
                }
                self.trimmed(dropped.len(), manifest)?;
            }
            trimmed => trimmed?,
        }
        for name in dropped.iter().flat_map(|id| [log_name(*id), segment::index_name(*id)]) {
            if let Err(error) = stream.disk.remove(&stream.folder.join(&name))
                && error.kind() != std::io::ErrorKind::NotFound
            {
                warn!(stream = %stream.name, file = %name, %error, "dropped file not removed; the next start removes it");
            }
        }
        info!(stream = %stream.name, segments = dropped.len(), "segments dropped");
        Ok(())
    }

    fn trimmed(&mut self, dropped: usize, manifest: Manifest) -> Result<(), LogError> {
        self.save(manifest)?;
        let shards = &self.manifest.shards;
        self.next.retain(|shard, _| shards.get(*shard).is_some());
        let mut shared = self.stream.lock();
        shared.segments.drain(..dropped);
        let oldest = self.manifest.oldest_segment;
        shared.damaged.retain(|segment, _| oldest <= *segment);
        shared.losses = Arc::new(Losses::new(&self.manifest.losses));
        shared.set_shards(shards.clone());
        Ok(())
    }
}

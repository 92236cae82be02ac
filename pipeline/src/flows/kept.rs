//! Flows that were created while the server ran, flows that are paused, and checkpoints that are
//! still to be forgotten: one file in the data folder, replaced as a whole. `docs/FORMATS.md`
//! describes it.
//!
//! ```text
//! gallop-flows 1 crc32c=0f1e2d3c
//! { "queries": {"per-minute": {"sql": "..", "streams": {}, "start": "latest"}}, "deliveries": {..}, .. }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::disk::Disk;
use model::flow::spec::{DeliverySpec, FlowKind, FlowSpec, QuerySpec};
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::store::{StreamError, StreamStore};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::kept_file::KeptFile;

/// The file in the data folder.
const FILE: KeptFile =
    KeptFile { name: "flows", if_damaged: "move it and its copy away, start the server, and create the flows again" };

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Kept {
    /// Queries that are in no settings file.
    pub(super) queries: BTreeMap<ConsumerName, QuerySpec>,
    /// Deliveries that are in no settings file.
    pub(super) deliveries: BTreeMap<ConsumerName, DeliverySpec>,
    /// Queries that are paused, those of the settings too.
    pub(super) paused_queries: BTreeSet<ConsumerName>,
    /// Deliveries that are paused, those of the settings too.
    pub(super) paused_deliveries: BTreeSet<ConsumerName>,
    /// Checkpoints that must be forgotten before their consumer runs again.
    pub(super) forget: BTreeSet<Holder>,
}

/// A consumer, and the stream that keeps its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Holder {
    pub(crate) home: StreamName,
    pub(crate) consumer: ConsumerName,
}

impl Kept {
    /// What an earlier run kept; nothing where there was none.
    pub(crate) fn load(disk: &dyn Disk, data: &Path) -> anyhow::Result<Kept> {
        FILE.load(disk, data)
    }

    /// Replaces the file; durable when this returns.
    pub(super) async fn save(&self, disk: &Arc<dyn Disk>, data: &Path) -> io::Result<()> {
        FILE.save(disk, data, self).await
    }

    pub(super) fn paused(&mut self, kind: FlowKind) -> &mut BTreeSet<ConsumerName> {
        match kind {
            FlowKind::Query => &mut self.paused_queries,
            FlowKind::Delivery => &mut self.paused_deliveries,
        }
    }

    pub(super) fn put(&mut self, name: ConsumerName, spec: FlowSpec) {
        match spec {
            FlowSpec::Query(spec) => drop(self.queries.insert(name, spec)),
            FlowSpec::Delivery(spec) => drop(self.deliveries.insert(name, spec)),
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, kind: FlowKind, name: &ConsumerName) -> bool {
        match kind {
            FlowKind::Query => self.queries.remove(name).is_some(),
            FlowKind::Delivery => self.deliveries.remove(name).is_some(),
        }
    }

    /// All flows.
    pub(super) fn specs(&self) -> Vec<(ConsumerName, FlowSpec)> {
        let queries = self.queries.iter().map(|(name, spec)| (name.clone(), FlowSpec::Query(spec.clone())));
        let deliveries = self.deliveries.iter().map(|(name, spec)| (name.clone(), FlowSpec::Delivery(spec.clone())));
        queries.chain(deliveries).collect()
    }
}

/// The file, and who changes it: one change after the other.
pub(crate) struct Book {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    streams: Arc<dyn StreamStore>,
    kept: Arc<Mutex<Kept>>,
}

impl Book {
    /// Reads what an earlier run kept.
    pub(crate) fn open(disk: Arc<dyn Disk>, data: &Path, streams: Arc<dyn StreamStore>) -> anyhow::Result<Arc<Book>> {
        let kept = Arc::new(Mutex::new(Kept::load(&*disk, data)?));
        Ok(Arc::new(Book { disk, data: data.to_owned(), streams, kept }))
    }

    /// Writes the file again as it was found: after a failed sync, an earlier run may have left it
    /// in memory alone.
    pub(super) async fn write_again(&self) -> io::Result<()> {
        let kept = self.kept.lock().await;
        if *kept == Kept::default() { Ok(()) } else { kept.save(&self.disk, &self.data).await }
    }

    /// What is kept now.
    pub(super) async fn kept(&self) -> Kept {
        self.kept.lock().await.clone()
    }

    /// Changes what is kept: durable when this returns. Where it cannot be kept, nothing has
    /// changed.
    pub(super) async fn change(&self, change: impl FnOnce(&mut Kept)) -> io::Result<()> {
        let kept = Arc::clone(&self.kept).lock_owned().await;
        let mut new = kept.clone();
        change(&mut new);
        self.save(kept, new).await
    }

    /// Runs to its end, also when nobody waits for it any more: the next change begins after it.
    async fn save(&self, mut kept: OwnedMutexGuard<Kept>, new: Kept) -> io::Result<()> {
        if *kept == new {
            return Ok(());
        }
        let (disk, data) = (Arc::clone(&self.disk), self.data.clone());
        let saved = tokio::spawn(async move {
            new.save(&disk, &data).await?;
            *kept = new;
            Ok(())
        });
        saved.await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
    }

    /// Forgets a checkpoint if it is to be forgotten. The consumer must not run: it begins anew
    /// after this.
    pub(super) async fn settle(&self, holder: &Holder) -> Result<(), StreamError> {
        let kept = Arc::clone(&self.kept).lock_owned().await;
        if !kept.forget.contains(holder) {
            return Ok(());
        }
        forget(&*self.streams, holder).await?;
        let mut new = kept.clone();
        new.forget.remove(holder);
        self.save(kept, new).await.map_err(|source| StreamError::Io {
            stream: holder.home.clone(),
            doing: format!("the file `{}` in the data folder cannot be written", FILE.name),
            source,
        })
    }
}

/// Replaces a checkpoint by a blank one. Its version goes on, so a task of before cannot commit any
/// more.
async fn forget(streams: &dyn StreamStore, Holder { home, consumer }: &Holder) -> Result<(), StreamError> {
    let found = match streams.checkpoint(home, consumer).await {
        // The checkpoint has gone with the stream.
        Err(StreamError::NotFound(_)) | Ok(None) => return Ok(()),
        Ok(Some(found)) => found,
        Err(error) => return Err(error),
    };
    if !found.is_blank() {
        streams.commit(home, consumer, Checkpoint::blank(found.version + 1), Vec::new()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures::FutureExt;
    use model::disk::StdDisk;
    use model::testing::clock::ManualClock;
    use model::testing::memory_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_change_that_nobody_waits_for_is_written_before_the_next() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(ManualClock::new(model::clock::Timestamp::from_millis(0)));
        let streams = Arc::new(MemoryStore::new(clock));
        let book = Book::open(Arc::new(StdDisk), data.path(), streams).expect("nothing yet");
        let pause = |name: &str| {
            let name = ConsumerName::new(name).expect("a name");
            move |kept: &mut Kept| {
                kept.paused_queries.insert(name);
            }
        };
        for round in 0..200 {
            // It has begun to write when it is dropped.
            assert!(book.change(pause(&format!("a{round}"))).now_or_never().is_none());
            book.change(pause(&format!("b{round}"))).await.expect("kept");
        }
        let kept = Kept::load(&StdDisk, data.path()).expect("it reads");
        assert_eq!(kept, book.kept().await);
        assert_eq!(kept.paused_queries.len(), 400);
    }

    #[tokio::test]
    async fn what_is_kept_is_found_again_and_damage_is_reported() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let disk: Arc<dyn Disk> = Arc::new(StdDisk);
        let load = || Kept::load(&StdDisk, data.path());
        assert_eq!(load().expect("nothing yet"), Kept::default());
        let text = r#"{"queries": {"q": {"sql": "SELECT STREAM 1", "streams": {"IN": "rides"}, "start": "latest"}},
            "deliveries": {"d": {"source": "rides", "destination": {"table": "Rides"}, "start": "trim-horizon"}},
            "paused_queries": ["q", "of-settings"], "forget": [{"home": "out", "consumer": "q"}]}"#;
        let kept: Kept = serde_json::from_str(text).expect("it reads");
        kept.save(&disk, data.path()).await.expect("saved");
        kept.save(&disk, data.path()).await.expect("saved over");
        assert_eq!(load().expect("kept"), kept);
        let damage = |name: &str| {
            let file = data.path().join(name);
            let damaged = fs::read_to_string(&file).expect("text").replace("latest", "oldest");
            fs::write(&file, damaged).expect("written");
        };
        damage(FILE.name);
        assert_eq!(load().expect("the copy counts"), kept);
        damage(&format!("{}.copy", FILE.name));
        assert!(load().expect_err("damaged").to_string().contains("is damaged"));
    }
}

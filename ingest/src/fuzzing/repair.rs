//! What must hold for a repair of any damage, and for any bytes as the file of deleted streams.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use model::clock::Timestamp;
use model::disk::Disk;
use model::name::{ConsumerName, StreamName};
use model::stream::checkpoint::Checkpoint;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use model::stream::store::{StreamOptions, StreamStore};
use model::testing::clock::ManualClock;
use model::testing::disk_state::State;
use model::testing::power_cut::PowerCutDisk;

use crate::log::ended::EndedStreams;
use crate::log::frames::key::KeyRing;
use crate::log::options::LogOptions;
use crate::log::repair::{apply, examine};
use crate::log::store::LogStore;

const STREAMS: &str = "/streams";
const STREAM: &str = "rides";

thread_local! {
    /// A whole stream: making it costs as much as hundreds of repairs.
    static WHOLE: State = whole();
}

/// A stream of a few segments, with records and checkpoints.
fn whole() -> State {
    let (disk, name) = (PowerCutDisk::default(), StreamName::new(STREAM).expect("a name"));
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let options = LogOptions { segment_bytes_max: 2 << 10, ..LogOptions::small() };
        let opened = LogStore::open(clock, Arc::new(disk.clone()), Path::new(STREAMS), options).await;
        let store = opened.expect("it opens");
        store.create(&name, StreamOptions { shards: 2, ..StreamOptions::default() }).await.expect("created");
        let consumer = ConsumerName::new("query").expect("a name");
        for round in 0..12_u64 {
            let key = PartitionKey::new(round.to_string()).expect("a key");
            let entries = vec![PutEntry::new(key, vec![b'x'; 300])];
            store.append(&name, entries.clone()).await.expect("appended");
            let checkpoint =
                Checkpoint { version: round + 1, state: Bytes::from(vec![7; 100]), ..Checkpoint::default() };
            store.commit(&name, &consumer, checkpoint, entries).await.expect("committed");
        }
        store.close().await;
    });
    disk.state()
}

/// Damages the files of a stream as `data` says, and repairs it: a byte for the file and what is done
/// to it, two of its place, one of length, and so many bytes, each. What a repair leaves behind, another one finds
/// whole.
pub fn repair(data: &[u8]) {
    let disk = PowerCutDisk::with(WHOLE.with(Clone::clone));
    let (folder, name) = (PathBuf::from(STREAMS).join(STREAM), StreamName::new(STREAM).expect("a name"));
    let mut files = disk.list(&folder).expect("it is there");
    files.sort_unstable();
    damage(&disk, &folder, &files, data);
    let ring = KeyRing::default();
    let Ok(plan) = examine::examine(&disk, &folder, &name, &ring) else { return };
    apply::apply(&disk, plan, Path::new("/damaged")).expect("a plan can be carried out");
    let again = examine::examine(&disk, &folder, &name, &ring).expect("what was repaired can be examined");
    assert!(again.is_whole(), "a second repair finds {:?}", again.damage);
    ended_streams(data);
}

fn damage(disk: &PowerCutDisk, folder: &Path, files: &[String], mut data: &[u8]) {
    while let [what, high, low, length, rest @ ..] = data {
        let (bytes, after) = rest.split_at(usize::from(*length).min(rest.len()));
        data = after;
        let path = folder.join(&files[usize::from(what >> 2) % files.len()]);
        let Ok(file) = disk.open(&path) else { continue };
        let place = u64::from(u16::from_be_bytes([*high, *low]));
        match what & 3 {
            0 => drop(disk.remove(&path)),
            1 => file.truncate(place.min(file.len().expect("a length"))).expect("truncated"),
            _ => file.write_at(place, bytes).expect("written"),
        }
    }
}

/// Any bytes as the file of deleted streams: what is read of them is written as it was.
fn ended_streams(data: &[u8]) {
    let disk = PowerCutDisk::default();
    let folder = Path::new("/");
    let text = String::from_utf8_lossy(data);
    if EndedStreams::write(&disk, folder, &text).is_err() {
        return;
    }
    let read = EndedStreams::load(&disk, folder);
    read.save(&disk, folder).expect("saved");
    assert_eq!(EndedStreams::load(&disk, folder), read);
}

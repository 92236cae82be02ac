//! The machine that servers run on, one after the other: its clock, its disk, its power.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ingest::log::frames::key::KeyRing;
use ingest::log::frames::lost::Loss;
use ingest::log::options::LogOptions;
use ingest::log::repair::{apply, examine};
use model::clock::{Clock, Timestamp};
use model::disk::{Disk, Kind, read_all, remove_tree};
use model::testing::clock::ManualClock;
use model::testing::faulty::FaultyDisk;
use model::testing::power_cut::PowerCutDisk;
use tokio::runtime::Handle;

use super::cast;
use crate::machine::Machine;

/// When worlds begin.
const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// What happened, folded into one number: two runs that differ anywhere end with different ones.
#[derive(Clone, Default)]
pub(super) struct Trace(Arc<Mutex<DefaultHasher>>);

impl Trace {
    pub(super) fn note(&self, what: impl Hash) {
        what.hash(&mut *self.0.lock().expect("no holder of the lock panics"));
    }

    pub(super) fn value(&self) -> u64 {
        self.0.lock().expect("no holder of the lock panics").finish()
    }
}

/// The machine.
pub(super) struct Host {
    pub(super) clock: Arc<ManualClock>,
    pub(super) disk: FaultyDisk,
    power: PowerCutDisk,
    pub(super) trace: Trace,
}

impl Host {
    pub(super) fn new() -> Host {
        let (clock, trace, power) = (Arc::new(ManualClock::new(BEGIN)), Trace::default(), PowerCutDisk::default());
        let disk = traced(power.clone(), &trace);
        Host { clock, disk, power, trace }
    }

    /// What a server stands on that runs on `runtime`.
    pub(super) fn machine(&self, runtime: &Handle) -> Machine {
        Machine {
            clock: self.clock.clone(),
            disk: Arc::new(self.disk.clone()),
            reads: runtime.clone(),
            log: LogOptions { segment_bytes_max: 4 << 10, tail_bytes_max: 2 << 10, ..LogOptions::small() },
            sql: Some(runtime.clone()),
            seed: Some(7),
        }
    }

    /// The power goes off and on: `seed` chooses what survives of what was not synced.
    pub(super) fn cut_power(&mut self, seed: u64) {
        self.power = PowerCutDisk::with(self.power.state().after_power_cut(seed));
        self.disk = traced(self.power.clone(), &self.trace);
    }

    /// A copy of the disk.
    pub(super) fn copy(&self) -> PowerCutDisk {
        PowerCutDisk::with(self.power.state())
    }

    /// Sets a clock that is behind to the time that has passed since the beginning, and `ahead`; by
    /// how much. `docs/how-to/backup.md` asks for that before a copy is restored.
    pub(super) fn set_clock_right(&self, ahead: Duration) -> Duration {
        let (now, right) = (self.clock.now(), BEGIN + self.clock.elapsed() + ahead);
        self.clock.set(right.max(now));
        right.since(now)
    }

    /// Puts what `copy` has in `folder` in the place of what is there.
    pub(super) fn restore(&self, copy: &PowerCutDisk, folder: &Path) -> io::Result<()> {
        remove_tree(&self.power, folder)?;
        copy_tree(copy, &self.power, folder)
    }

    /// Turns a byte of the segments in `folder` into another one.
    pub(super) fn rot(&self, folder: &Path, place: u64, flipped: u8) -> io::Result<()> {
        let mut segments: Vec<String> = self.power.list(folder)?;
        segments.retain(|name| name.ends_with(".log"));
        segments.sort_unstable();
        let lengths = segments
            .iter()
            .map(|name| Ok(self.power.about(&folder.join(name))?.bytes))
            .collect::<io::Result<Vec<u64>>>()?;
        let mut place = place % lengths.iter().sum::<u64>().max(1);
        for (name, length) in segments.iter().zip(lengths) {
            if place < length {
                let (file, mut byte) = (self.power.open(&folder.join(name))?, [0]);
                file.read_at(place, &mut byte)?;
                file.write_at(place, &[byte[0] ^ flipped])?;
                return file.sync();
            }
            place -= length;
        }
        Ok(())
    }

    /// Repairs a stream, and says what is lost. It does nothing where a consumer would go back.
    pub(super) fn repair(&self, folder: &Path, name: &str) -> io::Result<Option<Vec<Loss>>> {
        let plan = examine::examine(&self.power, folder, &cast::stream(name), &KeyRing::default())
            .map_err(io::Error::other)?;
        if !plan.consumers.is_empty() {
            return Ok(None);
        }
        let losses = plan.losses.clone();
        apply::apply(&self.power, plan, Path::new("/damaged")).map_err(io::Error::other)?;
        Ok(Some(losses))
    }

    /// The machine goes on after it was made to stop; what it holds in memory of the disk is still
    /// there, as after the end of a process.
    pub(super) fn go_on(&mut self) {
        self.disk = traced(self.power.clone(), &self.trace);
    }

    /// Time passes for the clock, and for whoever waits on `runtime`'s timers.
    pub(super) async fn pass(&self, time: Duration) {
        const SLICE: Duration = Duration::from_millis(100);
        let mut left = time;
        while !left.is_zero() {
            let slice = left.min(SLICE);
            self.clock.advance(slice);
            tokio::time::sleep(slice).await;
            left -= slice;
        }
    }
}

/// Names of unfinished objects are made of the process and its time: they are left out.
fn traced(power: PowerCutDisk, trace: &Trace) -> FaultyDisk {
    let (disk, trace) = (FaultyDisk::new(power), trace.clone());
    disk.listen(move |operation, path: &Path| {
        let unfinished = path.components().any(|part| part.as_os_str() == ".tmp");
        trace.note((operation, if unfinished { Path::new(".tmp") } else { path }));
    });
    disk
}

fn copy_tree(from: &PowerCutDisk, to: &PowerCutDisk, folder: &Path) -> io::Result<()> {
    to.create_folder(folder)?;
    for name in from.list(folder)? {
        let path = folder.join(name);
        match from.about(&path)?.kind {
            Kind::Folder => copy_tree(from, to, &path)?,
            Kind::File | Kind::Other => {
                let file = to.create(&path)?;
                file.write_at(0, &read_all(from, &path)?)?;
                file.sync()?;
            }
        }
    }
    to.sync_folder(folder)?;
    to.sync_folder(folder.parent().unwrap_or(Path::new("/")))
}

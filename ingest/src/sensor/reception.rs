//! What all pollers share, and the face that everybody else sees.

use std::collections::BTreeMap;
use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::accounts::{PORTS_MAX, PollerAccounts, Slot, Tally, WriterAccounts};
use super::batch::BATCH_BYTES;
use super::lane::{LaneWriter, lane};
use super::port_rule::{PortRule, StreamHandle};
use super::port_table::{PortError, PortTable};
use super::reader::{BatchReader, Hub};
use super::sources::{SOURCES_MAX, SourceTable};

/// Batches between one poller and one stream: 16 MiB, made when they are needed.
pub const LANE_BATCHES: usize = 64;
/// Streams that can be opened in the life of a process.
pub const STREAM_HANDLES_MAX: u16 = 4_096;

/// Bounds of a reception.
#[derive(Debug, Clone, Copy)]
pub struct ReceptionOptions {
    /// Sources that are remembered at a time.
    pub sources_max: usize,
    /// Batches between one poller and one stream.
    pub lane_batches: usize,
    /// Bytes of a batch; at least the largest datagram.
    pub batch_bytes: usize,
}

impl Default for ReceptionOptions {
    fn default() -> Self {
        ReceptionOptions { sources_max: SOURCES_MAX, lane_batches: LANE_BATCHES, batch_bytes: BATCH_BYTES }
    }
}

/// No more streams can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{STREAM_HANDLES_MAX} streams have been opened to sensors since the start; restart to open more")]
pub struct TooManyStreams;

/// Where sensor datagrams come in: rules, sources, accounts, and the lanes from pollers to streams.
#[derive(Debug)]
pub struct Reception {
    pub(super) ports: PortTable,
    pub(super) sources: SourceTable,
    options: ReceptionOptions,
    writers: Arc<WriterAccounts>,
    /// By slot, what its cells said when its port was added.
    baselines: Mutex<BTreeMap<u16, Tally>>,
    registry: Mutex<Registry>,
    /// Counts changes of the registry that pollers must notice.
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct Registry {
    pollers: Vec<Poller>,
    streams: Vec<Arc<Hub>>,
    closed: bool,
}

#[derive(Debug)]
struct Poller {
    name: String,
    accounts: Arc<PollerAccounts>,
    running: bool,
    arrivals: Vec<(StreamHandle, LaneWriter)>,
}

impl Reception {
    /// A reception without ports, streams and pollers.
    pub fn new(options: ReceptionOptions) -> Arc<Self> {
        Arc::new(Reception {
            ports: PortTable::new(),
            sources: SourceTable::new(options.sources_max),
            options,
            writers: Arc::new(WriterAccounts::new()),
            baselines: Mutex::default(),
            registry: Mutex::default(),
            generation: AtomicU64::new(1),
        })
    }

    /// Opens a stream to pollers: its number for rules, and where its batches come out.
    /// It stays open until the reader is dropped; remove the rules that name it before that.
    pub fn open(&self) -> Result<(StreamHandle, BatchReader), TooManyStreams> {
        let mut registry = lock(&self.registry);
        let count = u16::try_from(registry.streams.len()).unwrap_or(u16::MAX);
        if count >= STREAM_HANDLES_MAX {
            return Err(TooManyStreams);
        }
        let (handle, hub) = (StreamHandle(count), Arc::new(Hub::new()));
        for poller in registry.pollers.iter_mut().filter(|poller| poller.running) {
            self.connect(poller, handle, &hub);
        }
        if registry.closed {
            hub.close();
        }
        registry.streams.push(Arc::clone(&hub));
        self.generation.fetch_add(1, Ordering::Release);
        Ok((handle, BatchReader::new(hub, Arc::clone(&self.writers))))
    }

    /// Adds a poller: its place among all, and its accounts.
    pub(super) fn add_poller(&self, name: String) -> (usize, Arc<PollerAccounts>) {
        let accounts = Arc::new(PollerAccounts::new());
        let mut registry = lock(&self.registry);
        let number = registry.pollers.len();
        let mut poller = Poller { name, accounts: Arc::clone(&accounts), running: true, arrivals: Vec::new() };
        for (at, hub) in registry.streams.iter().enumerate() {
            self.connect(&mut poller, StreamHandle(at as u16), hub);
        }
        registry.pollers.push(poller);
        (number, accounts)
    }

    fn connect(&self, poller: &mut Poller, handle: StreamHandle, hub: &Arc<Hub>) {
        if hub.is_abandoned() {
            return;
        }
        let (writer, reader) = lane(self.options.lane_batches, self.options.batch_bytes, Arc::clone(&hub.wake));
        hub.arrive(reader);
        poller.arrivals.push((handle, writer));
    }

    /// No poller comes any more: readers end once those that there are have ended and everything is read.
    pub fn close(&self) {
        let mut registry = lock(&self.registry);
        registry.closed = true;
        registry.streams.iter().for_each(|hub| hub.close());
    }

    /// Programs a port, or changes its rule; without any privilege, and under traffic.
    pub fn set_port(&self, port: u16, rule: PortRule) -> Result<(), PortError> {
        self.ports.set(port, rule, |slot| {
            lock(&self.baselines).insert(slot.0, self.slot_tally(slot));
        })
    }

    /// Ends a port and forgets its sources.
    pub fn remove_port(&self, port: u16) -> Result<(), PortError> {
        self.ports.remove(port)?;
        self.sources.forget(port);
        Ok(())
    }

    /// The rules.
    pub fn ports(&self) -> &PortTable {
        &self.ports
    }

    /// The sources.
    pub fn sources(&self) -> &SourceTable {
        &self.sources
    }

    /// What became of all datagrams since the start.
    pub fn tally(&self) -> Tally {
        (0..=PORTS_MAX as u16).map(|slot| self.slot_tally(Slot(slot))).fold(Tally::default(), Tally::add)
    }

    /// What became of the datagrams of a port since it was added.
    pub fn port_tally(&self, port: u16) -> Option<Tally> {
        let slot = self.ports.slot(port)?;
        let baseline = lock(&self.baselines).get(&slot.0).copied().unwrap_or_default();
        Some(self.slot_tally(slot) - baseline)
    }

    /// What each poller made of its datagrams, by name; what became of them later is not in it.
    pub fn poller_tallies(&self) -> Vec<(String, Tally)> {
        let registry = lock(&self.registry);
        let tally = |poller: &Poller| {
            let slots = (0..=PORTS_MAX as u16).map(|slot| poller.accounts.tally(Slot(slot)));
            (poller.name.clone(), slots.fold(Tally::default(), Tally::add))
        };
        registry.pollers.iter().map(tally).collect()
    }

    /// What became of the datagrams of a place since the start.
    pub(crate) fn slot_tally(&self, slot: Slot) -> Tally {
        // Writers first: what they settled was accepted before, so that no more is ever settled than accepted.
        let settled = self.writers.tally(slot);
        let registry = lock(&self.registry);
        registry.pollers.iter().map(|poller| poller.accounts.tally(slot)).fold(settled, Tally::add)
    }

    /// New lanes for a poller that has seen `generation`, and what it has seen then; none if there is nothing new.
    pub(super) fn lanes_since(&self, poller: usize, generation: u64) -> Option<(u64, Vec<(StreamHandle, LaneWriter)>)> {
        if self.generation.load(Ordering::Acquire) == generation {
            return None;
        }
        let mut registry = lock(&self.registry);
        let generation = self.generation.load(Ordering::Acquire);
        Some((generation, std::mem::take(&mut registry.pollers[poller].arrivals)))
    }

    pub(super) fn poller_ended(&self, poller: usize) {
        let mut registry = lock(&self.registry);
        registry.pollers[poller].running = false;
        registry.pollers[poller].arrivals.clear();
        registry.streams.iter().for_each(|hub| hub.wake.notify_one());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Which ports are ours, and what to do with each: changed at run time by any thread, read by pollers without a lock.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::accounts::{PORTS_MAX, Slot};
use super::port_rule::PortRule;

/// Whoever must know which ports are ours: a receiver that binds sockets, or steers packets.
///
/// Called one change at a time, never by a poller.
pub trait PortMirror: Send + Sync {
    /// Begins to receive what is sent to `port`.
    fn open(&self, port: u16) -> io::Result<()>;
    /// Ends it. A port that was never opened is left alone.
    fn close(&self, port: u16);
}

/// Why a port cannot be programmed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// UDP has no such port.
    #[error("port 0 receives nothing; choose 1 to 65535")]
    Zero,
    /// All places are taken.
    #[error("all {PORTS_MAX} sensor ports are in use; remove one first")]
    TooMany,
    /// It has no rule.
    #[error("port {0} is not a sensor port")]
    NotFound(u16),
    /// A receiver cannot open it.
    #[error("port {port} cannot be opened")]
    Open {
        port: u16,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// A rule at its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) slot: Slot,
    pub(super) rule: Arc<PortRule>,
}

/// All rules at one moment.
#[derive(Debug, Clone)]
struct Rules {
    /// By port, the place in `placed` plus one; 0 where there is no rule.
    places: Box<[u16]>,
    placed: Vec<Option<Placed>>,
}

/// The rules of all ports.
pub struct PortTable {
    /// Counts changes, so that pollers notice them.
    generation: AtomicU64,
    rules: Mutex<Arc<Rules>>,
    /// Held over a whole change, so that receivers see changes one by one.
    control: Mutex<Control>,
}

struct Control {
    mirrors: Vec<Arc<dyn PortMirror>>,
    /// The one that was free longest first, so that late counts of the port before find nobody there.
    free: VecDeque<Slot>,
    slots: BTreeMap<u16, Slot>,
}

impl fmt::Debug for PortTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("PortTable").field(&self.list()).finish()
    }
}

impl PortTable {
    pub(super) fn new() -> Self {
        let rules = Rules { places: vec![0; 65_536].into(), placed: vec![None; PORTS_MAX] };
        let free = (0..PORTS_MAX as u16).map(Slot).collect();
        PortTable {
            generation: AtomicU64::new(0),
            rules: Mutex::new(Arc::new(rules)),
            control: Mutex::new(Control { mirrors: Vec::new(), free, slots: BTreeMap::new() }),
        }
    }

    /// Programs a port, or changes its rule: pollers go by it from their next burst on. `started` is told the place of a
    /// new port before anything is received there.
    pub(super) fn set(&self, port: u16, rule: PortRule, started: impl FnOnce(Slot)) -> Result<(), PortError> {
        if port == 0 {
            return Err(PortError::Zero);
        }
        let mut control = lock(&self.control);
        if let Some(slot) = control.slots.get(&port) {
            self.publish(port, Some(Placed { slot: *slot, rule: Arc::new(rule) }), *slot);
            return Ok(());
        }
        let slot = control.free.pop_front().ok_or(PortError::TooMany)?;
        started(slot);
        // The rule is there before the first datagram.
        self.publish(port, Some(Placed { slot, rule: Arc::new(rule) }), slot);
        for (opened, mirror) in control.mirrors.iter().enumerate() {
            if let Err(source) = mirror.open(port) {
                control.mirrors[..opened].iter().for_each(|mirror| mirror.close(port));
                self.publish(port, None, slot);
                control.free.push_back(slot);
                return Err(PortError::Open { port, source });
            }
        }
        control.slots.insert(port, slot);
        Ok(())
    }

    /// Ends a port. What is in a receiver's queues by then is counted as without a rule.
    pub(super) fn remove(&self, port: u16) -> Result<(), PortError> {
        let mut control = lock(&self.control);
        let slot = control.slots.remove(&port).ok_or(PortError::NotFound(port))?;
        control.mirrors.iter().for_each(|mirror| mirror.close(port));
        self.publish(port, None, slot);
        control.free.push_back(slot);
        Ok(())
    }

    /// Keeps a receiver informed from now on, beginning with the ports that there are.
    ///
    /// # Errors
    ///
    /// If one of those cannot be opened there; the receiver is not kept informed then.
    pub fn mirror(&self, mirror: Arc<dyn PortMirror>) -> Result<(), PortError> {
        let mut control = lock(&self.control);
        for port in control.slots.keys().copied() {
            mirror.open(port).map_err(|source| PortError::Open { port, source })?;
        }
        control.mirrors.push(mirror);
        Ok(())
    }

    /// The rule of a port.
    pub fn get(&self, port: u16) -> Option<Arc<PortRule>> {
        lock(&self.rules).placed(port).map(|placed| Arc::clone(&placed.rule))
    }

    /// All ports with their rules, by number.
    pub fn list(&self) -> Vec<(u16, Arc<PortRule>)> {
        let ports: Vec<u16> = lock(&self.control).slots.keys().copied().collect();
        ports.into_iter().filter_map(|port| Some((port, self.get(port)?))).collect()
    }

    pub(super) fn slot(&self, port: u16) -> Option<Slot> {
        lock(&self.control).slots.get(&port).copied()
    }

    fn publish(&self, port: u16, placed: Option<Placed>, slot: Slot) {
        let mut current = lock(&self.rules);
        let mut rules = Rules::clone(&current);
        rules.places[usize::from(port)] = if placed.is_some() { slot.0 + 1 } else { 0 };
        rules.placed[usize::from(slot.0)] = placed;
        *current = Arc::new(rules);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl Rules {
    fn placed(&self, port: u16) -> Option<&Placed> {
        let place = self.places[usize::from(port)].checked_sub(1)?;
        self.placed[usize::from(place)].as_ref()
    }
}

/// The rules as one poller sees them.
#[derive(Debug)]
pub(super) struct PortView {
    generation: u64,
    rules: Arc<Rules>,
}

impl PortView {
    pub(super) fn new(table: &PortTable) -> Self {
        let rules = lock(&table.rules);
        PortView { generation: table.generation.load(Ordering::Acquire), rules: Arc::clone(&rules) }
    }

    /// Takes over changes; looks at one number when there are none.
    pub(super) fn refresh(&mut self, table: &PortTable) {
        if table.generation.load(Ordering::Acquire) != self.generation {
            *self = PortView::new(table);
        }
    }

    pub(super) fn placed(&self, port: u16) -> Option<&Placed> {
        self.rules.placed(port)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

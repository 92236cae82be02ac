//! A world: one machine, the servers that run on it one after the other, and producers. It does
//! one step after the other, all on this thread, so that the same steps always do the same.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use model::blocking::Turns;
use model::clock::Clock;
use model::testing::faulty::Fault;
use model::testing::power_cut::PowerCutDisk;
use tokio::runtime::{Builder, Runtime};

use super::host::Host;
use super::server::Server;
use super::step::Step;
use super::truth::{Past, Truth};

/// No call takes longer than this, in the world's time.
const CALL_MAX: Duration = Duration::from_secs(60);
/// Starts that may fail in a row while the disk fails.
const STARTS_MAX: u32 = 4;
/// How long flows may take until they have taken in all there is, once the disk works.
pub(super) const SETTLE_MAX: Duration = Duration::from_secs(240);
/// Where the data folder is.
const ROOT: &str = "/";
/// Where streams are.
const STREAMS: &str = "/data/streams";

/// What does not hold, in words.
pub(super) type Violation = String;

/// How a process ends that is to end at an operation of the disk.
#[derive(Debug, Clone, Copy)]
enum End {
    Kill,
    PowerCut(u64),
}

/// What disturbs the disk now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trouble {
    /// Something was made to fail since the server started, or may be.
    pub(super) faults: bool,
    full: bool,
    end: Option<End>,
}

impl Trouble {
    pub(super) fn any(self) -> bool {
        self.faults || self.full || self.end.is_some()
    }
}

/// One process.
struct Life {
    runtime: Runtime,
    server: Server,
}

/// The world.
pub(super) struct World {
    pub(super) host: Host,
    pub(super) truth: Truth,
    life: Option<Life>,
    pub(super) trouble: Trouble,
    /// By how much the clock was set forwards so far: records may be as much older.
    pub(super) leeway: Duration,
    /// By how much the clock is ahead of the time that has passed, where nobody has set it back since.
    ahead: Duration,
    /// A copy of the streams, and what was true then.
    copy: Option<(PowerCutDisk, Past)>,
}

impl World {
    /// A new machine, whose first server runs.
    pub(super) fn begin(seed: u64) -> Result<World, Violation> {
        Turns::take(seed);
        let mut world = World {
            host: Host::new(),
            truth: Truth::default(),
            life: None,
            trouble: Trouble::default(),
            leeway: Duration::ZERO,
            ahead: Duration::ZERO,
            copy: None,
        };
        world.start()?;
        Ok(world)
    }

    /// What has happened so far, as a number.
    pub(super) fn trace(&self) -> u64 {
        self.host.trace.value()
    }

    /// Does one step.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), Violation> {
        self.host.trace.note(step);
        match step {
            Step::Put { source, records, patience } => self.put(source, records, *patience)?,
            Step::Pass(time) => self.pass(*time),
            Step::Reshard { source, choice } => self.reshard(source, *choice)?,
            Step::Trim => self.trim()?,
            Step::Pause { flow, query, resume } => self.pause(flow, *query, *resume)?,
            Step::Alter { flow } => self.change(flow, false)?,
            Step::Renew { flow } => self.change(flow, true)?,
            Step::Lag { reshards, time } => self.lag(reshards, *time)?,
            Step::Recreate { source } => self.recreate(source)?,
            Step::Copy => self.copy()?,
            Step::Restore => self.go_back()?,
            Step::Rot { source, place, flipped } => self.rot(source, *place, *flipped)?,
            Step::Gap { records, after, time } if self.trouble.end.is_none() => self.gap(records, *after, *time)?,
            Step::Gap { .. } => {}
            Step::Restart => self.restart()?,
            Step::Kill { turns } => {
                self.turns(*turns);
                self.end(End::Kill)?;
            }
            Step::KillAtDisk { operations } if !self.trouble.any() => self.end_at(*operations, End::Kill),
            Step::PowerCut { operations, seed } if self.trouble.end.is_none() => {
                self.end_at(*operations, End::PowerCut(*seed));
            }
            Step::Fail { operation, name, after } if self.trouble.end.is_none() => {
                self.trouble.faults = true;
                self.host.disk.fail(Fault { after: *after, ..Fault::once(*operation, *name) });
            }
            Step::Full { room } if self.trouble.end.is_none() => self.fill_disk(*room),
            Step::KillAtDisk { .. } | Step::PowerCut { .. } | Step::Fail { .. } | Step::Full { .. } => {}
            Step::Heal => self.heal()?,
            Step::SetClock { forwards, by } => self.set_clock(*forwards, *by),
            Step::WrongClock { forwards, by, stands } => {
                self.set_clock(*forwards, *by);
                self.pass(*stands);
                self.set_clock(!*forwards, *by);
            }
            Step::Read { source } => self.check_readable(source)?,
            Step::Sql { source } => self.check_sql(source)?,
            Step::Settle => self.settle()?,
        }
        if self.host.disk.has_stopped() {
            let end = self.trouble.end.unwrap_or(End::Kill);
            self.end(end)?;
        }
        Ok(())
    }
}

/// Lives.
impl World {
    /// Starts a server. While the disk fails, a start may fail; not when it works.
    fn start(&mut self) -> Result<(), Violation> {
        for _ in 0..STARTS_MAX {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
            let machine = self.host.machine(runtime.handle());
            let started = within(&self.host, Server::start(machine));
            match runtime.block_on(started) {
                Some(Ok(server)) => {
                    self.life = Some(Life { runtime, server });
                    return Ok(());
                }
                Some(Err(error)) if !self.trouble.any() => return Err(format!("the server does not start: {error:#}")),
                None if !self.trouble.any() => return Err("the server takes too long to start".to_owned()),
                Some(Err(_)) | None => {
                    self.host.disk.stop_after(0);
                    drop(runtime);
                    self.settle_trouble();
                }
            }
        }
        Err("the server does not start though the disk works again".to_owned())
    }

    /// The process is gone; what comes of the disk, and that it works from now on.
    fn settle_trouble(&mut self) {
        match self.trouble.end {
            Some(End::PowerCut(seed)) => self.host.cut_power(seed),
            Some(End::Kill) | None => self.host.go_on(),
        }
        self.trouble = Trouble::default();
    }

    /// The process ends where it stands, and the next one starts.
    fn end(&mut self, end: End) -> Result<(), Violation> {
        self.host.disk.stop_after(0);
        self.life = None;
        self.trouble.end = Some(end);
        self.settle_trouble();
        self.start()
    }

    fn end_at(&mut self, operations: u64, end: End) {
        self.host.disk.stop_after(operations);
        self.trouble.end = Some(end);
    }

    fn restart(&mut self) -> Result<(), Violation> {
        self.stop()?;
        self.start()
    }

    /// The server stops in order.
    fn stop(&mut self) -> Result<(), Violation> {
        if let Some(Life { runtime, server }) = self.life.take() {
            let stopped = runtime.block_on(within(&self.host, server.stop()));
            // What is dropped after this belongs to a process that has ended.
            self.host.disk.stop_after(0);
            drop(runtime);
            if stopped.is_none() {
                return Err("the server takes too long to stop".to_owned());
            }
        }
        self.settle_trouble();
        Ok(())
    }

    /// Makes a copy of the streams while no server runs, as `docs/how-to/backup.md` says.
    fn copy(&mut self) -> Result<(), Violation> {
        self.settle()?;
        self.stop()?;
        self.copy = Some((self.host.copy(), self.truth.past()));
        self.start()
    }

    /// Puts the copy in the place of the streams.
    fn go_back(&mut self) -> Result<(), Violation> {
        let Some((copy, past)) = self.copy.take() else { return Ok(()) };
        self.settle()?;
        self.stop()?;
        // Nobody can tell that from time in which the server was off.
        self.leeway += self.host.set_clock_right(self.ahead);
        self.host.restore(&copy, STREAMS.as_ref()).map_err(|error| format!("a copy is not restored: {error}"))?;
        self.truth.go_back(&past);
        self.copy = Some((copy, past));
        self.start()
    }

    /// Damages a source's log and repairs it, as `docs/how-to/damage.md` says. Where a consumer would go
    /// back to an older checkpoint, which delivers once more, nothing is done.
    fn rot(&mut self, source: &str, place: u64, flipped: u8) -> Result<(), Violation> {
        self.settle()?;
        self.stop()?;
        let (before, folder) = (self.host.copy(), Path::new(STREAMS).join(source));
        let lost = self.host.rot(&folder, place, flipped).and_then(|()| self.host.repair(&folder, source));
        match lost.map_err(|error| format!("stream {source} cannot be repaired: {error}"))? {
            Some(losses) => self.truth.source(source).lose(&losses),
            None => self.host.restore(&before, &folder).map_err(|error| error.to_string())?,
        }
        self.start()
    }

    /// The disk works again. A server that has met a failed operation is started again, as its
    /// messages ask for.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        if let Some(end) = self.trouble.end {
            return self.end(end);
        }
        self.host.disk.heal();
        self.trouble.full = false;
        if self.trouble.faults { self.end(End::Kill) } else { Ok(()) }
    }

    fn fill_disk(&mut self, room: u64) {
        let Ok(used) = self.host.disk.used(ROOT.as_ref()) else { return };
        self.host.disk.limit(ROOT.as_ref(), used + room);
        self.trouble.full = true;
    }

    pub(super) fn run<'a, T, F: Future<Output = T>>(&'a self, work: impl FnOnce(&'a Server) -> F) -> Option<T> {
        let Life { runtime, server } = self.life.as_ref()?;
        runtime.block_on(within(&self.host, work(server)))
    }

    fn turns(&self, turns: u32) {
        if let Some(life) = &self.life {
            life.runtime.block_on(yield_turns(turns));
        }
    }

    pub(super) fn pass(&self, time: Duration) {
        if let Some(life) = &self.life {
            life.runtime.block_on(self.host.pass(time));
        }
    }

    fn set_clock(&mut self, forwards: bool, by: Duration) {
        let now = self.host.clock.now();
        if forwards {
            // The log follows a larger step only where it stands for longer than steps do here.
            let followed = if by <= Duration::from_secs(60) { by } else { Duration::ZERO };
            self.leeway += followed;
            self.ahead += followed;
        }
        self.host.clock.set(if forwards { now + by } else { now - by });
    }

    /// An error of a call: a violation unless the disk is in trouble.
    pub(super) fn judge(&self, doing: &str, error: &dyn std::fmt::Display) -> Result<(), Violation> {
        if self.trouble.any() { Ok(()) } else { Err(format!("{doing}: {error}")) }
    }
}

pub(super) async fn yield_turns(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// Does `work` while time passes; nothing where that takes too long.
async fn within<T>(host: &Host, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = host.pass(CALL_MAX) => None,
    }
}

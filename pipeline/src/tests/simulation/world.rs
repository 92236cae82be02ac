//! A world: one machine, the servers that run on it one after the other, and producers. It does
//! one step after the other, all on this thread, so that the same steps always do the same.

use std::future::Future;
use std::time::Duration;

use model::blocking::Turns;
use model::clock::Clock;
use model::flow::admin::{Alteration, FlowAdmin};
use model::flow::spec::FlowKind;
use model::stream::hash_key::HashKey;
use model::stream::shard::Reshard;
use model::stream::store::StreamError;
use model::testing::faulty::{Fault, Operation};
use tokio::runtime::{Builder, Runtime};

use super::cast::{self, ARCHIVED, COUNTED, FLOWS, SHORT_RETENTION, SOURCES, TABLED};
use super::host::Host;
use super::server::Server;
use super::step::Step;
use super::truth::Truth;
use super::{counted, delivered, progress, readable, sql};

/// No call takes longer than this, in the world's time.
const CALL_MAX: Duration = Duration::from_secs(60);
/// Starts that may fail in a row while the disk fails.
const STARTS_MAX: u32 = 4;
/// How long flows may take until they have taken in all there is, once the disk works.
const SETTLE_MAX: Duration = Duration::from_secs(240);
/// Where the data folder is.
const ROOT: &str = "/";

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
struct Trouble {
    /// Something was made to fail since the server started, or may be.
    faults: bool,
    full: bool,
    end: Option<End>,
}

impl Trouble {
    fn any(self) -> bool {
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
    host: Host,
    truth: Truth,
    life: Option<Life>,
    trouble: Trouble,
    /// By how much the clock was set forwards so far: records may be as much older.
    leeway: Duration,
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
        self.start()
    }

    /// The disk works again. A server that has met a failed operation is started again, as its
    /// messages ask for.
    fn heal(&mut self) -> Result<(), Violation> {
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

    fn run<'a, T, F: Future<Output = T>>(&'a self, work: impl FnOnce(&'a Server) -> F) -> Option<T> {
        let Life { runtime, server } = self.life.as_ref()?;
        runtime.block_on(within(&self.host, work(server)))
    }

    fn turns(&self, turns: u32) {
        if let Some(life) = &self.life {
            life.runtime.block_on(yield_turns(turns));
        }
    }

    fn pass(&self, time: Duration) {
        if let Some(life) = &self.life {
            life.runtime.block_on(self.host.pass(time));
        }
    }

    fn set_clock(&mut self, forwards: bool, by: Duration) {
        let now = self.host.clock.now();
        if forwards {
            // The log follows a larger step only where it stands for longer than steps do here.
            self.leeway += if by <= Duration::from_secs(60) { by } else { Duration::ZERO };
        }
        self.host.clock.set(if forwards { now + by } else { now - by });
    }

    /// An error of a call: a violation unless the disk is in trouble.
    fn judge(&self, doing: &str, error: &dyn std::fmt::Display) -> Result<(), Violation> {
        if self.trouble.any() { Ok(()) } else { Err(format!("{doing}: {error}")) }
    }
}

/// Producers and people.
impl World {
    fn put(&mut self, source: &str, records: &[u64], patience: Option<u32>) -> Result<(), Violation> {
        let at = self.host.clock.elapsed() + self.leeway;
        let (ids, entries): (Vec<_>, Vec<_>) =
            records.iter().map(|random| self.truth.begin(source, *random, at)).unzip();
        let stream = cast::stream(source);
        let answer = self.run(|server| {
            let put = server.backends.streams.append(&stream, entries);
            async move {
                match patience {
                    None => Some(put.await),
                    Some(turns) => tokio::select! {
                        biased;
                        answer = put => Some(answer),
                        () = yield_turns(turns) => None,
                    },
                }
            }
        });
        match answer {
            Some(Some(Ok(batch))) => {
                for (id, result) in ids.into_iter().zip(batch.results) {
                    match result {
                        Ok(appended) => self.truth.acknowledge(source, id, appended),
                        Err(_) => self.truth.refuse(source, id),
                    }
                }
            }
            Some(Some(Err(error @ StreamError::DiskFull { .. }))) => {
                ids.into_iter().for_each(|id| self.truth.refuse(source, id));
                self.judge("a put is refused", &error)?;
            }
            Some(Some(Err(error))) => self.judge("a put fails", &error)?,
            Some(None) => {}
            None => self.judge("a put", &"it takes too long")?,
        }
        Ok(())
    }

    fn reshard(&self, source: &str, choice: u64) -> Result<(), Violation> {
        let stream = cast::stream(source);
        let done = self.run(|server| async move {
            let description = server.backends.streams.describe(&stream).await?;
            let open: Vec<_> = description.shards.open().collect();
            let shard = open[choice as usize % open.len()];
            let neighbour = open.iter().find(|other| other.range.start.0.checked_sub(1) == Some(shard.range.end.0));
            let change = match neighbour {
                Some(neighbour) if open.len() > 3 || choice.is_multiple_of(3) && open.len() > 1 => {
                    Reshard::Merge { shard: shard.id, adjacent: neighbour.id }
                }
                _ => {
                    let middle = shard.range.start.0 + (shard.range.end.0 - shard.range.start.0) / 2;
                    Reshard::Split { shard: shard.id, at: HashKey(middle + 1) }
                }
            };
            server.backends.streams.reshard(&stream, change).await
        });
        match done {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => self.judge("a reshard fails", &error),
            None => self.judge("a reshard", &"it takes too long"),
        }
    }

    fn lag(&mut self, reshards: &[u64], time: Duration) -> Result<(), Violation> {
        let (source, archive) = ARCHIVED[1];
        self.pause(archive, false, false)?;
        for choice in reshards {
            self.put(source, &[*choice, choice / 3, choice / 5], None)?;
            self.reshard(source, *choice)?;
        }
        self.pass(time);
        self.trim()?;
        for choice in reshards {
            self.put(source, &[choice / 7, choice / 9, choice / 11], None)?;
        }
        Ok(())
    }

    fn gap(&mut self, records: &[u64], after: u64, time: Duration) -> Result<(), Violation> {
        let (source, _) = ARCHIVED[0];
        self.put(source, records, None)?;
        self.trouble.faults = true;
        let folder = format!("archive/{source}");
        self.host.disk.fail(Fault { after, ..Fault::once(Operation::Link, folder) });
        self.pass(time);
        self.check_sql(source)
    }

    fn trim(&self) -> Result<(), Violation> {
        let trimmed = self.run(|server| async {
            for source in SOURCES {
                server.backends.streams.trim(&cast::stream(source)).await?;
            }
            Ok::<_, StreamError>(())
        });
        match trimmed {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => self.judge("a trim fails", &error),
            None => self.judge("a trim", &"it takes too long"),
        }
    }

    fn pause(&self, flow: &str, query: bool, resume: bool) -> Result<(), Violation> {
        let kind = if query { FlowKind::Query } else { FlowKind::Delivery };
        let name = cast::consumer(flow);
        let changed = self.run(|server| async move {
            if resume { server.admin.resume(kind, &name).await } else { server.admin.pause(kind, &name).await }
        });
        match changed {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => self.judge("a flow cannot be paused or resumed", &error),
            None => self.judge("a pause", &"it takes too long"),
        }
    }

    /// Alters a flow to what it is, or makes it anew.
    fn change(&mut self, flow: &str, anew: bool) -> Result<(), Violation> {
        if anew && self.trouble.any() {
            // Half of it might be done.
            return Ok(());
        }
        let Some((name, spec)) = cast::flows().into_iter().find(|(name, _)| name.as_str() == flow) else {
            return Ok(());
        };
        let changed = self.run(|server| async move {
            if anew {
                server.admin.drop(spec.kind(), &name, spec.kind() == FlowKind::Query).await?;
                server.admin.create(name, spec).await
            } else {
                server.admin.alter(&name, spec, Alteration { restart: false }).await
            }
        });
        match changed {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => self.judge("a flow cannot be changed", &error),
            None => self.judge("a change", &"it takes too long"),
        }
    }
}

/// Checks.
impl World {
    /// How old a record may be by now that was put at `at`.
    fn age(&self, at: Duration) -> Duration {
        (self.host.clock.elapsed() + self.leeway).saturating_sub(at)
    }

    fn retention(source: &str) -> Duration {
        cast::stream_options(source).retention
    }

    fn is_expired(&self, source: &str, id: u64) -> bool {
        let put = self.truth.sources.get(source).and_then(|source| source.puts.get(&id));
        // A little less: it may expire while it is looked at.
        put.is_some_and(|put| self.age(put.at) + SHORT_RETENTION / 10 > World::retention(source))
    }

    fn check_readable(&mut self, source: &str) -> Result<(), Violation> {
        let stream = cast::stream(source);
        let found = self.run(|server| async move { readable::read_all(&*server.backends.streams, &stream).await });
        let found = match found {
            Some(Ok(found)) => found,
            Some(Err(error)) => return self.judge("a stream cannot be read", &error),
            None => return self.judge("a read", &"it takes too long"),
        };
        let (now, retention) = (self.host.clock.elapsed() + self.leeway, World::retention(source));
        let checked = readable::check(self.truth.source(source), &found, |at| now.saturating_sub(at), retention);
        checked.map_err(|why| format!("stream {source}: {why}"))
    }

    fn check_sql(&mut self, source: &str) -> Result<(), Violation> {
        let found = self.run(|server| async move { sql::ids(&*server.backends.sql, source).await });
        let ids = match found {
            Some(Ok(ids)) => ids,
            // A stream that nobody has put to has no columns.
            Some(Err(_)) if self.truth.source(source).certain().next().is_none() => return Ok(()),
            Some(Err(error)) => return self.judge(&format!("SQL over {source} fails"), &error),
            None => return self.judge("a query", &"it takes too long"),
        };
        sql::check(self.truth.source(source), &ids, |_| false).or_else(|why| {
            let expired = |id| self.is_expired(source, id);
            let Some(truth) = self.truth.sources.get(source) else { return Err(why) };
            sql::check(truth, &ids, expired).map_err(|why| format!("stream {source}: {why}"))
        })
    }

    /// Lets everything come to rest, and compares all there is.
    fn settle(&mut self) -> Result<(), Violation> {
        if self.trouble.any() {
            self.heal()?;
        }
        for (flow, query) in FLOWS {
            self.pause(flow, query, true)?;
        }
        let mut left = Some("no time has passed".to_owned());
        for _ in 0..SETTLE_MAX.as_secs() {
            self.pass(Duration::from_secs(1));
            left = self.run(progress::left_to_do).flatten();
            if left.is_none() {
                break;
            }
        }
        if let Some(left) = left {
            return Err(format!("nothing disturbs it, and it does not get done: {left}"));
        }
        for source in SOURCES {
            self.check_readable(source)?;
            self.check_sql(source)?;
        }
        for (source, _) in ARCHIVED {
            self.check_archive(source)?;
        }
        for (source, name, output) in COUNTED {
            self.check_counts(source, name, output)?;
        }
        self.check_table()
    }

    fn check_archive(&mut self, source: &str) -> Result<(), Violation> {
        let found = self.run(|server| async move { delivered::archived(&*server.backends.archive, source).await });
        let ids = match found {
            Some(Ok(ids)) => ids.map_err(|why| format!("archive of {source}: {why}"))?,
            Some(Err(error)) => return self.judge("the archive cannot be read", &error),
            None => return self.judge("the archive", &"it takes too long"),
        };
        let Some(truth) = self.truth.sources.get(source) else { return Ok(()) };
        let checked = delivered::check_archived(truth, &ids, |id| self.is_expired(source, id));
        checked.map_err(|why| format!("archive of {source}: {why}"))
    }

    fn check_counts(&mut self, source: &str, name: &str, output: &str) -> Result<(), Violation> {
        let stream = cast::stream(output);
        let rows = self.run(|server| async move { readable::read_all(&*server.backends.streams, &stream).await });
        match rows {
            Some(Ok(rows)) => counted::check(self.truth.source(source), &rows).map_err(|why| format!("{name}: {why}")),
            Some(Err(error)) => self.judge("the output of a query cannot be read", &error),
            None => self.judge("the output of a query", &"it takes too long"),
        }
    }

    fn check_table(&mut self) -> Result<(), Violation> {
        let Some(truth) = self.truth.sources.get(TABLED.0) else { return Ok(()) };
        let checked = self.run(|server| delivered::check_table(&*server.backends.tables, truth));
        match checked {
            Some(Ok(checked)) => checked,
            Some(Err(error)) => self.judge("the table cannot be read", &error),
            None => self.judge("the table", &"it takes too long"),
        }
    }
}

async fn yield_turns(turns: u32) {
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

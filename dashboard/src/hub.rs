//! What all pages share: the state, and a frame of what changed, made once for all of them.
//!
//! ```text
//! follower, survey ──▶ state ──every tick──▶ frame n = what changed since frame n-1
//!                        └──▶ everything, for a page that opens or missed a frame
//! ```
//!
//! It works only while pages are open, and forgets everything a while after the last one has
//! closed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{join, join_all};
use model::name::StreamName;
use model::stream::aggregate::user_records;
use model::stream::consumer::ShardBatch;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::fleet::reading::Reading;
use crate::fleet::unicorns::{Fleet, SILENCE_MAX};
use crate::follower;
use crate::operations::overview::Overview;
use crate::operations::survey::{self, Query, Survey};
use crate::operations::windows::Windows;
use crate::options::DashboardOptions;
use crate::view::View;

/// Time between two frames: seven a second.
const TICK: Duration = Duration::from_millis(150);
/// Sums, lists and the clock come with every so many frames.
const TICKS_A_SECOND: u64 = 7;
/// How far back charts begin.
const HISTORY: Duration = Duration::from_secs(3600);
/// How long the state outlives the last page.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Readings that are looked into, a tick; of further ones only the newest of the batch count.
const READINGS_A_TICK_MAX: usize = 8192;

/// Shared by all connections.
pub(crate) struct Hub {
    options: DashboardOptions,
    /// Tells this process' frames from those of the one before.
    instance: String,
    state: Mutex<State>,
    frames: watch::Sender<Arc<Frame>>,
    watching: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// The number of the last change.
    change: u64,
    fleet: Fleet,
    windows: Windows,
    overview: Overview,
    overview_change: u64,
    /// Readings since the last tick.
    readings: usize,
    /// Readings that were passed over.
    passed: u64,
}

/// One frame, as events by topic; none where nothing changed.
pub(crate) struct Frame {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) events: Events,
    /// What it tells: the changes after this one, and of what is told once a second those after the
    /// other.
    since: u64,
    slowly: Option<u64>,
    all: OnceLock<Events>,
}

impl Frame {
    /// Whether it tells what is told once a second, too.
    pub(crate) fn is_whole(&self) -> bool {
        self.slowly.is_some()
    }
}

/// The text of one frame's events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events {
    pub(crate) clock: Option<Bytes>,
    pub(crate) fleet: Option<Bytes>,
    pub(crate) windows: Option<Bytes>,
    pub(crate) streams: Option<Bytes>,
}

/// Somebody looks, until this is dropped.
pub(crate) struct Watcher(Arc<Hub>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.watching.send_modify(|count| *count -= 1);
    }
}

impl Hub {
    /// A hub that nobody watches yet.
    pub(crate) fn new(options: DashboardOptions) -> Arc<Hub> {
        let instance = format!("{:x}", options.clock.now().as_millis());
        let first = Frame { number: 0, events: Events::default(), since: 0, slowly: None, all: OnceLock::new() };
        let (frames, watching) = (watch::Sender::new(Arc::new(first)), watch::Sender::new(0));
        Arc::new(Hub { options, instance, state: Mutex::default(), frames, watching })
    }

    pub(crate) fn options(&self) -> &DashboardOptions {
        &self.options
    }

    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Begins to watch, unless `max` do.
    pub(crate) fn watch(self: &Arc<Self>, max: usize) -> Option<(Watcher, watch::Receiver<Arc<Frame>>)> {
        let begun = self.watching.send_if_modified(|count| {
            let room = *count < max;
            *count += usize::from(room);
            room
        });
        begun.then(|| (Watcher(Arc::clone(self)), self.frames.subscribe()))
    }

    /// Works whenever somebody watches, until the server stops.
    pub(crate) async fn run(self: Arc<Self>) {
        let stop = self.options.stop.clone();
        let work = async {
            let mut watching = self.watching.subscribe();
            loop {
                watching.wait_for(|count| *count > 0).await.expect("the hub holds the sender");
                let queries = Query::all(&self.options.flows.queries().await);
                self.forget(&queries);
                tokio::select! {
                    // Ends when there are other queries: their rows are followed then.
                    () = self.work(&queries) => {}
                    () = self.idle() => {}
                }
                self.forget(&[]);
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Begins anew, with higher numbers.
    fn forget(&self, queries: &[Query]) {
        let mut state = self.lock();
        let windows = Windows::of(queries.iter().map(|query| (query.name.as_str(), &query.source, &query.output)));
        *state = State { windows, change: state.change, ..State::default() };
    }

    /// Returns once nobody has watched for a while.
    async fn idle(&self) {
        let mut watching = self.watching.subscribe();
        loop {
            watching.wait_for(|count| *count == 0).await.expect("the hub holds the sender");
            let returned = tokio::time::timeout(IDLE_MAX, watching.wait_for(|count| *count > 0));
            if returned.await.is_err() {
                return;
            }
        }
    }

    async fn work(&self, queries: &[Query]) {
        let (options, now) = (&self.options, self.options.clock.now());
        let fleet = follower::follow(options, &options.fleet, now - SILENCE_MAX, |batch| self.take_readings(batch));
        let outputs: BTreeSet<&StreamName> = queries.iter().map(|query| &query.output).collect();
        let windows = outputs
            .into_iter()
            .map(|output| follower::follow(options, output, now - HISTORY, move |batch| self.take_rows(output, batch)));
        tokio::select! {
            _ = join(join(fleet, join_all(windows)), self.tick()) => {}
            () = survey::run(options, queries, |survey| self.surveyed(survey)) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    fn take_readings(&self, batch: &ShardBatch) {
        let mut state = self.lock();
        let room = READINGS_A_TICK_MAX.saturating_sub(state.readings);
        let passed = batch.records.len().saturating_sub(room);
        state.passed += passed as u64;
        for record in &batch.records[passed..] {
            for user in user_records(record, batch.owned, batch.stream.sensor()).filter(|user| !user.misplaced) {
                state.readings += 1;
                if let Some(reading) = Reading::parse(&user.data) {
                    state.change += 1;
                    let change = state.change;
                    state.fleet.take(&reading, record.arrived_at, change);
                }
            }
        }
    }

    fn take_rows(&self, output: &StreamName, batch: &ShardBatch) {
        let mut state = self.lock();
        for record in &batch.records {
            state.change += 1;
            let change = state.change;
            state.windows.take(output, &record.data, change);
        }
    }

    /// Takes what a survey found.
    fn surveyed(&self, survey: Survey) {
        let mut state = self.lock();
        for (source, until) in survey.complete_until {
            state.windows.complete(&source, until);
        }
        state.change += 1;
        (state.overview, state.overview_change) = (survey.overview, state.change);
    }

    /// Makes a frame whenever there is something to say.
    async fn tick(&self) {
        let mut pause = tokio::time::interval(TICK);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut told_slowly, mut ticks) = (0, 0, 0);
        loop {
            pause.tick().await;
            ticks += 1;
            let whole = ticks % TICKS_A_SECOND == 1;
            let number = self.frames.borrow().number + 1;
            let (since, slowly) = (told, whole.then_some(told_slowly));
            let (events, change) = {
                let mut state = self.lock();
                state.readings = 0;
                if whole {
                    state.fleet.forget_silent(self.options.clock.now());
                }
                (self.events(&state, number, since, slowly, &View::Everything), state.change)
            };
            told = change;
            if whole {
                told_slowly = change;
            }
            if whole || events.fleet.is_some() {
                self.frames.send_replace(Arc::new(Frame { number, events, since, slowly, all: OnceLock::new() }));
            }
        }
    }

    /// Everything, for a page that has nothing: made once a frame, however many pages ask.
    pub(crate) fn everything(&self, frame: &Frame) -> Events {
        frame.all.get_or_init(|| self.events(&self.lock(), frame.number, 0, Some(0), &View::Everything)).clone()
    }

    /// As [`Hub::everything`], of what is seen in `view`.
    pub(crate) fn everything_in(&self, view: &View, frame: &Frame) -> Events {
        self.events(&self.lock(), frame.number, 0, Some(0), view)
    }

    /// What a frame tells, of what is seen in `view`, in the newest values.
    pub(crate) fn changes_in(&self, view: &View, frame: &Frame) -> Events {
        self.events(&self.lock(), frame.number, frame.since, frame.slowly, view)
    }

    /// The streams that frames tell of.
    pub(crate) fn streams(&self) -> BTreeSet<String> {
        let state = self.lock();
        let fleet = self.options.fleet.to_string();
        state.windows.streams().chain(state.overview.streams()).map(str::to_owned).chain([fleet]).collect()
    }

    /// What changed since `since`, and since `slowly` of what is told once a second.
    fn events(&self, state: &State, number: u64, since: u64, slowly: Option<u64>, view: &View) -> Events {
        let event = |topic: &str, value: &Value| {
            Bytes::from(format!("id: {}-{number}\nevent: {topic}\ndata: {value}\n\n", self.instance))
        };
        let now = self.options.clock.now().as_millis();
        let fleet = Some(&state.fleet).filter(|_| view.sees(self.options.fleet.as_str()));
        let passed = if fleet.is_some() { state.passed } else { 0 };
        Events {
            clock: slowly.map(|_| event("clock", &json!({"now": now, "passed": passed}))),
            fleet: fleet.and_then(|fleet| fleet.changes(since)).map(|changes| event("fleet", &changes)),
            windows: slowly.map(|since| {
                let seconds = fleet.map(|fleet| fleet.seconds(since)).unwrap_or_default();
                let queries = state.windows.changes(since, view);
                event("windows", &json!({"all": since == 0, "queries": queries, "seconds": seconds}))
            }),
            streams: slowly
                .filter(|since| state.overview_change > *since)
                .map(|_| event("streams", &json!(state.overview.in_view(view)))),
        }
    }
}

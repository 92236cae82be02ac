//! The life of one worker, as a pure state machine: an event goes in, the new state and what to do
//! come out.
//!
//! ```text
//!            ┌────────── delay is over ─────────┐
//!            ▼                                  │
//!  ─▶ starting ─▶ running ──── fails ────▶ retrying ─ too often, without progress ─▶ failed
//!                  │    ▲                                                            │   ▲
//!      lost place  │    │ silence                 progress, or it lasts              │   │ fails
//!                  ▼    │                ◀───────────────────────────────────────────┘───┘
//!               standing by              a failed worker is tried again, but rarely
//!
//!  any ─ pause ─▶ paused ─ resume ─▶ starting           any ─ stop ─▶ stopped
//! ```
//!
//! A worker is never `running` while it only fails: it counts failures until it makes progress, and
//! what fails [`FAILURES_MAX`] times in a row is isolated. It is `failed` then, and stays so while
//! it is tried.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::flow::incident::Incident;

/// The delay after the first failure. Each further failure doubles it.
pub const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
/// The longest delay while a worker is not isolated.
pub const RETRY_DELAY_MAX: Duration = Duration::from_millis(3200);
/// After so many failures in a row without progress, a worker is isolated.
pub const FAILURES_MAX: u32 = 6;
/// How often an isolated worker is tried again.
pub const ISOLATED_DELAY: Duration = Duration::from_secs(60);
/// How often one is tried again that waits for a store which is out of reach or full.
pub const OUTAGE_DELAY: Duration = Duration::from_secs(5);
/// A worker that has not failed for so long after its start is `running`.
pub const STARTING: Duration = Duration::from_millis(500);
/// A worker that has not failed for so long works, even if it had nothing to do.
pub const LASTING: Duration = Duration::from_secs(10);

/// What a worker does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlowState {
    /// It has begun, and nothing shows yet that it works.
    Starting,
    /// It works.
    Running,
    /// It failed, and starts again after a short delay.
    Retrying,
    /// Another server runs it; this one takes over when that one is silent.
    StandingBy,
    /// Somebody has paused it.
    Paused,
    /// It failed again and again without progress. It is tried again once in a while.
    Failed,
    /// The server stops.
    Stopped,
}

impl FlowState {
    /// As text, as it is written in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            FlowState::Starting => "starting",
            FlowState::Running => "running",
            FlowState::Retrying => "retrying",
            FlowState::StandingBy => "standing_by",
            FlowState::Paused => "paused",
            FlowState::Failed => "failed",
            FlowState::Stopped => "stopped",
        }
    }

    /// Whether it works as far as anybody can tell: not while it is paused, failed or stopped.
    pub fn is_active(self) -> bool {
        !matches!(self, FlowState::Paused | FlowState::Failed | FlowState::Stopped)
    }
}

/// What can be said about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A store is out of reach, full or busy: time mends it.
    Outage,
    /// Something went wrong in the worker, a panic for example. Another try may help.
    Fault,
    /// Only a person can mend it, in the query for example.
    Hopeless,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The worker is at work for `ran`; `progressed` says that it got something done since it was
    /// last asked.
    Tick {
        /// How long it has run.
        ran: Duration,
        /// Whether it got something done.
        progressed: bool,
    },
    /// The worker ended with a failure.
    Failed {
        /// What kind of failure.
        trouble: Trouble,
        /// What failed, with its causes.
        message: String,
        /// Whether it got something done before.
        progressed: bool,
    },
    /// Another holder of its name has gone on: it must stand by.
    LostPlace {
        /// How it was noticed.
        message: String,
    },
    /// The worker ended because it was asked to, or has nothing more to do.
    Ended,
    /// The wait is over: the delay after a failure, or the silence of the other holder.
    Waited,
    /// Somebody pauses it.
    Pause,
    /// Somebody wants it to run, now.
    Resume,
    /// The server stops, or the worker is dropped.
    Stop,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start the worker.
    Run,
    /// Go on as before.
    GoOn,
    /// Ask the worker to end; [`Event::Ended`] or [`Event::Failed`] follows.
    Cancel,
    /// Wait, and say [`Event::Waited`].
    Wait(Duration),
    /// Wait for the silence of the other holder, and say [`Event::Waited`].
    StandBy,
    /// Wait until somebody wants something.
    Rest,
    /// Nothing more will happen.
    End,
}

/// What somebody wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Run,
    Pause,
    Stop,
}

/// A worker's state, with what it remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    state: FlowState,
    since: Timestamp,
    wanted: Wanted,
    /// Whether the worker's task is there.
    at_work: bool,
    /// Failures in a row without progress.
    failures: u32,
    restarts: u64,
    last_error: Option<Incident>,
}

impl Machine {
    /// A worker that begins: paused, or with a start.
    pub fn new(now: Timestamp, paused: bool) -> (Machine, Action) {
        let (state, wanted) =
            if paused { (FlowState::Paused, Wanted::Pause) } else { (FlowState::Starting, Wanted::Run) };
        let machine =
            Machine { state, since: now, wanted, at_work: !paused, failures: 0, restarts: 0, last_error: None };
        (machine, if paused { Action::Rest } else { Action::Run })
    }

    /// What it does now.
    pub fn state(&self) -> FlowState {
        self.state
    }

    /// Since when it does that.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether its task is there.
    pub fn is_at_work(&self) -> bool {
        self.at_work
    }

    /// Restarts after a failure.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Failures in a row without progress.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// What made it end last.
    pub fn last_error(&self) -> Option<&Incident> {
        self.last_error.as_ref()
    }

    /// Takes in what happened, and says what to do.
    pub fn apply(&mut self, now: Timestamp, event: Event) -> Action {
        match event {
            Event::Tick { ran, progressed } => self.ticked(now, ran, progressed),
            Event::Failed { trouble, message, progressed } => self.failed(now, trouble, message, progressed),
            Event::LostPlace { message } => {
                (self.at_work, self.failures) = (false, 0);
                self.last_error = Some(Incident { at: now, message });
                self.unless_asked(now, FlowState::StandingBy, Action::StandBy)
            }
            Event::Ended => {
                self.at_work = false;
                match self.wanted {
                    Wanted::Run => self.start(now),
                    Wanted::Pause | Wanted::Stop => self.unless_asked(now, self.state, Action::Rest),
                }
            }
            Event::Waited if self.at_work || self.wanted != Wanted::Run => Action::GoOn,
            Event::Waited => {
                self.restarts += u64::from(self.state != FlowState::StandingBy);
                self.start(now)
            }
            Event::Pause => self.asked(now, Wanted::Pause),
            Event::Stop => self.asked(now, Wanted::Stop),
            Event::Resume => self.resumed(now),
        }
    }

    fn ticked(&mut self, now: Timestamp, ran: Duration, progressed: bool) -> Action {
        if progressed || LASTING <= ran {
            self.failures = 0;
            self.enter(now, FlowState::Running);
        } else if self.state == FlowState::Starting && STARTING <= ran {
            self.enter(now, FlowState::Running);
        }
        Action::GoOn
    }

    fn failed(&mut self, now: Timestamp, trouble: Trouble, message: String, progressed: bool) -> Action {
        self.at_work = false;
        self.last_error = Some(Incident { at: now, message });
        self.failures = if progressed { 1 } else { self.failures.saturating_add(1) };
        let isolated = trouble == Trouble::Hopeless || FAILURES_MAX <= self.failures;
        if !isolated {
            let doubled = RETRY_DELAY_MIN.saturating_mul(1 << (self.failures - 1).min(16));
            return self.unless_asked(now, FlowState::Retrying, Action::Wait(doubled.min(RETRY_DELAY_MAX)));
        }
        let delay = if trouble == Trouble::Outage { OUTAGE_DELAY } else { ISOLATED_DELAY };
        self.unless_asked(now, FlowState::Failed, Action::Wait(delay))
    }

    fn resumed(&mut self, now: Timestamp) -> Action {
        match self.wanted {
            Wanted::Stop => Action::GoOn,
            // It is about to end, and then starts again.
            _ if self.at_work => {
                self.wanted = Wanted::Run;
                Action::GoOn
            }
            _ => {
                (self.wanted, self.failures) = (Wanted::Run, 0);
                self.enter(now, FlowState::Starting);
                self.start(now)
            }
        }
    }

    fn asked(&mut self, now: Timestamp, wanted: Wanted) -> Action {
        if self.wanted == Wanted::Stop {
            return if self.at_work { Action::GoOn } else { Action::End };
        }
        self.wanted = wanted;
        if self.at_work { Action::Cancel } else { self.unless_asked(now, self.state, Action::Rest) }
    }

    /// A worker that is tried while it is isolated stays `failed` until it shows that it works.
    fn start(&mut self, now: Timestamp) -> Action {
        self.at_work = true;
        if self.state != FlowState::Failed {
            self.enter(now, FlowState::Starting);
        }
        Action::Run
    }

    /// What somebody wants goes before what comes next.
    fn unless_asked(&mut self, now: Timestamp, state: FlowState, action: Action) -> Action {
        let (state, action) = match self.wanted {
            Wanted::Run => (state, action),
            Wanted::Pause => (FlowState::Paused, Action::Rest),
            Wanted::Stop => (FlowState::Stopped, Action::End),
        };
        self.enter(now, state);
        action
    }

    fn enter(&mut self, now: Timestamp, state: FlowState) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }
}

#[cfg(test)]
mod tests;

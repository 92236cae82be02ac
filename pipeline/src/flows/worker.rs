//! Runs one worker as a task of its own, and starts it again as its state machine says.
//!
//! ```text
//! orders (pause, resume, stop) ──▶ runner ──▶ a task for each try ──▶ how it ended ──▶ state machine ──▶ runner
//! ```
//!
//! A try's task is always awaited, so a panic in it is an ordinary failure: it is logged, counted and reported, and
//! the worker starts again. What stops is asked first and cut off after [`STOP_MAX`].

use std::any::Any;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::clock::Clock;
use model::flow::report::{Standing, WorkerKind};
use model::flow::state::{Action, Event, FlowState, Machine, Trouble};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use crate::flows::work::{Failure, Work};

/// How often a worker is asked whether it got something done.
const TICK: Duration = Duration::from_millis(250);
/// How long a worker that was asked to end may take.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How often a caller looks whether a worker rests.
const REST_CHECK: Duration = Duration::from_millis(10);

/// What is wanted of a worker. The last order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Resume,
    Pause,
    Stop,
}

/// A worker that is supervised.
#[derive(Debug)]
pub(crate) struct Worker {
    kind: WorkerKind,
    name: String,
    machine: Arc<Mutex<Machine>>,
    orders: watch::Sender<Order>,
    ended: CancellationToken,
}

impl Worker {
    /// Starts to supervise `work`, which begins unless it is paused.
    pub(crate) fn spawn(
        kind: WorkerKind,
        name: impl Into<String>,
        work: Arc<dyn Work>,
        clock: Arc<dyn Clock>,
        paused: bool,
        tracker: &TaskTracker,
    ) -> Worker {
        let (machine, first) = Machine::new(clock.now(), paused);
        let (machine, ended, name) = (Arc::new(Mutex::new(machine)), CancellationToken::new(), name.into());
        let (orders, received) = watch::channel(if paused { Order::Pause } else { Order::Resume });
        let runner = Runner {
            kind,
            name: name.clone(),
            work,
            clock,
            machine: Arc::clone(&machine),
            orders: received,
            ended: ended.clone(),
        };
        tracker.spawn(runner.run(first));
        Worker { kind, name, machine, orders, ended }
    }

    /// How it is.
    pub(crate) fn standing(&self) -> Standing {
        let machine = lock(&self.machine);
        Standing {
            kind: self.kind,
            name: self.name.clone(),
            state: machine.state(),
            since: machine.since(),
            restarts: machine.restarts(),
            last_error: machine.last_error().cloned(),
        }
    }

    /// Lets it work, now.
    pub(crate) fn resume(&self) {
        self.orders.send_replace(Order::Resume);
    }

    /// Lets it end until it is resumed.
    pub(crate) fn pause(&self) {
        self.orders.send_replace(Order::Pause);
    }

    /// Ends it for good.
    pub(crate) fn stop(&self) {
        self.orders.send_replace(Order::Stop);
    }

    /// Returns when it does not work any more, or has been asked to work again.
    pub(crate) fn rested(&self) -> impl Future<Output = ()> + use<> {
        let (machine, orders) = (Arc::clone(&self.machine), self.orders.subscribe());
        async move {
            while *orders.borrow() != Order::Resume && lock(&machine).is_at_work() {
                tokio::time::sleep(REST_CHECK).await;
            }
        }
    }

    /// Returns when it has ended for good.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

fn lock(machine: &Mutex<Machine>) -> MutexGuard<'_, Machine> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A task that ends with whoever waits for it.
struct Owned<T>(JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Runner {
    kind: WorkerKind,
    name: String,
    work: Arc<dyn Work>,
    clock: Arc<dyn Clock>,
    machine: Arc<Mutex<Machine>>,
    orders: watch::Receiver<Order>,
    ended: CancellationToken,
}

/// Also a supervision that ends by a mistake of its own is seen.
impl Drop for Runner {
    fn drop(&mut self) {
        let state = lock(&self.machine).state();
        if state != FlowState::Stopped && std::thread::panicking() {
            let message = "its supervision panicked; restart the server".to_owned();
            error!(kind = self.kind.as_str(), worker = %self.name, "the supervision of a worker panicked");
            self.apply(Event::Failed { trouble: Trouble::Hopeless, message, progressed: false });
        }
        self.ended.cancel();
    }
}

impl Runner {
    async fn run(mut self, first: Action) {
        let mut action = first;
        loop {
            action = match action {
                Action::Run => self.attempt().await,
                Action::Wait(delay) => self.wait(tokio::time::sleep(delay)).await,
                Action::StandBy => {
                    let mut silence = Owned(tokio::spawn(Arc::clone(&self.work).stand_by()));
                    // One that panics has waited long enough.
                    self.wait(async move { drop((&mut silence.0).await) }).await
                }
                Action::Rest | Action::GoOn | Action::Cancel => self.wait(pending()).await,
                Action::End => return,
            }
        }
    }

    fn apply(&self, event: Event) -> Action {
        lock(&self.machine).apply(self.clock.now(), event)
    }

    async fn wait(&mut self, over: impl Future<Output = ()>) -> Action {
        let mut over = pin!(over);
        loop {
            let event = tokio::select! {
                biased;
                event = order(&mut self.orders) => event,
                () = &mut over => Event::Waited,
            };
            let waited = event == Event::Waited;
            match self.apply(event) {
                Action::GoOn if waited => return Action::Rest,
                Action::GoOn => {}
                action => return action,
            }
        }
    }

    /// Runs the worker once, until it has ended.
    async fn attempt(&mut self) -> Action {
        let (stop, begun) = (CancellationToken::new(), Instant::now());
        let first = self.work.progress();
        let mut seen = first;
        let mut task = Owned(tokio::spawn(Arc::clone(&self.work).attempt(stop.clone())));
        let mut pause = tokio::time::interval(TICK);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut cut_off = None;
        loop {
            tokio::select! {
                biased;
                ended = &mut task.0 => return self.ended(ended, stop.is_cancelled(), first),
                event = order(&mut self.orders) => {
                    if self.apply(event) == Action::Cancel {
                        stop.cancel();
                        cut_off.get_or_insert(Instant::now() + STOP_MAX);
                    }
                }
                () = until(cut_off) => {
                    warn!(kind = self.kind.as_str(), worker = %self.name, "did not end in {STOP_MAX:?} and was cut off");
                    task.0.abort();
                    cut_off = None;
                }
                _ = pause.tick() => {
                    let progressed = std::mem::replace(&mut seen, self.work.progress()) != seen;
                    self.apply(Event::Tick { ran: begun.elapsed(), progressed });
                }
            }
        }
    }

    /// What the end of a try means.
    fn ended(&self, ended: Result<Result<(), Failure>, JoinError>, asked: bool, first: u64) -> Action {
        let progressed = self.work.progress() != first;
        let (trouble, message) = match ended {
            Ok(Ok(())) if asked => return self.apply(Event::Ended),
            Ok(Ok(())) if self.work.ends() => {
                self.apply(Event::Stop);
                return self.apply(Event::Ended);
            }
            Ok(Ok(())) => (Trouble::Fault, "it ended although nobody asked it to".to_owned()),
            Ok(Err(Failure::LostPlace(message))) => {
                warn!(
                    kind = self.kind.as_str(), worker = %self.name, reason = message,
                    "standing by until the other holder is silent"
                );
                return self.apply(Event::LostPlace { message });
            }
            Ok(Err(Failure::Failed(trouble, message))) => (trouble, message),
            Err(error) => match error.try_into_panic() {
                Ok(payload) => (Trouble::Fault, format!("it panicked: {}", text_of(&*payload))),
                // It was cut off, or the runtime ends.
                Err(_) => return self.apply(Event::Ended),
            },
        };
        let action = self.apply(Event::Failed { trouble, message: message.clone(), progressed });
        let (kind, worker, error) = (self.kind.as_str(), &self.name, &message);
        match (lock(&self.machine).state(), action) {
            (FlowState::Failed, _) => {
                error!(kind, %worker, error, "worker failed too often and is isolated; it is tried again once in a while");
            }
            (_, Action::Wait(delay)) => warn!(kind, %worker, error, ?delay, "worker failed and starts again"),
            _ => warn!(kind, %worker, error, "worker failed while it was asked to end"),
        }
        action
    }
}

/// The next order. Nobody who could give one is there: it is to stop.
async fn order(orders: &mut watch::Receiver<Order>) -> Event {
    if orders.changed().await.is_err() {
        return Event::Stop;
    }
    match *orders.borrow_and_update() {
        Order::Resume => Event::Resume,
        Order::Pause => Event::Pause,
        Order::Stop => Event::Stop,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}

/// What a panic said.
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no reason was given".to_owned())
}

#[cfg(test)]
mod tests;

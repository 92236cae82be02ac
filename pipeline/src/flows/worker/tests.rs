use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use model::clock::SystemClock;
use model::flow::state::{FAILURES_MAX, RETRY_DELAY_MAX};

use super::*;

/// Work that goes wrong as often as it is told to, and then works until it is stopped.
#[derive(Default)]
struct Scripted {
    attempts: AtomicU64,
    panics: u64,
    ends: bool,
}

#[async_trait]
impl Work for Scripted {
    async fn attempt(self: Arc<Self>, stop: CancellationToken) -> Result<(), Failure> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(self.panics < attempt, "attempt {attempt} goes wrong");
        if !self.ends {
            stop.cancelled().await;
        }
        Ok(())
    }

    fn ends(&self) -> bool {
        self.ends
    }
}

fn spawn(work: Scripted, paused: bool) -> (Worker, Arc<Scripted>, TaskTracker) {
    let (work, tracker) = (Arc::new(work), TaskTracker::new());
    let same = Arc::clone(&work) as Arc<dyn Work>;
    let worker = Worker::spawn(WorkerKind::Query, "q", same, Arc::new(SystemClock), paused, &tracker);
    (worker, work, tracker)
}

async fn until(worker: &Worker, state: FlowState) -> Standing {
    loop {
        let standing = worker.standing();
        if standing.state == state {
            return standing;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_starts_again_and_says_so() {
    let begun = Instant::now();
    let (worker, work, _tracker) = spawn(Scripted { panics: 1, ..Scripted::default() }, false);
    let standing = until(&worker, FlowState::Running).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!((standing.restarts, work.attempts.load(Ordering::Relaxed)), (1, 2));
    let message = standing.last_error.expect("it panicked").message;
    assert_eq!(message, "it panicked: attempt 1 goes wrong");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_again_and_again_is_isolated_and_can_be_resumed() {
    let begun = Instant::now();
    let (worker, work, _tracker) = spawn(Scripted { panics: u64::from(FAILURES_MAX), ..Scripted::default() }, false);
    until(&worker, FlowState::Failed).await;
    assert!(begun.elapsed() < 2 * RETRY_DELAY_MAX, "{:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(work.attempts.load(Ordering::Relaxed), u64::from(FAILURES_MAX), "it is left alone");
    worker.resume();
    until(&worker, FlowState::Running).await;
}

/// Another process has its place until it is silent.
#[derive(Default)]
struct Displaced {
    attempts: AtomicU64,
    silent: CancellationToken,
}

#[async_trait]
impl Work for Displaced {
    async fn attempt(self: Arc<Self>, stop: CancellationToken) -> Result<(), Failure> {
        if self.attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(Failure::LostPlace("another process has committed".to_owned()));
        }
        stop.cancelled().await;
        Ok(())
    }

    async fn stand_by(self: Arc<Self>) {
        self.silent.cancelled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_lost_its_place_stands_by_until_the_other_holder_is_silent() {
    let (work, tracker) = (Arc::new(Displaced::default()), TaskTracker::new());
    let same = Arc::clone(&work) as Arc<dyn Work>;
    let worker = Worker::spawn(WorkerKind::Delivery, "d", same, Arc::new(SystemClock), false, &tracker);
    until(&worker, FlowState::StandingBy).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!((worker.standing().state, work.attempts.load(Ordering::Relaxed)), (FlowState::StandingBy, 1));
    work.silent.cancel();
    let standing = until(&worker, FlowState::Running).await;
    assert_eq!((standing.restarts, work.attempts.load(Ordering::Relaxed)), (0, 2), "it is no failure");
}

#[tokio::test(start_paused = true)]
async fn an_isolated_worker_is_tried_again_by_itself() {
    let (worker, _work, _tracker) = spawn(Scripted { panics: u64::from(FAILURES_MAX), ..Scripted::default() }, false);
    until(&worker, FlowState::Failed).await;
    until(&worker, FlowState::Running).await;
    assert_eq!(worker.standing().restarts, u64::from(FAILURES_MAX));
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_paused_resumed_and_stopped() {
    let (worker, work, tracker) = spawn(Scripted::default(), true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((worker.standing().state, work.attempts.load(Ordering::Relaxed)), (FlowState::Paused, 0));
    worker.resume();
    until(&worker, FlowState::Running).await;
    worker.pause();
    worker.rested().await;
    assert_eq!(worker.standing().state, FlowState::Paused);
    worker.stop();
    worker.ended().await;
    assert_eq!(worker.standing().state, FlowState::Stopped);
    tracker.close();
    tracker.wait().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_has_an_end_is_done_and_other_work_that_ends_has_failed() {
    let (worker, _work, _tracker) = spawn(Scripted { ends: true, ..Scripted::default() }, false);
    worker.ended().await;
    assert_eq!((worker.standing().state, worker.standing().last_error), (FlowState::Stopped, None));
    struct Quits;
    #[async_trait]
    impl Work for Quits {
        async fn attempt(self: Arc<Self>, _stop: CancellationToken) -> Result<(), Failure> {
            Ok(())
        }
    }
    let tracker = TaskTracker::new();
    let worker = Worker::spawn(WorkerKind::Task, "t", Arc::new(Quits), Arc::new(SystemClock), false, &tracker);
    let standing = until(&worker, FlowState::Failed).await;
    assert_eq!(standing.last_error.expect("told").message, "it ended although nobody asked it to");
}

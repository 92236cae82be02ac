//! The threads of a worker, which give way together to everything else on the machine.
//!
//! A thread that gives way has only the processor time that nobody else wants (`SCHED_IDLE` of Linux, sched(7)): a
//! thread of the server that wakes up takes its place at once. Without rights, a process cannot undo that. Other
//! systems have no such policy, and nothing changes there.
//!
//! The system's library has a name for each thread, which is valid only while the thread runs. So a thread is on the
//! list no longer than that: it takes itself off, under the lock, before it ends.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard};

/// The threads of one worker.
#[derive(Debug, Default)]
pub(crate) struct Threads(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: Vec<system::Thread>,
    give_way: bool,
}

thread_local! {
    /// Ends with the thread, and takes it off the list.
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// A thread's place on a list.
struct Place(Arc<Threads>);

impl Drop for Place {
    fn drop(&mut self) {
        let own = system::current();
        self.0.lock().running.retain(|thread| *thread != own);
    }
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }

    /// Puts the current thread on the list. It gives way at once if the others do.
    pub(crate) fn enter(self: &Arc<Self>) {
        // A thread is on one list at a time.
        drop(PLACE.take());
        let mut state = self.lock();
        state.running.push(system::current());
        if state.give_way {
            system::give_way(system::current());
        }
        drop(state);
        PLACE.set(Some(Place(Arc::clone(self))));
    }

    /// Makes the current thread and all on the list give way, for good. The system may refuse it.
    pub(crate) fn give_way(&self) {
        let mut state = self.lock();
        let others = state.running.iter().copied();
        state.give_way =
            [system::current()].into_iter().chain(others).fold(false, |any, it| system::give_way(it) | any);
    }

    /// Whether threads have been made to give way.
    pub(crate) fn has_given_way(&self) -> bool {
        self.lock().give_way
    }
}

#[cfg(target_os = "linux")]
mod system {
    use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id, thread_schedule_policy_param};
    use thread_priority::{NormalThreadSchedulePolicy, ThreadId, ThreadPriority, ThreadSchedulePolicy};

    const LOWEST: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);

    /// A thread's name, as a number: some libraries have a pointer there.
    pub(super) type Thread = usize;

    pub(super) fn current() -> Thread {
        thread_native_id() as Thread
    }

    /// Gives a running thread the lowest policy. Returns whether it has it now.
    pub(super) fn give_way(thread: Thread) -> bool {
        let thread = thread as ThreadId;
        // This asks for a niceness of the caller too, which means nothing in this policy, and may be refused. So the
        // policy says whether it was of use.
        let asked = set_thread_priority_and_policy(thread, ThreadPriority::Min, LOWEST);
        let gives_way = thread_schedule_policy_param(thread).is_ok_and(|(policy, _)| policy == LOWEST);
        if !gives_way {
            // A service without that call keeps its priority.
            tracing::debug!(?asked, "a thread for SQL does not give way");
        }
        gives_way
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) type Thread = usize;

    pub(super) fn current() -> Thread {
        0
    }

    pub(super) fn give_way(_: Thread) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// The policy of the current thread, as the system tells it (field 41 of proc_pid_stat(5)).
    fn policy() -> String {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, values) = stat.rsplit_once(')').unwrap();
        values.split_ascii_whitespace().nth(38).unwrap().to_owned()
    }

    #[test]
    fn threads_give_way_together_with_those_that_come_later() {
        let threads = Arc::new(Threads::default());
        let (entered_to, entered) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let inside = Arc::clone(&threads);
        let early = thread::spawn(move || {
            inside.enter();
            entered_to.send(policy()).unwrap();
            wait.recv().unwrap();
            policy()
        });
        assert_eq!(entered.recv().unwrap(), "0");
        assert!(!threads.has_given_way());
        // The thread that asks gives way too, so this is not the one of the test.
        let inside = Arc::clone(&threads);
        let asking = thread::spawn(move || {
            inside.give_way();
            policy()
        });
        assert_eq!(asking.join().unwrap(), "5");
        go_on.send(()).unwrap();
        assert_eq!(early.join().unwrap(), "5");
        assert!(threads.has_given_way());
        let inside = Arc::clone(&threads);
        let late = thread::spawn(move || {
            inside.enter();
            policy()
        });
        assert_eq!(late.join().unwrap(), "5");
        assert_eq!(policy(), "0", "others do not give way");
    }

    #[test]
    fn a_thread_is_on_the_list_as_long_as_it_runs_and_once() {
        let threads = Arc::new(Threads::default());
        for _ in 0..3 {
            let (inside, other) = (Arc::clone(&threads), Arc::new(Threads::default()));
            let on_both = thread::spawn(move || {
                let lengths = || (inside.lock().running.len(), other.lock().running.len());
                inside.enter();
                inside.enter();
                assert_eq!(lengths(), (1, 0));
                other.enter();
                assert_eq!(lengths(), (0, 1));
                inside.enter();
                lengths()
            });
            assert_eq!(on_both.join().unwrap(), (1, 0));
            assert!(threads.lock().running.is_empty());
        }
    }
}

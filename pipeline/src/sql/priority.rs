//! A query that takes long gives way to everything else on the machine.
//!
//! Usual queries share the processors with the server, at a lower priority. That is not enough beside one that computes for
//! long: on a machine that is fully busy, the system still lets it run for some milliseconds before a thread of the server.
//! So after its first second of processor time, a query has only what nobody else wants (`SCHED_IDLE` of Linux, sched(7)),
//! and a thread of the server that wakes up takes its place at once. Without rights a process cannot come back from there,
//! so it answers no query after that one.

// The system's call has no safe form in the crates that we use.
#![allow(unsafe_code)]

use std::time::Duration;

/// Processor time of a usual query.
pub(super) const USUAL_CPU_MAX: Duration = Duration::from_secs(1);
/// Clock ticks of proc(5), on every architecture that Linux has Rust for.
const TICK: Duration = Duration::from_millis(10);

/// Whether a process gives way, and from which of its processor time on it will.
#[derive(Debug)]
pub(super) struct Priority {
    usual_cpu_max: Duration,
    usual_until: Duration,
    gives_way: bool,
}

impl Priority {
    /// The priority of a new process, whose queries give way after so much processor time.
    pub(super) fn new(usual_cpu_max: Duration) -> Priority {
        Priority { usual_cpu_max, usual_until: usual_cpu_max, gives_way: false }
    }

    /// A query begins in the process.
    pub(super) fn begin(&mut self, process: u32) {
        self.usual_until = cpu_time(process).unwrap_or_default() + self.usual_cpu_max;
    }

    /// Makes the process give way if its time is up, with the threads that it has begun since the last look.
    pub(super) fn look(&mut self, process: u32) {
        if cpu_time(process).is_some_and(|used| self.usual_until < used) {
            self.gives_way |= give_way(process);
        }
    }

    /// Whether the process gives way, for good.
    pub(super) fn gives_way(&self) -> bool {
        self.gives_way
    }
}

/// Processor time of a process so far.
fn cpu_time(process: u32) -> Option<Duration> {
    cpu_time_of(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The values `utime` and `stime` of proc_pid_stat(5). The name before them may contain anything.
fn cpu_time_of(stat: &str) -> Option<Duration> {
    let (_, values) = stat.rsplit_once(')')?;
    let mut ticks = values.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
    Some(TICK * ticks.next()?.ok()?.checked_add(ticks.next()?.ok()?)?)
}

/// Gives every thread of a process the lowest policy. Returns whether one has it now.
#[cfg(target_os = "linux")]
fn give_way(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return false };
    let threads = threads.flatten().filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    threads.fold(false, |any, thread| any | idle(thread))
}

#[cfg(not(target_os = "linux"))]
fn give_way(_: u32) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn idle(thread: libc::pid_t) -> bool {
    // SAFETY: the call reads one `sched_param`, which outlives it, and writes no memory of this process. It goes to the
    // system directly because musl's function of that name only says that it is not supported.
    let result = unsafe {
        let none: libc::sched_param = std::mem::zeroed();
        libc::syscall(libc::SYS_sched_setscheduler, thread, libc::SCHED_IDLE, &raw const none)
    };
    if result != 0 {
        // The thread may have ended. A service without that call keeps the lower priority.
        tracing::debug!(failure = %std::io::Error::last_os_error(), thread, "a thread for SQL does not give way");
    }
    result == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_as_linux_tells_it() {
        let stat = "71 (a ) b) S 1 71 71 0 -1 4194560 100 0 0 0 250 50 7 7 20 0 3 0 1000 1 1";
        assert_eq!(cpu_time_of(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time_of("71 (a) S 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_gives_way_once_its_time_is_up() {
        use std::process::Command;
        /// Of the values behind the name, which policy the thread has (field 41).
        const POLICY: usize = 38;
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh starts");
        let (process, mut priority) = (busy.id(), Priority::new(Duration::from_millis(50)));
        let policy = || {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
            let (_, values) = stat.rsplit_once(')').expect("a name");
            values.split_ascii_whitespace().nth(POLICY).map(str::to_owned)
        };
        priority.begin(process);
        priority.look(process);
        assert_eq!((priority.gives_way(), policy().as_deref()), (false, Some("0")));
        while cpu_time(process).expect("the process runs") < Duration::from_millis(100) {
            std::thread::yield_now();
        }
        priority.look(process);
        assert_eq!((priority.gives_way(), policy().as_deref()), (true, Some("5")));
        // The next query counts from its own beginning, and the process gives way still.
        priority.begin(process);
        priority.look(process);
        assert!(priority.gives_way());
        busy.kill().expect("the process runs");
        busy.wait().expect("it ends");
    }
}

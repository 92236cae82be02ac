//! A process for SQL as the server sees it: what it uses, and how it ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use analytics::worker::process::{Ended, WorkerLimit, WorkerProcess};
use async_trait::async_trait;
use tokio::process::Child;
use tokio::task::JoinHandle;

use super::output::Tail;
use super::spills::Spills;

/// Memory that a process may have grown to and still be kept for the next query.
const KEPT_BYTES_MAX: u64 = 256 << 20;
/// How Rust says that there is no memory.
const NO_MEMORY: &str = "memory allocation of";
/// How Rust says that a stack is used up.
const NO_STACK: &str = "has overflowed its stack";
/// What the system ends a process with when memory is short, and a program itself when it cannot go on.
const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// What a process may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessBounds {
    /// Memory, but for stacks that are reserved and not used.
    pub(super) memory_bytes_max: u64,
    /// Stack of one thread.
    pub(super) stack_bytes: usize,
}

/// A running process. Dropped, it ends, and so do its temporary files.
pub(super) struct SqlProcess {
    pub(super) child: Child,
    pub(super) tail: Tail,
    /// Reads what it writes, to the end.
    pub(super) output: JoinHandle<()>,
    pub(super) bounds: ProcessBounds,
    /// After the child, so that it goes last.
    pub(super) spills: Option<Spills>,
}

impl SqlProcess {
    fn memory_bytes(&self) -> Option<u64> {
        memory_of(&std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?)
    }
}

#[async_trait]
impl WorkerProcess for SqlProcess {
    fn over(&mut self) -> Option<WorkerLimit> {
        let memory_bytes_max = self.bounds.memory_bytes_max;
        if self.memory_bytes().is_some_and(|bytes| memory_bytes_max < bytes) {
            return Some(WorkerLimit::Memory(memory_bytes_max));
        }
        self.spills.as_ref().and_then(Spills::over)
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn is_large(&mut self) -> bool {
        self.memory_bytes().is_some_and(|bytes| KEPT_BYTES_MAX < bytes)
    }

    async fn kill(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill().await;
    }

    async fn ended(&mut self) -> Ended {
        // Its pipe is closed: it has ended, or will not be heard of again.
        let status = match self.child.try_wait() {
            Ok(Some(status)) => Some(status),
            _ => tokio::time::timeout(END_WAIT_MAX, self.child.wait()).await.ok().and_then(Result::ok),
        };
        let Some(status) = status else {
            self.kill().await;
            return Ended::Otherwise("it closed its pipe".to_owned());
        };
        // Its last words are on their way.
        let _ = tokio::time::timeout(END_WAIT_MAX, &mut self.output).await;
        how(status, &self.tail.text(), self.bounds)
    }
}

/// How long a process may take to end after its pipe, and its last words to arrive.
const END_WAIT_MAX: std::time::Duration = std::time::Duration::from_millis(500);

/// Why a process ended, by its status and its last words.
fn how(status: ExitStatus, words: &str, bounds: ProcessBounds) -> Ended {
    let ProcessBounds { memory_bytes_max, stack_bytes } = bounds;
    match status.signal() {
        Some(SIGABRT | SIGSEGV) if words.contains(NO_STACK) => Ended::Limit(WorkerLimit::Stack(stack_bytes)),
        Some(SIGABRT) if words.contains(NO_MEMORY) => Ended::Limit(WorkerLimit::Memory(memory_bytes_max)),
        // The server has not: whom it kills, it does not ask.
        Some(SIGKILL) => Ended::Otherwise(
            "it was killed by the system or by somebody; the machine may be short of memory".to_owned(),
        ),
        _ => Ended::Otherwise(status.to_string()),
    }
}

/// Memory that only this process has, with what was put out to the swap space, as Linux tells it.
fn memory_of(status: &str) -> Option<u64> {
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some((kib("RssAnon:")? + kib("RssShmem:").unwrap_or(0) + kib("VmSwap:").unwrap_or(0)) << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: ProcessBounds = ProcessBounds { memory_bytes_max: 1 << 30, stack_bytes: 1 << 20 };

    #[test]
    fn an_end_is_known_by_signal_and_last_words() {
        let check = |raw: i32, words: &str, expected: Ended| {
            assert_eq!(how(ExitStatus::from_raw(raw), words, BOUNDS), expected, "{raw} {words}");
        };
        let stack = "\nthread 'sql' (71) has overflowed its stack\nfatal runtime error: stack overflow, aborting";
        check(SIGABRT, stack, Ended::Limit(WorkerLimit::Stack(1 << 20)));
        check(SIGABRT, "memory allocation of 8 bytes failed", Ended::Limit(WorkerLimit::Memory(1 << 30)));
        for raw in [SIGKILL, SIGSEGV, SIGABRT, 0x100] {
            assert!(matches!(how(ExitStatus::from_raw(raw), "", BOUNDS), Ended::Otherwise(_)), "{raw}");
        }
    }

    #[test]
    fn memory_is_read_as_linux_tells_it() {
        let status = "Name:\tgallop\nVmSwap:\t      4 kB\nRssAnon:\t    1024 kB\nRssFile:\t   9999 kB\n";
        assert_eq!(memory_of(status), Some(1028 << 10));
        assert_eq!(memory_of("Name:\tgallop\n"), None);
    }
}

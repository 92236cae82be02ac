//! Starts processes for SQL: this very binary, with two pipes and nothing else of the server's.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{LazyLock, mpsc};
use std::thread;

use analytics::adhoc::limits::AdhocLimits;
use analytics::worker::process::{Launched, Launcher};
use async_trait::async_trait;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::output::Tail;
use super::process::{ProcessBounds, SqlProcess};
use super::spills::{SpillBounds, Spills, remove_left_behind};
use super::worker::COMMAND;

/// Stacks of threads beside those of queries, and what the system counts that nobody uses.
const SURPLUS_BYTES: u64 = 256 << 20;

/// Variables that a process has from the server.
const PASSED_ON: [&str; 4] = ["GALLOP_LOG", "GALLOP_LOG_FORMAT", "RUST_BACKTRACE", "TZ"];

/// What a process for SQL may use beside what [`AdhocLimits`] say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessOptions {
    /// Memory of everything that a query does.
    pub(crate) memory_bytes_max: u64,
    /// Space that temporary files leave free on their disk.
    pub(crate) temp_room_bytes_min: u64,
}

/// Starts processes within bounds.
pub(crate) struct ProcessLauncher {
    program: PathBuf,
    temp: PathBuf,
    bounds: ProcessBounds,
    spills: SpillBounds,
    /// What the system is told: stacks count there whether they are used or not.
    data_bytes_max: u64,
}

impl ProcessLauncher {
    /// Removes what servers before this one have left of temporary files.
    pub(crate) fn new(limits: &AdhocLimits, options: ProcessOptions) -> ProcessLauncher {
        let temp = std::env::temp_dir();
        remove_left_behind(&temp);
        let threads = (limits.threads + limits.blocking_threads_max) as u64;
        let stacks = threads.saturating_mul(limits.stack_bytes as u64);
        ProcessLauncher {
            program: own_binary(),
            temp,
            bounds: ProcessBounds { memory_bytes_max: options.memory_bytes_max, stack_bytes: limits.stack_bytes },
            spills: SpillBounds {
                bytes_max: limits.query_spill_bytes_max,
                room_bytes_min: options.temp_room_bytes_min,
            },
            data_bytes_max: options.memory_bytes_max.saturating_add(stacks).saturating_add(SURPLUS_BYTES),
        }
    }
}

/// The binary that runs, also where its file was replaced by another version.
fn own_binary() -> PathBuf {
    match cfg!(target_os = "linux") {
        true => PathBuf::from("/proc/self/exe"),
        false => std::env::current_exe().unwrap_or_else(|_| PathBuf::from("gallop")),
    }
}

#[async_trait]
impl Launcher for ProcessLauncher {
    async fn launch(&self) -> io::Result<Launched> {
        // Without a folder of their own, queries that spill fail, and others do not.
        let spills = Spills::create(&self.temp, self.spills).ok();
        let mut command = Command::new(&self.program);
        command.arg(COMMAND).arg(std::process::id().to_string()).arg(self.data_bytes_max.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // No keys of the server, and what the log is to be like.
        command.env_clear().kill_on_drop(true);
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        // Memory is asked of the system piece by piece, so that its bound is one of what is used.
        command.env("MIMALLOC_ARENA_EAGER_COMMIT", "0");
        if let Some(spills) = &spills {
            command.env("TMPDIR", spills.folder());
        }
        let mut child = spawn(command).await?;
        let (tail, process) = (Tail::default(), child.id().unwrap_or_default());
        let (Some(write), Some(read), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("the process has no pipes"));
        };
        let output = tokio::spawn(tail.clone().follow(process, errors));
        let process = SqlProcess { child, tail, output, bounds: self.bounds, spills };
        Ok(Launched { read: Box::new(read), write: Box::new(write), process: Box::new(process) })
    }
}

type Start = (Command, Handle, oneshot::Sender<io::Result<Child>>);

/// The thread that starts all processes. The system ends a process with the *thread* that started it, so this one lives
/// as long as the server.
static STARTER: LazyLock<io::Result<mpsc::SyncSender<Start>>> = LazyLock::new(|| {
    let (starts, waiting) = mpsc::sync_channel::<Start>(STARTS_WAITING_MAX);
    thread::Builder::new().name("sql-starter".to_owned()).stack_size(STARTER_STACK_BYTES).spawn(move || {
        for (mut command, runtime, child_to) in waiting {
            let _runtime = runtime.enter();
            // Whoever asked may be gone; then the process ends at once.
            let _ = child_to.send(command.spawn());
        }
    })?;
    Ok(starts)
});

/// Processes that wait to be started.
const STARTS_WAITING_MAX: usize = 64;
/// It only starts processes.
const STARTER_STACK_BYTES: usize = 256 << 10;

async fn spawn(command: Command) -> io::Result<Child> {
    let starter = STARTER.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let (child_to, child) = oneshot::channel();
    let busy = || io::Error::other("too many processes are being started");
    starter.try_send((command, Handle::current(), child_to)).map_err(|_| busy())?;
    child.await.unwrap_or_else(|_| Err(busy()))
}

//! The process that answers ad hoc queries: `gallop sql-worker`, which only a server starts.
//!
//! Its standard input and output are pipes to the server, and it ends with them. They need no rights that a shipped service
//! has not, as sockets would. Before it reads anything, it takes bounds upon itself
//! that it cannot lift again.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::process::ExitCode;

use analytics::worker::priority::{Priority, USUAL_CPU_MAX};
use analytics::worker::serve::serve;
use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::net::unix::pipe;
use tokio::runtime::Builder;
use tracing::{debug, warn};

use crate::telemetry::logs;

/// The word by which this binary knows that it is to be a worker.
pub(crate) const COMMAND: &str = "sql-worker";

/// How much it gives way to the server, in the system's measure: of one processor, a usual thread gets nine times the time.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Runs as a worker if the arguments say so. It is no command of users, so it stands before their commands.
pub(crate) fn run_if_asked(arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let words: Vec<String> = arguments.skip(1).map_while(|word| word.into_string().ok()).collect();
    let [command, server, memory_bytes_max] = words.as_slice() else { return None };
    if command != COMMAND {
        return None;
    }
    Some(match run(server, memory_bytes_max) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    })
}

fn run(server: &str, memory_bytes_max: &str) -> anyhow::Result<()> {
    let server = server.parse().with_context(|| format!("`{server}` is no process"))?;
    let bytes = memory_bytes_max.parse().with_context(|| format!("`{memory_bytes_max}` is not a number of bytes"))?;
    bind_to_server(server)?;
    give_way();
    logs::start_quiet()?;
    if let Err(failure) = bound(bytes) {
        // The server looks at the process too, only not at every moment.
        warn!(failure = %format!("{failure:#}"), "the memory of this process has no limit from the system");
    }
    let from_server = std::io::stdin().as_fd().try_clone_to_owned().context("there is no standard input")?;
    let to_server = std::io::stdout().as_fd().try_clone_to_owned().context("there is no standard output")?;
    // One thread for the pipes: queries have threads of their own.
    let runtime = Builder::new_current_thread().enable_all().build().context("the system gives no poll")?;
    let served = runtime.block_on(async {
        let from_server = pipe::Receiver::from_owned_fd(from_server).context("standard input is not a pipe")?;
        let to_server = pipe::Sender::from_owned_fd(to_server).context("standard output is not a pipe")?;
        anyhow::Ok(serve(from_server, to_server, Priority::until(USUAL_CPU_MAX)).await?)
    });
    // A query that still runs is nobody's any more.
    runtime.shutdown_background();
    served
}

/// Ends this process with the server, however that ends.
#[cfg(target_os = "linux")]
fn bind_to_server(server: i32) -> anyhow::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL)).context("the process cannot be bound to its server")?;
    // The server may have ended before that.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != server) {
        bail!("process {server} is not the server of this process");
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn bind_to_server(server: i32) -> anyhow::Result<()> {
    if server <= 0 {
        bail!("process {server} is not a server");
    }
    Ok(())
}

/// Lets the server have the processor first, and the system take this process first where memory is short.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        if let Err(failure) = getpriority_process(None).and_then(|usual| setpriority_process(None, usual + NICENESS)) {
            debug!(%failure, "the process has the usual priority");
        }
        // Threads that are started later have it too.
        if let Err(failure) = std::fs::write("/proc/self/oom_score_adj", "1000") {
            debug!(%failure, "the system does not take this process first");
        }
    }
}

/// Bounds for good: so much memory, and no image of it on disk.
fn bound(memory_bytes_max: u64) -> anyhow::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("core dumps cannot be turned off")?;
    let memory = Rlimit { current: Some(memory_bytes_max), maximum: Some(memory_bytes_max) };
    setrlimit(Resource::Data, memory).context("memory cannot be bounded")?;
    Ok(())
}

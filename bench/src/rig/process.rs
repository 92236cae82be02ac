//! What the kernel knows of a process: CPU time, peak memory and what it had from the disk, from `/proc` (Linux).

use std::time::Duration;

use anyhow::Context;

/// Clock ticks a second in `/proc/PID/stat`; fixed for user space on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of process `pid` so far, to 10 ms. `self` is this process.
pub(crate) fn cpu_time(pid: &str) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    // The second field is a name in parentheses that may hold anything.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// The most memory process `pid` has held, in bytes.
pub(crate) fn peak_memory(pid: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("the kernel says no peak memory")?;
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).context("VmHWM is a number")?;
    Ok(kib * 1024)
}

/// What process `pid` has had read from the disk so far, in bytes: what was in the page cache is not in it.
pub(crate) fn disk_read(pid: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/io");
    let io = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let line =
        io.lines().find_map(|line| line.strip_prefix("read_bytes: ")).context("the kernel says no read_bytes")?;
    line.trim().parse().context("read_bytes is a number")
}

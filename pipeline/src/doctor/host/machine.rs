//! The machine: files, memory, clocks, what becomes of a crash.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use model::doctor::Finding;
use rustix::process::{Resource, getrlimit};

use crate::doctor::finding::{fail, ok, size, warn};

/// Open files, below which connections are few.
const FILES_WARN: u64 = 4096;
/// Open files, below which a server is of no use.
const FILES_FAIL: u64 = 256;
/// Memory that is left, below which a server may be ended by the system.
const MEMORY_WARN: u64 = 512 << 20;
/// Memory that is left, below which it will be.
const MEMORY_FAIL: u64 = 128 << 20;
/// How long the two clocks are watched.
const CLOCK_LOOK: Duration = Duration::from_millis(50);
/// How far they may be apart after it.
const CLOCK_APART_MAX: Duration = Duration::from_millis(10);

/// Everything about the machine.
pub(crate) fn look() -> Vec<Finding> {
    vec![open_files(), memory(), clock(), core_pattern(), processors(), kernel()]
}

fn open_files() -> Finding {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    files(most)
}

fn files(most: u64) -> Finding {
    let found = if most == u64::MAX { "without a limit".to_owned() } else { format!("up to {most}") };
    let fix = format!("raise it: `ulimit -n 65536`, or LimitNOFILE=65536 in the service; {FILES_WARN} or more");
    match most {
        FILES_WARN.. => ok("machine.open-files", found),
        FILES_FAIL.. => warn("machine.open-files", found, fix),
        _ => fail("machine.open-files", found, fix),
    }
}

fn memory() -> Finding {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limits.iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok()).min();
    let used = ["/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes"];
    let used = used.iter().find_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok());
    let stat = ["/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat"];
    let stat = stat.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    // Files that were read stay in memory until somebody needs it.
    let used = used.map(|used| used.saturating_sub(cached(&stat)));
    left(available(&text), limit.zip(used))
}

/// What a control group could give back, in bytes.
fn cached(stat: &str) -> u64 {
    let figure = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    figure("total_inactive_file ").or_else(|| figure("inactive_file ")).unwrap_or(0)
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn left(available: Option<u64>, group: Option<(u64, u64)>) -> Finding {
    let check = "machine.memory";
    let Some(available) = available else { return ok(check, "this machine does not report it") };
    let of_group = group.map_or(u64::MAX, |(limit, used)| limit.saturating_sub(used));
    let left = available.min(of_group);
    let found =
        format!("{} left{}", size(left), if of_group < available { ", by the control group's limit" } else { "" });
    let fix = "end other programs, or give this one more: 512 MiB or more for a server";
    match left {
        MEMORY_WARN.. => ok(check, found),
        MEMORY_FAIL.. => warn(check, found, fix),
        _ => fail(check, found, fix),
    }
}

/// Whether wall clock and monotonic clock run alike.
#[expect(clippy::disallowed_methods, reason = "this checks the machine's clock")]
fn clock() -> Finding {
    let (instant, wall) = (Instant::now(), SystemTime::now());
    std::thread::sleep(CLOCK_LOOK);
    let (passed, said) = (instant.elapsed(), wall.elapsed().ok());
    clocks(passed, said)
}

fn clocks(passed: Duration, said: Option<Duration>) -> Finding {
    let check = "machine.clock";
    let fix = "let a service such as chrony slew the clock instead of stepping it";
    match said {
        None => warn(check, "the wall clock was set back during the check", fix),
        Some(said) if said.abs_diff(passed) > CLOCK_APART_MAX => {
            let apart = said.abs_diff(passed).as_millis();
            warn(check, format!("wall and monotonic clock diverged by {apart} ms in {} ms", passed.as_millis()), fix)
        }
        Some(_) => ok(check, "wall and monotonic clock agree"),
    }
}

fn core_pattern() -> Finding {
    let most = getrlimit(Resource::Core).current.unwrap_or(u64::MAX);
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    cores(most, pattern.trim())
}

fn cores(most: u64, pattern: &str) -> Finding {
    let check = "machine.core-pattern";
    if most == 0 || (most == 1 && pattern.starts_with('|')) {
        return ok(check, "a crash writes no memory to disk");
    }
    let found = format!("a crash writes memory, with records and keys, to `{pattern}`");
    warn(check, found, "`ulimit -c 0`, or LimitCORE=0 in the service, unless you want that")
}

fn processors() -> Finding {
    let check = "machine.processors";
    match std::thread::available_parallelism().map_or(1, usize::from) {
        1 => warn(check, "one", "give it two or more: on one, queries and deliveries wait for puts"),
        many => ok(check, many.to_string()),
    }
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let check = "machine.kernel";
    match version(&release) {
        Some((major, minor)) if (4, 14) <= (major, minor) => ok(check, format!("Linux {}", release.trim())),
        Some(_) => {
            warn(check, format!("Linux {}", release.trim()), "use Linux 4.14 or newer: older ones are not tested")
        }
        None => warn(check, "not Linux, or unknown", "use Linux"),
    }
}

/// Major and minor number of a release such as `6.1.0-18-amd64`.
pub(crate) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Whether the kernel knows sockets for frames past it.
pub(crate) fn knows_xdp(protocols: &Path) -> bool {
    fs::read_to_string(protocols).is_ok_and(|text| text.lines().any(|line| line.starts_with("XDP ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::doctor::State;

    #[test]
    fn figures_are_judged() {
        for (finding, state) in [
            (files(1 << 20), State::Ok),
            (files(1024), State::Warn),
            (files(64), State::Fail),
            (left(Some(8 << 30), None), State::Ok),
            (left(Some(8 << 30), Some((1 << 30, 800 << 20))), State::Warn),
            (left(Some(100 << 20), None), State::Fail),
            (clocks(CLOCK_LOOK, Some(CLOCK_LOOK)), State::Ok),
            (clocks(CLOCK_LOOK, Some(Duration::from_secs(60))), State::Warn),
            (clocks(CLOCK_LOOK, None), State::Warn),
            (cores(0, "core"), State::Ok),
            (cores(u64::MAX, "core"), State::Warn),
        ] {
            assert_eq!(finding.state, state, "{finding:?}");
            assert_eq!(finding.fix.is_some(), state != State::Ok, "{finding:?}");
        }
        assert_eq!(available("MemTotal: 5 kB\nMemAvailable:    2 kB\n"), Some(2048));
        assert_eq!(cached("anon 5\ninactive_file 7\n"), 7);
        assert_eq!(version("6.1.0-18-amd64\n"), Some((6, 1)));
    }

    #[test]
    fn this_machine_is_looked_at() {
        let checks: Vec<&str> = look().iter().map(|finding| finding.check).collect();
        assert_eq!(checks.len(), 6);
    }
}

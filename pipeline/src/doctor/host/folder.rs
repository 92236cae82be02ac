//! The data folder: whose it is, what it stands on, and how fast that is.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::doctor::Finding;

use crate::doctor::finding::{fail, ok, size, warn};
use crate::holder;
use crate::read_only;

/// Room, below which streams soon refuse records: some segments.
const ROOM_WARN: u64 = 1 << 30;
/// Room, below which they do so at once.
const ROOM_FAIL: u64 = 128 << 20;
/// How often the disk is asked to sync.
const SYNCS: usize = 5;
/// Bytes of each.
const SYNC_BYTES: usize = 4096;
/// A sync's time, above which puts are slow.
const SYNC_WARN: Duration = Duration::from_millis(20);
/// A sync's time, above which they are throttled.
const SYNC_FAIL: Duration = Duration::from_millis(1000);

/// Everything about the data folder.
pub(crate) fn look(data: &Path) -> Vec<Finding> {
    let place = nearest(data);
    let mut findings = glance(data);
    findings.push(in_use(data));
    findings.extend(writes(data, &place));
    findings
}

/// What takes no time and no disk.
pub(crate) fn glance(data: &Path) -> Vec<Finding> {
    let place = nearest(data);
    vec![owner(data, &place), room(&place), file_system(&place)]
}

/// Whether a running server can change what is in it.
pub(crate) fn changes(is_read_only: bool) -> Finding {
    let check = "data.writable";
    if is_read_only { fail(check, read_only::WHY, read_only::FIX) } else { ok(check, "the server writes to it") }
}

/// The folder, or the one above it that is there.
fn nearest(data: &Path) -> PathBuf {
    let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    whole.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn owner(data: &Path, place: &Path) -> Finding {
    let check = "data.folder";
    let own = rustix::process::geteuid().as_raw();
    let shown = data.display();
    match fs::metadata(place) {
        Ok(about) if !about.is_dir() => {
            fail(check, format!("{} is not a folder", place.display()), "name another folder with --data")
        }
        Ok(_) if !data.exists() => ok(check, format!("{shown} does not exist yet; the first start creates it")),
        Ok(about) if about.mode() & 0o002 != 0 => {
            warn(check, format!("everybody may write to {shown}"), format!("chmod o-w {shown}"))
        }
        Ok(about) if about.uid() != own => warn(
            check,
            format!("{shown} belongs to user {}, and this is user {own}", about.uid()),
            "run as its owner, as the server does",
        ),
        Ok(_) => ok(check, format!("{shown}, of this user")),
        Err(error) => fail(check, format!("{shown} cannot be looked at: {error}"), "name another folder with --data"),
    }
}

fn in_use(data: &Path) -> Finding {
    match holder::of_file(&data.join("streams/~lock")) {
        Some(holder) => ok("data.in-use", format!("by {holder}")),
        None => ok("data.in-use", "by nobody"),
    }
}

fn room(place: &Path) -> Finding {
    let check = "data.room";
    let found = match rustix::fs::statvfs(place) {
        Ok(found) => found,
        Err(error) => return warn(check, format!("it cannot be queried: {error}"), "check it with `df`"),
    };
    let (available, all) = (found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize);
    judge_room(available, all)
}

fn judge_room(available: u64, all: u64) -> Finding {
    let check = "data.room";
    let text = format!("{} of {} left", size(available), size(all));
    let fix =
        "free some space, keep records for less time (retention_hours, retention_bytes_max), or use a larger disk";
    match available {
        ROOM_WARN.. => ok(check, text),
        ROOM_FAIL.. => warn(check, text, fix),
        _ => fail(check, text, fix),
    }
}

fn file_system(place: &Path) -> Finding {
    match rustix::fs::statfs(place) {
        Ok(found) => judge_file_system(found.f_type as u64 & 0xffff_ffff),
        Err(error) => warn("data.file-system", format!("it cannot be queried: {error}"), "check it with `df -T`"),
    }
}

fn judge_file_system(magic: u64) -> Finding {
    let check = "data.file-system";
    let local = "use ext4 or xfs on a disk of this machine";
    match magic {
        0xef53 => ok(check, "ext4"),
        0x5846_5342 => ok(check, "xfs"),
        0x9123_683e => ok(check, "btrfs"),
        0x2fc1_2fc1 => ok(check, "zfs"),
        0x0102_1994 | 0x8584_58f6 => warn(check, "memory: its content is lost when the machine restarts", local),
        0x794c_7630 => warn(
            check,
            "a container's own layer: its content is lost with the container",
            "mount a volume for the data folder",
        ),
        0x6969 => warn(check, "NFS: a sync may not reach the disk", local),
        0xff53_4d42 | 0xfe53_4d42 => warn(check, "SMB: a sync may not reach the disk", local),
        0x6573_5546 => warn(check, "FUSE: its syncs depend on the program behind it", local),
        other => ok(check, format!("of kind {other:x}")),
    }
}

/// Whether it can be written to, and how long a sync takes.
fn writes(data: &Path, place: &Path) -> Vec<Finding> {
    let shown = place.display();
    let fix = format!("let this user write to {shown}, or name another folder with --data");
    match sync_times(place) {
        Ok(mut times) => {
            times.sort_unstable();
            let there = if data.exists() { "" } else { ", the folder above it" };
            vec![
                ok("data.writable", format!("{shown}{there}")),
                judge_sync(times[times.len() / 2], times[times.len() - 1]),
            ]
        }
        Err(error) => vec![fail("data.writable", format!("{shown} cannot be written to: {error}"), fix)],
    }
}

fn judge_sync(median: Duration, longest: Duration) -> Finding {
    let check = "data.sync";
    let found = format!("{:.1} ms, at most {:.1} ms", median.as_secs_f64() * 1e3, longest.as_secs_f64() * 1e3);
    let fix = "use a faster or less busy disk: every put waits for a sync";
    if SYNC_FAIL <= median {
        fail(check, found, fix)
    } else if SYNC_WARN <= median {
        warn(check, found, fix)
    } else {
        ok(check, found)
    }
}

fn sync_times(place: &Path) -> std::io::Result<Vec<Duration>> {
    let name = place.join(format!(".gallop-doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&name)?;
    let mut times = || {
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let begin = Instant::now();
            file.write_all(&[0; SYNC_BYTES])?;
            file.sync_data()?;
            times.push(begin.elapsed());
        }
        Ok(times)
    };
    let times = times();
    fs::remove_file(&name)?;
    times
}

/// Files of secrets, which nobody else should read.
pub(crate) fn secrets(files: &[PathBuf]) -> Finding {
    let check = "settings.secrets";
    let open = |file: &&PathBuf| fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o077 != 0);
    let there = files.iter().filter(|file| file.exists()).count();
    match files.iter().find(open) {
        None => ok(check, format!("{there} files of secrets; only their owner can read them")),
        Some(file) => {
            let mode = fs::metadata(file).map_or(0, |about| about.permissions().mode() & 0o777);
            let found = format!("others may read {} (mode {mode:o})", file.display());
            fail(check, found, format!("chmod 600 {}", file.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::doctor::State;

    #[test]
    fn figures_are_judged() {
        for (finding, state) in [
            (judge_room(2 << 30, 4 << 30), State::Ok),
            (judge_room(500 << 20, 4 << 30), State::Warn),
            (judge_room(1 << 20, 4 << 30), State::Fail),
            (judge_file_system(0xef53), State::Ok),
            (judge_file_system(0x0102_1994), State::Warn),
            (judge_file_system(0x6969), State::Warn),
            (judge_sync(Duration::from_millis(2), Duration::from_millis(9)), State::Ok),
            (judge_sync(Duration::from_millis(50), Duration::from_millis(60)), State::Warn),
            (judge_sync(Duration::from_secs(2), Duration::from_secs(2)), State::Fail),
        ] {
            assert_eq!(finding.state, state, "{finding:?}");
            assert_eq!(finding.fix.is_some(), state != State::Ok, "{finding:?}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_judged_by_the_one_above_and_not_made() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("a/b");
        let findings = look(&data);
        assert!(findings.iter().all(|finding| finding.state != State::Fail), "{findings:?}");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }

    #[test]
    fn secrets_that_others_may_read_are_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("secret");
        fs::write(&file, "canary").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("changed");
        let files = [file.clone(), folder.path().join("nothing")];
        let found = secrets(&files);
        assert_eq!((found.state, found.fix.as_deref()), (State::Fail, Some(&*format!("chmod 600 {}", file.display()))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("changed");
        assert_eq!(secrets(&files).state, State::Ok);
    }
}

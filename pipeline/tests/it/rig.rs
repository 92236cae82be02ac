//! Small disks with real trouble: file systems in files, over loop devices. They need root; a machine that gives no such
//! rig is told of in one line, and the test that asked for it ends.

use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: u64 = 1 << 20;
/// What the memory below a disk has or has not.
const BLOCK_BYTES: u64 = 4096;

/// A mounted ext4 file system; unmounted when dropped.
pub(crate) struct Rig {
    folder: tempfile::TempDir,
    mounted: Vec<PathBuf>,
    /// Where its files are.
    pub(crate) data: PathBuf,
}

impl Rig {
    /// A disk of `bytes`.
    pub(crate) fn small_disk(bytes: u64) -> Option<Rig> {
        Rig::ext4("a small disk", bytes, None, &[])
    }

    /// A disk that says it has 128 MiB, on a memory that has 24: once that is full, a sync fails, and the next one says
    /// that all is well.
    pub(crate) fn disk_that_fails_to_sync() -> Option<Rig> {
        Rig::ext4("a disk that fails to sync", 128 * MIB, Some(24 * MIB), &[])
    }

    /// The same without a journal: the file system goes on after the failure as if nothing had
    /// been.
    pub(crate) fn disk_without_journal() -> Option<Rig> {
        Rig::ext4("a disk without a journal", 128 * MIB, Some(24 * MIB), &["-O", "^has_journal"])
    }

    fn ext4(what: &str, bytes: u64, memory: Option<u64>, options: &[&str]) -> Option<Rig> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("disk");
        let mut rig = Rig { folder, mounted: Vec::new(), data };
        match rig.mount(bytes, memory, options) {
            Ok(()) => Some(rig),
            Err(reason) => {
                println!("left out: no {what} on this machine: {reason}");
                None
            }
        }
    }

    fn mount(&mut self, bytes: u64, memory: Option<u64>, options: &[&str]) -> Result<(), String> {
        let backing = self.folder.path().join("backing");
        for folder in [&self.data, &backing] {
            std::fs::create_dir(folder).map_err(|error| error.to_string())?;
        }
        if let Some(memory) = memory {
            run("mount", &["-t", "tmpfs", "-o", &format!("size={memory}"), "tmpfs", text(&backing)])?;
            self.mounted.push(backing);
        }
        let image = self.image();
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(bytes).map_err(|error| error.to_string())?;
        let block = BLOCK_BYTES.to_string();
        run("mkfs.ext4", &[&["-q", "-F", "-m", "0", "-b", &block], options, &[text(&image)]].concat())?;
        self.attach()
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("backing/image")
    }

    fn attach(&mut self) -> Result<(), String> {
        run("mount", &["-o", "loop", text(&self.image()), text(&self.data)])?;
        self.mounted.push(self.data.clone());
        // Linux takes a write that a loop device could do a part of for one that was done. A request of one block is done
        // or fails.
        let requests = format!("/sys/dev/block/{}/queue/max_sectors_kb", self.device());
        std::fs::write(&requests, (BLOCK_BYTES / 1024).to_string()).map_err(|error| format!("{requests}: {error}"))
    }

    /// Gives the memory under the disk room, and mounts the disk anew: what it holds is what came through.
    pub(crate) fn repair(&mut self) {
        self.grow();
        self.detach();
        // Returns 1 where it had something to repair.
        let _ = Command::new("e2fsck").args(["-p", text(&self.image())]).output();
        self.attach().expect("the disk can be mounted again");
    }

    /// Lets the disk take writes, or not. Error: somebody still writes.
    pub(crate) fn set_writable(&self, is_writable: bool) -> Result<(), String> {
        run("mount", &["-o", if is_writable { "remount,rw" } else { "remount,ro" }, text(&self.data)])
    }

    /// Gives the memory under the disk room: from now on, syncs succeed.
    pub(crate) fn grow(&self) {
        let backing = self.folder.path().join("backing");
        run("mount", &["-o", "remount,size=256m", text(&backing)]).expect("the memory under the disk grows");
    }

    /// Mounts the disk anew, and does no more: what the system had in memory alone is gone.
    pub(crate) fn mount_again(&mut self) {
        self.detach();
        self.attach().expect("the disk can be mounted again");
    }

    fn detach(&mut self) {
        let disk = self.mounted.pop().expect("the disk is mounted");
        run("umount", &[text(&disk)]).expect("nobody has a file open");
    }

    /// Takes `bytes` of the disk, until the file is removed.
    pub(crate) fn ballast(&self, bytes: u64) -> PathBuf {
        let file = self.data.join("ballast");
        std::fs::write(&file, vec![0; usize::try_from(bytes).expect("a small disk")]).expect("there is room for it");
        file
    }

    /// The loop device, as `major:minor`.
    pub(crate) fn device(&self) -> String {
        use std::os::unix::fs::MetadataExt;
        let device = std::fs::metadata(&self.data).expect("the disk is mounted").dev();
        format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for mounted in self.mounted.iter().rev() {
            // Lazily: a process that was just killed may still have a file open.
            let _ = run("umount", &["-l", text(mounted)]);
        }
    }
}

/// A control group whose processes write at most so many bytes a second to a device; removed when dropped.
pub(crate) struct SlowGroup(PathBuf);

impl SlowGroup {
    pub(crate) fn new(device: &str, bytes_a_second: u64) -> Option<SlowGroup> {
        let name = format!("gallop-test-{}", std::process::id());
        let tries = [
            (Path::new("/sys/fs/cgroup/blkio").join(&name), "blkio.throttle.write_bps_device", ""),
            (Path::new("/sys/fs/cgroup").join(&name), "io.max", "wbps="),
        ];
        for (folder, setting, prefix) in tries {
            if std::fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = SlowGroup(folder);
            let limited = std::fs::write(group.0.join(setting), format!("{device} {prefix}{bytes_a_second}"));
            if limited.is_ok() {
                return Some(group);
            }
        }
        println!("left out: no slow disk on this machine: control groups do not limit writes");
        None
    }

    /// Puts a process into the group.
    pub(crate) fn take(&self, process: u32) {
        std::fs::write(self.0.join("cgroup.procs"), process.to_string()).expect("the group takes the process");
    }
}

impl Drop for SlowGroup {
    fn drop(&mut self) {
        // Empty once its process is gone; a group that is left behind limits nobody.
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

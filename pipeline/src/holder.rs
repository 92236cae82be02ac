//! Which process has a port or a file: what `/proc` says of this machine's own. Of other users' processes only root sees it.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Characters of a command that are shown.
const COMMAND_LENGTH_MAX: usize = 120;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its id.
    pub(crate) process: u32,
    /// What it was started as.
    pub(crate) command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.process, self.command)
    }
}

/// What another process has, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct InUse {
    /// What it has.
    pub(crate) what: String,
    /// Who.
    pub(crate) holder: Option<Holder>,
    /// What to do.
    pub(crate) fix: String,
}

impl InUse {
    /// Who it is, as far as that can be seen.
    pub(crate) fn why(&self) -> String {
        match &self.holder {
            Some(holder) => format!("{holder} has it"),
            None => "another process has it, of a user whose processes are not shown to this one".to_owned(),
        }
    }
}

/// Who listens at a TCP address, or at its port on all addresses.
pub(crate) fn of_port(address: SocketAddr) -> Option<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let inodes: Vec<u64> =
        tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| listener(line, address)).collect();
    find(|link| {
        let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
        inodes.contains(&inode).then_some(())
    })
}

/// Who has a file open, other than this process.
pub(crate) fn of_file(file: &Path) -> Option<Holder> {
    let wanted = fs::metadata(file).ok().map(|about| (about.dev(), about.ino()))?;
    let own = std::process::id();
    processes().filter(|process| *process != own).find_map(|process| {
        let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
        let same = |about: fs::Metadata| (about.dev(), about.ino()) == wanted;
        let holds = files.flatten().any(|file| fs::metadata(file.path()).is_ok_and(same));
        holds.then(|| holder(process))
    })
}

/// What is said where `file` of the data folder cannot be opened: who has it, if somebody has.
pub(crate) fn of_data(data: &Path, file: &Path, error: anyhow::Error) -> anyhow::Error {
    match of_file(file) {
        None => error,
        Some(holder) => {
            let what = format!("the data folder {} is in use", data.display());
            let fix = "stop that process, or name another folder with --data".to_owned();
            InUse { what, holder: Some(holder), fix }.into()
        }
    }
}

/// The socket of a line that listens at `address`.
fn listener(line: &str, address: SocketAddr) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, ..] = fields.as_slice() else { return None };
    // 0A is LISTEN.
    if *state != "0A" {
        return None;
    }
    let (ip, port) = local.split_once(':')?;
    let (ip, port) = (ip_of(ip)?, u16::from_str_radix(port, 16).ok()?);
    let meets =
        ip.is_unspecified() || address.ip().is_unspecified() || ip.to_canonical() == address.ip().to_canonical();
    (port == address.port() && meets).then(|| fields.get(9)?.parse().ok())?
}

/// An address as the kernel prints it: words in the machine's own order of bytes.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

/// The process with an open file whose link `is_it`.
fn find(is_it: impl Fn(&str) -> Option<()>) -> Option<Holder> {
    processes().find_map(|process| {
        let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
        let mut links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        let holds = links.any(|link| link.to_str().and_then(&is_it).is_some());
        holds.then(|| holder(process))
    })
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn holder(process: u32) -> Holder {
    let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let words = arguments.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let command: Vec<String> = words.map(|word| String::from_utf8_lossy(word).escape_debug().to_string()).collect();
    let command = if command.is_empty() {
        fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default().trim().to_owned()
    } else {
        command.join(" ")
    };
    Holder { process, command: command.chars().take(COMMAND_LENGTH_MAX).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_found_whatever_addresses_it_listens_at() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
            let address = listener.local_addr().expect("it listens");
            let asked = SocketAddr::new(
                if address.is_ipv6() { address.ip() } else { Ipv4Addr::LOCALHOST.into() },
                address.port(),
            );
            let found = of_port(asked).unwrap_or_else(|| panic!("nobody at {address}"));
            assert_eq!(found.process, std::process::id());
            assert!(!found.command.is_empty());
        }
    }

    #[test]
    fn nobody_holds_what_nobody_opened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        assert_eq!(of_file(&file), None);
    }
}

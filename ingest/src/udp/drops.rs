//! What the kernel dropped because a socket's buffer was full.

use std::collections::BTreeSet;

use rustix::thread::Pid;

/// Datagrams dropped at the sockets with these inodes, as the kernel tells a thread in whose network they are.
pub(super) fn dropped(thread: Pid, inodes: &BTreeSet<u64>) -> u64 {
    let tables = ["udp", "udp6"].map(|table| format!("/proc/self/task/{}/net/{table}", thread.as_raw_nonzero()));
    tables.iter().filter_map(|path| std::fs::read_to_string(path).ok()).map(|table| sum(&table, inodes)).sum()
}

/// The last column of each line is the drops; the tenth is the inode.
fn sum(table: &str, inodes: &BTreeSet<u64>) -> u64 {
    let drops = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let inode: u64 = columns.get(9)?.parse().ok()?;
        inodes.contains(&inode).then(|| columns.get(12)?.parse::<u64>().ok())?
    });
    drops.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_by_inode() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
             11: 00000000:2328 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21 2 0000000000000000 5\n \
             12: 00000000:2329 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 22 2 0000000000000000 70\n \
             13: 00000000:232A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 23 2 0000000000000000 900\n";
        assert_eq!(sum(table, &BTreeSet::from([21, 23, 99])), 905);
    }
}

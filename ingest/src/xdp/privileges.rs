//! Capabilities: needed to set up, a risk from then on.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets};

/// Gives all capabilities of this thread up, for good: its own, those that programs it starts would get, and the right to
/// gain any by starting one. Threads that it starts from now on have none either, so call it before there are others.
///
/// # Errors
///
/// If the kernel refuses, or if another thread of the process has capabilities still.
pub fn drop_all() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::thread::clear_ambient_capability_set()?;
    // The bounding set is left to no_new_privs where CAP_SETPCAP is missing: nothing can be gained through it.
    let held = rustix::thread::capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                // A capability that this kernel does not have.
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    let held = held_by_any_thread()?;
    if held != 0 {
        return Err(io::Error::other(format!("capabilities {held:#x} are held by other threads of this process")));
    }
    Ok(())
}

/// The capabilities, as bits, that at least one thread of this process has or could take.
pub fn held_by_any_thread() -> io::Result<u64> {
    let mut held = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let status = match std::fs::read_to_string(thread?.path().join("status")) {
            Ok(status) => status,
            // It has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in status.lines() {
            let set = ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"].iter().find_map(|name| line.strip_prefix(name));
            held |= set.map_or(0, |bits| u64::from_str_radix(bits.trim(), 16).unwrap_or(u64::MAX));
        }
    }
    Ok(held)
}

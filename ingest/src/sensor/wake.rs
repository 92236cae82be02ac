//! Wakes a poller that sleeps in poll(2).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};

/// A flag that can be waited for together with sockets.
#[derive(Debug)]
pub(crate) struct Wake {
    raised: AtomicBool,
    descriptor: OwnedFd,
}

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Wake { raised: AtomicBool::new(false), descriptor })
    }

    /// Raises the flag and wakes whoever waits.
    pub(crate) fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            // Cannot fail: the counter is far from its end, since it is set back each time.
            let _ = rustix::io::write(&self.descriptor, &1u64.to_ne_bytes());
        }
    }

    /// Whether the flag was raised since the last time; costs one load if not.
    pub(crate) fn take(&self) -> bool {
        if !self.raised.load(Ordering::Relaxed) {
            return false;
        }
        // The counter first: who raises the flag from now on writes to it again.
        let _ = rustix::io::read(&self.descriptor, &mut [0u8; 8]);
        self.raised.swap(false, Ordering::AcqRel)
    }

    /// Waits until the flag is raised, or one of `sockets` can be read, or `limit` is over.
    pub(crate) fn wait<'a>(
        &'a self,
        sockets: impl IntoIterator<Item = BorrowedFd<'a>>,
        polls: &mut Vec<PollFd<'a>>,
        limit: Option<Duration>,
    ) -> io::Result<()> {
        polls.clear();
        polls.push(PollFd::from_borrowed_fd(self.descriptor.as_fd(), PollFlags::IN));
        polls.extend(sockets.into_iter().map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)));
        match rustix::event::poll(polls, limit.and_then(|limit| Timespec::try_from(limit).ok()).as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_ends_the_wait_and_is_taken_once() {
        let wake = Wake::new().expect("an eventfd");
        std::thread::scope(|scope| {
            scope.spawn(|| wake.raise());
            wake.wait([], &mut Vec::new(), None).expect("it is woken");
        });
        assert!(wake.take());
        assert!(!wake.take());
        wake.wait([], &mut Vec::new(), Some(Duration::from_nanos(1))).expect("the time is over");
        wake.raise();
        wake.wait([], &mut Vec::new(), None).expect("it is woken again");
        assert!(wake.take());
    }
}

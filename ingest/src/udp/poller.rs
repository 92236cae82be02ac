//! A thread that reads its sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::thread::Pid;
use socket2::Socket;
use tracing::error;

use super::burst::Burst;
use super::drops;
use crate::sensor::intake::{BATCH_WAIT_MAX, Intake, now_nanos};
use crate::sensor::wake::Wake;

/// Bursts that are read from a socket before it is closed: more than fit into its buffer.
const CLOSING_BURSTS_MAX: usize = 1_024;

/// How long a poller without datagrams looks again and again before it sleeps: whoever wakes it up pays for that, and that
/// is the processor which receives.
const SPIN: Duration = Duration::from_micros(50);

/// What a poller shares with the threads that control it.
#[derive(Debug)]
pub(super) struct PollerControl {
    orders: Mutex<Vec<Order>>,
    /// The inodes of its open sockets.
    inodes: Mutex<BTreeSet<u64>>,
    /// Drops at sockets that are closed by now.
    dropped_before: AtomicU64,
    pub(super) wake: Wake,
    stop: AtomicBool,
    thread: OnceLock<Pid>,
}

#[derive(Debug)]
enum Order {
    Open(u16, Socket),
    /// Dropping the sender says that it is done.
    Close(u16, SyncSender<()>),
}

impl PollerControl {
    pub(super) fn new() -> io::Result<Self> {
        Ok(PollerControl {
            orders: Mutex::default(),
            inodes: Mutex::default(),
            dropped_before: AtomicU64::new(0),
            wake: Wake::new()?,
            stop: AtomicBool::new(false),
            thread: OnceLock::new(),
        })
    }

    pub(super) fn open(&self, port: u16, socket: Socket) {
        self.order(Order::Open(port, socket));
    }

    /// Ends a port. The receiver hangs up when its socket is closed.
    pub(super) fn close(&self, port: u16) -> Receiver<()> {
        let (closed, closing) = sync_channel(0);
        self.order(Order::Close(port, closed));
        closing
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake.raise();
    }

    /// Datagrams that the kernel dropped because this poller was behind.
    pub(super) fn dropped(&self) -> u64 {
        let inodes = self.inodes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.thread.get().map_or(0, |thread| drops::dropped(*thread, &inodes));
        self.dropped_before.load(Ordering::Relaxed) + now
    }

    fn order(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        self.wake.raise();
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Reads until it is stopped; what is accepted by then is handed over.
pub(super) fn run(control: &PollerControl, mut intake: Intake) {
    control.thread.get_or_init(rustix::thread::gettid);
    let mut poller = Poller { sockets: BTreeMap::new(), burst: Burst::new() };
    let mut idle_since = Instant::now();
    while !control.stopped() {
        if control.wake.take() {
            poller.follow(control, &mut intake);
        }
        intake.begin(now_nanos());
        let mut received = 0;
        for (port, socket) in &poller.sockets {
            received += receive(&mut poller.burst, *port, socket, control, &mut intake);
        }
        let waiting = intake.end();
        if received > 0 {
            idle_since = Instant::now();
        } else if poller.sockets.is_empty() || idle_since.elapsed() >= SPIN {
            let sockets = poller.sockets.values().map(AsFd::as_fd);
            let limit = waiting.then_some(BATCH_WAIT_MAX);
            if let Err(error) = control.wake.wait(sockets, &mut Vec::new(), limit) {
                error!(%error, "sensor sockets cannot be waited for");
                return;
            }
        }
    }
}

struct Poller {
    sockets: BTreeMap<u16, Socket>,
    burst: Burst,
}

impl Poller {
    fn follow(&mut self, control: &PollerControl, intake: &mut Intake) {
        let orders = std::mem::take(&mut *control.orders.lock().unwrap_or_else(PoisonError::into_inner));
        for order in orders {
            match order {
                Order::Open(port, socket) => {
                    control.inodes.lock().unwrap_or_else(PoisonError::into_inner).extend(inode(&socket));
                    self.sockets.insert(port, socket);
                }
                Order::Close(port, _closed) => {
                    if let Some(socket) = self.sockets.remove(&port) {
                        self.close(port, &socket, control, intake);
                    }
                }
            }
        }
    }

    /// Reads what the socket holds and counts what it dropped, so that nothing is unaccounted for.
    fn close(&mut self, port: u16, socket: &Socket, control: &PollerControl, intake: &mut Intake) {
        for _ in 0..CLOSING_BURSTS_MAX {
            intake.begin(now_nanos());
            if receive(&mut self.burst, port, socket, control, intake) == 0 {
                break;
            }
        }
        let mut inodes = control.inodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inode) = inode(socket) {
            let dropped = drops::dropped(rustix::thread::gettid(), &BTreeSet::from([inode]));
            control.dropped_before.fetch_add(dropped, Ordering::Relaxed);
            inodes.remove(&inode);
        }
    }
}

/// One burst of a socket. Errors that a socket reports of earlier packets are no reason to stop reading.
fn receive(burst: &mut Burst, port: u16, socket: &Socket, control: &PollerControl, intake: &mut Intake) -> usize {
    let received = burst.receive(socket.as_fd(), |from, bytes| {
        intake.take_patiently(from, port, bytes, || control.stopped());
    });
    received.unwrap_or_else(|error| {
        error!(port, %error, "sensor socket cannot be read now");
        0
    })
}

fn inode(socket: &Socket) -> Option<u64> {
    rustix::fs::fstat(socket).ok().map(|stat| stat.st_ino)
}

//! The plain way to receive datagrams, which measurements of better ones are divided by: one thread, one socket,
//! recvmmsg(2) with 64 buffers; of each datagram the header is read, gaps are counted by source, and a value is summed up.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use model::datagram::payload::Datagram;
use rustix::thread::{CpuSet, sched_setaffinity};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::warn;

use crate::udp::burst::Burst;

/// How long the loop waits for a datagram before it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A loop at work.
#[derive(Debug)]
pub struct PlainLoop {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    datagrams: AtomicU64,
    gaps: AtomicU64,
    sum: AtomicU64,
}

impl PlainLoop {
    /// Receives what comes to an address, in the network namespace of this thread. Sources are told apart by the low bits
    /// of their number: up to `flows`, a power of two. The loop keeps to one processor.
    pub fn start(address: SocketAddr, flows: usize, processor: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(crate::udp::receiver::RECEIVE_BUFFER_BYTES)?;
        socket.bind(&address.into())?;
        socket.set_read_timeout(Some(LOOK))?;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("plain-loop".to_owned()).spawn(move || {
            keep_to(processor);
            receive(&socket, flows, &of_thread);
        })?;
        Ok(PlainLoop { shared, thread: Some(thread) })
    }

    /// Datagrams received so far.
    pub fn datagrams(&self) -> u64 {
        self.shared.datagrams.load(Ordering::Relaxed)
    }
}

/// Keeps this thread to one processor, if that may be used.
pub fn keep_to(processor: usize) {
    let mut one = CpuSet::new();
    one.set(processor);
    if let Err(error) = sched_setaffinity(None, &one) {
        warn!(processor, %error, "a thread of a measurement is not kept to its processor");
    }
}

fn receive(socket: &Socket, flows: usize, shared: &Shared) {
    let (mut burst, mut next) = (Burst::new(), vec![0u64; flows]);
    while !shared.stop.load(Ordering::Relaxed) {
        let (mut gaps, mut sum) = (0, 0u64);
        let received = burst.receive_waiting(socket.as_fd(), |_, bytes| {
            let Ok(datagram) = Datagram::read(bytes) else { return };
            let header = &datagram.header;
            let expected = &mut next[header.source_id.0 as usize % flows];
            gaps += u64::from(*expected != header.first);
            *expected = header.first + u64::from(header.count);
            sum = sum.wrapping_add(u64::from(datagram.records_bytes()[0]));
        });
        shared.datagrams.fetch_add(received.unwrap_or(0) as u64, Ordering::Relaxed);
        shared.gaps.fetch_add(gaps, Ordering::Relaxed);
        shared.sum.fetch_add(sum, Ordering::Relaxed);
    }
}

impl Drop for PlainLoop {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // A loop that panicked has said so.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

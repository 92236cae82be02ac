//! The pollers of an interface, and what they and the kernel count.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;
use tracing::warn;

use super::poller::{self, PollerControl};
use super::program::{Seen, Steering};
use super::setup::{XdpError, XdpMode, XdpSetup};
use super::socket::{RING_FRAMES, SocketCounters, SocketLosses};
use crate::sensor::port_table::{PortError, PortMirror};
use crate::sensor::reception::Reception;

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub enum XdpStartError {
    /// No thread, or no descriptor to wake it.
    #[error("a poller of receive queues cannot start")]
    Start(#[source] io::Error),
    /// A port cannot be steered.
    #[error(transparent)]
    Port(#[from] PortError),
    /// It was never set up.
    #[error(transparent)]
    Setup(#[from] XdpError),
}

/// Receives what is sent to the ports of a reception, past the kernel's stack, until it is dropped.
#[derive(Debug)]
pub struct XdpReceiver {
    interface: String,
    mode: XdpMode,
    reasons: Vec<String>,
    steering: Arc<Steering>,
    queues: Vec<Queue>,
    threads: Vec<JoinHandle<()>>,
    /// The program is off the interface once this is closed.
    link: Option<OwnedFd>,
}

#[derive(Debug)]
struct Queue {
    control: Arc<PollerControl>,
    counters: SocketCounters,
}

/// What the kernel says of one receive queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QueueReport {
    /// What was lost, by cause.
    pub losses: SocketLosses,
    /// Frames that waited for the poller when it looked last.
    pub waiting: u32,
    /// Frames that can wait.
    pub room: u32,
}

/// Steers ports as they are programmed.
struct Steered(Arc<Steering>);

impl PortMirror for Steered {
    fn open(&self, port: u16) -> io::Result<()> {
        self.0.set_port(port, true)
    }

    fn close(&self, port: u16) {
        if let Err(error) = self.0.set_port(port, false) {
            warn!(port, %error, "port still bypasses the kernel; its datagrams are counted and dropped");
        }
    }
}

impl XdpReceiver {
    /// Starts a poller for each queue and steers the ports that there are; those to come are steered as they are
    /// programmed. Needs no privilege.
    pub fn start(reception: &Arc<Reception>, setup: XdpSetup) -> Result<Self, XdpStartError> {
        let XdpSetup { options, mode, reasons, steering, sockets, link } = setup;
        let mut receiver = XdpReceiver {
            interface: options.interface,
            mode,
            reasons,
            steering: Arc::new(steering),
            queues: Vec::new(),
            threads: Vec::new(),
            link: Some(link),
        };
        for (number, socket) in sockets.into_iter().enumerate() {
            let control = Arc::new(PollerControl::new().map_err(XdpStartError::Start)?);
            let counters = socket.counters().map_err(XdpStartError::Start)?;
            let intake = reception.intake(format!("xdp {number}"));
            let processor = options.processors.get(number).copied();
            let of_thread = Arc::clone(&control);
            let thread = std::thread::Builder::new().name(format!("sensor-xdp-{number}")).spawn(move || {
                pin(number, processor);
                poller::run(&of_thread, socket, intake);
            });
            receiver.queues.push(Queue { control, counters });
            receiver.threads.push(thread.map_err(XdpStartError::Start)?);
        }
        reception.ports().mirror(Arc::new(Steered(Arc::clone(&receiver.steering))))?;
        Ok(receiver)
    }

    /// The interface.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// How frames come.
    pub fn mode(&self) -> XdpMode {
        self.mode
    }

    /// Why they do not come in a better way.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// What the program has seen.
    pub fn seen(&self) -> io::Result<Seen> {
        self.steering.seen()
    }

    /// What the kernel says of each queue.
    pub fn queues(&self) -> io::Result<Vec<QueueReport>> {
        let report = |queue: &Queue| {
            let losses = queue.counters.losses()?;
            Ok(QueueReport { losses, waiting: queue.control.waiting(), room: RING_FRAMES })
        };
        self.queues.iter().map(report).collect()
    }
}

impl Drop for XdpReceiver {
    /// Takes the program off the interface and stops the pollers; what they accepted is handed over.
    fn drop(&mut self) {
        drop(self.link.take());
        self.queues.iter().for_each(|queue| queue.control.stop());
        for thread in self.threads.drain(..) {
            // A poller that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Keeps this thread on one processor: the one that was asked for, or, counted from the last, the queue's own number, since
/// interrupts are handled by the first ones mostly.
fn pin(queue: usize, processor: Option<usize>) {
    let result = sched_getaffinity(None).and_then(|allowed| {
        let processors: Vec<usize> = (0..CpuSet::MAX_CPU).rev().filter(|at| allowed.is_set(*at)).collect();
        let chosen = processor.or_else(|| processors.get(queue % processors.len().max(1)).copied());
        let mut one = CpuSet::new();
        chosen.into_iter().for_each(|at| one.set(at));
        sched_setaffinity(None, &one)
    });
    if let Err(error) = result {
        warn!(queue, ?processor, %error, "a poller of sensor frames could not be pinned to its processor");
    }
}

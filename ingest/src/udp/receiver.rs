//! The pollers, and the ports that they read.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::poller::{self, PollerControl};
use crate::sensor::port_table::{PortError, PortMirror};
use crate::sensor::reception::Reception;

/// Pollers, at most.
pub const POLLERS_MAX: usize = 64;
/// Bytes that a socket may hold for a poller that is busy; the kernel may allow less (`net.core.rmem_max`).
pub const RECEIVE_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// How long the removal of a port waits for pollers to close their sockets.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// How long a port that somebody has is asked for again. A process that another thread is starting has all our sockets for a
/// moment, until it runs its program: so may a port be taken that was removed just now.
const FREE_WAIT_MAX: Duration = Duration::from_secs(1);
const FREE_PAUSE: Duration = Duration::from_millis(10);

/// How to receive.
#[derive(Debug, Clone, Copy)]
pub struct UdpOptions {
    /// Where to listen. The unspecified address of IPv6 takes IPv4 too.
    pub address: IpAddr,
    /// Threads, each with a socket a port; at most [`POLLERS_MAX`].
    pub pollers: usize,
    /// Bytes that a socket may hold.
    pub receive_buffer_bytes: usize,
}

impl Default for UdpOptions {
    /// Everywhere, a poller for each processor.
    fn default() -> Self {
        let pollers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let address = Ipv4Addr::UNSPECIFIED.into();
        UdpOptions { address, pollers: pollers.min(POLLERS_MAX), receive_buffer_bytes: RECEIVE_BUFFER_BYTES }
    }
}

/// Why it cannot receive.
#[derive(Debug, thiserror::Error)]
pub enum UdpError {
    /// No thread, or no descriptor to wake it.
    #[error("a poller of sensor sockets cannot start")]
    Start(#[source] io::Error),
    /// A port cannot be opened.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Receives what is sent to the ports of a reception until it is stopped.
#[derive(Debug)]
pub struct UdpReceiver {
    desks: Vec<Arc<PollerControl>>,
    threads: Vec<JoinHandle<()>>,
}

/// Binds sockets for a port and gives one to each poller.
struct Sockets {
    desks: Vec<Arc<PollerControl>>,
    options: UdpOptions,
}

impl UdpReceiver {
    /// Starts the pollers and opens the ports that there are; those to come are opened as they are programmed.
    ///
    /// # Errors
    ///
    /// If a thread cannot start or a port cannot be opened.
    pub fn start(reception: &Arc<Reception>, options: UdpOptions) -> Result<Self, UdpError> {
        let mut receiver = UdpReceiver { desks: Vec::new(), threads: Vec::new() };
        for number in 0..options.pollers.clamp(1, POLLERS_MAX) {
            let control = Arc::new(PollerControl::new().map_err(UdpError::Start)?);
            let intake = reception.intake(format!("udp {number}"));
            let name = format!("sensor-udp-{number}");
            let of_thread = Arc::clone(&control);
            let thread = std::thread::Builder::new().name(name).spawn(move || poller::run(&of_thread, intake));
            receiver.desks.push(control);
            receiver.threads.push(thread.map_err(UdpError::Start)?);
        }
        reception.ports().mirror(Arc::new(Sockets { desks: receiver.desks.clone(), options }))?;
        Ok(receiver)
    }

    /// Datagrams that the kernel dropped because pollers were behind, by poller.
    pub fn dropped(&self) -> Vec<u64> {
        self.desks.iter().map(|control| control.dropped()).collect()
    }
}

impl Drop for UdpReceiver {
    /// Stops the pollers; what they accepted is handed over.
    fn drop(&mut self) {
        self.desks.iter().for_each(|control| control.stop());
        for thread in self.threads.drain(..) {
            // A poller that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl PortMirror for Sockets {
    fn open(&self, port: u16) -> io::Result<()> {
        // The kernel lets any other program of this user share a port that is shared among pollers, and each would get
        // a part of the datagrams. So the port must be free when we come.
        let deadline = Instant::now() + FREE_WAIT_MAX;
        while let Err(error) = self.bind(port, false) {
            if error.kind() != io::ErrorKind::AddrInUse || deadline < Instant::now() {
                return Err(error);
            }
            std::thread::sleep(FREE_PAUSE);
        }
        let sockets: Vec<Socket> = self.desks.iter().map(|_| self.bind(port, true)).collect::<io::Result<_>>()?;
        self.desks.iter().zip(sockets).for_each(|(control, socket)| control.open(port, socket));
        Ok(())
    }

    fn close(&self, port: u16) {
        let closing: Vec<Receiver<()>> = self.desks.iter().map(|control| control.close(port)).collect();
        let deadline = Instant::now() + CLOSE_WAIT_MAX;
        for closed in closing {
            // Closed, or too busy to: then the port stays taken until the poller comes to it.
            let _ = closed.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

impl Sockets {
    fn bind(&self, port: u16, shared: bool) -> io::Result<Socket> {
        let address = SocketAddr::new(self.options.address, port);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!self.options.address.is_unspecified())?;
        }
        socket.set_reuse_port(shared)?;
        socket.set_recv_buffer_size(self.options.receive_buffer_bytes)?;
        socket.bind(&address.into())?;
        Ok(socket)
    }
}

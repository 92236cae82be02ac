//! Up to 64 datagrams of one system call.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use model::datagram::payload::DATAGRAM_BYTES_MAX;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};

/// Datagrams a call.
const BURST_DATAGRAMS: usize = 64;

/// Bytes from one buffer to the next: room for the largest datagram, and a cache line more than a power of two, so that
/// the beginnings of all buffers find room in a processor's nearest cache.
const STRIDE: usize = 65_536 + 64;
const _: () = assert!(DATAGRAM_BYTES_MAX <= STRIDE);

/// The buffers of one poller. Pages that no datagram has reached cost nothing.
pub(crate) struct Burst {
    buffers: Vec<u8>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Burst {
    pub(crate) fn new() -> Self {
        Burst { buffers: vec![0; STRIDE * BURST_DATAGRAMS], headers: MultiHeaders::preallocate(BURST_DATAGRAMS, None) }
    }

    /// Takes what waits at a socket, up to a burst, and gives each datagram to `visit` with its sender.
    /// Returns how many there were.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, visit: impl FnMut(IpAddr, &[u8])) -> io::Result<usize> {
        self.receive_with(MsgFlags::MSG_DONTWAIT, socket, visit)
    }

    /// As [`Burst::receive`], and waits for the first as long as the socket says: the plain loop
    /// that tests and measurements compare with.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn receive_waiting(
        &mut self,
        socket: BorrowedFd<'_>,
        visit: impl FnMut(IpAddr, &[u8]),
    ) -> io::Result<usize> {
        self.receive_with(MsgFlags::MSG_WAITFORONE, socket, visit)
    }

    fn receive_with(
        &mut self,
        flags: MsgFlags,
        socket: BorrowedFd<'_>,
        mut visit: impl FnMut(IpAddr, &[u8]),
    ) -> io::Result<usize> {
        let mut chunks = self.buffers.chunks_exact_mut(STRIDE);
        let mut slices: [[IoSliceMut<'_>; 1]; BURST_DATAGRAMS] =
            std::array::from_fn(|_| [IoSliceMut::new(chunks.next().expect("a buffer for each"))]);
        let received = match recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None) {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut count = 0;
        for message in received {
            count += 1;
            let bytes = message.iovs().next().unwrap_or_default();
            visit(address(message.address), bytes);
        }
        Ok(count)
    }
}

/// The sender's address; of IPv4 even if the socket is of IPv6.
fn address(from: Option<SockaddrStorage>) -> IpAddr {
    let Some(from) = from else { return Ipv4Addr::UNSPECIFIED.into() };
    match (from.as_sockaddr_in(), from.as_sockaddr_in6()) {
        (Some(from), _) => from.ip().into(),
        (_, Some(from)) => IpAddr::from(from.ip()).to_canonical(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    }
}

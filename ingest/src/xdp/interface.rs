//! A network interface, as far as receiving needs to know it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Bytes before a frame that drivers keep for XDP programs.
const HEADROOM_BYTES: u32 = 256;
/// Bytes of the Ethernet header, with a VLAN tag.
const ETHERNET_BYTES: u32 = 18;

const GET_CHANNELS: u32 = 0x3c;

/// An interface that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) index: u32,
    /// Receive queues in use.
    pub(super) queues: u32,
    /// Bytes of a chunk that holds any of its frames; none if frames are larger than a page.
    pub(super) chunk_bytes: Option<u32>,
}

/// `struct ethtool_channels` of linux/ethtool.h.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct Channels {
    command: u32,
    receive_max: u32,
    send_max: u32,
    other_max: u32,
    combined_max: u32,
    receive: u32,
    send: u32,
    other: u32,
    combined: u32,
}

impl Interface {
    /// The interface of this name, in the network namespace of this thread.
    pub(super) fn find(name: &str) -> io::Result<Self> {
        let name = CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        if name.as_bytes().len() >= libc::IFNAMSIZ {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the name ends with a zero.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: no address is handed over.
        let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened for us, and nobody else knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        let mut request = Request::new(&name);
        request.ask(&socket, libc::SIOCGIFMTU)?;
        // SAFETY: the kernel has set this field, and any bytes are a number.
        let mtu = unsafe { request.0.ifr_ifru.ifru_mtu };
        let frame_bytes = u32::try_from(mtu).unwrap_or(u32::MAX).saturating_add(HEADROOM_BYTES + ETHERNET_BYTES);
        let chunk_bytes = [2_048, 4_096].into_iter().find(|chunk| frame_bytes <= *chunk);
        Ok(Interface { index, queues: queues(&name, &socket).unwrap_or(1).max(1), chunk_bytes })
    }
}

/// Receive queues, if the driver tells.
fn queues(name: &CString, socket: &OwnedFd) -> io::Result<u32> {
    let mut channels = Channels { command: GET_CHANNELS, ..Channels::default() };
    let mut request = Request::new(name);
    request.0.ifr_ifru.ifru_data = (&raw mut channels).cast();
    request.ask(socket, libc::SIOCETHTOOL)?;
    Ok(channels.receive + channels.combined)
}

struct Request(libc::ifreq);

impl Request {
    fn new(name: &CString) -> Self {
        // SAFETY: an interface request of zeros is a valid one.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
            *to = *from as libc::c_char;
        }
        Request(request)
    }

    fn ask(&mut self, socket: &OwnedFd, question: libc::c_ulong) -> io::Result<()> {
        // SAFETY: the request is whole, and what it points to (if the question needs that) lives in the caller.
        let result = unsafe { libc::ioctl(socket.as_raw_fd(), question as _, &raw mut self.0) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

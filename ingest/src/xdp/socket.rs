//! An AF_XDP socket on one receive queue.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use serde::Serialize;

use super::mapping::Mapping;
use super::shared_ring::{Descriptor, FillRing, ReceiveRing};

/// Entries of the receive ring, and chunks for frames: room for a burst while the poller is away.
pub(super) const RING_FRAMES: u32 = 2_048;

/// Entries of the fill ring. The kernel shows us a frame before it shows that its chunk left the fill ring, so for a moment
/// a chunk may be in both: with room for twice as many, that does not matter.
const FILL_ENTRIES: u32 = 2 * RING_FRAMES;

/// How frames come from the driver into our memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Copying {
    /// The interface writes them there.
    ZeroCopy,
    /// The kernel copies them.
    Copy,
}

/// A socket with its rings and the memory that frames come into.
#[derive(Debug)]
pub(super) struct XdpSocket {
    descriptor: OwnedFd,
    received: ReceiveRing,
    fill: FillRing,
    frames: Mapping,
    chunk_bytes: u32,
}

/// What the kernel did not give us, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SocketLosses {
    /// Frames dropped since the poller was behind and the receive ring full.
    pub ring_full: u64,
    /// Frames dropped since no chunk was free for them, or none was large enough.
    pub dropped: u64,
    /// Times that no chunk was free; those frames are among the dropped.
    pub fill_empty: u64,
    /// Entries of ours that the kernel did not understand; a bug if there are any.
    pub invalid: u64,
}

impl XdpSocket {
    /// A socket on a queue of an interface, with all its memory in the kernel's hands.
    pub(super) fn bind(interface: u32, queue: u32, chunk_bytes: u32, copying: Copying) -> io::Result<Self> {
        // SAFETY: no address is handed over.
        let descriptor = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just opened for us, and nobody else knows it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let socket = descriptor.as_fd();
        let frames = Mapping::new(RING_FRAMES as usize * chunk_bytes as usize)?;
        let memory = libc::xdp_umem_reg {
            addr: frames.at::<u8>(0) as u64,
            len: frames.len() as u64,
            chunk_size: chunk_bytes,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        set(socket, libc::XDP_UMEM_REG, &memory)?;
        set(socket, libc::XDP_UMEM_FILL_RING, &FILL_ENTRIES)?;
        // Nothing is ever sent, but the kernel wants a ring for what was.
        set(socket, libc::XDP_UMEM_COMPLETION_RING, &1u32)?;
        set(socket, libc::XDP_RX_RING, &RING_FRAMES)?;
        let offset = libc::xdp_ring_offset { producer: 0, consumer: 0, desc: 0, flags: 0 };
        let mut offsets = libc::xdp_mmap_offsets { rx: offset, tx: offset, fr: offset, cr: offset };
        get(socket, libc::XDP_MMAP_OFFSETS, &mut offsets)?;
        let received = ReceiveRing::map(socket, &offsets.rx, RING_FRAMES)?;
        let mut fill = FillRing::map(socket, &offsets.fr, FILL_ENTRIES)?;
        for chunk in 0..RING_FRAMES {
            assert!(fill.push(u64::from(chunk) * u64::from(chunk_bytes)), "there is room for all chunks");
        }
        fill.submit();
        let flag = if copying == Copying::ZeroCopy { libc::XDP_ZEROCOPY } else { libc::XDP_COPY };
        bind(socket, interface, queue, flag | libc::XDP_USE_NEED_WAKEUP)?;
        Ok(XdpSocket { descriptor, received, fill, frames, chunk_bytes })
    }

    /// Gives up to `most` frames to `visit` where they lie, then gives their chunks back to the kernel.
    /// Returns how many there were.
    pub(super) fn receive(&mut self, most: u32, mut visit: impl FnMut(&[u8])) -> u32 {
        let count = self.received.available(most);
        for ahead in 0..count {
            let frame = self.received.frame(ahead);
            visit(self.frame(frame));
            let chunk = frame.offset - frame.offset % u64::from(self.chunk_bytes);
            assert!(self.fill.push(chunk), "there is room for all chunks");
        }
        if count > 0 {
            self.received.release(count);
            self.fill.submit();
        }
        count
    }

    fn frame(&self, frame: Descriptor) -> &[u8] {
        let (offset, length) = (usize::try_from(frame.offset).unwrap_or(usize::MAX), frame.length as usize);
        assert!(
            offset.checked_add(length).is_some_and(|end| end <= self.frames.len()),
            "the kernel puts frames into our memory"
        );
        // SAFETY: inside of the mapping, as just checked. The frame left the receive ring, and its chunk is not in the
        // fill ring again until the borrow ends (`receive`), so the kernel does not write to it.
        unsafe { std::slice::from_raw_parts(self.frames.at::<u8>(0).add(offset), length) }
    }

    /// Whether the kernel waits for [`XdpSocket::wake`] before it goes on receiving.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.fill.needs_wakeup()
    }

    /// Lets the kernel look at the fill ring.
    pub(super) fn wake(&self) {
        // SAFETY: no buffer is handed over. There is nothing to read; the call itself is what counts.
        unsafe {
            libc::recvfrom(
                self.descriptor.as_raw_fd(),
                std::ptr::null_mut(),
                0,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        };
    }

    /// Frames that wait, and how many there is room for.
    pub(super) fn ring_fill(&self) -> (u32, u32) {
        self.received.fill()
    }

    /// A second handle to the socket, for others than its poller.
    pub(super) fn counters(&self) -> io::Result<SocketCounters> {
        Ok(SocketCounters(self.descriptor.try_clone()?))
    }
}

impl AsFd for XdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// What can be asked of a socket while its poller uses it.
#[derive(Debug)]
pub(super) struct SocketCounters(OwnedFd);

impl SocketCounters {
    pub(super) fn losses(&self) -> io::Result<SocketLosses> {
        let mut statistics = libc::xdp_statistics {
            rx_dropped: 0,
            rx_invalid_descs: 0,
            tx_invalid_descs: 0,
            rx_ring_full: 0,
            rx_fill_ring_empty_descs: 0,
            tx_ring_empty_descs: 0,
        };
        get(self.0.as_fd(), libc::XDP_STATISTICS, &mut statistics)?;
        Ok(SocketLosses {
            ring_full: statistics.rx_ring_full,
            dropped: statistics.rx_dropped,
            fill_empty: statistics.rx_fill_ring_empty_descs,
            invalid: statistics.rx_invalid_descs,
        })
    }
}

fn set<T>(socket: BorrowedFd<'_>, option: i32, value: &T) -> io::Result<()> {
    let (address, bytes) = (std::ptr::from_ref(value).cast(), size_of::<T>() as u32);
    // SAFETY: the kernel reads a value that is as long as we say.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_XDP, option, address, bytes) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `T` must be one of the kernel's plain structs, which any bytes are.
fn get<T: Copy>(socket: BorrowedFd<'_>, option: i32, value: &mut T) -> io::Result<()> {
    let (address, mut bytes) = (std::ptr::from_mut(value).cast(), size_of::<T>() as u32);
    // SAFETY: the kernel writes at most as many bytes as we say there are, and plain numbers.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_XDP, option, address, &raw mut bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    if bytes as usize != size_of::<T>() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the kernel is older than Linux 5.9"));
    }
    Ok(())
}

fn bind(socket: BorrowedFd<'_>, interface: u32, queue: u32, flags: u16) -> io::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: flags,
        sxdp_ifindex: interface,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    let bytes = size_of_val(&address) as u32;
    // SAFETY: the kernel reads an address that is as long as we say.
    let result = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), bytes) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

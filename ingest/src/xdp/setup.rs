//! What needs privileges: the program, the sockets, the attachment. Done once, before capabilities are dropped.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::interface::Interface;
use super::program::Steering;
use super::socket::{Copying, XdpSocket};

/// Receive queues that are taken, at most.
pub const QUEUES_MAX: u32 = 64;

/// How long a start waits for an interface or a queue that another process has: the kernel takes a moment to free those of
/// a process that has just ended.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(10);

fn is_busy(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
}

const ATTACH_GENERIC: u32 = 1 << 1;
pub(super) const ATTACH_NATIVE: u32 = 1 << 2;

/// Where to receive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct XdpOptions {
    /// The network interface, all of whose receive queues are taken.
    pub interface: String,
    /// The processor for each queue's poller, by queue; where there is none, one is chosen.
    pub processors: Vec<usize>,
}

/// How frames come past the kernel, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum XdpMode {
    /// The interface writes them into our memory.
    ZeroCopy,
    /// The driver runs the program, and the kernel copies what is ours.
    Native,
    /// The kernel runs the program on its own packets: any driver will do, at less than half the rate.
    Generic,
}

impl XdpMode {
    /// As it is called in logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            XdpMode::ZeroCopy => "zero_copy",
            XdpMode::Native => "native",
            XdpMode::Generic => "generic",
        }
    }
}

/// Why frames cannot come past the kernel here.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// The interface cannot be asked.
    #[error("interface `{name}` cannot be used")]
    Interface {
        name: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Its frames are too large for one chunk.
    #[error("interface `{0}` has frames of more than 3,800 bytes; set a smaller MTU")]
    FrameBytes(String),
    /// It has too many receive queues.
    #[error("interface `{name}` has {queues} receive queues, more than {QUEUES_MAX}; set fewer with ethtool -L")]
    Queues { name: String, queues: u32 },
    /// A step failed.
    #[error("{step} failed: {hint}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// What it takes.
        hint: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> XdpError {
    move |source| {
        let hint = match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => "CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF are needed at the start",
            Some(libc::EAFNOSUPPORT) => "the kernel has no AF_XDP (CONFIG_XDP_SOCKETS)",
            Some(libc::ENOSYS) => "the kernel has no bpf(2)",
            Some(libc::ENOMEM | libc::ENOBUFS) => "memory cannot be locked; raise the limit (LimitMEMLOCK, ulimit -l)",
            Some(libc::EBUSY | libc::EEXIST) => "another program has the interface or a queue of it",
            _ => "the kernel or the driver cannot do it",
        };
        XdpError::Step { step, hint, source }
    }
}

/// Everything set up, nothing received yet. Dropping it takes the program off the interface.
#[derive(Debug)]
pub struct XdpSetup {
    pub(super) options: XdpOptions,
    pub(super) mode: XdpMode,
    /// Why not a better mode.
    pub(super) reasons: Vec<String>,
    pub(super) steering: Steering,
    pub(super) sockets: Vec<XdpSocket>,
    pub(super) link: OwnedFd,
}

impl XdpSetup {
    /// Sets up the best mode that the kernel and the driver offer. All ports pass until they are programmed.
    pub fn open(options: XdpOptions) -> Result<Self, XdpError> {
        let deadline = Instant::now() + BUSY_WAIT_MAX;
        loop {
            match XdpSetup::open_now(options.clone()) {
                Err(XdpError::Step { source, .. }) if is_busy(&source) && Instant::now() < deadline => {
                    std::thread::sleep(BUSY_PAUSE);
                }
                done => return done,
            }
        }
    }

    fn open_now(options: XdpOptions) -> Result<Self, XdpError> {
        let name = || options.interface.clone();
        let interface =
            Interface::find(&options.interface).map_err(|source| XdpError::Interface { name: name(), source })?;
        let chunk_bytes = interface.chunk_bytes.ok_or_else(|| XdpError::FrameBytes(name()))?;
        if interface.queues > QUEUES_MAX {
            return Err(XdpError::Queues { name: name(), queues: interface.queues });
        }
        let steering = Steering::load(interface.queues).map_err(failed("loading the steering program"))?;
        let mut reasons = Vec::new();
        let (link, native) = attach(&steering, &interface, &mut reasons)?;
        let (sockets, copying) = bind(&interface, chunk_bytes, native, &mut reasons)?;
        for (queue, socket) in (0..).zip(&sockets) {
            let descriptor = socket.as_fd().as_raw_fd();
            steering.set_socket(queue, descriptor).map_err(failed("giving a queue its socket"))?;
        }
        let mode = match (native, copying) {
            (true, Copying::ZeroCopy) => XdpMode::ZeroCopy,
            (true, Copying::Copy) => XdpMode::Native,
            (false, _) => XdpMode::Generic,
        };
        Ok(XdpSetup { options, mode, reasons, steering, sockets, link })
    }

    /// How frames will come.
    pub fn mode(&self) -> XdpMode {
        self.mode
    }

    /// Why they do not come in a better way; empty for the best.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// The steering program, with its counts.
    pub fn steering(&self) -> &Steering {
        &self.steering
    }
}

fn attach(steering: &Steering, interface: &Interface, reasons: &mut Vec<String>) -> Result<(OwnedFd, bool), XdpError> {
    match steering.program.attach(interface.index, ATTACH_NATIVE) {
        Ok(link) => Ok((link, true)),
        Err(error) if is_busy(&error) || error.raw_os_error() == Some(libc::EPERM) => {
            Err(failed("attaching the program")(error))
        }
        Err(error) => {
            reasons.push(format!("native: the driver cannot run the program ({error})"));
            let link = steering.program.attach(interface.index, ATTACH_GENERIC);
            Ok((link.map_err(failed("attaching the program"))?, false))
        }
    }
}

/// A socket for each queue; all of one kind.
fn bind(
    interface: &Interface,
    chunk_bytes: u32,
    native: bool,
    reasons: &mut Vec<String>,
) -> Result<(Vec<XdpSocket>, Copying), XdpError> {
    let all = |copying: Copying| -> io::Result<Vec<XdpSocket>> {
        (0..interface.queues).map(|queue| XdpSocket::bind(interface.index, queue, chunk_bytes, copying)).collect()
    };
    if native {
        match all(Copying::ZeroCopy) {
            Ok(sockets) => return Ok((sockets, Copying::ZeroCopy)),
            Err(error) if is_busy(&error) => return Err(failed("binding a socket to a receive queue")(error)),
            Err(error) => reasons.push(format!("zero copy: the driver does not offer it ({error})")),
        }
    }
    Ok((all(Copying::Copy).map_err(failed("binding a socket to a receive queue"))?, Copying::Copy))
}

//! How sensor datagrams are received here: the best way that this machine offers, chosen once, at the start.
//!
//! ```text
//!  zero copy ▶ native ▶ generic (all past the kernel, `xdp`) ▶ ordinary sockets (`udp`)
//! ```
//!
//! Ordinary sockets are open beside the path past the kernel, too: for what that leaves to the kernel.

use std::io;
use std::sync::Arc;

use model::text::chain::chain;
use serde::Serialize;
use tracing::{info, warn};

use crate::sensor::reception::Reception;
use crate::udp::receiver::{UdpError, UdpOptions, UdpReceiver};
use crate::xdp::privileges;
use crate::xdp::program::{Seen, Verdict};
use crate::xdp::receiver::{QueueReport, XdpReceiver, XdpStartError};
use crate::xdp::setup::{XdpOptions, XdpSetup};

/// How to receive.
#[derive(Debug, Clone, Default)]
pub struct ReceiverOptions {
    /// Past the kernel, through this interface; none is ordinary sockets alone.
    pub xdp: Option<XdpOptions>,
    /// Ordinary sockets.
    pub udp: UdpOptions,
}

/// Everything that takes privileges is done; nothing is received yet.
#[derive(Debug)]
pub struct PreparedReceiver {
    xdp: Option<XdpSetup>,
    reasons: Vec<String>,
    options: ReceiverOptions,
}

/// Why it cannot receive.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// Ordinary sockets cannot be had.
    #[error(transparent)]
    Udp(#[from] UdpError),
    /// What was set up cannot be started.
    #[error(transparent)]
    Xdp(#[from] XdpStartError),
}

/// Receives what is sent to the ports of a reception until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    xdp: Option<XdpReceiver>,
    udp: UdpReceiver,
    reasons: Vec<String>,
}

/// How datagrams come in, and what the kernel counts of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiverReport {
    /// `zero_copy`, `native`, `generic` or `sockets`.
    pub path: &'static str,
    /// Why not a better one.
    pub reasons: Vec<String>,
    /// The interface past whose kernel stack datagrams come.
    pub interface: Option<String>,
    /// Packets that the steering program saw, by what it did with them.
    pub program: Option<Vec<(&'static str, u64)>>,
    /// Its receive queues.
    pub queues: Vec<QueueReport>,
    /// Datagrams that the kernel dropped at ordinary sockets, by poller.
    pub socket_drops: Vec<u64>,
}

impl PreparedReceiver {
    /// Does all that takes privileges. Where the path past the kernel cannot be had, the reason is kept and ordinary
    /// sockets take its place. Call it before the process has other threads, and [`PreparedReceiver::drop_privileges`]
    /// after it.
    pub fn open(options: ReceiverOptions) -> Self {
        let mut reasons = Vec::new();
        let xdp = options.xdp.clone().and_then(|xdp| {
            XdpSetup::open(xdp).map_err(|error| reasons.push(format!("past the kernel: {}", chain(&error)))).ok()
        });
        if let Some(xdp) = &xdp {
            reasons.extend_from_slice(xdp.reasons());
        }
        PreparedReceiver { xdp, reasons, options }
    }

    /// Gives up all capabilities of the process if it was to receive past the kernel, whether or not that worked.
    pub fn drop_privileges(&self) -> io::Result<()> {
        if self.options.xdp.is_some() { privileges::drop_all() } else { Ok(()) }
    }

    /// How it will receive.
    pub fn path(&self) -> &'static str {
        self.xdp.as_ref().map_or("sockets", |xdp| xdp.mode().name())
    }

    /// Starts to receive, and says in one line how and why.
    pub fn start(self, reception: &Arc<Reception>) -> Result<Receiver, ReceiverError> {
        let (path, reasons) = (self.path(), self.reasons.join("; "));
        let mut udp = self.options.udp;
        if self.xdp.is_some() {
            // What is left to sockets is little.
            udp.pollers = 1;
        }
        let udp = UdpReceiver::start(reception, udp)?;
        let xdp = self.xdp.map(|setup| XdpReceiver::start(reception, setup)).transpose()?;
        match (&xdp, &self.options.xdp) {
            (Some(xdp), _) => {
                info!(path, interface = xdp.interface(), %reasons, "sensor datagrams bypass the kernel")
            }
            (None, Some(_)) => warn!(path, %reasons, "sensor datagrams come through ordinary sockets"),
            (None, None) => info!(path, "sensor datagrams come through ordinary sockets"),
        }
        Ok(Receiver { xdp, udp, reasons: self.reasons })
    }
}

impl Receiver {
    /// What the steering program has seen; none where there is no program.
    pub fn seen(&self) -> io::Result<Option<Seen>> {
        self.xdp.as_ref().map(XdpReceiver::seen).transpose()
    }

    /// How datagrams come in, and what the kernel counts of it.
    pub fn report(&self) -> io::Result<ReceiverReport> {
        let program = self.seen()?.map(|seen| Verdict::ALL.map(|verdict| (verdict.name(), seen.of(verdict))).to_vec());
        Ok(ReceiverReport {
            path: self.xdp.as_ref().map_or("sockets", |xdp| xdp.mode().name()),
            reasons: self.reasons.clone(),
            interface: self.xdp.as_ref().map(|xdp| xdp.interface().to_owned()),
            program,
            queues: self.xdp.as_ref().map_or(Ok(Vec::new()), XdpReceiver::queues)?,
            socket_drops: self.udp.dropped(),
        })
    }
}

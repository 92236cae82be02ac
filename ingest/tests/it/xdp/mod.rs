//! Sensor frames past the kernel, between two network namespaces. Where the machine cannot do that, a test says so in a
//! line and passes.

mod frames;
mod start;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use ingest::receiver::{PreparedReceiver, Receiver, ReceiverOptions};
use ingest::testing::wire::{ADDRESSES, RECEIVER, Wire};
use ingest::udp::receiver::UdpOptions;
use ingest::xdp::program::{Seen, Verdict};
use ingest::xdp::setup::{XdpOptions, XdpSetup};

use crate::sensors::Kept;

const PORT: u16 = 9000;

/// A cable, or none and a line why.
fn wire() -> Option<Wire> {
    match Wire::lay(1) {
        Ok(wire) => Some(wire),
        Err(error) => {
            eprintln!("left out: no network namespaces here: {error}");
            None
        }
    }
}

/// The receiving end, or none and a line why.
fn setup() -> Option<XdpSetup> {
    match XdpSetup::open(xdp_options()) {
        Ok(setup) => Some(setup),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            eprintln!("left out: no AF_XDP here: {error} ({cause})");
            None
        }
    }
}

fn receiver_options() -> ReceiverOptions {
    let udp = UdpOptions { address: Ipv4Addr::UNSPECIFIED.into(), ..UdpOptions::default() };
    ReceiverOptions { xdp: Some(xdp_options()), udp }
}

/// Each receiver on a processor of its own, as far as there are enough.
fn xdp_options() -> XdpOptions {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let processor = NEXT.fetch_add(1, Ordering::Relaxed) % processors;
    XdpOptions { interface: RECEIVER.to_owned(), processors: vec![processor] }
}

/// Runs on a thread of its own, which may change its namespace and its capabilities.
fn apart<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(body).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Both ends of a cable: `test` runs on the receiver's side, with a reception that stores.
fn across(test: impl FnOnce(&Kept, &Receiver, &Wire) + Send) {
    apart(|| {
        let Some(wire) = wire() else { return };
        wire.enter_receiver().expect("the namespace is there");
        let Some(setup) = setup() else { return };
        drop(setup);
        let kept = Kept::start();
        let receiver = PreparedReceiver::open(receiver_options()).start(&kept.reception).expect("it starts");
        test(&kept, &receiver, &wire);
        drop(receiver);
        kept.end();
    });
}

/// A socket on the other side of the cable.
fn sender(wire: &Wire, port: u16) -> UdpSocket {
    apart(|| {
        wire.enter_sender().expect("the namespace is there");
        let socket = UdpSocket::bind((ADDRESSES[0], 0)).expect("a free port");
        socket.connect(SocketAddr::from((ADDRESSES[1], port))).expect("an address");
        socket
    })
}

/// Sends a datagram. That nobody listened for one before it, on this port of ours or another's, is no reason not to.
fn send(socket: &UdpSocket, datagram: &[u8]) {
    loop {
        match socket.send(datagram) {
            Ok(sent) => return assert_eq!(sent, datagram.len()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}"),
        }
    }
}

fn seen(receiver: &Receiver) -> Seen {
    receiver.seen().expect("the map is there").expect("there is a program")
}

fn redirected(receiver: &Receiver) -> u64 {
    seen(receiver).of(Verdict::Redirected)
}

fn lost_in_rings(receiver: &Receiver) -> u64 {
    let queues = receiver.report().expect("sockets are there").queues;
    queues.iter().map(|queue| queue.losses.ring_full + queue.losses.dropped).sum()
}

//! Sensor datagrams over ordinary sockets, on the loopback interface.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ingest::sensor::cause::Rejection;
use ingest::sensor::port_rule::PortRule;
use ingest::sensor::port_table::PortError;
use ingest::udp::receiver::{UdpOptions, UdpReceiver};

use crate::sensors::{Kept, all_stored, plain, rule, wait_for};

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

pub(crate) fn options() -> UdpOptions {
    UdpOptions { address: LOOPBACK.into(), pollers: 2, ..UdpOptions::default() }
}

/// Programs a port that nobody else has.
fn add_port(kept: &Kept) -> u16 {
    add_port_with(kept, rule(kept.stream))
}

/// Programs a port that nobody else has with this rule.
pub(crate) fn add_port_with(kept: &Kept, rule: PortRule) -> u16 {
    loop {
        let free = UdpSocket::bind((LOOPBACK, 0)).and_then(|socket| socket.local_addr()).expect("a free port");
        match kept.reception.set_port(free.port(), rule.clone()) {
            Ok(()) => return free.port(),
            Err(PortError::Open { source, .. }) if source.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn sender(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    socket.connect(SocketAddr::from((LOOPBACK, port))).expect("an address");
    socket
}

/// Faster than one machine can take: what is sent is stored, or dropped by the kernel and known to be.
#[test]
fn every_datagram_is_accounted_for_in_overload() {
    const SENDERS: u32 = 4;
    const EACH: u64 = 30_000;
    let kept = Kept::start();
    let receiver = UdpReceiver::start(&kept.reception, options()).expect("sockets");
    let port = add_port(&kept);
    std::thread::scope(|scope| {
        for source in 0..SENDERS {
            scope.spawn(move || {
                let socket = sender(port);
                for first in 0..EACH {
                    assert_eq!(socket.send(&plain(source, first)).expect("loopback takes it"), 56);
                }
                assert_eq!(socket.send(b"noise").expect("loopback takes it"), 5);
            });
        }
    });
    let sent = u64::from(SENDERS) * (EACH + 1);
    let dropped = || receiver.dropped().iter().sum::<u64>();
    wait_for("the last datagram", || kept.reception.tally().received() + dropped() == sent);
    wait_for("the last batch", || kept.reception.tally().waiting() == 0);
    let (tally, dropped) = (kept.reception.tally(), dropped());
    assert_eq!(tally.received() + dropped, sent);
    assert!(tally.rejected(Rejection::Short) <= u64::from(SENDERS));
    // A sender that the system moves to another processor overtakes itself, now and then by more than the window.
    let sources = kept.reception.sources().list(None, None, 10);
    let (missing, too_old) = sources.iter().fold((0, 0), |(missing, too_old), source| {
        assert_eq!(source.sequence.duplicates, 0, "{source:?}");
        (missing + source.sequence.missing_records, too_old + source.sequence.too_old)
    });
    assert_eq!(tally.received(), tally.stored + tally.rejected(Rejection::Short) + too_old, "{tally:?}");
    assert_eq!(tally.rejected(Rejection::Replayed), too_old);
    // What the network lost is what sources miss, but for datagrams lost after the last that came.
    assert!(missing <= dropped + too_old, "{missing} of {dropped} and {too_old}");
    drop(receiver);
    let stored = kept.end();
    assert_eq!(stored.len() as u64, tally.stored);
    let distinct: HashSet<&[u8]> = stored.iter().map(Vec::as_slice).collect();
    assert_eq!(distinct.len(), stored.len(), "nothing is stored twice");
    assert!(stored.iter().all(|bytes| *bytes == plain(u32::from(bytes[12]), number(bytes))), "as it was sent");
}

fn number(datagram: &[u8]) -> u64 {
    u64::from_le_bytes(datagram[16..24].try_into().expect("eight bytes"))
}

/// One port is added and removed again and again; another, in use all the time, loses nothing by it.
#[test]
fn ports_come_and_go_under_traffic() {
    let kept = Kept::start();
    let receiver = UdpReceiver::start(&kept.reception, options()).expect("sockets");
    let steady = add_port(&kept);
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic = {
        let (stop, sent, reception) = (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&kept.reception));
        std::thread::spawn(move || {
            let socket = sender(steady);
            while !stop.load(Ordering::Relaxed) {
                let first = sent.load(Ordering::Relaxed);
                // Never more under way than a socket holds.
                if first < reception.tally().received() + 100 {
                    socket.send(&plain(1, first)).expect("loopback takes it");
                    sent.store(first + 1, Ordering::Relaxed);
                }
            }
        })
    };
    let mut passing = add_port(&kept);
    for round in 0..30 {
        let socket = sender(passing);
        for first in 0..20 {
            socket.send(&plain(2, first)).expect("loopback takes it");
        }
        let came = |port| kept.reception.port_tally(port).map(|tally| tally.stored);
        wait_for("the passing port's datagrams", || came(passing) == Some(20));
        kept.reception.remove_port(passing).expect("it is there");
        passing = add_port(&kept);
        assert_eq!(came(passing), Some(0), "round {round}: a new port's account is empty");
    }
    stop.store(true, Ordering::Relaxed);
    traffic.join().expect("the traffic is well");
    let sent = sent.load(Ordering::Relaxed);
    wait_for("the steady port's datagrams", || kept.reception.port_tally(steady).map(|t| t.stored) == Some(sent));
    assert!(all_stored(kept.reception.tally()));
    assert_eq!(receiver.dropped().iter().sum::<u64>(), 0);
    drop(receiver);
    assert_eq!(kept.end().len() as u64, sent + 30 * 20);
}

#[test]
fn a_port_in_use_is_refused_and_tried_again_later() {
    let kept = Kept::start();
    let receiver = UdpReceiver::start(&kept.reception, options()).expect("sockets");
    let other = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let port = other.local_addr().expect("it is bound").port();
    let refused = kept.reception.set_port(port, rule(kept.stream)).expect_err("somebody else has it");
    assert!(matches!(&refused, PortError::Open { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse));
    assert!(kept.reception.ports().list().is_empty());
    drop(receiver);
    kept.end();
}

//! What becomes of frames: steered or passed, counted, stored.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ingest::sensor::cause::Rejection;
use ingest::xdp::program::Verdict;
use ingest::xdp::setup::XdpMode;

use super::{PORT, across, apart, lost_in_rings, redirected, seen, send, sender, setup, wire};
use crate::sensors::{plain, rule, wait_for};

const OTHER: u16 = 9001;

/// Raises a flag when it goes, even if by a panic, so that threads that look at it end.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An Ethernet frame of UDP over IPv4 to a port, with so many bytes in all.
fn frame(port: u16, bytes: usize) -> Vec<u8> {
    let mut frame = vec![0u8; bytes.max(42)];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&((bytes.max(42) - 14) as u16).to_be_bytes());
    frame[23] = 17;
    frame[36..38].copy_from_slice(&port.to_be_bytes());
    frame[38..40].copy_from_slice(&((bytes.max(42) - 34) as u16).to_be_bytes());
    frame.truncate(bytes);
    frame
}

#[test]
fn programmed_ports_are_redirected_and_everything_else_passes() {
    apart(|| {
        let Some(wire) = wire() else { return };
        wire.enter_receiver().expect("the namespace is there");
        let Some(setup) = setup() else { return };
        assert_eq!(setup.mode(), XdpMode::Native);
        assert_eq!(setup.reasons().len(), 1, "veth has no zero copy: {:?}", setup.reasons());
        let steering = setup.steering();
        let changed = |change: &[(usize, u8)]| {
            let mut frame = frame(PORT, 106);
            change.iter().for_each(|(at, byte)| frame[*at] = *byte);
            frame
        };
        let mut seen = steering.seen().expect("counts");
        let mut check = |frame: &[u8], verdict: Verdict| {
            let redirects = steering.redirects(frame).expect("the kernel runs it");
            assert_eq!(redirects, verdict == Verdict::Redirected, "{}", verdict.name());
            let now = steering.seen().expect("counts");
            for other in Verdict::ALL {
                let (counted, expected) = (now.of(other) - seen.of(other), u64::from(other == verdict));
                // The interface hears from its neighbour now and then, in IPv6 or ARP.
                let right = if other == Verdict::NotIpv4 { counted >= expected } else { counted == expected };
                assert!(right, "{}: {counted}, not {expected}", other.name());
            }
            seen = now;
        };
        check(&frame(PORT, 106), Verdict::OtherPort);
        steering.set_port(PORT, true).expect("a port");
        check(&frame(PORT, 106), Verdict::Redirected);
        check(&frame(PORT, 42), Verdict::Redirected);
        check(&frame(PORT, 1_514), Verdict::Redirected);
        check(&frame(PORT, 41), Verdict::Short);
        check(&frame(OTHER, 106), Verdict::OtherPort);
        check(&frame(PORT.swap_bytes(), 106), Verdict::OtherPort);
        check(&changed(&[(23, 6)]), Verdict::NotUdp);
        check(&changed(&[(12, 0x86), (13, 0xdd)]), Verdict::NotIpv4);
        check(&changed(&[(12, 0x81), (13, 0)]), Verdict::NotIpv4);
        check(&changed(&[(12, 0x08), (13, 0x06)]), Verdict::NotIpv4);
        check(&changed(&[(14, 0x46)]), Verdict::IpOptions);
        check(&changed(&[(14, 0x65)]), Verdict::IpOptions);
        check(&changed(&[(20, 0x20)]), Verdict::Fragment);
        check(&changed(&[(20, 0x00), (21, 0x01)]), Verdict::Fragment);
        check(&changed(&[(20, 0x40)]), Verdict::Redirected);
        steering.set_port(PORT, false).expect("a port");
        check(&frame(PORT, 106), Verdict::OtherPort);
    });
}

/// A million frames at 0.2 million a second.
#[test]
fn a_million_frames_are_accounted_for_to_the_frame() {
    const FRAMES: u64 = 1_000_000;
    const SOURCES: u64 = 16;
    const FRAME_TIME: Duration = Duration::from_micros(5);
    across(|kept, receiver, wire| {
        kept.reception.set_port(PORT, rule(kept.stream)).expect("the port is free");
        let socket = sender(wire, PORT);
        let begin = Instant::now();
        for number in 0..FRAMES {
            while begin.elapsed() < FRAME_TIME * number as u32 {
                std::hint::spin_loop();
            }
            let datagram = plain((number % SOURCES) as u32, number / SOURCES);
            send(&socket, &datagram);
        }
        let dropped_before = || wire.dropped().expect("the kernel counts");
        wait_for("the last frame", || redirected(receiver) + dropped_before() == FRAMES);
        wait_for("what was redirected", || {
            kept.reception.tally().received() + lost_in_rings(receiver) == redirected(receiver)
        });
        wait_for("what was received", || kept.reception.tally().waiting() == 0);
        let (tally, dropped_before) = (kept.reception.tally(), dropped_before());
        let report = receiver.report().expect("the kernel counts");
        eprintln!(
            "sent {FRAMES} = dropped at the interface {dropped_before} + redirected {}; redirected = lost {:?} + received {}; \
             received = stored {}, in {:?}",
            redirected(receiver),
            report.queues[0].losses,
            tally.received(),
            tally.stored,
            begin.elapsed(),
        );
        assert_eq!(tally.stored, tally.received(), "nothing is rejected: {tally:?}");
        assert_eq!(tally.stored + lost_in_rings(receiver) + dropped_before, FRAMES);
        let missing: u64 =
            kept.reception.sources().list(None, None, 99).iter().map(|s| s.sequence.missing_records).sum();
        assert!(missing <= FRAMES - tally.stored);
        assert_eq!(report.socket_drops.iter().sum::<u64>(), 0);
    });
}

#[test]
fn ports_are_added_and_removed_under_traffic() {
    across(|kept, receiver, wire| {
        kept.reception.set_port(PORT, rule(kept.stream)).expect("the port is free");
        let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let socket = sender(wire, PORT);
                while !stop.load(Ordering::Relaxed) {
                    let first = sent.load(Ordering::Relaxed);
                    // Never more under way than a ring holds.
                    if first < kept.reception.tally().received() + 100 {
                        send(&socket, &plain(1, first));
                        sent.store(first + 1, Ordering::Relaxed);
                    }
                }
            });
            let _ending = Raise(&stop);
            for _ in 0..30 {
                // A new one each time: the last one may still be told that nobody listened.
                let socket = sender(wire, OTHER);
                kept.reception.set_port(OTHER, rule(kept.stream)).expect("the port is free");
                for first in 0..20 {
                    send(&socket, &plain(2, first));
                }
                let stored = || kept.reception.port_tally(OTHER).map(|tally| tally.stored);
                wait_for("the passing port's datagrams", || stored() == Some(20));
                kept.reception.remove_port(OTHER).expect("it is there");
                // It is an ordinary port again, and what comes there passes.
                let passed = || seen(receiver).of(Verdict::OtherPort);
                let before = passed();
                send(&socket, &plain(2, 20));
                wait_for("the packet that passes", || passed() > before);
            }
        });
        let sent = sent.load(Ordering::Relaxed);
        wait_for("the steady port's datagrams", || kept.reception.port_tally(PORT).map(|t| t.stored) == Some(sent));
        let tally = kept.reception.tally();
        assert_eq!((tally.received(), tally.stored), (sent + 600, sent + 600), "{tally:?}");
        assert_eq!(redirected(receiver), sent + 600, "all of it came past the kernel");
    });
}

/// What is not whole, or not for us, on a programmed port of the path past the kernel.
#[test]
fn fragments_reach_the_ordinary_socket_and_damage_is_counted() {
    across(|kept, receiver, wire| {
        kept.reception.set_port(PORT, rule(kept.stream)).expect("the port is free");
        let socket = sender(wire, PORT);
        socket.send(&[0x46; 4_000]).expect("the cable takes it");
        send(&socket, &plain(1, 0)[..40]);
        wait_for("both", || kept.reception.tally().received() == 2);
        let tally = kept.reception.tally();
        assert_eq!((tally.rejected(Rejection::Magic), tally.rejected(Rejection::Length)), (1, 1), "{tally:?}");
        let seen = seen(receiver);
        assert_eq!((seen.of(Verdict::Redirected), seen.of(Verdict::Fragment)), (1, 3));
    });
}

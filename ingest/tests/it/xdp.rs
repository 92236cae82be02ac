//! Sensor frames past the kernel, between two network namespaces. Where the machine cannot do that, a test says so in a
//! line and passes.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ingest::receiver::{PreparedReceiver, Receiver, ReceiverOptions};
use ingest::sensor::cause::Rejection;
use ingest::sensor::port_table::PortError;
use ingest::testing::sensor_bench::{Keeping, Run, Way};
use ingest::testing::wire::{ADDRESSES, RECEIVER, Wire};
use ingest::udp::receiver::UdpOptions;
use ingest::xdp::privileges;
use ingest::xdp::program::{Seen, Verdict};
use ingest::xdp::setup::{XdpMode, XdpOptions, XdpSetup};

use crate::sensors::{Kept, plain, rule, wait_for};

const PORT: u16 = 9000;
const OTHER: u16 = 9001;

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

/// Programs a port, as soon as the poller that had it before has closed its socket: on a busy machine that takes a while.
fn program(kept: &Kept, port: u16) {
    wait_for("a free port", || match kept.reception.set_port(port, rule(kept.stream)) {
        Ok(()) => true,
        Err(PortError::Open { source, .. }) if source.kind() == ErrorKind::AddrInUse => false,
        Err(error) => panic!("{error:?}"),
    });
}

/// Raises a flag when it goes, even if by a panic, so that threads that look at it end.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
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
                program(kept, OTHER);
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

/// The frames that measurements use, tags and all, are what a poller takes.
#[test]
fn frames_made_by_the_kernel_are_taken_with_their_tags() {
    apart(|| {
        let Some(wire) = wire() else { return };
        wire.enter_receiver().expect("the namespace is there");
        if setup().is_none() {
            return;
        }
        for (tagged, verified) in [(false, false), (true, true)] {
            let run = Run {
                way: Way::Past,
                queues: 1,
                record_bytes: 24,
                count: 3,
                tagged,
                verified,
                keeping: Keeping::Memory,
            };
            let outcome = run.measure(&wire, Duration::from_millis(200)).expect("frames come");
            assert!(outcome.stored > 0, "{outcome:?}");
            assert_eq!(outcome.unaccounted(), 0, "{outcome:?}");
            eprintln!("{outcome:?}");
        }
    });
}

/// The loopback interface has no driver that runs programs.
#[test]
fn where_the_driver_runs_no_programs_the_kernel_does() {
    apart(|| {
        let Some(wire) = wire() else { return };
        wire.enter_receiver().expect("the namespace is there");
        if setup().is_none() {
            return;
        }
        // Its frames are too large for a chunk otherwise.
        let mut ip = Command::new("ip");
        ip.args(["-n", wire.receiver_namespace(), "link", "set", "lo", "mtu", "1500"]);
        assert!(ip.status().expect("ip starts").success());
        let mut options = receiver_options();
        options.xdp.iter_mut().for_each(|xdp| xdp.interface = "lo".to_owned());
        let kept = Kept::start();
        let prepared = PreparedReceiver::open(options);
        assert_eq!(prepared.path(), "generic", "{prepared:?}");
        let receiver = prepared.start(&kept.reception).expect("it starts");
        let reasons = receiver.report().expect("the kernel counts").reasons;
        assert!(reasons.len() == 1 && reasons[0].starts_with("native: "), "{reasons:?}");
        kept.reception.set_port(PORT, rule(kept.stream)).expect("the port is free");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.connect((Ipv4Addr::LOCALHOST, PORT)).expect("an address");
        for first in 0..100 {
            send(&socket, &plain(1, first));
        }
        wait_for("the datagrams", || kept.reception.tally().stored == 100);
        assert_eq!(redirected(&receiver), 100, "all of it came past the kernel");
        drop(receiver);
        assert_eq!(kept.end().len(), 100);
    });
}

const ROLE: &str = "GALLOP_TEST_ROLE";
const NAMESPACE: &str = "GALLOP_TEST_NAMESPACE";

/// This test binary again, as another process that runs one test as `role` and nothing else.
fn again(test: &str, role: &str, wire: &Wire) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(NAMESPACE, wire.receiver_namespace());
    command
}

fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

#[test]
fn a_killed_process_leaves_no_program_behind() {
    if role().is_some() {
        let setup = setup().expect("the parent tried");
        println!("attached");
        std::mem::forget(setup);
        loop {
            std::thread::park();
        }
    }
    apart(|| {
        let Some(wire) = wire() else { return };
        wire.enter_receiver().expect("the namespace is there");
        if setup().is_none() {
            return;
        }
        let test = "xdp::a_killed_process_leaves_no_program_behind";
        let mut child = again(test, "receiver", &wire).stdout(Stdio::null()).spawn().expect("it starts");
        let attached = || wire.receiver_link().expect("ip link").contains("prog/xdp");
        wait_for("the program", attached);
        child.kill().expect("it runs");
        child.wait().expect("it is gone");
        wait_for("the program to go", || !attached());
        drop(setup().expect("the interface and its queue are free again"));
    });
}

/// A cable whose receiver's side this machine can use, and a socket on either side to its port.
fn cable() -> Option<(Wire, UdpSocket)> {
    let wire = wire()?;
    wire.enter_receiver().expect("the namespace is there");
    setup()?;
    let socket = sender(&wire, PORT);
    Some((wire, socket))
}

/// Gives up the capabilities of this thread and of those that it starts. Others of the test's process keep theirs, which
/// is an error for a server.
fn drop_privileges() {
    let others = privileges::drop_all().expect_err("tests run as threads of a privileged process");
    assert!(others.to_string().contains("other threads"), "{others}");
}

/// It says why, receives through sockets, and has the same accounts.
#[test]
fn without_capabilities_it_falls_back_and_says_why() {
    apart(|| {
        let Some((_wire, socket)) = cable() else { return };
        apart(|| {
            drop_privileges();
            let kept = Kept::start();
            let prepared = PreparedReceiver::open(receiver_options());
            assert_eq!(prepared.path(), "sockets");
            let receiver = prepared.start(&kept.reception).expect("sockets need no privilege");
            let report = receiver.report().expect("there is nothing to fail");
            assert!(report.reasons.len() == 1 && report.reasons[0].contains("CAP_BPF"), "{:?}", report.reasons);
            kept.reception.set_port(PORT, rule(kept.stream)).expect("the port is free");
            for first in 0..50 {
                send(&socket, &plain(3, first));
            }
            wait_for("the datagrams", || kept.reception.tally().stored == 50);
            drop(receiver);
            assert_eq!(kept.end().len(), 50);
        });
    });
}

/// After the start no thread that came from ours has any capability, and ports can still be changed.
#[test]
fn privileges_are_gone_after_the_start_and_ports_still_change() {
    apart(|| {
        let Some((_wire, socket)) = cable() else { return };
        apart(|| {
            let prepared = PreparedReceiver::open(receiver_options());
            assert_eq!(prepared.path(), "native");
            drop_privileges();
            let status = std::fs::read_to_string("/proc/thread-self/status").expect("it is there");
            for set in ["CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"] {
                assert!(status.contains(&format!("{set}:\t0000000000000000")), "{set} in {status}");
            }
            assert!(status.contains("NoNewPrivs:\t1"), "{status}");
            assert!(setup().is_none(), "nothing can be set up any more");
            let kept = Kept::start();
            let receiver = prepared.start(&kept.reception).expect("starting takes no privilege");
            for _ in 0..3 {
                program(&kept, PORT);
                for first in 0..50 {
                    send(&socket, &plain(3, first));
                }
                let stored = || kept.reception.port_tally(PORT).map(|tally| tally.stored);
                wait_for("the datagrams", || stored() == Some(50));
                kept.reception.remove_port(PORT).expect("it is there");
            }
            assert_eq!(redirected(&receiver), 150, "all of it came past the kernel");
            drop(receiver);
            assert_eq!(kept.end().len(), 150);
        });
    });
}

//! How it starts and ends: the modes it steps down through, the privileges it needs, what a kill leaves.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};

use ingest::receiver::PreparedReceiver;
use ingest::testing::wire::Wire;
use ingest::xdp::privileges;

use super::{PORT, apart, receiver_options, redirected, send, sender, setup, wire};
use crate::sensors::{Kept, plain, rule, wait_for};

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
        let test = "xdp::start::a_killed_process_leaves_no_program_behind";
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
                kept.reception.set_port(PORT, rule(kept.stream)).expect("the port is free");
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

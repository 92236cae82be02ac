//! Two network namespaces and a cable between them, for tests and measurements of sensor traffic. Needs root and `ip`.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The sender's interface.
pub const SENDER: &str = "sensors0";
/// The receiver's interface.
pub const RECEIVER: &str = "gallop0";
/// The addresses of sender and receiver.
pub const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 2)];
/// Their Ethernet addresses.
pub const ETHERNET: [[u8; 6]; 2] = [[2, 0, 0, 0, 0x77, 1], [2, 0, 0, 0, 0x77, 2]];

/// A cable (veth) from one namespace to another; gone when it is dropped.
#[derive(Debug)]
pub struct Wire {
    /// The sender's and the receiver's namespace.
    names: [String; 2],
}

impl Wire {
    /// Lays a cable with so many receive queues on the receiver's side.
    ///
    /// # Errors
    ///
    /// If namespaces cannot be made here: the error says why, in a line.
    pub fn lay(queues: u32) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let names = ["s", "r"].map(|side| format!("gallop-{process}-{number}{side}"));
        let wire = Wire { names };
        let [sender, receiver] = &wire.names;
        ip(&format!("netns add {sender}"))?;
        ip(&format!("netns add {receiver}"))?;
        ip(&format!(
            "link add {SENDER} netns {sender} numtxqueues {queues} numrxqueues {queues} type veth \
             peer name {RECEIVER} netns {receiver} numtxqueues {queues} numrxqueues {queues}"
        ))?;
        for (side, (name, interface)) in [(sender, SENDER), (receiver, RECEIVER)].into_iter().enumerate() {
            let mac = ETHERNET[side].map(|byte| format!("{byte:02x}")).join(":");
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set {interface} address {mac}"))?;
            ip(&format!("-n {name} link set {interface} addrgenmode none"))?;
            ip(&format!("-n {name} address add {}/24 dev {interface}", ADDRESSES[side]))?;
            // Frames from a driver are taken by an interface that merges packets, or runs a program.
            run("ip", &format!("netns exec {name} ethtool -K {interface} gro on"))?;
            ip(&format!("-n {name} link set {interface} up"))?;
        }
        let [sender_mac, receiver_mac] = ETHERNET.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"));
        ip(&format!("-n {sender} neighbour replace {} lladdr {receiver_mac} dev {SENDER}", ADDRESSES[1]))?;
        ip(&format!("-n {receiver} neighbour replace {} lladdr {sender_mac} dev {RECEIVER}", ADDRESSES[0]))?;
        Ok(wire)
    }

    /// Moves this thread, and those it starts from now on, to the sender's side.
    pub fn enter_sender(&self) -> io::Result<()> {
        enter(&self.names[0])
    }

    /// Moves this thread, and those it starts from now on, to the receiver's side.
    pub fn enter_receiver(&self) -> io::Result<()> {
        enter(&self.names[1])
    }

    /// The receiver's namespace, for `ip -n`.
    pub fn receiver_namespace(&self) -> &str {
        &self.names[1]
    }

    /// What `ip` says of the receiver's interface.
    pub fn receiver_link(&self) -> io::Result<String> {
        run("ip", &format!("-n {} -d link show {RECEIVER}", self.names[1]))
    }

    /// Packets that the cable dropped before any program or socket saw them, since the receiver's end had no room.
    pub fn dropped(&self) -> io::Result<u64> {
        let text = run("ip", &format!("-n {} -s -j link show {SENDER}", self.names[0]))?;
        let json: serde_json::Value = serde_json::from_str(&text).map_err(io::Error::other)?;
        let count = json.pointer("/0/stats64/tx/dropped").and_then(serde_json::Value::as_u64);
        count.ok_or_else(|| io::Error::other(format!("no count of drops in {text}")))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for name in &self.names {
            // The cable goes with the namespaces. One that was never made is no reason to complain.
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn enter(name: &str) -> io::Result<()> {
    let namespace = File::open(format!("/var/run/netns/{name}"))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

fn ip(arguments: &str) -> io::Result<String> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &str) -> io::Result<String> {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("`{program}` cannot be started: {error}")))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("`{program} {arguments}` failed: {}", reason.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

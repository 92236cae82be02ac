//! The steering program: it sends sensor ports to the sockets and everything else to the kernel's
//! stack, and counts both.
//!
//! It has about 80 instructions and is assembled at run time: no compiler, no file. A link attaches
//! it, which the kernel removes when the process ends, however it ends. Ports are changed by
//! writing to a map, which takes no privileges.

use std::io;
use std::os::fd::RawFd;

use serde::Serialize;

use super::assembler::{Assembler, Condition, Helper, Label, Operation, Register, Width};
use super::bpf::{Map, MapKind, Program};

/// Ports of UDP.
const PORTS: u32 = 65_536;

const VERDICT_PASS: i32 = 2;
const VERDICT_REDIRECT: i32 = 4;

/// What the program does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// To the socket of its queue.
    Redirected,
    /// Passed: a UDP port that is not programmed.
    OtherPort,
    /// Passed: not IPv4 without VLAN.
    NotIpv4,
    /// Passed: IPv4 with options.
    IpOptions,
    /// Passed: a fragment, the first one too.
    Fragment,
    /// Passed: not UDP.
    NotUdp,
    /// Passed: shorter than Ethernet, IPv4 and UDP headers.
    Short,
    /// Passed: its queue has no socket.
    NoSocket,
}

impl Verdict {
    /// Every verdict, in the order in which they are counted.
    pub const ALL: [Verdict; 8] = [
        Verdict::Redirected,
        Verdict::OtherPort,
        Verdict::NotIpv4,
        Verdict::IpOptions,
        Verdict::Fragment,
        Verdict::NotUdp,
        Verdict::Short,
        Verdict::NoSocket,
    ];

    /// As it is called in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Redirected => "redirected",
            Verdict::OtherPort => "other_port",
            Verdict::NotIpv4 => "not_ipv4",
            Verdict::IpOptions => "ip_options",
            Verdict::Fragment => "fragment",
            Verdict::NotUdp => "not_udp",
            Verdict::Short => "short",
            Verdict::NoSocket => "no_socket",
        }
    }
}

/// Packets by verdict; their sum is all packets that the interface gave to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Seen([u64; Verdict::ALL.len()]);

impl Seen {
    /// Packets with this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.0[verdict as usize]
    }

    /// All packets.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Packets for the kernel stack.
    pub fn passed(&self) -> u64 {
        self.sum() - self.of(Verdict::Redirected)
    }
}

/// The program and its maps.
#[derive(Debug)]
pub struct Steering {
    pub(super) program: Program,
    /// By port in network order, 1 where it is ours.
    ports: Map,
    sockets: Map,
    counts: Map,
}

impl Steering {
    /// Loads the program for an interface with so many receive queues. No port is programmed.
    pub fn load(queues: u32) -> io::Result<Self> {
        let ports = Map::create(MapKind::Array, 4, PORTS)?;
        let sockets = Map::create(MapKind::Sockets, 4, queues)?;
        let counts = Map::create(MapKind::PerCpuArray, size_of::<Seen>(), 1)?;
        let instructions = assemble(ports.descriptor(), sockets.descriptor(), counts.descriptor());
        let program = Program::load("gallop_sensors", &instructions)?;
        Ok(Steering { program, ports, sockets, counts })
    }

    /// Steers a port to the sockets, or no longer.
    pub fn set_port(&self, port: u16, ours: bool) -> io::Result<()> {
        self.ports.set(u32::from(u16::from_le_bytes(port.to_be_bytes())), &u32::from(ours).to_le_bytes())
    }

    /// Gives a queue its socket.
    pub(super) fn set_socket(&self, queue: u32, socket: RawFd) -> io::Result<()> {
        self.sockets.set(queue, &socket.to_le_bytes())
    }

    /// What the program has seen, on all processors.
    pub fn seen(&self) -> io::Result<Seen> {
        let cells = self.counts.get(0)?;
        let mut seen = Seen::default();
        for cell in cells.chunks_exact(size_of::<Seen>()) {
            for (sum, count) in seen.0.iter_mut().zip(cell.chunks_exact(8)) {
                *sum += u64::from_ne_bytes(*count.first_chunk().expect("eight bytes"));
            }
        }
        Ok(seen)
    }

    /// What would become of a packet on the first queue: whether it would be redirected.
    pub fn redirects(&self, packet: &[u8]) -> io::Result<bool> {
        Ok(self.program.verdict(packet)? == VERDICT_REDIRECT as u32)
    }
}

/// The program. Numbers read from packets are compared as the processor reads them, so constants
/// are in network order.
#[rustfmt::skip]
fn assemble(ports: RawFd, sockets: RawFd, counts: RawFd) -> Vec<u64> {
    use Register::{R0, R1, R2, R3, R4, R5, R6, R9, Stack};
    let mut code = Assembler::default();
    let labels: [Label; Verdict::ALL.len()] = std::array::from_fn(|_| code.label());
    let passed = |verdict: Verdict| labels[verdict as usize];
    let uncounted = code.label();

    // r9: the counts of this processor.
    code.with(Operation::Move, R6, R1)
        .store_value(Width::Word, Stack, -4, 0)
        .map(R1, counts)
        .with(Operation::Move, R2, Stack)
        .with_value(Operation::Add, R2, -4)
        .call(Helper::MapLookup)
        .jump_if_value(R0, Condition::Equal, 0, uncounted)
        .with(Operation::Move, R9, R0)
        // r2: the packet, of which 42 bytes are there.
        .load(Width::Word, R2, R6, 0)
        .load(Width::Word, R3, R6, 4)
        .with(Operation::Move, R4, R2)
        .with_value(Operation::Add, R4, 42)
        .jump_if(R4, Condition::Above, R3, passed(Verdict::Short))
        // Ethernet: IPv4.
        .load(Width::Half, R5, R2, 12)
        .jump_if_value(R5, Condition::NotEqual, network(0x0800), passed(Verdict::NotIpv4))
        // IPv4: version 4 and a header of 20 bytes; no fragment; UDP.
        .load(Width::Byte, R5, R2, 14)
        .jump_if_value(R5, Condition::NotEqual, 0x45, passed(Verdict::IpOptions))
        .load(Width::Half, R5, R2, 20)
        .with_value(Operation::And, R5, network(0x3fff))
        .jump_if_value(R5, Condition::NotEqual, 0, passed(Verdict::Fragment))
        .load(Width::Byte, R5, R2, 23)
        .jump_if_value(R5, Condition::NotEqual, 17, passed(Verdict::NotUdp))
        // UDP: a port that is programmed.
        .load(Width::Half, R5, R2, 36)
        .store(Width::Word, Stack, -4, R5)
        .map(R1, ports)
        .with(Operation::Move, R2, Stack)
        .with_value(Operation::Add, R2, -4)
        .call(Helper::MapLookup)
        .jump_if_value(R0, Condition::Equal, 0, passed(Verdict::OtherPort))
        .load(Width::Word, R5, R0, 0)
        .jump_if_value(R5, Condition::Equal, 0, passed(Verdict::OtherPort))
        // To the socket of the queue, or on to the stack where there is none.
        .map(R1, sockets)
        .load(Width::Word, R2, R6, 16)
        .with_value(Operation::Move, R3, VERDICT_PASS)
        .call(Helper::RedirectMap)
        .jump_if_value(R0, Condition::NotEqual, VERDICT_REDIRECT, passed(Verdict::NoSocket));
    for verdict in Verdict::ALL {
        let redirected = verdict == Verdict::Redirected;
        code.here(passed(verdict))
            .load(Width::Double, R1, R9, 8 * verdict as i16)
            .with_value(Operation::Add, R1, 1)
            .store(Width::Double, R9, 8 * verdict as i16, R1)
            .with_value(Operation::Move, R0, if redirected { VERDICT_REDIRECT } else { VERDICT_PASS })
            .exit();
    }
    code.here(uncounted).with_value(Operation::Move, R0, VERDICT_PASS).exit();
    code.finish()
}

/// A number of two bytes, as a processor reads it that finds it in network order.
const fn network(number: u16) -> i32 {
    u16::from_ne_bytes(number.to_be_bytes()) as i32
}

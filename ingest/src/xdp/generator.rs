//! Traffic at a rate that no socket reaches: the kernel runs a program on frames of its own and sends them to an interface
//! as a driver would (XDP live frames). For tests and measurements: nothing of the product names it, so it is not linked.
//!
//! Each frame is a whole sensor datagram in UDP, IPv4 and Ethernet, written by the program: the next of the next flow. All
//! headers are written each time, since frames are used again as their last receiver left them.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use model::datagram::header::{HEADER_BYTES, Header, SchemaId, SourceId};
use model::datagram::tag::TAG_BYTES;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::assembler::{Assembler, Condition, Helper, Operation, Register, Width};
use super::bpf::{Map, MapKind, Program};
use super::interface::Interface;

/// Bytes of Ethernet, IPv4 and UDP headers.
const PACKET_BYTES: usize = 42;
const FIRST_SENDER_PORT: u16 = 1024;
/// Frames that the kernel sends before it lets others have the processor.
const BATCH_FRAMES: u32 = 64;

const VERDICT_DROP: i32 = 1;

/// What to send, and where.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The interface to send through, in the network namespace of the thread that asks.
    pub interface: String,
    /// The Ethernet addresses of sender and receiver.
    pub ethernet: [[u8; 6]; 2],
    /// The addresses of sender and receiver.
    pub addresses: [Ipv4Addr; 2],
    /// The port to send to.
    pub port: u16,
    /// Sources that take turns, each from a port of its own; a power of two.
    pub flows: u16,
    /// The number of the first source.
    pub first_source: u32,
    /// What the records are.
    pub schema_id: SchemaId,
    /// Bytes of a record.
    pub record_bytes: u16,
    /// Records of a datagram.
    pub count: u8,
    /// The key of all sources, whose id is 1, if datagrams are tagged.
    pub key: Option<[u8; 16]>,
}

/// A program that sends.
#[derive(Debug)]
pub struct Generator {
    program: Program,
    counter: Map,
    /// The interface to send through: found quicker in a map of one than among all that there are.
    _interface: Map,
    frame: Vec<u8>,
}

/// A generator at work on a thread of its own.
#[derive(Debug)]
pub struct Sending {
    generator: Arc<Generator>,
    thread: JoinHandle<io::Result<()>>,
    done: Arc<AtomicBool>,
}

impl Generator {
    /// Loads the program.
    ///
    /// # Panics
    ///
    /// If the flows are not a power of two, or the tagged bytes not a multiple of eight.
    pub fn load(traffic: &Traffic) -> io::Result<Self> {
        let interface = Interface::find(&traffic.interface)?;
        let counter = Map::create(MapKind::Array, 8, 1)?;
        let interfaces = Map::create(MapKind::Interfaces, 4, 1)?;
        interfaces.set(0, &interface.index.to_ne_bytes())?;
        let frame = traffic.frame();
        let program = Program::load("gallop_traffic", &traffic.assemble(&frame, &interfaces, &counter))?;
        Ok(Generator { program, counter, _interface: interfaces, frame })
    }

    /// Sends so many frames from this thread, in bursts, as fast as they are taken.
    pub fn send(&self, frames: u32) -> io::Result<()> {
        self.program.send(&self.frame, frames, BATCH_FRAMES)
    }

    /// Frames that were made so far.
    pub fn made(&self) -> io::Result<u64> {
        Ok(u64::from_ne_bytes(*self.counter.get(0)?.first_chunk().expect("eight bytes")))
    }

    /// Sends until it is stopped, on a processor of its own, from the network namespace of this thread.
    pub fn start(self, processor: usize) -> io::Result<Sending> {
        let (generator, done) = (Arc::new(self), Arc::new(AtomicBool::new(false)));
        // SAFETY: the handler does nothing, so it may run at any time.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            if libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let (of_thread, stopped) = (Arc::clone(&generator), Arc::clone(&done));
        let thread = std::thread::Builder::new().name("sensor-traffic".to_owned()).spawn(move || {
            let mut one = CpuSet::new();
            one.set(processor);
            sched_setaffinity(None, &one)?;
            while !stopped.load(Ordering::Acquire) {
                of_thread.send(u32::MAX)?;
            }
            Ok(())
        })?;
        Ok(Sending { generator, thread, done })
    }
}

/// A signal interrupts the kernel's loop; there is nothing else to do about it.
extern "C" fn nothing(_: i32) {}

impl Sending {
    /// Frames that were made so far.
    pub fn made(&self) -> io::Result<u64> {
        self.generator.made()
    }

    /// Stops and says how many frames were made.
    pub fn stop(self) -> io::Result<u64> {
        self.done.store(true, Ordering::Release);
        while !self.thread.is_finished() {
            // SAFETY: the thread was not joined yet, so its handle is valid even if it has just ended.
            unsafe { libc::pthread_kill(self.thread.as_pthread_t(), libc::SIGUSR1) };
            std::thread::yield_now();
        }
        self.thread.join().map_err(|_| io::Error::other("the sender panicked"))??;
        self.generator.made()
    }
}

impl Traffic {
    /// Bytes of a datagram, its tag included.
    pub fn datagram_bytes(&self) -> usize {
        HEADER_BYTES + self.records_bytes() + if self.key.is_some() { TAG_BYTES } else { 0 }
    }

    fn records_bytes(&self) -> usize {
        usize::from(self.record_bytes) * usize::from(self.count)
    }

    /// The first frame of the first flow, without tag.
    fn frame(&self) -> Vec<u8> {
        let udp_bytes = (8 + self.datagram_bytes()) as u16;
        let mut ip = vec![0x45, 0];
        ip.extend((20 + udp_bytes).to_be_bytes());
        ip.extend([0, 1, 0, 0, 64, 17, 0, 0]);
        ip.extend(self.addresses.iter().flat_map(Ipv4Addr::octets));
        let sum: u32 = ip.chunks(2).map(|half| u32::from(u16::from_be_bytes([half[0], half[1]]))).sum();
        let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        let header = Header {
            tagged: self.key.is_some(),
            record_times: false,
            schema_id: self.schema_id,
            record_len: self.record_bytes,
            count: self.count,
            key_id: 1,
            epoch: 1,
            source_id: SourceId(self.first_source),
            first: 0,
            time_nanos: 1_700_000_000_000_000_000,
        };
        let mut frame = [self.ethernet[1], self.ethernet[0]].concat();
        frame.extend([0x08, 0x00]);
        frame.extend(ip);
        frame.extend(FIRST_SENDER_PORT.to_be_bytes());
        frame.extend(self.port.to_be_bytes());
        frame.extend(udp_bytes.to_be_bytes());
        // No checksum.
        frame.extend([0, 0]);
        frame.extend(header.write());
        frame.extend((0..self.datagram_bytes() - HEADER_BYTES).map(|at| at as u8));
        frame
    }

    #[rustfmt::skip]
    fn assemble(&self, frame: &[u8], interfaces: &Map, counter: &Map) -> Vec<u64> {
        use Register::{R0, R1, R2, R3, R4, R6, R8, R9, Stack};
        assert!(self.flows.is_power_of_two(), "flows are a power of two");
        let mut code = Assembler::default();
        let refused = code.label();
        // r9: the number of the frame.
        code.with(Operation::Move, R6, R1)
            .store_value(Width::Word, Stack, -4, 0)
            .map(R1, counter.descriptor())
            .with(Operation::Move, R2, Stack)
            .with_value(Operation::Add, R2, -4)
            .call(Helper::MapLookup)
            .jump_if_value(R0, Condition::Equal, 0, refused)
            .load(Width::Double, R9, R0, 0)
            .with(Operation::Move, R1, R9)
            .with_value(Operation::Add, R1, 1)
            .store(Width::Double, R0, 0, R1)
            // r8: the frame, all of which is there.
            .load(Width::Word, R8, R6, 0)
            .load(Width::Word, R3, R6, 4)
            .with(Operation::Move, R4, R8)
            .with_value(Operation::Add, R4, frame.len() as i32)
            .jump_if(R4, Condition::Above, R3, refused);
        let written = (PACKET_BYTES + HEADER_BYTES).next_multiple_of(4).min(frame.len() / 4 * 4);
        for at in (0..written).step_by(4) {
            let word = i32::from_ne_bytes(*frame[at..].first_chunk().expect("four bytes"));
            code.store_value(Width::Word, R8, at as i16, word);
        }
        // The flow: its port, and its source.
        code.with(Operation::Move, R1, R9)
            .with_value(Operation::And, R1, i32::from(self.flows) - 1)
            .with(Operation::Move, R2, R1)
            .with_value(Operation::Add, R2, i32::from(FIRST_SENDER_PORT))
            .network_half(R2)
            .store(Width::Half, R8, 34, R2)
            .with_value(Operation::Add, R1, self.first_source as i32)
            .store(Width::Word, R8, (PACKET_BYTES + 12) as i16, R1)
            // The flow's next number.
            .with(Operation::Move, R1, R9)
            .with_value(Operation::ShiftRight, R1, self.flows.trailing_zeros() as i32)
            .with_value(Operation::Multiply, R1, i32::from(self.count))
            .store(Width::Double, R8, (PACKET_BYTES + 16) as i16, R1);
        if let Some(key) = &self.key {
            tag(&mut code, key, HEADER_BYTES + self.records_bytes());
        }
        code.map(R1, interfaces.descriptor())
            .with_value(Operation::Move, R2, 0)
            .with_value(Operation::Move, R3, 0)
            .call(Helper::RedirectMap)
            .exit()
            .here(refused)
            .with_value(Operation::Move, R0, VERDICT_DROP)
            .exit();
        code.finish()
    }
}

/// SipHash-2-4 of the datagram in the frame at `r8`, of which `bytes` are signed; written behind them.
fn tag(code: &mut Assembler, key: &[u8; 16], bytes: usize) {
    use Register::{R0, R1, R2, R3, R4, R5, R8};
    assert!(bytes.is_multiple_of(8), "what is signed is a multiple of eight bytes");
    let key = [0, 8].map(|at| u64::from_le_bytes(*key[at..].first_chunk().expect("eight bytes")));
    let words = [
        (R2, key[0] ^ 0x736f_6d65_7073_6575),
        (R3, key[1] ^ 0x646f_7261_6e64_6f6d),
        (R4, key[0] ^ 0x6c79_6765_6e65_7261),
        (R5, key[1] ^ 0x7465_6462_7974_6573),
    ];
    for (register, word) in words {
        code.double(register, word);
    }
    let offset = |at: usize| i16::try_from(PACKET_BYTES + at).expect("a frame is short");
    for at in (0..bytes).step_by(8) {
        code.load(Width::Double, R1, R8, offset(at)).with(Operation::Xor, R5, R1);
        rounds(code, 2);
        // Read again: the rounds need every register.
        code.load(Width::Double, R1, R8, offset(at)).with(Operation::Xor, R2, R1);
    }
    let last = (bytes as u64 & 0xff) << 56;
    code.double(R1, last).with(Operation::Xor, R5, R1);
    rounds(code, 2);
    code.double(R1, last).with(Operation::Xor, R2, R1).with_value(Operation::Xor, R4, 0xff);
    rounds(code, 4);
    code.with(Operation::Move, R0, R2);
    for register in [R3, R4, R5] {
        code.with(Operation::Xor, R0, register);
    }
    code.store(Width::Double, R8, offset(bytes), R0);
}

fn rounds(code: &mut Assembler, count: usize) {
    use Register::{R2, R3, R4, R5};
    for _ in 0..count {
        // add, rotate, xor; the sum turned by 32 where it is said.
        for (sum, with, turn, half) in
            [(R2, R3, 13, true), (R4, R5, 16, false), (R2, R5, 21, false), (R4, R3, 17, true)]
        {
            code.with(Operation::Add, sum, with);
            rotate(code, with, turn);
            code.with(Operation::Xor, with, sum);
            if half {
                rotate(code, sum, 32);
            }
        }
    }
}

fn rotate(code: &mut Assembler, register: Register, bits: i32) {
    code.with(Operation::Move, Register::R0, register)
        .with_value(Operation::ShiftLeft, register, bits)
        .with_value(Operation::ShiftRight, Register::R0, 64 - bits)
        .with(Operation::Or, register, Register::R0);
}

/// A program that drops everything and counts it: the most that an interface and its driver can take.
#[derive(Debug)]
pub struct Dropping {
    counts: Map,
    _link: std::os::fd::OwnedFd,
}

impl Dropping {
    /// Attaches it to an interface, in the network namespace of this thread, until it is dropped.
    #[rustfmt::skip]
    pub fn attach(interface: &str) -> io::Result<Self> {
        use Register::{R0, R1, R2, R3, R4, R5, R6, Stack};
        let interface = Interface::find(interface)?;
        let counts = Map::create(MapKind::PerCpuArray, 8, 1)?;
        let mut code = Assembler::default();
        let drop = code.label();
        // Reads the headers, as a program must that knows what it drops.
        code.with(Operation::Move, R6, R1)
            .load(Width::Word, R2, R6, 0)
            .load(Width::Word, R3, R6, 4)
            .with(Operation::Move, R4, R2)
            .with_value(Operation::Add, R4, PACKET_BYTES as i32)
            .jump_if(R4, Condition::Above, R3, drop)
            .load(Width::Half, R5, R2, 12)
            .jump_if_value(R5, Condition::NotEqual, i32::from(u16::from_ne_bytes(0x0800u16.to_be_bytes())), drop)
            .load(Width::Byte, R5, R2, 23)
            .jump_if_value(R5, Condition::NotEqual, 17, drop)
            .load(Width::Half, R5, R2, 36)
            .store_value(Width::Word, Stack, -4, 0)
            .map(R1, counts.descriptor())
            .with(Operation::Move, R2, Stack)
            .with_value(Operation::Add, R2, -4)
            .call(Helper::MapLookup)
            .jump_if_value(R0, Condition::Equal, 0, drop)
            .load(Width::Double, R1, R0, 0)
            .with_value(Operation::Add, R1, 1)
            .store(Width::Double, R0, 0, R1)
            .here(drop)
            .with_value(Operation::Move, R0, VERDICT_DROP)
            .exit();
        let program = Program::load("gallop_drop", &code.finish())?;
        let link = program.attach(interface.index, super::setup::ATTACH_NATIVE)?;
        Ok(Dropping { counts, _link: link })
    }

    /// Frames that were dropped.
    pub fn count(&self) -> io::Result<u64> {
        let cells = self.counts.get(0)?;
        Ok(cells.chunks_exact(8).map(|cell| u64::from_ne_bytes(*cell.first_chunk().expect("eight bytes"))).sum())
    }
}

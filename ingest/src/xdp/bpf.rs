//! bpf(2): maps, programs, links.

use std::ffi::{c_long, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const MAP_CREATE: u32 = 0;
const MAP_LOOKUP: u32 = 1;
const MAP_UPDATE: u32 = 2;
const PROGRAM_LOAD: u32 = 5;
const PROGRAM_TEST_RUN: u32 = 10;
const LINK_CREATE: u32 = 28;

const PROGRAM_TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
const TEST_LIVE_FRAMES: u32 = 2;

/// Bytes of the verifier's explanation that are kept.
const LOG_BYTES: usize = 64 * 1024;

/// The kinds of maps in use, by the kernel's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapKind {
    Array = 2,
    PerCpuArray = 6,
    Interfaces = 14,
    Sockets = 17,
}

/// A map from numbers to values of fixed size.
#[derive(Debug)]
pub(super) struct Map {
    descriptor: OwnedFd,
    /// Bytes of a value as bpf(2) hands it over: that of each processor, for maps that have one each.
    value_bytes: usize,
}

/// A loaded XDP program.
#[derive(Debug)]
pub(super) struct Program {
    descriptor: OwnedFd,
}

/// The attributes of a call, by their offsets in `union bpf_attr` (linux/bpf.h).
#[derive(Default)]
struct Attributes([u64; 16]);

impl Attributes {
    fn u32(mut self, offset: usize, value: u32) -> Self {
        self.0[offset / 8] |= u64::from(value) << (offset % 8 * 8);
        self
    }

    fn u64(mut self, offset: usize, value: u64) -> Self {
        self.0[offset / 8] = value;
        self
    }

    fn descriptor(self, offset: usize, descriptor: RawFd) -> Self {
        self.u32(offset, u32::try_from(descriptor).expect("an open descriptor is not negative"))
    }

    fn read_u32(&self, offset: usize) -> u32 {
        (self.0[offset / 8] >> (offset % 8 * 8)) as u32
    }

    /// # Safety
    ///
    /// Every address among the attributes must be valid for what `command` does with it, for as long as it says.
    unsafe fn call(&mut self, command: u32) -> io::Result<c_long> {
        let bytes = size_of_val(&self.0);
        // SAFETY: the attributes are as long as they say, and the caller vouches for addresses in them.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), bytes) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }

    /// # Safety
    ///
    /// As [`Attributes::call`], for commands that answer with a new descriptor.
    unsafe fn open(&mut self, command: u32) -> io::Result<OwnedFd> {
        // SAFETY: the caller vouches for the addresses.
        let descriptor = unsafe { self.call(command)? };
        // SAFETY: the kernel has just opened it for us, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) })
    }
}

fn address<T: ?Sized>(of: *const T) -> u64 {
    of.cast::<c_void>() as u64
}

impl Map {
    /// A map of `entries` values of `value_bytes` each.
    pub(super) fn create(kind: MapKind, value_bytes: usize, entries: u32) -> io::Result<Self> {
        let mut attributes =
            Attributes::default().u32(0, kind as u32).u32(4, 4).u32(8, value_bytes as u32).u32(12, entries);
        // SAFETY: there are no addresses among the attributes.
        let descriptor = unsafe { attributes.open(MAP_CREATE)? };
        let processors = if kind == MapKind::PerCpuArray { possible_processors()? } else { 1 };
        Ok(Map {
            descriptor,
            value_bytes: value_bytes.next_multiple_of(if processors > 1 { 8 } else { 1 }) * processors,
        })
    }

    /// Sets a value.
    pub(super) fn set(&self, key: u32, value: &[u8]) -> io::Result<()> {
        assert_eq!(value.len(), self.value_bytes, "a value is as long as the map says");
        let mut attributes = self.attributes(&key, value.as_ptr());
        // SAFETY: the kernel reads a key of 4 bytes and a value of the map's size, which are there.
        unsafe { attributes.call(MAP_UPDATE).map(|_| ()) }
    }

    /// The bytes of a value; those of each processor one after the other, for maps that have one each.
    pub(super) fn get(&self, key: u32) -> io::Result<Vec<u8>> {
        let mut value = vec![0; self.value_bytes];
        let mut attributes = self.attributes(&key, value.as_mut_ptr());
        // SAFETY: the kernel reads a key of 4 bytes and writes a value of the map's size, for which there is room.
        unsafe { attributes.call(MAP_LOOKUP)? };
        Ok(value)
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }

    fn attributes(&self, key: &u32, value: *const u8) -> Attributes {
        Attributes::default().descriptor(0, self.descriptor()).u64(8, address(key)).u64(16, address(value))
    }
}

/// How many values a map with one for each processor has: for every one that might be plugged in.
fn possible_processors() -> io::Result<usize> {
    // "0-3", or "0" for one; never with holes.
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
    let last = text.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<usize>().ok());
    last.map(|last| last + 1)
        .ok_or_else(|| io::Error::other(format!("processors `{}` are not understood", text.trim())))
}

impl Program {
    /// Loads a program; the verifier's reasons are in the error if it refuses.
    pub(super) fn load(name: &str, instructions: &[u64]) -> io::Result<Self> {
        let license = c"Apache-2.0";
        let mut log = vec![0u8; LOG_BYTES];
        let mut name_words = [0u8; 16];
        name_words[..name.len().min(15)].copy_from_slice(&name.as_bytes()[..name.len().min(15)]);
        let word = |at: usize| u64::from_le_bytes(*name_words[at..].first_chunk().expect("two words"));
        let attributes = |level: u32, log: &mut [u8]| {
            Attributes::default()
                .u32(0, PROGRAM_TYPE_XDP)
                .u32(4, instructions.len() as u32)
                .u64(8, address(instructions.as_ptr()))
                .u64(16, address(license.as_ptr()))
                .u32(24, level)
                .u32(28, if level > 0 { log.len() as u32 } else { 0 })
                .u64(32, if level > 0 { address(log.as_mut_ptr()) } else { 0 })
                .u64(48, word(0))
                .u64(56, word(8))
        };
        // SAFETY: instructions, licence and log live until the call is over and are as long as they say.
        let refused = match unsafe { attributes(0, &mut log).open(PROGRAM_LOAD) } {
            Ok(descriptor) => return Ok(Program { descriptor }),
            Err(refused) => refused,
        };
        if matches!(refused.raw_os_error(), Some(libc::EPERM | libc::ENOMEM)) {
            return Err(refused);
        }
        // SAFETY: as above. Asked again for the reasons.
        match unsafe { attributes(1, &mut log).open(PROGRAM_LOAD) } {
            Ok(descriptor) => Ok(Program { descriptor }),
            Err(_) => {
                let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
                let reasons = String::from_utf8_lossy(&log[..end]);
                Err(io::Error::new(refused.kind(), format!("{refused}: {reasons}")))
            }
        }
    }

    /// Attaches it to an interface until the descriptor is closed.
    pub(super) fn attach(&self, interface: u32, flags: u32) -> io::Result<OwnedFd> {
        let mut attributes = Attributes::default()
            .descriptor(0, self.descriptor.as_raw_fd())
            .u32(4, interface)
            .u32(8, ATTACH_XDP)
            .u32(12, flags);
        // SAFETY: there are no addresses among the attributes.
        unsafe { attributes.open(LINK_CREATE) }
    }

    /// What the program says of a packet that nobody sent.
    pub(super) fn verdict(&self, packet: &[u8]) -> io::Result<u32> {
        let mut attributes = Attributes::default()
            .descriptor(0, self.descriptor.as_raw_fd())
            .u32(8, packet.len() as u32)
            .u64(16, address(packet.as_ptr()))
            .u32(32, 1);
        // SAFETY: the kernel reads the packet, which is as long as we say, and writes no packet back.
        unsafe { attributes.call(PROGRAM_TEST_RUN)? };
        Ok(attributes.read_u32(4))
    }

    /// Runs the program `frames` times on copies of a packet which then go where the program says, as if they had come
    /// from an interface. Ends early when the thread gets a signal.
    pub(super) fn send(&self, packet: &[u8], frames: u32, batch: u32) -> io::Result<()> {
        let mut attributes = Attributes::default()
            .descriptor(0, self.descriptor.as_raw_fd())
            .u32(8, packet.len() as u32)
            .u64(16, address(packet.as_ptr()))
            .u32(32, frames)
            .u32(64, TEST_LIVE_FRAMES)
            .u32(72, batch);
        // SAFETY: the kernel copies the packet, which is as long as we say, before it begins.
        match unsafe { attributes.call(PROGRAM_TEST_RUN) } {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

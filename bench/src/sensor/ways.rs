//! How many sensor frames a second come in, by each way to receive them, beside what the cable itself can carry.
//!
//! Frames come from the kernel itself (`ingest::xdp::generator`) over a cable between two namespaces, to one receive queue. The
//! receiving interface works on the sender's processor, between bursts, so the sender slows down to what the path takes;
//! pollers, or the plain loop, have the next processors. A writer to memory has the last, which of four it shares with the
//! second poller where there are two: that one waits for frames half of its time, and a sender never. Ways take turns
//! within a round, so that all see the same minutes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::clock::SystemClock;
use model::datagram::header::{SchemaId, SourceId};
use model::datagram::tag::TagKey;
use model::name::StreamName;
use model::stream::store::{StreamOptions, StreamStore};

use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use ingest::sensor::accounts::Tally;
use ingest::sensor::port_rule::{PortRule, SourceRule};
use ingest::sensor::reader::BatchReader;
use ingest::sensor::reception::{Reception, ReceptionOptions};
use ingest::sensor::writer::StreamWriter;
use ingest::testing::plain_loop::{PlainLoop, keep_to};
use ingest::testing::wire::{ADDRESSES, ETHERNET, RECEIVER, SENDER, Wire};
use ingest::udp::receiver::{UdpOptions, UdpReceiver};
use ingest::xdp::generator::{Dropping, Generator, Sending, Traffic};
use ingest::xdp::program::Verdict;
use ingest::xdp::receiver::XdpReceiver;
use ingest::xdp::setup::{XdpOptions, XdpSetup};
use model::disk::StdDisk;

const PORT: u16 = 9_000;
const FLOWS: u16 = 1_024;
const KEY: [u8; 16] = *b"0123456789abcdef";
/// Bytes of the memory that datagrams are kept in where no log is asked for; the oldest make room.
const SEGMENT_BYTES: usize = 64 << 20;
/// How long a way may take until its first frame, and for what is under way to be counted at its end.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A way to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// An XDP program that reads the headers and drops the frame: the most that the cable carries.
    Drop,
    /// One thread with recvmmsg(2).
    Plain,
    /// Our ordinary sockets: one poller, and a writer.
    Sockets,
    /// Past the kernel: one poller a queue, and a writer.
    Past,
}

/// Where accepted datagrams go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Into memory: the cost of a copy, without a disk.
    Memory,
    /// Into a stream's log in this folder, durably.
    Log(PathBuf),
}

/// What is sent, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// How it is received.
    pub(crate) way: Way,
    /// Receive queues, each with a sender.
    pub(crate) queues: u32,
    /// Bytes of a record.
    pub(crate) record_bytes: u16,
    /// Records of a datagram.
    pub(crate) count: u8,
    /// Whether datagrams have tags.
    pub(crate) tagged: bool,
    /// Whether tags are verified.
    pub(crate) verified: bool,
    /// Where datagrams go.
    pub(crate) keeping: Keeping,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Outcome {
    /// Frames a second that were received: stored ones, where they are stored.
    pub(crate) frames_per_second: f64,
    /// Frames that the steering program redirected, over the whole run.
    pub(crate) redirected: u64,
    /// Of those, lost in the kernel's rings.
    pub(crate) lost: u64,
    /// Of those, taken by pollers.
    pub(crate) received: u64,
    /// Of those, stored.
    pub(crate) stored: u64,
    /// Of those, rejected or refused by cause.
    pub(crate) turned_away: u64,
}

impl Outcome {
    /// Frames whose whereabouts nobody knows; there are none.
    pub(crate) fn unaccounted(&self) -> u64 {
        let received = if self.redirected > 0 { self.redirected - self.lost } else { self.received };
        received.abs_diff(self.received) + self.received.abs_diff(self.stored + self.turned_away)
    }
}

impl Run {
    fn traffic(&self, sender: u32) -> Traffic {
        Traffic {
            interface: SENDER.to_owned(),
            ethernet: ETHERNET,
            addresses: ADDRESSES,
            port: PORT,
            flows: FLOWS,
            first_source: sender * u32::from(FLOWS),
            schema_id: SchemaId(7),
            record_bytes: self.record_bytes,
            count: self.count,
            key: self.tagged.then_some(KEY),
        }
    }

    /// Receives for so long, over a cable of as many queues.
    pub(crate) fn measure(&self, wire: &Wire, time: Duration) -> io::Result<Outcome> {
        std::thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                wire.enter_receiver()?;
                self.receive(wire, time)
            });
            receiver.join().map_err(|_| io::Error::other("a receiver panicked"))?
        })
    }

    fn receive(&self, wire: &Wire, time: Duration) -> io::Result<Outcome> {
        let address = SocketAddr::from((ADDRESSES[1], PORT));
        match self.way {
            Way::Drop => {
                let dropping = Dropping::attach(RECEIVER)?;
                let frames_per_second = self.rate(wire, time, || dropping.count())?;
                Ok(Outcome { frames_per_second, ..Outcome::default() })
            }
            Way::Plain => {
                let plain = PlainLoop::start(address, usize::from(FLOWS), 1)?;
                let frames_per_second = self.rate(wire, time, || Ok(plain.datagrams()))?;
                Ok(Outcome { frames_per_second, ..Outcome::default() })
            }
            Way::Sockets => self.keep(|kept| {
                let options = UdpOptions { address: IpAddr::V4(ADDRESSES[1]), pollers: 1, ..UdpOptions::default() };
                // Its poller comes from a thread that keeps to a processor, and keeps to it as well.
                let start = || {
                    keep_to(1);
                    UdpReceiver::start(&kept.reception, options)
                };
                let receiver = std::thread::scope(|scope| scope.spawn(start).join());
                let receiver = receiver.map_err(|_| io::Error::other("a start panicked"))?.map_err(io::Error::other)?;
                let frames_per_second = self.rate(wire, time, || Ok(kept.reception.tally().stored))?;
                drop(receiver);
                Ok(Outcome { frames_per_second, ..Outcome::default() })
            }),
            Way::Past => self.keep(|kept| {
                // Senders have the first processors, pollers the next.
                let processors = (self.queues as usize..2 * self.queues as usize).collect();
                let setup = XdpSetup::open(XdpOptions { interface: RECEIVER.to_owned(), processors });
                let setup = setup.map_err(io::Error::other)?;
                let receiver = XdpReceiver::start(&kept.reception, setup).map_err(io::Error::other)?;
                let frames_per_second = self.rate(wire, time, || Ok(kept.reception.tally().stored))?;
                let settled = || {
                    let lost =
                        receiver.queues()?.iter().map(|queue| queue.losses.ring_full + queue.losses.dropped).sum();
                    let redirected = receiver.seen()?.of(Verdict::Redirected);
                    Ok((kept.reception.tally().received() + lost == redirected).then_some((redirected, lost)))
                };
                let (redirected, lost) = wait_for(settled)?.unwrap_or_default();
                Ok(Outcome { frames_per_second, redirected, lost, ..Outcome::default() })
            }),
        }
    }

    /// Frames a second while senders send as fast as they can.
    fn rate(&self, wire: &Wire, time: Duration, count: impl Fn() -> io::Result<u64>) -> io::Result<f64> {
        let sending = std::thread::scope(|scope| {
            let start = scope.spawn(|| {
                wire.enter_sender()?;
                let start = |sender| Generator::load(&self.traffic(sender))?.start(sender as usize);
                (0..self.queues).map(start).collect::<io::Result<Vec<Sending>>>()
            });
            start.join().map_err(|_| io::Error::other("a sender panicked"))?
        })?;
        let begun = wait_for(|| Ok((count()? > 0).then_some(())))?;
        // What is made at the beginning (batches, pages of a log) is no measure of what comes then.
        std::thread::sleep(time / 4);
        let (before, begin) = (count()?, Instant::now());
        std::thread::sleep(time);
        let (after, elapsed) = (count()?, begin.elapsed());
        for sending in sending {
            sending.stop()?;
        }
        begun.ok_or_else(|| io::Error::other("no frame arrives"))?;
        Ok((after - before) as f64 / elapsed.as_secs_f64())
    }

    /// Runs `receive` with a reception whose datagrams are kept, and adds its accounts.
    fn keep(&self, receive: impl FnOnce(&Kept) -> io::Result<Outcome>) -> io::Result<Outcome> {
        let kept = Kept::start(self)?;
        let mut outcome = receive(&kept)?;
        let tally = kept.end()?;
        outcome.received = tally.received();
        outcome.stored = tally.stored;
        outcome.turned_away = tally.received() - tally.stored - tally.waiting();
        Ok(outcome)
    }
}

/// Waits until there is something, for a while.
fn wait_for<T>(mut there: impl FnMut() -> io::Result<Option<T>>) -> io::Result<Option<T>> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let found = there()?;
        if found.is_some() || deadline < Instant::now() {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A reception with a writer.
struct Kept {
    reception: Arc<Reception>,
    writer: JoinHandle<()>,
}

impl Kept {
    fn start(run: &Run) -> io::Result<Self> {
        let reception = Reception::new(ReceptionOptions::default());
        let (stream, reader) = reception.open().map_err(io::Error::other)?;
        let mut rule = PortRule::open_to_all(stream, SchemaId(7), run.record_bytes);
        if run.verified {
            let source = SourceRule { keys: vec![(1, TagKey::new(KEY))], ..SourceRule::default() };
            let sources = 0..run.queues * u32::from(FLOWS);
            rule.sources = sources.map(|id| (SourceId(id), source.clone())).collect();
            (rule.tagged, rule.unregistered) = (true, false);
        }
        reception.set_port(PORT, rule).map_err(io::Error::other)?;
        let keeping = run.keeping.clone();
        let thread = std::thread::Builder::new().name("sensor-writer".to_owned());
        let writer = match keeping {
            Keeping::Memory => thread.spawn(move || keep_in_memory(reader))?,
            Keeping::Log(folder) => {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
                let (store, name) = runtime.block_on(open_log(&folder))?;
                thread.spawn(move || {
                    runtime.block_on(StreamWriter::new(store, name, reader).run());
                })?
            }
        };
        Ok(Kept { reception, writer })
    }

    /// After all receivers have ended: what became of everything.
    fn end(self) -> io::Result<Tally> {
        self.reception.close();
        self.writer.join().map_err(|_| io::Error::other("a writer panicked"))?;
        Ok(self.reception.tally())
    }
}

async fn open_log(folder: &Path) -> io::Result<(Arc<dyn StreamStore>, StreamName)> {
    let name = StreamName::new("sensors").map_err(io::Error::other)?;
    let store = LogStore::open(Arc::new(SystemClock), Arc::new(StdDisk), folder, LogOptions::default())
        .await
        .map_err(io::Error::other)?;
    store.create(&name, StreamOptions::default()).await.map_err(io::Error::other)?;
    Ok((Arc::new(store), name))
}

/// Copies what comes into one piece of memory, over and over.
fn keep_in_memory(mut reader: BatchReader) {
    keep_to(std::thread::available_parallelism().map_or(1, NonZeroUsize::get) - 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    let (mut segment, mut at) = (vec![0u8; SEGMENT_BYTES], 0);
    while let Some(batch) = runtime.block_on(reader.next()) {
        let bytes = batch.bytes();
        if segment.len() < at + bytes.len() {
            at = 0;
        }
        segment[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
        reader.stored(batch.entries());
        reader.give_back(batch);
    }
    std::hint::black_box(&segment);
}

/// Bytes a second that a folder's disk takes durably, in blocks of 2 MiB, each synced.
pub(crate) fn disk_bytes_per_second(folder: &Path, time: Duration) -> io::Result<f64> {
    use std::io::Write;
    let path = folder.join("disk");
    let mut file = std::fs::File::create(&path)?;
    let (block, begin, mut written) = (vec![7u8; 2 << 20], Instant::now(), 0u64);
    while begin.elapsed() < time {
        file.write_all(&block)?;
        file.sync_data()?;
        written += block.len() as u64;
    }
    let rate = written as f64 / begin.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

/// The part of one processor that a receiver uses when nothing comes.
pub(crate) fn idle(wire: &Wire, time: Duration) -> io::Result<f64> {
    let run = Run {
        way: Way::Past,
        queues: 1,
        record_bytes: 32,
        count: 1,
        tagged: false,
        verified: false,
        keeping: Keeping::Memory,
    };
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            wire.enter_receiver()?;
            let kept = Kept::start(&run)?;
            let setup = XdpSetup::open(XdpOptions { interface: RECEIVER.to_owned(), processors: vec![1] });
            let receiver = XdpReceiver::start(&kept.reception, setup.map_err(io::Error::other)?);
            let receiver = receiver.map_err(io::Error::other)?;
            std::thread::sleep(time / 4);
            let (before, begin) = (processor_ticks()?, Instant::now());
            std::thread::sleep(time);
            // A tick is a hundredth of a second (USER_HZ), on every architecture of Linux.
            let used = (processor_ticks()? - before) as f64 / 100.0 / begin.elapsed().as_secs_f64();
            drop(receiver);
            kept.end()?;
            Ok(used)
        });
        receiver.join().map_err(|_| io::Error::other("a receiver panicked"))?
    })
}

/// User and system time of this process, in ticks.
fn processor_ticks() -> io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in brackets, may hold spaces; the figures are the 12th and 13th after it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    Ok(fields.filter_map(|field| field.parse::<u64>().ok()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames that measurements use, with their tags, are what a poller takes.
    #[test]
    fn frames_made_by_the_kernel_are_taken_with_their_tags() {
        let wire = match Wire::lay(1) {
            Ok(wire) => wire,
            Err(error) => return eprintln!("left out: no network namespaces here: {error}"),
        };
        let options = XdpOptions { interface: RECEIVER.to_owned(), processors: vec![1] };
        let entered = || wire.enter_receiver().map(|()| XdpSetup::open(options).map(drop));
        let setup = std::thread::scope(|scope| scope.spawn(entered).join()).expect("it does not panic");
        if let Err(error) = setup.expect("the namespace is there") {
            return eprintln!("left out: no AF_XDP here: {error}");
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
        }
    }
}

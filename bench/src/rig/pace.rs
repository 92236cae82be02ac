//! Calls at a fixed rate, or as fast as they are answered, from plain threads: their clocks are finer than a runtime's
//! timer.
//!
//! Calls begin when they are due. A call that begins late because the one before it took too long is measured from
//! when it was due, so that waiting counts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use memchr::memmem;

use crate::rig::http::{Caller, Heads, Request, content_length};
use crate::rig::load::check_put;
use crate::rig::report::{latencies, micros};

/// The largest answer to a call.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Before the first call is due, all senders have connected.
const BEGIN_AFTER: Duration = Duration::from_millis(50);

/// How calls are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long.
    pub(crate) seconds: u32,
    /// Calls a second; 0 is as fast as they are answered.
    pub(crate) rate: u32,
    /// Connections that the calls are shared out to, each with one under way.
    pub(crate) connections: u32,
}

impl Pace {
    /// Makes the calls that `requests` makes up for each connection, and says how many there were and how long they took.
    pub(crate) fn send<N: FnMut() -> Request>(
        self,
        caller: &Caller,
        requests: impl Fn() -> N + Sync,
    ) -> anyhow::Result<Histogram<u64>> {
        let begin = Instant::now() + BEGIN_AFTER;
        std::thread::scope(|scope| {
            let one = |number: u32| {
                let requests = &requests;
                scope.spawn(move || match self.rate {
                    0 => self.flood(caller, begin, requests()),
                    rate => self.beat(caller, begin, rate, number, requests()),
                })
            };
            let senders: Vec<_> = (0..self.connections).map(one).collect();
            let mut latency = latencies();
            for sender in senders {
                latency.add(sender.join().ok().context("a sender panicked")??)?;
            }
            Ok(latency)
        })
    }

    fn flood(
        self,
        caller: &Caller,
        begin: Instant,
        mut next: impl FnMut() -> Request,
    ) -> anyhow::Result<Histogram<u64>> {
        let (mut line, mut latency) = (Line::open(caller)?, latencies());
        std::thread::sleep(begin.saturating_duration_since(Instant::now()));
        let until = begin + Duration::from_secs(self.seconds.into());
        while Instant::now() < until {
            let (began, request) = (Instant::now(), next());
            line.call(&request)?;
            latency.saturating_record(micros(began.elapsed()));
        }
        Ok(latency)
    }

    /// The calls of connection `number`.
    fn beat(
        self,
        caller: &Caller,
        begin: Instant,
        rate: u32,
        number: u32,
        mut next: impl FnMut() -> Request,
    ) -> anyhow::Result<Histogram<u64>> {
        let (mut line, mut latency) = (Line::open(caller)?, latencies());
        let pause = Duration::from_secs(1) * self.connections / rate;
        let calls = (rate * self.seconds).div_ceil(self.connections);
        let mut due = begin + pause * number / self.connections;
        for _ in 0..calls {
            let wait = due.saturating_duration_since(Instant::now());
            std::thread::sleep(wait);
            let began = if wait.is_zero() { due } else { Instant::now() };
            line.call(&next())?;
            latency.saturating_record(micros(began.elapsed()));
            due += pause;
        }
        Ok(latency)
    }
}

/// A connection of a thread.
struct Line {
    stream: TcpStream,
    heads: Heads,
    bytes: Vec<u8>,
    answer: Vec<u8>,
}

impl Line {
    fn open(caller: &Caller) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&caller.address).context("the server cannot be reached")?;
        stream.set_nodelay(true)?;
        Ok(Line { stream, heads: caller.heads(), bytes: Vec::new(), answer: vec![0; ANSWER_BYTES_MAX] })
    }

    fn call(&mut self, request: &Request) -> anyhow::Result<()> {
        self.heads.write(request, &mut self.bytes);
        self.bytes.extend_from_slice(&request.body);
        self.stream.write_all(&self.bytes)?;
        let (mut length, mut whole) = (0, None);
        while whole.is_none_or(|whole| length < whole) {
            let read = self.stream.read(&mut self.answer[length..])?;
            ensure!(read > 0, "the server hung up, or its answer is over {ANSWER_BYTES_MAX} bytes");
            length += read;
            if let (None, Some(end)) = (whole, memmem::find(&self.answer[..length], b"\r\n\r\n")) {
                whole = Some(end + 4 + content_length(&self.answer[..end])?);
            }
        }
        let answer = &self.answer[..length];
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(answer));
        if memmem::find(answer, b"\"FailedRecordCount\"").is_some() {
            check_put(answer)?;
        }
        Ok(())
    }
}

//! A stream that counts what goes through it, and what of it can be seen from outside.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::accept::first_bytes::FirstBytes;

/// What a connection has done so far. Its own task writes, and its own task looks: nothing needs an order.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    read: AtomicU64,
    written: AtomicU64,
    /// Whether the socket took nothing at the last try.
    blocked: AtomicBool,
    /// Requests whose answers have not begun.
    working: AtomicU32,
    /// How much had been read when the last answer began.
    read_at_answer: AtomicU64,
}

/// A look at a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) read: u64,
    pub(crate) written: u64,
    pub(crate) blocked: bool,
    pub(crate) working: bool,
    pub(crate) read_at_answer: u64,
}

/// A request whose answer has not begun; begun or given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Working(Arc<Meter>);

impl Meter {
    /// What it shows.
    pub(crate) fn reading(&self) -> Reading {
        Reading {
            read: self.read.load(Relaxed),
            written: self.written.load(Relaxed),
            blocked: self.blocked.load(Relaxed),
            working: self.working.load(Relaxed) > 0,
            read_at_answer: self.read_at_answer.load(Relaxed),
        }
    }

    /// A request has arrived.
    pub(crate) fn begin(self: &Arc<Self>) -> Working {
        self.working.fetch_add(1, Relaxed);
        Working(Arc::clone(self))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Relaxed);
        self.0.read_at_answer.store(self.0.read.load(Relaxed), Relaxed);
    }
}

/// A stream with a meter, and with its first bytes put back.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    first: FirstBytes,
    first_taken: usize,
    meter: Arc<Meter>,
}

impl<S> Metered<S> {
    /// Puts `first` back in front of the stream.
    pub(crate) fn new(stream: S, first: FirstBytes) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        (Metered { stream, first, first_taken: 0, meter: Arc::clone(&meter) }, meter)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let first = &this.first.bytes()[this.first_taken..];
        if !first.is_empty() {
            let taken = first.len().min(buffer.remaining());
            buffer.put_slice(&first[..taken]);
            this.first_taken += taken;
            this.meter.read.fetch_add(taken as u64, Relaxed);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if outcome.is_ready() {
            this.meter.read.fetch_add((buffer.filled().len() - before) as u64, Relaxed);
        }
        outcome
    }
}

impl Meter {
    fn wrote(&self, outcome: &Poll<io::Result<usize>>) {
        match outcome {
            Poll::Ready(written) => {
                self.written.fetch_add(*written.as_ref().unwrap_or(&0) as u64, Relaxed);
                self.blocked.store(false, Relaxed);
            }
            Poll::Pending => self.blocked.store(true, Relaxed),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.meter.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.meter.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

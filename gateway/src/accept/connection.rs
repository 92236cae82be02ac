//! One connection, from its first bytes to its end.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::accept::answers::Answers;
use crate::accept::arrival::{Arrival, Front};
use crate::accept::first_bytes::{self, Protocol};
use crate::accept::meter::{Meter, Metered};
use crate::accept::options::AcceptOptions;
use crate::accept::tls::{ALPN_HTTP2, Tls};
use crate::accept::watch::{Verdict, Watch};

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The most requests at a time on one HTTP/2 connection.
const HTTP2_REQUESTS_MAX: u32 = 128;
/// The most requests of one HTTP/2 connection that its client gave up and that are not put away yet.
const HTTP2_GIVEN_UP_MAX: usize = 20;

/// What a client is told who does not speak TLS where it must.
const TLS_ONLY: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 41\r\n\
    connection: close\r\n\r\nthis server speaks TLS only: use https://";

/// What all connections of a server share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) answers: Answers,
    pub(crate) options: AcceptOptions,
    pub(crate) tls: Option<Tls>,
    /// Done when no more requests are taken.
    pub(crate) drain: CancellationToken,
    /// Done when there is no more time for those under way.
    pub(crate) cut: CancellationToken,
}

/// Serves a connection to its end.
pub(crate) async fn run(stream: TcpStream, shared: Shared) {
    let served = async {
        tokio::select! {
            served = serve(stream, &shared) => served,
            // The connection itself drains from its first request on; before it there is nothing to wait for.
            () = shared.cut.cancelled() => Ok(()),
        }
    };
    if let Err(failure) = served.await {
        debug!(%failure, "connection ended early");
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    let first = tokio::select! {
        first = first_bytes::read(&mut stream, &shared.options) => first?,
        () = shared.drain.cancelled() => return Ok(()),
    };
    let (protocol, first) = first;
    let plain_allowed = shared.options.plain_from_anywhere || peer.ip().to_canonical().is_loopback();
    if protocol != Protocol::Tls && shared.tls.is_some() && !plain_allowed {
        stream.write_all(TLS_ONLY).await?;
        return stream.shutdown().await;
    }
    let (stream, meter) = Metered::new(stream, first);
    let arrival = Arrival::new(local, shared.drain.clone());
    let (answers, options) = (shared.answers.clone(), shared.options);
    let front = Front { answers, arrival, options, meter: Arc::clone(&meter) };
    match (protocol, &shared.tls) {
        (Protocol::Http1, _) => http1(stream, front, shared, meter).await,
        (Protocol::Http2, _) => http2(stream, front, shared, meter).await,
        (Protocol::Tls, None) => Err(io::Error::other("the client uses TLS, but no certificate is configured")),
        (Protocol::Tls, Some(tls)) => {
            let mut stream = timeout(options.handshake_max, tls.accept(stream)).await??;
            match stream.get_ref().1.alpn_protocol() {
                Some(ALPN_HTTP2) => return http2(stream, front, shared, meter).await,
                Some(_) => return http1(stream, front, shared, meter).await,
                None => {}
            }
            // The SDK for Java names no protocol and begins with HTTP/2, so here too the first bytes tell.
            let (protocol, first) = tokio::select! {
                first = first_bytes::read(&mut stream, &options) => first?,
                () = shared.drain.cancelled() => return Ok(()),
            };
            let (stream, _) = Metered::new(stream, first);
            match protocol {
                Protocol::Http2 => http2(stream, front, shared, meter).await,
                _ => http1(stream, front, shared, meter).await,
            }
        }
    }
}

async fn http1<S>(stream: S, front: Front, shared: &Shared, meter: Arc<Meter>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    // The watch keeps the time of heads, without a timer a request.
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_header_size(HEAD_BYTES_MAX);
    watched(builder.serve_connection(TokioIo::new(stream), front), true, shared, &meter).await
}

async fn http2<S>(stream: S, front: Front, shared: &Shared, meter: Arc<Meter>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_concurrent_streams(HTTP2_REQUESTS_MAX);
    builder.max_header_list_size(HEAD_BYTES_MAX as u32).max_pending_accept_reset_streams(HTTP2_GIVEN_UP_MAX);
    watched(builder.serve_connection(TokioIo::new(stream), front), false, shared, &meter).await
}

/// A connection of either version.
trait Connection: Future<Output = hyper::Result<()>> {
    /// Takes no more requests, and ends when those under way are answered.
    fn end(self: Pin<&mut Self>);
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection for http1::Connection<TokioIo<S>, Front> {
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection
    for http2::Connection<TokioIo<S>, Front, TokioExecutor>
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn watched(connection: impl Connection, one_by_one: bool, shared: &Shared, meter: &Meter) -> io::Result<()> {
    let mut connection = pin!(connection);
    let between = Watch::interval(&shared.options);
    let mut looks = interval_at(Instant::now() + between, between);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch::new(shared.options, one_by_one, meter.reading(), Instant::now());
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            finished = connection.as_mut() => return finished.map_err(io::Error::other),
            () = shared.drain.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().end();
            }
            now = looks.tick() => match watch.look(meter.reading(), now) {
                Verdict::Keep => {}
                Verdict::End(_) => connection.as_mut().end(),
                Verdict::Cut(why) => return Err(io::Error::new(io::ErrorKind::TimedOut, why)),
            },
        }
    }
}

//! Taking connections: HTTP/1.1 and HTTP/2 without TLS on one port, a bounded number of them, drained at the end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// The most connections at a time; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 4096;

/// The most requests at a time on one HTTP/2 connection.
const HTTP2_REQUESTS_MAX: u32 = 128;

/// How long requests that are under way may go on after the shutdown begins.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How long a client may take to send a request's headers.
const HEADERS_READ_MAX: Duration = Duration::from_secs(30);

/// Pause after a failed accept, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The address that a request came in at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalAddress(pub(crate) SocketAddr);

/// Done when the server goes down: answers without an end, end.
#[derive(Debug, Clone)]
pub(crate) struct Draining(pub(crate) CancellationToken);

/// Serves until `shutdown` is done, then takes no more connections and lets requests under way finish, for
/// [`DRAIN_MAX`] at most.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (drain, cut, connections) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
    tokio::pin!(shutdown);
    let router = router.layer(axum::Extension(Draining(drain.clone())));
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let (stream, local, slot) = accepted;
        let service = router.clone().layer(axum::Extension(LocalAddress(local)));
        let (drain, cut) = (drain.clone(), cut.clone());
        connections.spawn(async move {
            connection(stream, service, drain, cut).await;
            drop(slot);
        });
    }
    drop(listener);
    drain.cancel();
    connections.close();
    if tokio::time::timeout(DRAIN_MAX, connections.wait()).await.is_err() {
        warn!(connections = connections.len(), "connections cut at the end of the drain");
        cut.cancel();
        connections.wait().await;
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit) {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        let accepted = match listener.accept().await {
            Ok((stream, _)) => stream.set_nodelay(true).and_then(|()| stream.local_addr()).map(|local| (stream, local)),
            Err(failure) => Err(failure),
        };
        match accepted {
            Ok((stream, local)) => return (stream, local, slot),
            Err(failure) => {
                warn!(%failure, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, drain: CancellationToken, cut: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_READ_MAX);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(HTTP2_REQUESTS_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let finished = tokio::select! {
        finished = connection.as_mut() => finished,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                finished = connection => finished,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(failure) = finished {
        debug!(%failure, "connection ended early");
    }
}

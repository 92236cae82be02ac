//! The loop that takes connections, and drains them at the end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::accept::answers::Answers;
use crate::accept::connection::{self, Shared};
use crate::accept::connection_limit::ConnectionLimit;
use crate::accept::options::AcceptOptions;
use crate::accept::tls::Tls;

/// Pause after a failed accept, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown` is done, then takes no more connections and lets requests under way finish, for
/// [`AcceptOptions::drain_max`] at most. With `tls`, connections may speak it, and those from afar must.
pub async fn serve(
    listener: TcpListener,
    answers: impl Into<Answers>,
    options: AcceptOptions,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(options.connections_max));
    let limit = ConnectionLimit::new(options.connections_per_address_max);
    let connections = TaskTracker::new();
    let (drain, cut) = (CancellationToken::new(), CancellationToken::new());
    let shared = Shared { answers: answers.into(), options, tls, drain: drain.clone(), cut: cut.clone() };
    tokio::pin!(shutdown);
    loop {
        let (stream, peer, slot) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots, &options) => accepted,
        };
        let Some(permit) = limit.take(peer.ip()) else {
            debug!(peer = %peer.ip(), "connection closed: its address has its share");
            continue;
        };
        let shared = shared.clone();
        connections.spawn(async move {
            connection::run(stream, shared).await;
            drop((permit, slot));
        });
    }
    drop(listener);
    drain.cancel();
    connections.close();
    if tokio::time::timeout(options.drain_max, connections.wait()).await.is_err() {
        warn!(connections = connections.len(), "connections cut at the end of the drain");
        cut.cancel();
        connections.wait().await;
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    options: &AcceptOptions,
) -> (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit) {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        let accepted = match listener.accept().await {
            Ok((stream, peer)) => prepare(&stream, options).map(|()| (stream, peer)),
            Err(failure) => Err(failure),
        };
        match accepted {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(failure) => {
                warn!(%failure, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Small answers go out at once, and a peer that is gone without a word is noticed by what it does not acknowledge.
fn prepare(stream: &TcpStream, options: &AcceptOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(options.idle_max))
}

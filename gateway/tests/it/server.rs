//! A server on a free port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use gateway::accept::options::AcceptOptions;
use gateway::accept::server::serve;
use gateway::accept::tls::Tls;
use gateway::auth::access::Access;
use gateway::router::router;
use gateway::state::{GatewayOptions, GatewayState};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use model::clock::{Clock, SystemClock, Timestamp};
use model::testing::canned_sql::CannedSql;
use model::testing::clock::ManualClock;
use model::testing::memory_store::MemoryStore;
use model::testing::memory_table::MemoryTables;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

/// When it is, where nothing is signed.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) struct Server {
    pub(crate) state: GatewayState,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) address: SocketAddr,
    _stop: DropGuard,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with(GatewayOptions::default()).await
    }

    pub(crate) async fn with(options: GatewayOptions) -> Server {
        Server::start_at(NOW, Access::anyone(), options, AcceptOptions::default(), None).await
    }

    /// A server with other bounds for connections, and perhaps with TLS.
    pub(crate) async fn accepting(accept: AcceptOptions, tls: Option<Tls>) -> Server {
        Server::start_at(NOW, Access::anyone(), GatewayOptions::default(), accept, tls).await
    }

    /// A server that asks who comes, at the time that signers have.
    pub(crate) async fn guarded(access: Access) -> Server {
        let (options, accept) = (GatewayOptions::default(), AcceptOptions::default());
        Server::start_at(SystemClock.now(), access, options, accept, None).await
    }

    async fn start_at(
        now: Timestamp,
        access: Access,
        options: GatewayOptions,
        accept: AcceptOptions,
        tls: Option<Tls>,
    ) -> Server {
        let clock = Arc::new(ManualClock::new(now));
        let streams = Arc::new(MemoryStore::new(clock.clone()).with_keys(&["alias/one", "11-22"]));
        let stop = CancellationToken::new();
        let state = GatewayState {
            streams: streams.clone(),
            browse: streams,
            tables: Arc::new(MemoryTables::default()),
            sql: Arc::new(CannedSql),
            flows: None,
            flow_admin: None,
            sensors: None,
            doctor: None,
            is_read_only: false,
            stop: stop.clone(),
            clock: clock.clone(),
            ready: Arc::new(AtomicBool::new(false)),
            metrics: Arc::new(|| "up 1\n".to_owned()),
            access: Arc::new(access),
            bulk: tokio::runtime::Handle::current(),
            options,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(serve(listener, router(state.clone()), accept, tls, stopped));
        Server { state, clock, address, _stop: stop.drop_guard() }
    }

    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        self.send_bytes(request.map(String::into_bytes)).await
    }

    pub(crate) async fn send_bytes(&self, request: Request<Vec<u8>>) -> Answer {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.map(Full::<Bytes>::from)).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(format!("http://{}{path}", self.address)).body(String::new()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(Request::post(format!("http://{}{path}", self.address)).body(body.to_owned()).unwrap()).await
    }

    pub(crate) async fn kinesis(&self, operation: &str, body: &str) -> Answer {
        let request = Request::post(format!("http://{}/", self.address))
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .header("content-type", "application/x-amz-json-1.1");
        self.send(request.body(body.to_owned()).unwrap()).await
    }
}

//! An HTTP proxy in front of one server that lets calls fail as networks and services do.
//!
//! ```text
//! client ──▶ proxy ──▶ server          the fault is drawn per call, from a seed
//!              │
//!              ├─ error     500, 503 or throttling; before the server sees the call, or instead of its answer
//!              ├─ reset     the connection ends, before or after the server has acted
//!              ├─ hang      no answer until the client gives up, before or after
//!              ├─ cut       the head of the answer and half of its body
//!              └─ flip      one bit of the answer's body is another (only when asked for)
//! ```
//!
//! A fault after the server has acted is the hard one: the client must find out that its call succeeded.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

type Body = http_body_util::combinators::BoxBody<Bytes, io::Error>;

/// Which faults, and how often.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    /// Where the draws begin.
    pub seed: u64,
    /// The share of calls that fail, 0 to 1.
    pub rate: f64,
    /// The faults to draw from.
    pub faults: Vec<Fault>,
    /// What the service answers when it throttles: status and body.
    pub throttle: (StatusCode, &'static str),
}

/// Status and body with which DynamoDB throttles.
pub const DYNAMODB_THROTTLE: (StatusCode, &str) = (
    StatusCode::BAD_REQUEST,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slower, please"}"#,
);
/// Status and body with which S3 throttles.
pub const S3_THROTTLE: (StatusCode, &str) = (
    StatusCode::SERVICE_UNAVAILABLE,
    "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>slower, please</Message></Error>",
);

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 500, the server has not acted.
    Error500,
    /// 503, the server has not acted.
    Error503,
    /// The service's own way of saying slower.
    Throttle,
    /// 500, the server has acted.
    LateError500,
    /// The connection ends, the server has not acted.
    Reset,
    /// The connection ends, the server has acted.
    LateReset,
    /// No answer, the server has not acted.
    Hang,
    /// No answer, the server has acted.
    LateHang,
    /// Half of the answer.
    CutBody,
    /// The answer with one bit flipped. In none of the sets: without a checksum nobody can tell.
    FlipBit,
}

impl Fault {
    /// All faults that every client must survive.
    pub const ALL: [Fault; 9] = [
        Fault::Error500,
        Fault::Error503,
        Fault::Throttle,
        Fault::LateError500,
        Fault::Reset,
        Fault::LateReset,
        Fault::Hang,
        Fault::LateHang,
        Fault::CutBody,
    ];

    fn is_early(self) -> bool {
        matches!(self, Fault::Error500 | Fault::Error503 | Fault::Throttle | Fault::Reset | Fault::Hang)
    }
}

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<State>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct State {
    server: String,
    plan: Mutex<(FaultPlan, SmallRng)>,
    calls: AtomicU64,
    faults: AtomicU64,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl FaultProxy {
    /// Listens on a free port in front of the server at `url`.
    pub async fn start(url: &str, plan: FaultPlan) -> io::Result<FaultProxy> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let random = SmallRng::seed_from_u64(plan.seed);
        let state = Arc::new(State {
            server: url.to_owned(),
            plan: Mutex::new((plan, random)),
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(accept(listener, Arc::clone(&state), stop.clone()));
        Ok(FaultProxy { address, state, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Another plan from here on.
    pub fn set(&self, plan: FaultPlan) {
        let random = SmallRng::seed_from_u64(plan.seed);
        *self.state.plan.lock().expect("no holder of the lock panics") = (plan, random);
    }

    /// Calls so far, and how many of them met a fault.
    pub fn counts(&self) -> (u64, u64) {
        (self.state.calls.load(Ordering::Relaxed), self.state.faults.load(Ordering::Relaxed))
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    while let Some(Ok((connection, _))) = stop.run_until_cancelled(listener.accept()).await {
        let (state, stop) = (Arc::clone(&state), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&state), request));
            let serving = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
            // A fault ends connections with an error: that is what it is for.
            let _ = stop.run_until_cancelled(serving).await;
        });
    }
}

/// Ends the connection.
#[derive(Debug, thiserror::Error)]
#[error("a fault")]
struct EndConnection;

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, EndConnection> {
    state.calls.fetch_add(1, Ordering::Relaxed);
    let (fault, throttle, at) = {
        let (plan, random) = &mut *state.plan.lock().expect("no holder of the lock panics");
        let fails = !plan.faults.is_empty() && random.random_bool(plan.rate);
        let fault = fails.then(|| plan.faults[random.random_range(0..plan.faults.len())]);
        (fault, plan.throttle, random.random::<u64>())
    };
    if fault.is_some() {
        state.faults.fetch_add(1, Ordering::Relaxed);
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| EndConnection)?.to_bytes();
    let answered = if fault.is_some_and(Fault::is_early) { None } else { Some(forward(&state, head, body).await?) };
    match (fault, answered) {
        (None, Some((head, body))) => Ok(Response::from_parts(head, whole(body))),
        (Some(Fault::Error503), _) => Ok(error(StatusCode::SERVICE_UNAVAILABLE, "")),
        (Some(Fault::Throttle), _) => Ok(error(throttle.0, throttle.1)),
        (Some(Fault::Hang | Fault::LateHang), _) => std::future::pending().await,
        (Some(Fault::CutBody), Some((head, body))) if !body.is_empty() => Ok(Response::from_parts(head, half(body))),
        (Some(Fault::FlipBit), Some((head, body))) if !body.is_empty() => {
            let mut flipped = body.to_vec();
            let bit = usize::try_from(at % (8 * body.len() as u64)).expect("a place in the body");
            flipped[bit / 8] ^= 1 << (bit % 8);
            Ok(Response::from_parts(head, whole(flipped.into())))
        }
        (Some(Fault::Reset | Fault::LateReset | Fault::CutBody), _) => Err(EndConnection),
        _ => Ok(error(StatusCode::INTERNAL_SERVER_ERROR, "")),
    }
}

type Answered = (hyper::http::response::Parts, Bytes);

async fn forward(state: &State, mut head: hyper::http::request::Parts, body: Bytes) -> Result<Answered, EndConnection> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("{}{path}", state.server).parse().map_err(|_| EndConnection)?;
    let answer = state.client.request(Request::from_parts(head, Full::new(body))).await.map_err(|_| EndConnection)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| EndConnection)?.to_bytes();
    Ok((head, body))
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed()
}

/// Half of the body, then the end of the connection; the head promises all of it.
fn half(body: Bytes) -> Body {
    let first = Ok(Frame::data(body.slice(..body.len() / 2)));
    StreamBody::new(futures::stream::iter([first, Err(io::Error::other("a fault"))])).boxed()
}

fn error(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
}

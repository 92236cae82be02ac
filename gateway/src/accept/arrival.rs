//! A request as it leaves its connection: its body paced, and with what its connection knows.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use axum::routing::future::RouteFuture;
use http::Request;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::accept::answers::Answers;
use crate::accept::meter::{Meter, Working};
use crate::accept::options::AcceptOptions;
use crate::accept::paced::Paced;

/// Where a request came in; an extension of every request.
#[derive(Debug, Clone)]
pub(crate) struct Arrival(Arc<Place>);

/// A connection, as its requests see it.
#[derive(Debug)]
pub(crate) struct Place {
    /// The address that it came to.
    pub(crate) local: SocketAddr,
    /// Done when the server goes down: answers without an end, end.
    pub(crate) draining: CancellationToken,
}

impl Arrival {
    /// Requests of a connection.
    pub(crate) fn new(local: SocketAddr, draining: CancellationToken) -> Self {
        Arrival(Arc::new(Place { local, draining }))
    }
}

impl std::ops::Deref for Arrival {
    type Target = Place;
    fn deref(&self) -> &Place {
        &self.0
    }
}

/// Hands the requests of one connection to who answers them.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) answers: Answers,
    pub(crate) arrival: Arrival,
    pub(crate) options: AcceptOptions,
    pub(crate) meter: Arc<Meter>,
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let mut request = request.map(|body| Paced::new(body, &self.options));
        request.extensions_mut().insert(self.arrival.clone());
        // A router is always ready.
        Answering { answer: self.answers.now().clone().call(request), working: Some(self.meter.begin()) }
    }
}

/// An answer under way; until it begins, the connection waits for us and not for its client.
pub(crate) struct Answering {
    answer: RouteFuture<Infallible>,
    working: Option<Working>,
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(cx);
        if answer.is_ready() {
            self.working = None;
        }
        answer
    }
}

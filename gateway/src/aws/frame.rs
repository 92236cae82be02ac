//! What every AWS API shares on its way from a request to an operation and back.
//!
//! ```text
//! CORS ─▶ head of the signature ─▶ operation ─▶ body, bounded ─▶ rest of the signature ─▶ unpacked ─▶ operation ─▶ answer
//! ```
//!
//! Services with `X-Amz-Target` share `POST /`; those with paths have routes of their own. A body
//! is read once and borrowed from then on.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodFilter, on, post};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method};
use model::clock::Clock;

use crate::auth::access::{Access, Caller};
use crate::auth::canonical::PathForm;
use crate::auth::verifier;
use crate::aws::body::Bodies;
use crate::aws::cors::Cors;
use crate::aws::error::AwsError;
use crate::aws::protocol::Answer;
use crate::aws::service::{Call, Operation, Service};
use crate::aws::wire::format::Format;
use crate::state::GatewayOptions;

/// What the frame itself needs of the server.
pub(crate) struct Front {
    pub(crate) options: GatewayOptions,
    pub(crate) access: Arc<Access>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The bound that bodies of all services share.
    pub(crate) bodies: Bodies,
}

/// A service that a server has, with what its operations share.
pub(crate) struct Hosted<T: 'static> {
    service: &'static Service<T>,
    shared: T,
    by_name: HashMap<&'static str, &'static Operation<T>>,
}

/// A hosted service of whatever kind.
pub(crate) trait Host: Send + Sync {
    /// What `X-Amz-Target` begins with.
    fn prefix(&self) -> &'static str;
    /// Methods and paths, each with the name of its operation.
    fn routes(&self) -> Vec<(Method, &'static str, &'static str)>;
    /// Answers a request for the operation of this name, or for the one in its header.
    fn respond<'a>(
        &'a self,
        front: &'a Front,
        route: Option<&'static str>,
        request: Request,
    ) -> BoxFuture<'a, Response>;
    /// The empty answer that a browser asks for before it sends a request.
    fn preflight(&self, front: &Front, request: &Request) -> Response;
}

/// The routes of all services. A target of no service is answered by the first.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(front: Front, services: Vec<Box<dyn Host>>) -> Router<S> {
    let (front, services) = (Arc::new(front), Arc::new(services));
    let mut router = Router::new();
    for (i, service) in services.iter().enumerate() {
        for (method, path, operation) in service.routes() {
            let filter = MethodFilter::try_from(method).expect("operations have methods that axum knows");
            let (front, services) = (Arc::clone(&front), Arc::clone(&services));
            let handler = move |request: Request| {
                let (front, services) = (Arc::clone(&front), Arc::clone(&services));
                async move { services[i].respond(&front, Some(operation), request).await }
            };
            router = router.route(path, on(filter, handler));
        }
    }
    let shared = (Arc::clone(&front), Arc::clone(&services));
    let handler = move |request: Request| {
        let (front, services) = shared.clone();
        async move { addressed(&services, request.headers()).respond(&front, None, request).await }
    };
    let preflight = move |request: Request| std::future::ready(services[0].preflight(&front, &request));
    router.route("/", post(handler).options(preflight))
}

fn addressed<'a>(services: &'a [Box<dyn Host>], headers: &HeaderMap) -> &'a dyn Host {
    let target = headers.get(TARGET).and_then(|value| value.to_str().ok());
    let prefix = target.and_then(|target| target.split_once('.')).map(|(prefix, _)| prefix);
    let named = services.iter().find(|service| prefix == Some(service.prefix()));
    &**named.unwrap_or(&services[0])
}

const TARGET: &str = "x-amz-target";

impl<T: Send + Sync> Hosted<T> {
    /// Hosts a service.
    pub(crate) fn new(service: &'static Service<T>, shared: T) -> Self {
        let by_name = service.operations.iter().map(|operation| (operation.name, operation)).collect();
        Hosted { service, shared, by_name }
    }

    async fn answer(
        &self,
        front: &Front,
        format: Format,
        route: Option<&'static str>,
        request: Request,
    ) -> Result<Answer, AwsError> {
        let (parts, body) = request.into_parts();
        let (name, region) = (self.service.scope, &*front.options.region);
        let signed_for = verifier::Service { name, region, path_form: PathForm::Normal };
        let verifier = front.access.verifier();
        let unproven = verifier.map(|verifier| verifier.open(&parts, signed_for, front.clock.now())).transpose()?;
        let operation = self.operation(route, &parts.headers)?;
        let mut received = front.bodies.receive(&parts.headers, body).await?;
        let caller = match unproven {
            Some(unproven) => Caller::Principal(unproven.close(&parts, signed_for, &received.bytes)?),
            None => Caller::Anyone,
        };
        let body = received.unpack(&parts.headers).await?;
        let (shared, operation, run) = (&self.shared, operation.name, operation.run);
        run(Call { shared, operation, caller: &caller, parts: &parts, format, body: &body }).await
    }

    fn operation(&self, route: Option<&str>, headers: &HeaderMap) -> Result<&'static Operation<T>, AwsError> {
        let target = headers.get(TARGET).and_then(|value| value.to_str().ok());
        let of_target = || target?.strip_prefix(self.service.prefix)?.strip_prefix('.');
        let Some(name) = route.or_else(of_target) else { return Err(unknown(target.unwrap_or_default())) };
        self.by_name.get(name).copied().ok_or_else(|| unknown(name))
    }
}

impl<T: Send + Sync> Host for Hosted<T> {
    fn prefix(&self) -> &'static str {
        self.service.prefix
    }

    fn routes(&self) -> Vec<(Method, &'static str, &'static str)> {
        let routed =
            |operation: &Operation<T>| operation.route.clone().map(|(method, path)| (method, path, operation.name));
        self.service.operations.iter().filter_map(routed).collect()
    }

    fn respond<'a>(
        &'a self,
        front: &'a Front,
        route: Option<&'static str>,
        request: Request,
    ) -> BoxFuture<'a, Response> {
        Box::pin(async move {
            let protocol = &self.service.protocol;
            let format = protocol.format(request.headers());
            let in_doubt = *format.as_ref().unwrap_or(&Format::Json);
            let cors = match Cors::check(&request, &front.options) {
                Ok(cors) => cors,
                Err(refused) => return protocol.answer(in_doubt, Err(refused)),
            };
            let outcome = match format {
                Ok(format) => self.answer(front, format, route, request).await,
                Err(unsupported) => Err(unsupported),
            };
            let mut response = protocol.answer(in_doubt, outcome);
            cors.allow(&mut response);
            response
        })
    }

    fn preflight(&self, front: &Front, request: &Request) -> Response {
        let protocol = &self.service.protocol;
        match Cors::check(request, &front.options) {
            Ok(cors) => {
                let mut response = protocol.answer(Format::Json, Ok(Answer::Body(Bytes::new())));
                cors.preflight(&mut response);
                response
            }
            Err(refused) => protocol.answer(Format::Json, Err(refused)),
        }
    }
}

fn unknown(operation: &str) -> AwsError {
    let message = match operation {
        "" => "The header X-Amz-Target names no operation.".to_owned(),
        operation => format!("The operation {operation} is not supported by this endpoint."),
    };
    AwsError::new("UnknownOperationException", message)
}

#[cfg(test)]
mod tests;

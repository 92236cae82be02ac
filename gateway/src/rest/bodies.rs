//! Requests with a body: each body is bounded ([`crate::rest::body`]), and so is how many there are at
//! a time, so that all of them together are bounded.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tokio::sync::Semaphore;

use crate::rest::error::RestError;

/// Requests with a body that are read or answered at the same time.
pub(crate) const REQUESTS_MAX: usize = 256;

/// Room for as many as there may be.
pub(crate) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(REQUESTS_MAX))
}

/// Lets a request pass if it has no body or there is room for one more; answers 503 otherwise.
pub(crate) async fn admit(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    match room.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => {
            let message = format!("{REQUESTS_MAX} requests with a body are in flight on this server: try again later");
            RestError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_requests", message).into_response()
        }
    }
}

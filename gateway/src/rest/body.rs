//! The body of a REST request: whole, bounded, and within its pace.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::StatusCode;

use crate::accept::paced::is_too_slow;
use crate::rest::error::RestError;

/// The most bytes of a body: a query with its frame.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Reads a body.
pub(crate) async fn read(body: Body) -> Result<Bytes, RestError> {
    to_bytes(body, BODY_BYTES_MAX).await.map_err(|failure| match is_too_slow(&failure) {
        true => RestError::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body took too long to arrive"),
        false => {
            let message = format!("the body did not arrive whole or is over {BODY_BYTES_MAX} bytes");
            RestError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        }
    })
}

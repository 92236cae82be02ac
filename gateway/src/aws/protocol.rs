//! The frame around AWS JSON 1.1 and its CBOR twin: one path, the operation in a header, request ids on every answer.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, StatusCode};
use uuid::Uuid;

use crate::aws::error::AwsError;
use crate::aws::wire::format::Format;

/// The most bytes of one request's body: 10 MiB in base64, and room for 500 keys written with escapes.
pub(crate) const BODY_BYTES_MAX: usize = 20 << 20;

/// The longest that a client may take to send a body.
pub(crate) const BODY_READ_MAX: Duration = Duration::from_secs(60);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");

/// The text after the last dot of `X-Amz-Target`, when it begins with `service`.
pub(crate) fn operation<'a>(headers: &'a HeaderMap, service: &str) -> Result<&'a str, AwsError> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix(service)).and_then(|rest| rest.strip_prefix('.'));
    operation.ok_or_else(|| unknown_operation(target.unwrap_or_default()))
}

/// The error for an operation that is not here.
pub(crate) fn unknown_operation(operation: &str) -> AwsError {
    let message = match operation {
        "" => "The header X-Amz-Target names no operation.".to_owned(),
        operation => format!("The operation {operation} is not supported by this endpoint."),
    };
    AwsError::new("UnknownOperationException", message)
}

/// Reads the body, bounded in bytes and in time.
pub(crate) async fn body(body: Body) -> Result<Bytes, AwsError> {
    match tokio::time::timeout(BODY_READ_MAX, axum::body::to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(AwsError {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..AwsError::new(
                "RequestEntityTooLargeException",
                format!("The body did not arrive whole or is over {BODY_BYTES_MAX} bytes."),
            )
        }),
        Err(_) => Err(AwsError {
            status: StatusCode::REQUEST_TIMEOUT,
            ..AwsError::new("RequestTimeoutException", "The body took too long to arrive.")
        }),
    }
}

/// The answer to one request, with the two ids that AWS clients log.
pub(crate) fn answer(format: Format, outcome: Result<Vec<u8>, AwsError>) -> Response {
    let (status, body, name) = match outcome {
        Ok(body) => (StatusCode::OK, body, None),
        Err(error) => (error.status, format.write(&error), Some(error.name)),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, format.content_type());
    let id = Uuid::new_v4();
    headers.insert(REQUEST_ID, header(&id.hyphenated().to_string()));
    let id_2 = [id.as_bytes().as_slice(), Uuid::new_v4().as_bytes()].concat();
    headers.insert(ID_2, header(&base64_simd::STANDARD.encode_to_string(id_2)));
    if let Some(name) = name {
        headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(name));
    }
    response
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids are ASCII")
}

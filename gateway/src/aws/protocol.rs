//! The frame around AWS JSON 1.1 and its CBOR twin: one path, the operation in a header, request ids on every answer.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, StatusCode};
use uuid::Uuid;

use crate::aws::error::AwsError;
use crate::aws::wire::format::Format;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const CONTENT_TYPE_EVENTS: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");
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

/// The body of an answer.
pub(crate) enum Answer {
    /// All of it.
    Whole(Bytes),
    /// Frames of an event stream, as they come.
    Events(Body),
}

/// The answer to one request, with the two ids that AWS clients log.
pub(crate) fn answer(format: Format, outcome: Result<Answer, AwsError>) -> Response {
    let (status, body, content_type, name) = match outcome {
        Ok(Answer::Whole(body)) => (StatusCode::OK, body.into(), format.content_type(), None),
        Ok(Answer::Events(body)) => (StatusCode::OK, body, CONTENT_TYPE_EVENTS, None),
        Err(error) => (error.status, format.write(&error).into(), format.content_type(), Some(error.name)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    let id = Uuid::new_v4();
    headers.insert(REQUEST_ID, header(&id.hyphenated().to_string()));
    let id_2 = [id.as_bytes().as_slice(), Uuid::new_v4().as_bytes()].concat();
    headers.insert(ID_2, header(&base64_simd::STANDARD.encode_to_string(id_2)));
    if let Some(name) = name {
        headers.insert(ERROR_TYPE, HeaderValue::from_static(name));
    }
    response
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids are ASCII")
}

//! What the AWS protocols write differently: media types, and where an error's name and message
//! are.
//!
//! | protocol  | bodies                                                  | operation       | name of an error      |
//! | --------- | ------------------------------------------------------- | --------------- | --------------------- |
//! | JSON 1.1  | `application/x-amz-json-1.1`                            | `X-Amz-Target`  | `__type` and header   |
//! | CBOR      | `application/x-amz-cbor-1.1`, a second form of JSON 1.1 | `X-Amz-Target`  | `__type` and header   |
//! | JSON 1.0  | `application/x-amz-json-1.0`                            | `X-Amz-Target`  | `__type` with a namespace, and header |
//! | REST-JSON | `application/json`                                      | method and path | header                |

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use uuid::Uuid;

use crate::aws::body;
use crate::aws::error::AwsError;
use crate::aws::wire::format::Format;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const CONTENT_TYPE_EVENTS: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");
const ID_2: HeaderName = HeaderName::from_static("x-amz-id-2");

/// The protocol of one service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    /// The media type of JSON bodies.
    pub(crate) json: &'static str,
    /// The media type of CBOR bodies, if the service accepts them.
    pub(crate) cbor: Option<&'static str>,
    /// Where an error's name and message are in the body.
    pub(crate) error: ErrorShape,
}

/// Where an error's name and message are in the body of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorShape {
    /// What stands before the name in `__type`, such as `com.amazonaws.dynamodb.v20120810#`.
    /// Without it the name is in the header only.
    pub(crate) namespace: Option<&'static str>,
    /// The member with the message.
    pub(crate) message: &'static str,
}

/// The body of an answer.
pub(crate) enum Answer {
    /// All of it.
    Body(Bytes),
    /// Frames of an event stream, as they come.
    Events(Body),
}

impl Protocol {
    /// The form of a request and of its answer, from the request's headers; JSON if they do not
    /// say. Error: the service does not accept the form.
    pub(crate) fn format(&self, headers: &HeaderMap) -> Result<Format, AwsError> {
        let content_type = headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?"));
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is = |other: &str| media_type.eq_ignore_ascii_case(other);
        if media_type.is_empty() || is(self.json) || is("application/json") {
            Ok(Format::Json)
        } else if self.cbor.is_some_and(is) {
            Ok(Format::Cbor)
        } else {
            Err(body::unsupported(&format!("Content-Type {}", media_type)))
        }
    }

    /// The answer to one request, with the two ids that AWS clients log.
    pub(crate) fn answer(&self, format: Format, outcome: Result<Answer, AwsError>) -> Response {
        let media_type = match format {
            Format::Json => self.json,
            Format::Cbor => self.cbor.unwrap_or(self.json),
        };
        let media_type = HeaderValue::from_static(media_type);
        let (status, body, content_type, name) = match outcome {
            Ok(Answer::Body(body)) => (StatusCode::OK, body.into(), media_type, None),
            Ok(Answer::Events(body)) => (StatusCode::OK, body, CONTENT_TYPE_EVENTS, None),
            Err(error) => {
                let body = format.write(&ErrorBody { shape: self.error, error: &error });
                (error.status, body.into(), media_type, Some(error.name))
            }
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
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids are ASCII")
}

/// An error as clients of the service read it.
struct ErrorBody<'a> {
    shape: ErrorShape,
    error: &'a AwsError,
}

impl Serialize for ErrorBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.shape.namespace.map(|namespace| format!("{namespace}{}", self.error.name));
        let mut body = serializer.serialize_map(Some(1 + usize::from(named.is_some())))?;
        if let Some(name) = named {
            body.serialize_entry("__type", &name)?;
        }
        body.serialize_entry(self.shape.message, &self.error.message)?;
        body.end()
    }
}

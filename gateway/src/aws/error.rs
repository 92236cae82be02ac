//! An error as AWS clients read it: `{"__type": "Name", "message": "…"}`.

use http::StatusCode;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// A named error with its HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsError {
    pub(crate) status: StatusCode,
    pub(crate) name: &'static str,
    pub(crate) message: String,
}

impl AwsError {
    /// An error that the caller caused: status 400.
    pub(crate) fn new(name: &'static str, message: impl Into<String>) -> Self {
        AwsError { status: StatusCode::BAD_REQUEST, name, message: message.into() }
    }

    /// An argument that does not make sense for the operation.
    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        AwsError::new("InvalidArgumentException", message)
    }

    /// A parameter that would change behaviour and that this server does not have.
    pub(crate) fn not_supported(parameter: &str) -> Self {
        AwsError::invalid_argument(format!("{parameter} is not supported by this endpoint."))
    }

    /// One member that breaks a constraint of the operation's shape.
    pub(crate) fn validation(value: &str, member: &str, constraint: &str) -> Self {
        let value = if value.is_empty() { "Value".to_owned() } else { format!("Value {value}") };
        AwsError::new(
            "ValidationException",
            format!("1 validation error detected: {value} at '{member}' failed to satisfy constraint: {constraint}"),
        )
    }

    /// A required member that is not there.
    pub(crate) fn missing(member: &str) -> Self {
        AwsError::validation("null", member, "Member must not be null")
    }

    /// A body that does not read as the operation's input.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        AwsError::new("SerializationException", message)
    }

    /// A failure on this side: status 500.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        AwsError { status: StatusCode::INTERNAL_SERVER_ERROR, ..AwsError::new("InternalFailureException", message) }
    }

    /// A failure on this side that passes, so that clients try again: status 503.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        AwsError { status: StatusCode::SERVICE_UNAVAILABLE, ..AwsError::new("ServiceUnavailable", message) }
    }
}

/// The body of the answer.
impl Serialize for AwsError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Error", 2)?;
        body.serialize_field("__type", self.name)?;
        body.serialize_field("message", &self.message)?;
        body.end()
    }
}

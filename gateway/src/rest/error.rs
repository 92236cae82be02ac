//! An error as REST clients read it: `{"error": {"code", "message", "line"?, "column"?, "suggestion"?}}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use model::sql::{SqlError, SqlErrorKind};
use model::stream_store::StreamError;
use model::table::TableError;
use serde_json::{Value, json};
use tracing::error;

/// What went wrong, with its status and its code.
#[derive(Debug)]
pub(crate) struct RestError {
    status: StatusCode,
    body: Value,
}

impl RestError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        RestError { status, body: json!({"error": {"code": code, "message": message.into()}}) }
    }

    /// A parameter, path segment or body that does not fit.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        RestError::new(StatusCode::BAD_REQUEST, "invalid_parameter", message)
    }

    /// The body alone, for an error that comes after the status was sent.
    pub(crate) fn into_line(self) -> String {
        format!("{}\n", self.body)
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<TableError> for RestError {
    fn from(failure: TableError) -> Self {
        let (status, code) = match &failure {
            TableError::NotFound(_) => (StatusCode::NOT_FOUND, "table_not_found"),
            TableError::Exists(_) => (StatusCode::CONFLICT, "table_exists"),
            TableError::InvalidItem { .. } | TableError::InvalidKey { .. } => {
                (StatusCode::BAD_REQUEST, "invalid_parameter")
            }
            TableError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            TableError::Backend { .. } => {
                error!(error = &failure as &dyn std::error::Error, "a request failed in the table store");
                return RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the table could not be read");
            }
        };
        RestError::new(status, code, failure.to_string())
    }
}

impl From<StreamError> for RestError {
    fn from(failure: StreamError) -> Self {
        if matches!(failure, StreamError::DiskFull { .. }) {
            return RestError::new(StatusCode::SERVICE_UNAVAILABLE, "disk_full", failure.to_string());
        }
        error!(error = &failure as &dyn std::error::Error, "a request failed in the stream store");
        RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the streams could not be read")
    }
}

impl From<SqlError> for RestError {
    fn from(failure: SqlError) -> Self {
        let (status, code) = match failure.kind {
            SqlErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_query"),
            SqlErrorKind::Refused => (StatusCode::FORBIDDEN, "query_refused"),
            SqlErrorKind::LimitExceeded => (StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded"),
            SqlErrorKind::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "query_failed"),
        };
        let mut error = RestError::new(status, code, failure.message);
        let fields = &mut error.body["error"];
        if let Some(location) = failure.location {
            fields["line"] = location.line.into();
            fields["column"] = location.column.into();
        }
        if let Some(suggestion) = failure.suggestion {
            fields["suggestion"] = suggestion.into();
        }
        error
    }
}

/// Answers paths that are not there.
pub(crate) async fn not_found(uri: Uri) -> RestError {
    RestError::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at `{}`", uri.path()))
}

/// Answers methods that a path does not have.
pub(crate) async fn method_not_allowed(uri: Uri) -> RestError {
    let message = format!("`{}` does not take this method", uri.path());
    RestError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

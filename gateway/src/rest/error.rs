//! An error as REST clients read it: `{"error": {"code", "message", "line"?, "column"?, "suggestion"?}}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use model::flow::admin;
use model::query::engine::{SqlError, SqlErrorKind};
use model::stream::access::AccessError;
use model::stream::shard::ReshardError;
use model::stream::store::StreamError;
use model::table::store::TableError;
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::reshard::Refused;
use crate::rest::wire::flow::Difference;

/// What went wrong, with its status.
#[derive(Debug)]
pub(crate) struct RestError {
    status: StatusCode,
    body: Box<ErrorBody>,
}

/// What went wrong, as clients read it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorDetail,
}

/// An error's members.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorDetail {
    /// Which kind it is, for programs.
    #[schema(example = "table_not_found")]
    code: String,
    /// What and why, for people.
    message: String,
    /// Line of a query, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// Column of a query, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
    /// A suggestion.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
    /// What differs between what a flow does and what was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
}

impl RestError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        let error = ErrorDetail { code, message, line: None, column: None, suggestion: None, differences: Vec::new() };
        RestError { status, body: Box::new(ErrorBody { error }) }
    }

    /// A parameter, path segment or body that does not fit.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        RestError::new(StatusCode::BAD_REQUEST, "invalid_parameter", message)
    }

    /// The status of the answer.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// With what differs.
    pub(crate) fn with_differences(mut self, differences: Vec<admin::Difference>) -> Self {
        self.body.error.differences = differences.into_iter().map(Difference::from).collect();
        self
    }

    /// The body alone, for an error that comes after the status was sent.
    pub(crate) fn into_line(self) -> String {
        format!("{}\n", serde_json::to_string(&self.body).expect("text and numbers are JSON"))
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
        let (status, code) = match &failure {
            StreamError::NotFound(_) => (StatusCode::NOT_FOUND, "stream_not_found"),
            StreamError::ShardNotFound { .. } => (StatusCode::NOT_FOUND, "shard_not_found"),
            StreamError::Exists(_) => (StatusCode::CONFLICT, "stream_exists"),
            StreamError::SettingsConflict(_) => (StatusCode::CONFLICT, "conflict"),
            StreamError::LimitExceeded(_) => (StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded"),
            StreamError::Reshard { source, .. } => reshard_code(source),
            StreamError::Trimmed { .. } => (StatusCode::GONE, "expired"),
            StreamError::Throttled(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            StreamError::DiskFull { .. } => (StatusCode::SERVICE_UNAVAILABLE, "disk_full"),
            StreamError::ReadOnly(_) => (StatusCode::SERVICE_UNAVAILABLE, "read_only"),
            StreamError::KeyMissing { .. } | StreamError::KeyDiffers { .. } | StreamError::KeysUnusable { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "key_missing")
            }
            StreamError::Damaged { .. }
            | StreamError::Stopped { .. }
            | StreamError::Io { .. }
            | StreamError::CheckpointConflict { .. }
            | StreamError::InvalidCommit { .. } => {
                error!(error = &failure as &dyn std::error::Error, "a request failed in the stream store");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        let message = match std::error::Error::source(&failure) {
            Some(source) => format!("{failure}: {source}"),
            None => failure.to_string(),
        };
        RestError::new(status, code, message)
    }
}

fn reshard_code(failure: &ReshardError) -> (StatusCode, &'static str) {
    match failure {
        ReshardError::NotFound(_) => (StatusCode::NOT_FOUND, "shard_not_found"),
        ReshardError::TooMany(_) => (StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded"),
        ReshardError::Closed(_)
        | ReshardError::SplitOutside { .. }
        | ReshardError::NotAdjacent(..)
        | ReshardError::Unsupported(_) => (StatusCode::BAD_REQUEST, "invalid_parameter"),
    }
}

impl From<AccessError> for RestError {
    fn from(refused: AccessError) -> Self {
        match refused {
            AccessError::Denied(why) => RestError::new(StatusCode::FORBIDDEN, "access_denied", why),
            AccessError::Unknown(why) => {
                error!(why, "a request is refused, because its permission cannot be found out");
                RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why)
            }
        }
    }
}

impl From<Refused> for RestError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::OnDemand(_) => RestError::invalid(refused.to_string()),
            Refused::Exceeded(_) => {
                RestError::new(StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded", refused.to_string())
            }
            Refused::Stream(failure) => failure.into(),
        }
    }
}

impl From<SqlError> for RestError {
    fn from(failure: SqlError) -> Self {
        let (status, code) = match failure.kind {
            SqlErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_query"),
            SqlErrorKind::Refused => (StatusCode::FORBIDDEN, "query_refused"),
            SqlErrorKind::Denied => (StatusCode::FORBIDDEN, "access_denied"),
            SqlErrorKind::LimitExceeded => (StatusCode::UNPROCESSABLE_ENTITY, "limit_exceeded"),
            SqlErrorKind::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "query_failed"),
        };
        let mut error = RestError::new(status, code, failure.message);
        let detail = &mut error.body.error;
        detail.line = failure.location.map(|location| location.line);
        detail.column = failure.location.map(|location| location.column);
        detail.suggestion = failure.suggestion;
        error
    }
}

/// Answers paths that are not there.
pub(crate) async fn not_found(uri: Uri) -> RestError {
    RestError::new(StatusCode::NOT_FOUND, "not_found", format!("`{}` does not exist", uri.path()))
}

/// Answers methods that a path does not have.
pub(crate) async fn method_not_allowed(uri: Uri) -> RestError {
    let message = format!("`{}` does not accept this method", uri.path());
    RestError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

//! Something that went wrong, and when.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::clock::Timestamp;

/// Something that went wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Incident {
    /// When, RFC 3339.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// What, with its causes.
    pub message: String,
}

/// A time as text, for reports.
pub(crate) fn as_text<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

/// A time that may be missing as text or `null`, for reports.
pub(crate) fn as_text_or_null<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}

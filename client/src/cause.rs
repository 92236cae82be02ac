//! The failure in any error, as well as it is known.

use std::io::ErrorKind;

use model::stream::store::StreamError;

use crate::failure::{Failure, Kind};
use crate::producer::target::ProduceError;
use crate::server::identity::IdentityError;

/// The failure in any error, as well as it is known.
pub fn failure_of(error: anyhow::Error) -> Failure {
    let error = match error.downcast::<Failure>() {
        Ok(failure) => return failure,
        Err(error) => error,
    };
    let kind = error.chain().find_map(kind).unwrap_or(Kind::Failed);
    let why = error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let failure = Failure::new(kind, error.to_string());
    let system = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let failure = match system {
        Some(ErrorKind::NotFound) => failure.fix("name a file or folder that exists"),
        Some(ErrorKind::PermissionDenied) => failure.fix("give this user permission to read or write it"),
        _ => failure,
    };
    if why.is_empty() { failure } else { failure.why(why) }
}

/// The kind of an error that says one.
fn kind(error: &(dyn std::error::Error + 'static)) -> Option<Kind> {
    if error.is::<IdentityError>() {
        return Some(Kind::Refused);
    }
    match error.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(ErrorKind::NotFound) => return Some(Kind::NotFound),
        Some(ErrorKind::PermissionDenied) => return Some(Kind::Refused),
        _ => {}
    }
    match error.downcast_ref() {
        Some(ProduceError::Argument(_)) => return Some(Kind::Usage),
        Some(ProduceError::Identity(_)) => return Some(Kind::Refused),
        _ => {}
    }
    match error.downcast_ref()? {
        StreamError::NotFound(_) | StreamError::ShardNotFound { .. } => Some(Kind::NotFound),
        StreamError::Damaged { .. } => Some(Kind::Corrupt),
        StreamError::Exists(_) => Some(Kind::Conflict),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_of_other_errors_are_why() {
        let error = Err::<(), _>(anyhow::anyhow!("deep")).context("middle").context("top").expect_err("an error");
        assert_eq!(failure_of(error).to_string(), "error: top\n  why: middle: deep\n");
        let kept = anyhow::Error::new(Failure::new(Kind::Limit, "too fast"));
        assert_eq!(failure_of(kept).kind(), Kind::Limit);
    }
}

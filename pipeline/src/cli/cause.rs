//! The failure in any error: what the server's own parts tell of settings and folders, and what all
//! commands tell.

use client::failure::{Failure, Kind};

use crate::config::text::error::ConfigError;
use crate::holder::InUse;

/// The failure in an error, as well as it is known.
pub(crate) fn failure_of(error: anyhow::Error) -> Failure {
    if let Some(used) = error.chain().find_map(|error| error.downcast_ref::<InUse>()) {
        return Failure::new(Kind::Conflict, &used.what).why(used.why()).fix(&used.fix);
    }
    let of_settings = error.chain().any(|cause| cause.is::<ConfigError>());
    let failure = client::cause::failure_of(error);
    if of_settings { failure.telling_all(Kind::Usage) } else { failure }
}

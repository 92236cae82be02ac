//! Why a request is not taken, in the words of AWS. Which words: those that the SDKs' users find when they search.

use thiserror::Error;

use crate::aws::error::AwsError;

/// A refusal. Each kind has its own name on the wire, because clients act on it: some sign anew, some give up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum AuthError {
    /// Nothing in the request says who asks.
    #[error("Missing Authentication Token: sign the request with AWS Signature Version 4.")]
    Missing,
    /// What should say who asks does not read.
    #[error("{0}")]
    Incomplete(String),
    /// No such access key, session token or bearer token here.
    #[error("The security token included in the request is invalid.")]
    Unrecognized,
    /// The signature is not the one that the key makes of this request.
    #[error("{0}")]
    InvalidSignature(String),
    /// Known, and not allowed.
    #[error("{0}")]
    Denied(String),
}

impl AuthError {
    /// The name on the wire.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            AuthError::Missing => "MissingAuthenticationTokenException",
            AuthError::Incomplete(_) => "IncompleteSignatureException",
            AuthError::Unrecognized => "UnrecognizedClientException",
            AuthError::InvalidSignature(_) => "InvalidSignatureException",
            AuthError::Denied(_) => "AccessDeniedException",
        }
    }
}

impl From<AuthError> for AwsError {
    fn from(refusal: AuthError) -> Self {
        AwsError::new(refusal.name(), refusal.to_string())
    }
}

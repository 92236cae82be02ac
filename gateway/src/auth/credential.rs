//! A credential: the keys of one principal, and what it may do.

use thiserror::Error;

use crate::auth::policy::Policy;
use crate::auth::secret::Secret;

/// The least length of a secret: shorter ones are guessed.
pub const SECRET_BYTES_MIN: usize = 16;

/// The keys of one principal, and what it may do.
#[derive(Debug)]
pub struct Credential {
    /// The principal's name: `arn:aws:iam::ACCOUNT:user/NAME` in policies and errors.
    pub name: String,
    /// The principal's account, where it is not the server's own.
    pub account_id: Option<String>,
    /// The public half of the key.
    pub access_key_id: String,
    /// The secret half.
    pub secret: Secret,
    /// What requests must carry besides, where the key is a temporary one.
    pub session_token: Option<Secret>,
    /// What REST clients may send in place of a signature: `Authorization: Bearer …`.
    pub bearer_token: Option<Secret>,
    /// What it may do; without a statement, nothing.
    pub policy: Policy,
}

/// A credential that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// Keys that no client could send.
    #[error("access_key_id must be 1 to 128 letters, digits and underscores")]
    AccessKeyId,
    /// Too easily guessed.
    #[error("{0} must have at least {SECRET_BYTES_MIN} bytes")]
    Short(&'static str),
    /// Two principals cannot be told apart.
    #[error("its {0} is also that of credential `{1}`")]
    Twice(&'static str, String),
}

impl Credential {
    /// A credential of the server's own account, without session and bearer token.
    pub fn new(name: impl Into<String>, access_key_id: impl Into<String>, secret: Secret, policy: Policy) -> Self {
        Credential {
            name: name.into(),
            account_id: None,
            access_key_id: access_key_id.into(),
            secret,
            session_token: None,
            bearer_token: None,
            policy,
        }
    }

    /// The principal's account, on a server of the account `own`.
    pub(crate) fn account<'a>(&'a self, own: &'a str) -> &'a str {
        self.account_id.as_deref().unwrap_or(own)
    }

    /// Refuses keys that could not be told apart from the rest of a signature, and secrets that are none.
    pub fn check(&self) -> Result<(), CredentialError> {
        let plain = self.access_key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || !(1..=128).contains(&self.access_key_id.len()) {
            return Err(CredentialError::AccessKeyId);
        }
        let secrets = [
            ("secret", Some(&self.secret)),
            ("session_token", self.session_token.as_ref()),
            ("token", self.bearer_token.as_ref()),
        ];
        let short = |secret: &Secret| secret.reveal().len() < SECRET_BYTES_MIN;
        match secrets.into_iter().find(|(_, secret)| secret.is_some_and(short)) {
            Some((member, _)) => Err(CredentialError::Short(member)),
            None => Ok(()),
        }
    }
}

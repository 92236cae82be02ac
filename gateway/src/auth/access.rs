//! The door: whoever comes in is a caller, and a caller asks before it does anything.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::auth::credential::{Credential, CredentialError};
use crate::auth::error::AuthError;
use crate::auth::policy::Verdict;
use crate::auth::verifier::Verifier;

/// Who may come in.
#[derive(Debug)]
pub struct Access {
    verifier: Option<Verifier>,
}

impl Access {
    /// Anyone, with any signature or none, may do anything: for loopback.
    pub fn anyone() -> Self {
        Access { verifier: None }
    }

    /// Only who proves one of these credentials. Error: the name of one that cannot be used, and why.
    pub fn only(credentials: Vec<Credential>) -> Result<Self, (String, CredentialError)> {
        Ok(Access { verifier: Some(Verifier::new(credentials)?) })
    }

    /// What checks signatures, unless anyone may come in.
    pub(crate) fn verifier(&self) -> Option<&Verifier> {
        self.verifier.as_ref()
    }
}

/// Whoever sent a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Not asked for a name.
    Anyone,
    /// The owner of a credential.
    Principal(Arc<Credential>),
}

impl Caller {
    /// Whether anything is asked of this caller. Where not, nobody needs to find out what a request is about.
    pub(crate) fn is_limited(&self) -> bool {
        matches!(self, Caller::Principal(_))
    }

    /// Refuses what the caller's policy and the resource's own do not allow together. Within the server's account one
    /// permission is enough; whoever comes from another account needs both.
    pub(crate) fn check(
        &self,
        account: &str,
        action: &str,
        resource: &str,
        of_resource: Verdict,
    ) -> Result<(), AuthError> {
        let Caller::Principal(credential) = self else { return Ok(()) };
        let of_caller = credential.policy.verdict(action, resource);
        self.check_undenied(account, action, action, resource, of_resource)?;
        let at_home = credential.account(account) == account;
        match (of_caller, of_resource) {
            (Verdict::Allowed, Verdict::Allowed) => Ok(()),
            (Verdict::Allowed, _) | (_, Verdict::Allowed) if at_home => Ok(()),
            (Verdict::Allowed, _) => {
                let why = format!("because no resource-based policy allows the {action} action");
                Err(refusal(credential, account, action, resource, &why))
            }
            _ => {
                let why = format!("because no identity-based policy allows the {action} action");
                Err(refusal(credential, account, action, resource, &why))
            }
        }
    }

    /// Refuses `action` where a policy denies `same`, an action that does the same. That nothing
    /// allows `same` is no reason.
    pub(crate) fn check_undenied(
        &self,
        account: &str,
        action: &str,
        same: &str,
        resource: &str,
        of_resource: Verdict,
    ) -> Result<(), AuthError> {
        let Caller::Principal(credential) = self else { return Ok(()) };
        let policy = match (credential.policy.verdict(same, resource), of_resource) {
            (Verdict::Denied, _) => "an identity-based policy",
            (_, Verdict::Denied) => "a resource-based policy",
            _ => return Ok(()),
        };
        let which = if same == action { String::new() } else { format!(", of {same}") };
        let why = format!("with an explicit deny in {policy}{which}");
        Err(refusal(credential, account, action, resource, &why))
    }
}

fn refusal(credential: &Credential, account: &str, action: &str, resource: &str, why: &str) -> AuthError {
    let user = user_arn(credential.account(account), &credential.name);
    AuthError::Denied(format!("User: {user} is not authorized to perform: {action} on resource: {resource} {why}"))
}

/// The ARN of a principal.
pub(crate) fn user_arn(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:user/{name}")
}

/// The token of `Authorization: Bearer …`, if that is what a request has.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

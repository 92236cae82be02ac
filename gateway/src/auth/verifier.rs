//! From a claim to a principal: the proof that a known key signed this request, now, for this
//! service.
//!
//! In two steps, so that a stranger's body is neither read nor hashed: [`Verifier::open`] looks at
//! the head, [`Unproven::close`] at the body. Where the head states the body's hash, the signature
//! is proven by the first alone.

use std::collections::HashMap;
use std::sync::Arc;

use http::request::Parts;
use model::clock::Timestamp;
use model::text::hex::hex;
use ring::digest::{SHA256, digest};
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::auth::canonical::{Head, PathForm};
use crate::auth::claim::{ALGORITHM, Claim, TOKEN_PARAMETER};
use crate::auth::credential::{Credential, CredentialError};
use crate::auth::error::AuthError;
use crate::auth::payload::Payload;
use crate::auth::signing_key::SigningKeys;

/// What a signature must be made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service<'a> {
    /// Its name in scopes.
    pub(crate) name: &'static str,
    /// The region of this server.
    pub(crate) region: &'a str,
    /// How paths are signed.
    pub(crate) path_form: PathForm,
}

/// The known credentials.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    by_access_key_id: HashMap<String, Arc<Known>>,
    by_bearer_hash: HashMap<[u8; 32], Arc<Credential>>,
}

/// A credential with the keys that were derived from it.
#[derive(Debug)]
struct Known {
    credential: Arc<Credential>,
    signing_keys: SigningKeys,
}

/// A request whose claim holds as far as its head shows.
#[derive(Debug)]
pub(crate) struct Unproven {
    known: Arc<Known>,
    claim: Claim,
    payload: Payload,
}

impl Verifier {
    /// Takes credentials. Error: the name of one that cannot be used, and why.
    pub(crate) fn new(credentials: Vec<Credential>) -> Result<Self, (String, CredentialError)> {
        let mut verifier = Verifier::default();
        for credential in credentials {
            let name = credential.name.clone();
            verifier.add(credential).map_err(|why| (name, why))?;
        }
        Ok(verifier)
    }

    fn add(&mut self, credential: Credential) -> Result<(), CredentialError> {
        credential.check()?;
        let credential = Arc::new(credential);
        let known = Known { credential: Arc::clone(&credential), signing_keys: SigningKeys::default() };
        if let Some(other) = self.by_access_key_id.insert(credential.access_key_id.clone(), Arc::new(known)) {
            return Err(CredentialError::Twice("access_key_id", other.credential.name.clone()));
        }
        let Some(token) = &credential.bearer_token else { return Ok(()) };
        match self.by_bearer_hash.insert(sha256(token.reveal()), Arc::clone(&credential)) {
            Some(other) => Err(CredentialError::Twice("token", other.name.clone())),
            None => Ok(()),
        }
    }

    /// The principal of a bearer token. It is looked up by its hash, so that time tells nothing of
    /// how near a guess is.
    pub(crate) fn bearer(&self, token: &str) -> Result<Arc<Credential>, AuthError> {
        self.by_bearer_hash.get(&sha256(token)).cloned().ok_or(AuthError::Unrecognized)
    }

    /// Checks all that the head shows.
    pub(crate) fn open(&self, request: &Parts, service: Service<'_>, now: Timestamp) -> Result<Unproven, AuthError> {
        self.open_head(&Head::of(request, service.path_form), service, now)
    }

    pub(crate) fn open_head(
        &self,
        head: &Head<'_>,
        service: Service<'_>,
        now: Timestamp,
    ) -> Result<Unproven, AuthError> {
        let claim = Claim::of(head)?;
        let known = self.by_access_key_id.get(&claim.scope.access_key_id).ok_or(AuthError::Unrecognized)?;
        let same_token = match (&known.credential.session_token, &claim.session_token) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => ours.reveal().as_bytes().ct_eq(theirs.as_bytes()).into(),
            _ => false,
        };
        if !same_token {
            return Err(AuthError::Unrecognized);
        }
        claim.scope.check(&claim.stamp, service.region, service.name)?;
        claim.stamp.check(now, claim.good_for_millis)?;
        let payload = Payload::of(head.headers)?;
        let unproven = Unproven { known: Arc::clone(known), claim, payload };
        if let Payload::Stated(hash) = &unproven.payload {
            unproven.prove(head, hash)?;
        }
        Ok(unproven)
    }
}

/// Whether a signature is that of the request.
enum Match {
    Same,
    /// With what the caller should have signed.
    Differs(AuthError),
}

impl Unproven {
    /// Checks the body, and the signature where it is not proven yet.
    pub(crate) fn close(
        self,
        request: &Parts,
        service: Service<'_>,
        body: &[u8],
    ) -> Result<Arc<Credential>, AuthError> {
        self.close_head(&Head::of(request, service.path_form), body)
    }

    pub(crate) fn close_head(self, head: &Head<'_>, body: &[u8]) -> Result<Arc<Credential>, AuthError> {
        let hash = self.payload.check(body)?;
        if self.payload == Payload::Computed {
            self.prove(head, &hash)?;
        }
        Ok(Arc::clone(&self.known.credential))
    }

    fn prove(&self, head: &Head<'_>, payload_hash: &str) -> Result<(), AuthError> {
        let Match::Differs(refused) = self.matches(head, payload_hash, None)? else { return Ok(()) };
        // Some clients add the session token after they have signed the query.
        let token_in_query = self.claim.presigned && self.claim.session_token.is_some();
        if token_in_query && matches!(self.matches(head, payload_hash, Some(TOKEN_PARAMETER))?, Match::Same) {
            return Ok(());
        }
        Err(refused)
    }

    /// Compares in constant time: a forger learns nothing from how long it takes.
    fn matches(&self, head: &Head<'_>, payload_hash: &str, unsigned: Option<&str>) -> Result<Match, AuthError> {
        let Claim { scope, stamp, signed_headers, signature, .. } = &self.claim;
        let canonical = head.canonical(signed_headers, payload_hash, unsigned)?;
        let hash = hex(digest(&SHA256, &canonical).as_ref());
        let to_sign = format!("{ALGORITHM}\n{}\n{}\n{hash}", stamp.text(), scope.text());
        let key = self.known.signing_keys.get(&self.known.credential.secret, scope);
        Ok(match hmac::verify(&key, to_sign.as_bytes(), signature) {
            Ok(()) => Match::Same,
            Err(_) => Match::Differs(mismatch(&canonical, &to_sign)),
        })
    }
}

/// Shows what should have been signed, as AWS does: it is the sender's own request, and finds most
/// wrong signers.
fn mismatch(canonical: &[u8], to_sign: &str) -> AuthError {
    AuthError::InvalidSignature(format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this \
         request should have been\n'{}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n",
        String::from_utf8_lossy(canonical)
    ))
}

fn sha256(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

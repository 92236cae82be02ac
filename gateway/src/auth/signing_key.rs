//! The key that signs for one day, region and service: derived from the secret by four hashes, and kept.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use ring::hmac::{self, HMAC_SHA256, Key};

use crate::auth::scope::{Scope, TERMINATOR};
use crate::auth::secret::Secret;

/// The most keys kept of one credential: three days touch the window of a signature, and two services sign.
pub(crate) const SIGNING_KEYS_MAX: usize = 8;

/// Derives the signing key of a scope.
pub(crate) fn derive(secret: &Secret, scope: &Scope) -> Key {
    let first = Key::new(HMAC_SHA256, format!("AWS4{}", secret.reveal()).as_bytes());
    [&scope.date, &scope.region, &scope.service, TERMINATOR].into_iter().fold(first, |key, part: &str| {
        let tag = hmac::sign(&key, part.as_bytes());
        Key::new(HMAC_SHA256, tag.as_ref())
    })
}

/// The keys last derived from one secret. Over [`SIGNING_KEYS_MAX`], the oldest goes.
#[derive(Default)]
pub(crate) struct SigningKeys {
    kept: RwLock<VecDeque<(String, Key)>>,
}

impl SigningKeys {
    /// The key of a scope that was checked: only those get here, so nobody can fill this with others.
    pub(crate) fn get(&self, secret: &Secret, scope: &Scope) -> Key {
        let text = scope.text();
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = kept.iter().find(|(kept, _)| *kept == text) {
            return key.clone();
        }
        drop(kept);
        let key = derive(secret, scope);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.iter().all(|(kept, _)| *kept != text) {
            kept.push_back((text, key.clone()));
            if kept.len() > SIGNING_KEYS_MAX {
                kept.pop_front();
            }
        }
        key
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys(…)")
    }
}

//! What a request says about its own signature, in `Authorization` or in the query. Nothing here is proven yet.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE, HOST};
use model::text::hex::unhex;

use crate::auth::canonical::{AUTHORITY, Head, SIGNATURE_PARAMETER, parameters};
use crate::auth::error::AuthError;
use crate::auth::scope::Scope;
use crate::auth::stamp::{SKEW_MILLIS_MAX, Stamp};

/// The one algorithm.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The header and, in its own case, the query parameter with a session token.
const TOKEN: &str = "x-amz-security-token";
pub(crate) const TOKEN_PARAMETER: &str = "X-Amz-Security-Token";
const DATE_HEADER: &str = "x-amz-date";
/// The longest that a presigned request is good for: seven days.
const EXPIRES_SECONDS_MAX: i64 = 604_800;

/// A claim: this key signed these headers at this time, and this is the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) scope: Scope,
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: [u8; 32],
    pub(crate) stamp: Stamp,
    pub(crate) session_token: Option<String>,
    /// How long the signature is good for after its time.
    pub(crate) good_for_millis: i64,
    /// Whether it stood in the query.
    pub(crate) presigned: bool,
}

impl Claim {
    /// Reads the claim of a request. Error: [`AuthError::Missing`] where there is none at all.
    pub(crate) fn of(head: &Head<'_>) -> Result<Self, AuthError> {
        let mut authorizations = head.headers.get_all(AUTHORIZATION).iter();
        let in_query = parameters(head.query).any(|(name, _)| name == b"X-Amz-Algorithm" || name == b"X-Amz-Signature");
        let claim = match (authorizations.next(), authorizations.next(), in_query) {
            (None, _, false) => return Err(AuthError::Missing),
            (None, _, true) => Claim::of_query(head.query)?,
            (Some(value), None, false) => Claim::of_header(value.to_str().unwrap_or("?"), head.headers)?,
            _ => {
                return Err(AuthError::Incomplete(
                    "Only one signature may be given, in Authorization or in the query.".to_owned(),
                ));
            }
        };
        claim.check_signed(head.headers)?;
        Ok(claim)
    }

    fn of_header(authorization: &str, headers: &HeaderMap) -> Result<Self, AuthError> {
        let (algorithm, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            // Not quoted: it may be a password.
            return Err(AuthError::Incomplete(format!("Authorization header requires the algorithm '{ALGORITHM}'.")));
        }
        let mut found: BTreeMap<&str, &str> = BTreeMap::new();
        for part in rest.split(',') {
            let (name, value) = part.trim_matches(' ').split_once('=').unwrap_or_default();
            if !matches!(name, "Credential" | "SignedHeaders" | "Signature") || found.insert(name, value).is_some() {
                return Err(AuthError::Incomplete(
                    "Authorization header must be 'Credential=…, SignedHeaders=…, Signature=…', each once.".to_owned(),
                ));
            }
        }
        let stamp = match one(headers, DATE_HEADER)? {
            Some(text) => Some(Stamp::parse(text)?),
            None => one(headers, DATE.as_str())?.map(Stamp::parse_date).transpose()?,
        };
        let get = |name: &str| found.get(name).copied().filter(|value| !value.is_empty());
        let (Some(credential), Some(signed_headers), Some(signature), Some(stamp)) =
            (get("Credential"), get("SignedHeaders"), get("Signature"), &stamp)
        else {
            let missing = ["Credential", "Signature", "SignedHeaders"].into_iter().filter(|name| get(name).is_none());
            let mut text: String =
                missing.map(|name| format!("Authorization header requires '{name}' parameter. ")).collect();
            if stamp.is_none() {
                text.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
            }
            return Err(AuthError::Incomplete(text.trim_end().to_owned()));
        };
        Ok(Claim {
            scope: Scope::parse(credential)?,
            signed_headers: header_names(signed_headers)?,
            signature: hex_signature(signature)?,
            stamp: stamp.clone(),
            session_token: one(headers, TOKEN)?.map(str::to_owned),
            good_for_millis: SKEW_MILLIS_MAX,
            presigned: false,
        })
    }

    fn of_query(query: &str) -> Result<Self, AuthError> {
        const NEEDED: [&str; 6] = [
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            SIGNATURE_PARAMETER,
        ];
        let mut found = BTreeMap::new();
        for (name, value) in parameters(query) {
            let Ok(name) = String::from_utf8(name) else { continue };
            if NEEDED.contains(&name.as_str()) || name == TOKEN_PARAMETER {
                let value = String::from_utf8(value).unwrap_or_default();
                if found.insert(name.clone(), value).is_some() {
                    return Err(AuthError::Incomplete(format!("The query parameter '{name}' occurs twice.")));
                }
            }
        }
        if let Some(name) = NEEDED.into_iter().find(|name| !found.contains_key(*name)) {
            return Err(AuthError::Incomplete(format!("AWS query-string parameters must include '{name}'.")));
        }
        let get = |name: &str| found.get(name).map(String::as_str).unwrap_or_default();
        if get("X-Amz-Algorithm") != ALGORITHM {
            return Err(AuthError::Incomplete(format!("X-Amz-Algorithm must be '{ALGORITHM}'.")));
        }
        let expires = get("X-Amz-Expires");
        let plain = !expires.is_empty() && expires.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: Option<i64> = expires.parse().ok().filter(|_| plain);
        let seconds = seconds.filter(|seconds| (1..=EXPIRES_SECONDS_MAX).contains(seconds)).ok_or_else(|| {
            AuthError::Incomplete(format!("X-Amz-Expires must be 1 to {EXPIRES_SECONDS_MAX} seconds, not '{expires}'."))
        })?;
        Ok(Claim {
            scope: Scope::parse(get("X-Amz-Credential"))?,
            signed_headers: header_names(get("X-Amz-SignedHeaders"))?,
            signature: hex_signature(get(SIGNATURE_PARAMETER))?,
            stamp: Stamp::parse(get("X-Amz-Date"))?,
            session_token: found.get(TOKEN_PARAMETER).cloned(),
            good_for_millis: seconds * 1000,
            presigned: true,
        })
    }

    /// What a signature must cover, so that nobody on the way can turn one request into another: the host, the time,
    /// and every header of AWS, first of them the operation. The session token alone may be added after signing.
    fn check_signed(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        let unsigned = |name: &str| self.signed_headers.binary_search_by(|signed| signed.as_str().cmp(name)).is_err();
        let refused = |name: &str| {
            let text = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
            Err(AuthError::InvalidSignature(text))
        };
        if unsigned(HOST.as_str()) && unsigned(AUTHORITY) {
            return refused("Host' or ':authority");
        }
        if !self.presigned && !headers.contains_key(DATE_HEADER) && unsigned(DATE.as_str()) {
            return refused("Date");
        }
        let mut ours = headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
        match ours.find(|name| *name != TOKEN && unsigned(name)) {
            Some(name) => refused(name),
            None => Ok(()),
        }
    }
}

/// A header that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(AuthError::Incomplete(format!("The header '{name}' occurs twice.")));
    }
    Ok(first.map(|value| value.to_str().unwrap_or("?")))
}

/// Names as they are signed: lower case, in order, each once.
fn header_names(text: &str) -> Result<Vec<String>, AuthError> {
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    let lower = names.iter().all(|name| !name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_uppercase()));
    if !lower || !names.is_sorted_by(|one, next| one < next) {
        let text = "SignedHeaders must be names in lower case, sorted, separated by ';'.";
        return Err(AuthError::Incomplete(text.to_owned()));
    }
    Ok(names)
}

/// Lower case only, so that a signature has only one form.
fn hex_signature(text: &str) -> Result<[u8; 32], AuthError> {
    unhex(text)
        .filter(|_| !text.bytes().any(|byte| byte.is_ascii_uppercase()))
        .ok_or_else(|| AuthError::Incomplete("Signature must be 64 digits of lower-case hexadecimal.".to_owned()))
}

//! The test suite that AWS publishes for its signers: each signed request must be taken, and its canonical form be theirs.

use http::{HeaderMap, HeaderName, HeaderValue};
use model::clock::Timestamp;
use serde::Deserialize;

use crate::auth::canonical::{Head, PathForm};
use crate::auth::claim::{Claim, TOKEN_PARAMETER};
use crate::auth::credential::Credential;
use crate::auth::policy::Policy;
use crate::auth::secret::Secret;
use crate::auth::verifier::{Service, Verifier};

#[derive(Deserialize)]
struct Suite {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    context: Context,
    header_signed_request: String,
    header_canonical_request: String,
    header_signature: String,
    query_signed_request: String,
    query_canonical_request: String,
    query_signature: String,
}

#[derive(Deserialize)]
struct Context {
    credentials: Keys,
    normalize: bool,
    region: String,
    timestamp: String,
    #[serde(default)]
    omit_session_token: bool,
}

#[derive(Deserialize)]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

/// A request as the suite writes it, which not every HTTP parser would read: paths with spaces, folded headers.
struct Written<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: HeaderMap,
    body: &'a str,
}

fn read(text: &str) -> Written<'_> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (line, rest) = head.split_once('\n').unwrap_or((head, ""));
    let line = line.strip_suffix(" HTTP/1.1").unwrap();
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    let unfolded = rest.replace("\n ", " ");
    for header in unfolded.lines().filter(|line| !line.is_empty()) {
        let (name, value) = header.split_once(':').unwrap();
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.trim().as_bytes()).unwrap());
    }
    Written { method, path, query, headers, body }
}

fn check(case: &Case, signed: &str, canonical: &str, signature: &str) {
    let Context { credentials, normalize, region, timestamp, omit_session_token } = &case.context;
    let request = read(signed);
    let path_form = if *normalize { PathForm::Normal } else { PathForm::AsSent };
    let Written { method, path, query, headers, body } = &request;
    let head = Head { method, path, path_form, query, headers, authority: None };
    let secret = Secret::new(credentials.secret_access_key.as_str());
    let credential = Credential {
        session_token: credentials.token.as_deref().map(Secret::new),
        ..Credential::new("test", credentials.access_key_id.as_str(), secret, Policy::default())
    };
    let service = Service { name: "service", region, path_form };
    let now = timestamp.parse::<jiff::Timestamp>().unwrap();
    let now = Timestamp::from_millis(now.as_millisecond());
    let verifier = Verifier::new(vec![credential]).unwrap();

    let claim = Claim::of(&head).unwrap();
    let unsigned = (claim.presigned && *omit_session_token).then_some(TOKEN_PARAMETER);
    let hash = canonical.rsplit('\n').next().unwrap();
    let ours = head.canonical(&claim.signed_headers, hash, unsigned).unwrap();
    assert_eq!(String::from_utf8(ours).unwrap(), canonical, "{}", case.name);
    let proven =
        verifier.open_head(&head, service, now).and_then(|unproven| unproven.close_head(&head, body.as_bytes()));
    proven.unwrap_or_else(|refused| panic!("{}: {refused}", case.name));

    // The same with another signature is refused.
    let other = if signature.starts_with('0') { "1" } else { "0" };
    let forged = signed.replace(signature, &format!("{other}{}", &signature[1..]));
    let request = read(&forged);
    let head = Head { query: request.query, headers: &request.headers, ..head };
    let refused =
        verifier.open_head(&head, service, now).and_then(|unproven| unproven.close_head(&head, body.as_bytes()));
    assert_eq!(refused.unwrap_err().name(), "InvalidSignatureException", "{}", case.name);
}

#[test]
fn all_requests_of_the_suite_are_taken() {
    let suite: Suite = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert_eq!(suite.cases.len(), 38);
    for case in &suite.cases {
        check(case, &case.header_signed_request, &case.header_canonical_request, &case.header_signature);
        check(case, &case.query_signed_request, &case.query_canonical_request, &case.query_signature);
    }
}

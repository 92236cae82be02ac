//! What is refused, by which name, and what the message says.

use http::Request;
use model::clock::Timestamp;

use crate::auth::credential::{Credential, CredentialError};
use crate::auth::policy::Policy;
use crate::auth::scope::Scope;
use crate::auth::secret::Secret;
use crate::auth::signing_key::{SIGNING_KEYS_MAX, SigningKeys, derive};
use crate::auth::tests::signer::{How, KEY, NOW, SECRET, check, put_record, signed, verifier};
use crate::auth::verifier::Verifier;
use model::text::hex::unhex;

fn refused(request: Request<String>) -> (&'static str, String) {
    let refused = check(&verifier(None), request).unwrap_err();
    (refused.name(), refused.to_string())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + seconds * 1000)
}

fn with(name: &'static str, value: &str, mut request: Request<String>) -> Request<String> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

#[test]
fn the_signer_of_aws_is_understood() {
    let taken = |how: How, uri: &str| check(&verifier(how.token), signed(how, put_record(uri, "{}"))).unwrap();
    let token = Some("a-session-token-of-sorts");
    for presigned in [None, Some(1), Some(604_800)] {
        taken(How { presigned, ..How::default() }, "/");
        taken(How { presigned, token, ..How::default() }, "/?b=2&a=%C3%A9&a=1");
    }
    taken(How { at: at(-300), ..How::default() }, "/");
    taken(How { at: at(300), ..How::default() }, "/");
    taken(How { at: at(-3600), presigned: Some(3600), ..How::default() }, "/");
}

/// Over HTTP/2 it signs the name that has no `Host` (a vector of its own signer, `@smithy/signature-v4`).
#[test]
fn the_signer_of_the_sdk_for_javascript_is_understood() {
    let sent = |uri: &str, host: &str| {
        let request = Request::post(uri)
            .header("host", host)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "Kinesis_20131202.PutRecord")
            .header("x-amz-date", "20251121T044000Z")
            .header("x-amz-content-sha256", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251121/us-east-1/kinesis/aws4_request, \
                 SignedHeaders=:authority;content-type;x-amz-content-sha256;x-amz-date;x-amz-target, \
                 Signature=33ff54ba8ddc5428ce4cfcac9839742d8f079eb18b6ee4eb3b9d9628c509deb7",
            );
        check(&verifier(None), request.body("{}".to_owned()).unwrap())
    };
    sent("http://localhost:4567/", "localhost:4567").unwrap();
    sent("http://localhost:4567/", "elsewhere").unwrap();
    sent("/", "localhost:4567").unwrap();
    for (uri, host) in [("http://elsewhere:4567/", "localhost:4567"), ("/", "elsewhere")] {
        assert_eq!(sent(uri, host).unwrap_err().name(), "InvalidSignatureException");
    }
}

#[test]
fn other_keys_places_and_times_are_refused_by_name() {
    let how = How::default();
    for (how, name, part) in [
        (
            How { secret: "another secret altogether", ..how },
            "InvalidSignatureException",
            "does not match the signature you provided",
        ),
        (
            How { region: "eu-west-1", ..how },
            "InvalidSignatureException",
            "valid region, not 'eu-west-1': this server's is 'us-east-1'",
        ),
        (How { service: "dynamodb", ..how }, "InvalidSignatureException", "correct service: 'kinesis', not 'dynamodb'"),
        (How { at: at(-301), ..how }, "InvalidSignatureException", "Signature expired: "),
        (How { at: at(301), ..how }, "InvalidSignatureException", "Signature not yet current: "),
        (How { at: at(301), presigned: Some(3600), ..how }, "InvalidSignatureException", "Signature not yet current: "),
        (How { at: at(-3601), presigned: Some(3600), ..how }, "InvalidSignatureException", "Signature expired: "),
        (How { token: Some("nobody's token, here"), ..how }, "UnrecognizedClientException", "security token included"),
        (
            How { token: Some("nobody's token, here"), presigned: Some(9), ..how },
            "UnrecognizedClientException",
            "security token",
        ),
    ] {
        let (found, message) = refused(signed(how, put_record("/", "{}")));
        assert_eq!(found, name, "{how:?}: {message}");
        assert!(message.contains(part), "{how:?}: {message}");
    }
    let stranger = signed(how, put_record("/", "{}"));
    let authorization = stranger.headers()["authorization"].to_str().unwrap().replace(KEY, "AKIDSTRANGER");
    assert_eq!(refused(with("authorization", &authorization, stranger)).0, "UnrecognizedClientException");
    let tokenless = check(&verifier(Some("a token that must come")), signed(how, put_record("/", "{}")));
    assert_eq!(tokenless.unwrap_err().name(), "UnrecognizedClientException");
}

#[test]
fn what_does_not_read_as_a_signature_is_incomplete() {
    assert_eq!(refused(put_record("/", "{}")).0, "MissingAuthenticationTokenException");
    let good = signed(How::default(), put_record("/", "{}"));
    let authorization = good.headers()["authorization"].to_str().unwrap();
    let (head, signature) = authorization.rsplit_once('=').unwrap();
    for (wrong, part) in [
        ("Basic dXNlcjpwYXNzd29yZA==".to_owned(), "requires the algorithm 'AWS4-HMAC-SHA256'"),
        (authorization.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "requires the algorithm"),
        ("AWS4-HMAC-SHA256".to_owned(), "each once"),
        (authorization.replace("Credential=", "Credentials="), "each once"),
        (format!("{authorization}, Signature={signature}"), "each once"),
        (authorization.replace("SignedHeaders=", "SignedHeaders=Host;"), "lower case, sorted"),
        (authorization.replace("SignedHeaders=", "SignedHeaders=z;"), "lower case, sorted"),
        (authorization.replace("/kinesis/", "/kinesis/x/"), "5 slash-delimited elements"),
        (format!("{head}={}", signature.to_uppercase()), "lower-case hexadecimal"),
        (format!("{head}={}", &signature[1..]), "lower-case hexadecimal"),
        (head[..head.len() - ", Signature".len()].to_owned(), "requires 'Signature' parameter"),
    ] {
        let (name, message) = refused(with("authorization", &wrong, good.clone()));
        assert_eq!(name, "IncompleteSignatureException", "{wrong}: {message}");
        assert!(message.contains(part), "{wrong}: {message}");
        assert!(!message.contains("dXNlcjpwYXNzd29yZA"), "a password may not come back");
    }
    let mut dateless = good.clone();
    dateless.headers_mut().remove("x-amz-date");
    assert!(refused(dateless).1.contains("either a 'X-Amz-Date' or a 'Date' header"));
    assert_eq!(refused(with("x-amz-date", "2026-11-21", good.clone())).0, "IncompleteSignatureException");
    let mut twice = good.clone();
    twice.headers_mut().append("authorization", authorization.parse().unwrap());
    assert_eq!(refused(twice).0, "IncompleteSignatureException");
    let presigned = signed(How { presigned: Some(60), ..How::default() }, put_record("/", "{}"));
    assert_eq!(refused(with("authorization", authorization, presigned)).0, "IncompleteSignatureException");
}

#[test]
fn presigned_requests_are_bound_to_their_parameters() {
    let good = signed(How { presigned: Some(60), ..How::default() }, put_record("/?a=1", "{}"));
    assert_eq!(check(&verifier(None), good.clone()), Ok(()));
    let uri = good.uri().to_string();
    let mut cases = vec![
        uri.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
        uri.replace("a=1", "a=2"),
        uri.replace("a=1", "a=1&b=1"),
        uri.replace("a=1&", ""),
        uri.replace("/?", "/other?"),
    ];
    for expires in ["0", "604801", "-1", "+60", "", "6e1", "99999999999999999999"] {
        cases.push(uri.replace("X-Amz-Expires=60", &format!("X-Amz-Expires={expires}")));
    }
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
        let name = format!("X-Amz-{name}");
        // Missing, misspelt, twice.
        let pair = uri.split(['?', '&']).find(|pair| pair.starts_with(&format!("{name}="))).unwrap();
        cases.push(uri.replace(&format!("&{pair}"), "").replace(&format!("?{pair}&"), "?"));
        cases.push(uri.replace(&name, &name.to_lowercase()));
        cases.push(format!("{uri}&{pair}"));
        cases.push(format!("{uri}&{name}="));
        cases.push(uri.replace(pair, &format!("{name}=x")));
    }
    let mut requests: Vec<Request<String>> = Vec::new();
    for case in cases {
        assert_ne!(case, uri);
        let mut request = good.clone();
        *request.uri_mut() = case.parse().unwrap();
        requests.push(request);
    }
    for method in ["GET", "PUT", "post"] {
        let mut request = good.clone();
        *request.method_mut() = method.parse().unwrap();
        requests.push(request);
    }
    for (name, value) in [("host", "other"), ("x-amz-target", "Kinesis_20131202.DeleteStream"), ("x-amz-extra", "1")] {
        requests.push(with(name, value, good.clone()));
    }
    requests.push(good.clone().map(|_| "{ }".to_owned()));
    assert!(requests.len() >= 49, "{}", requests.len());
    for request in requests {
        let uri = request.uri().clone();
        assert!(check(&verifier(None), request).is_err(), "{uri}");
    }
}

#[test]
fn the_body_is_signed_whole_or_not_at_all() {
    let form =
        |value: &str| refused(signed(How::default(), with("x-amz-content-sha256", value, put_record("/", "{}"))));
    for named in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        let (name, message) = form(named);
        assert_eq!(name, "InvalidSignatureException");
        assert!(message.contains(&format!("'{named}' is not supported by this service")), "{message}");
    }
    assert!(form("ABC").1.contains("lower-case hexadecimal"));
    let other_body = signed(How::default(), put_record("/", "{}")).map(|_| "{ }".to_owned());
    assert_eq!(refused(other_body).0, "InvalidSignatureException");
    let mut stated = put_record("/", "{}");
    stated.headers_mut().insert(
        "x-amz-content-sha256",
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".parse().unwrap(),
    );
    let stated = signed(How::default(), stated);
    assert_eq!(check(&verifier(None), stated.clone()), Ok(()));
    assert!(refused(stated.map(|_| "{ }".to_owned())).1.contains("does not match what was computed"));
}

#[test]
fn what_changes_a_request_must_be_signed() {
    for (name, value) in [("x-amz-target", "Kinesis_20131202.DeleteStream"), ("x-amz-anything", "1")] {
        let mut bare = put_record("/", "{}");
        bare.headers_mut().remove("x-amz-target");
        let (refusal, message) = refused(with(name, value, signed(How::default(), bare)));
        assert_eq!(refusal, "InvalidSignatureException");
        assert!(message.contains(&format!("'{name}' must be a 'SignedHeader'")), "{message}");
    }
    // A header that is not ours to judge may come on top, as proxies do.
    let traced = with("user-agent", "proxy", signed(How::default(), put_record("/", "{}")));
    assert_eq!(check(&verifier(None), traced), Ok(()));
}

#[test]
fn signing_keys_are_kept_up_to_their_bound() {
    let (keys, secret) = (SigningKeys::default(), Secret::new(SECRET));
    for day in 10..30 {
        let scope = Scope::parse(&format!("{KEY}/202611{day}/us-east-1/kinesis/aws4_request")).unwrap();
        for _ in 0..2 {
            let tag = ring::hmac::sign(&keys.get(&secret, &scope), b"x");
            assert_eq!(tag.as_ref(), ring::hmac::sign(&derive(&secret, &scope), b"x").as_ref());
        }
    }
    assert_eq!(keys.len(), SIGNING_KEYS_MAX);
    // AWS's own example of a derived key, through a signature that it makes.
    let scope = Scope::parse("AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request").unwrap();
    let to_sign = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\nf536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
    let expected: [u8; 32] = unhex("5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7").unwrap();
    assert_eq!(ring::hmac::sign(&derive(&secret, &scope), to_sign.as_bytes()).as_ref(), expected);
}

#[test]
fn credentials_that_cannot_be_told_apart_are_refused() {
    let credential =
        |name: &str, key: &str, secret: &str| Credential::new(name, key, Secret::new(secret), Policy::default());
    let refused = |credentials| Verifier::new(credentials).unwrap_err();
    let twice = refused(vec![credential("a", "KEY", SECRET), credential("b", "KEY", SECRET)]);
    assert_eq!(twice, ("b".to_owned(), CredentialError::Twice("access_key_id", "a".to_owned())));
    assert_eq!(refused(vec![credential("a", "KEY", "short")]).1, CredentialError::Short("secret"));
    assert_eq!(refused(vec![credential("a", "KEY/2", SECRET)]).1, CredentialError::AccessKeyId);
    assert!(!format!("{:?}", credential("a", "KEY", SECRET)).contains("wJalr"));
}

//! AWS Signature Version 4 as the measuring client makes it: every call is signed anew, which costs little because the
//! key is derived once a day and every body is hashed once.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use model::text::hex::hex;
use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256, Key};

/// The credential of the server that is measured; it lives as long as the measurement.
pub(crate) const ACCESS_KEY_ID: &str = "AKIDBENCH";
/// Its secret.
pub(crate) const SECRET: &str = "known to this process and its child only";
/// The region of the server.
pub(crate) const REGION: &str = "us-east-1";

/// The headers that are signed, in the order in which they are.
const SIGNED_HEADERS: &str = "content-type;host;x-amz-date;x-amz-target";

/// Signs calls to Kinesis.
#[derive(Debug, Default)]
pub(crate) struct Signer {
    /// The day of the key, and the key.
    of_day: Option<(String, Key)>,
    /// Where the canonical request is put together.
    canonical: Vec<u8>,
}

/// What is signed of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signable<'a> {
    pub(crate) content_type: &'a str,
    pub(crate) host: &'a str,
    pub(crate) target: &'a str,
    /// SHA-256 of the body in hexadecimal.
    pub(crate) body_hash: &'a str,
}

impl Signer {
    /// Appends the headers `x-amz-date` and `authorization` of a call made now.
    #[expect(clippy::disallowed_methods, reason = "a signature tells the time of this machine")]
    pub(crate) fn sign(&mut self, call: Signable<'_>, into: &mut Vec<u8>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right by half a century");
        let seconds = i64::try_from(now.as_secs()).expect("the clock is right by ages");
        let now = jiff::Timestamp::from_second(seconds).expect("the clock is right by ages");
        self.sign_at(&now.strftime("%Y%m%dT%H%M%SZ").to_string(), call, into);
    }

    fn sign_at(&mut self, stamp: &str, call: Signable<'_>, into: &mut Vec<u8>) {
        let Signable { content_type, host, target, body_hash } = call;
        self.canonical.clear();
        write!(
            self.canonical,
            "POST\n/\n\ncontent-type:{content_type}\nhost:{host}\nx-amz-date:{stamp}\nx-amz-target:{target}\n\n\
             {SIGNED_HEADERS}\n{body_hash}"
        )
        .expect(INFALLIBLE);
        let scope = format!("{}/{REGION}/kinesis/aws4_request", &stamp[..8]);
        let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256_hex(&self.canonical));
        let signature = hex(hmac::sign(self.key(&stamp[..8]), to_sign.as_bytes()).as_ref());
        write!(
            into,
            "x-amz-date: {stamp}\r\nauthorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{scope}, \
             SignedHeaders={SIGNED_HEADERS}, Signature={signature}\r\n"
        )
        .expect(INFALLIBLE);
    }

    fn key(&mut self, day: &str) -> &Key {
        if self.of_day.as_ref().is_none_or(|(of, _)| of != day) {
            let first = Key::new(HMAC_SHA256, format!("AWS4{SECRET}").as_bytes());
            let key = [day, REGION, "kinesis", "aws4_request"].into_iter().fold(first, |key, part| {
                let tag = hmac::sign(&key, part.as_bytes());
                Key::new(HMAC_SHA256, tag.as_ref())
            });
            self.of_day = Some((day.to_owned(), key));
        }
        &self.of_day.as_ref().expect("just made").1
    }
}

const INFALLIBLE: &str = "writing to memory does not fail";

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4;

    use super::*;

    /// AWS's own signer comes to the same signature, on two days in turn.
    #[test]
    fn signatures_are_those_of_aws() {
        let mut signer = Signer::default();
        for (stamp, seconds) in [("20251121T000000Z", 1_763_683_200), ("20251120T235959Z", 1_763_683_199)] {
            let body = b"{\"StreamName\":\"bench\"}";
            let headers =
                [("content-type", "application/x-amz-json-1.1"), ("host", "127.0.0.1:4567"), ("x-amz-target", "K.Put")];
            let call = Signable {
                content_type: headers[0].1,
                host: headers[1].1,
                target: headers[2].1,
                body_hash: &sha256_hex(body),
            };
            let mut signed = Vec::new();
            signer.sign_at(stamp, call, &mut signed);
            let signed = String::from_utf8(signed).expect("text");

            let identity = Credentials::new(ACCESS_KEY_ID, SECRET, None, None, "test").into();
            let parameters = v4::SigningParams::builder()
                .identity(&identity)
                .region(REGION)
                .name("kinesis")
                .time(UNIX_EPOCH + Duration::from_secs(seconds))
                .settings(SigningSettings::default())
                .build()
                .expect("all is given")
                .into();
            let request = SignableRequest::new("POST", "/", headers.into_iter(), SignableBody::Bytes(body));
            let expected = sign(request.expect("a request"), &parameters).expect("signed");
            assert!(signed.ends_with(&format!("Signature={}\r\n", expected.signature())), "{signed}");
        }
    }
}

//! No bit of a signed request can be turned without its being noticed.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::auth::canonical::parameters;
use crate::auth::tests::signer::{How, put_record, signed, verifier, verify};

const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
const BODY: &str = r#"{"StreamName":"rides","Data":"aGVsbG8=","PartitionKey":"Rocinante"}"#;
const MUTATIONS: usize = 10_000;

/// A request as bytes that can be turned one by one: method, target, header names and values, body.
#[derive(Clone)]
struct Bytes(Vec<Vec<u8>>);

impl Bytes {
    fn of(request: &Request<String>) -> Bytes {
        let target = request.uri().path_and_query().unwrap().as_str();
        let mut pieces = vec![request.method().as_str().as_bytes().to_vec(), target.as_bytes().to_vec()];
        for (name, value) in request.headers() {
            pieces.push(name.as_str().as_bytes().to_vec());
            pieces.push(value.as_bytes().to_vec());
        }
        pieces.push(request.body().as_bytes().to_vec());
        Bytes(pieces)
    }

    fn bits(&self) -> usize {
        self.0.iter().map(Vec::len).sum::<usize>() * 8
    }

    fn turned(&self, mut bit: usize) -> Bytes {
        let mut turned = self.clone();
        for piece in &mut turned.0 {
            if bit < piece.len() * 8 {
                piece[bit / 8] ^= 1 << (bit % 8);
                return turned;
            }
            bit -= piece.len() * 8;
        }
        unreachable!("the bit lies in the request")
    }

    /// The request, unless HTTP itself refuses it.
    fn parse(&self) -> Option<(Parts, Vec<u8>)> {
        let [method, target, headers @ .., body] = &self.0[..] else { unreachable!("there are three pieces") };
        let mut parts = Request::new(()).into_parts().0;
        parts.method = Method::from_bytes(method).ok()?;
        parts.uri = Uri::try_from(target.as_slice()).ok()?;
        let mut map = HeaderMap::new();
        for pair in headers.chunks_exact(2) {
            map.append(HeaderName::from_bytes(&pair[0]).ok()?, HeaderValue::from_bytes(&pair[1]).ok()?);
        }
        parts.headers = map;
        Some((parts, body.clone()))
    }
}

/// What a request means: case in names of headers, and how the query is written, are no part of it.
fn meaning(parts: &Parts, body: &[u8]) -> impl PartialEq + use<> {
    let query: Vec<_> = parameters(parts.uri.query().unwrap_or_default()).collect();
    (parts.method.clone(), parts.uri.path().to_owned(), query, parts.headers.clone(), body.to_vec())
}

#[test]
fn no_turned_bit_is_taken() {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let token = Some(TOKEN);
    let presigned = Some(60);
    let mut hashed = put_record("/", BODY);
    let hash = model::text::hex::hex(ring::digest::digest(&ring::digest::SHA256, BODY.as_bytes()).as_ref());
    hashed.headers_mut().insert("x-amz-content-sha256", hash.parse().unwrap());
    let originals = [
        (signed(How::default(), put_record("/", BODY)), None),
        (signed(How { token, ..How::default() }, put_record("/?a=b%2Fc&d=%20e", BODY)), token),
        (signed(How { presigned, ..How::default() }, put_record("/", BODY)), None),
        (signed(How { presigned, token, ..How::default() }, put_record("/?a=b%2Fc", BODY)), token),
        (signed(How::default(), hashed), None),
    ];
    let (mut altered, mut turned) = (0, 0);
    while altered < MUTATIONS {
        let (original, token) = &originals[turned % originals.len()];
        turned += 1;
        let verifier = verifier(*token);
        let bytes = Bytes::of(original);
        let (parts, body) = bytes.parse().unwrap();
        assert!(verify(&verifier, &parts, &body).is_ok(), "seed {seed}");
        let bit = random.random_range(0..bytes.bits());
        // What HTTP does not read is not taken either.
        let Some((turned, turned_body)) = bytes.turned(bit).parse() else {
            altered += 1;
            continue;
        };
        if meaning(&turned, &turned_body) != meaning(&parts, &body) {
            altered += 1;
            let outcome = verify(&verifier, &turned, &turned_body);
            assert!(outcome.is_err(), "seed {seed}, bit {bit}: {turned:?}");
        }
    }
}

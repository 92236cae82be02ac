//! An archive on a server that checks every signature, as S3 does: what we sign is accepted, whatever the name, the size
//! and the call, and wrong keys are refused with a reason.

use std::sync::OnceLock;

use bytes::Bytes;
use model::archive::store::{Archive, ArchiveError, ObjectName, PutOutcome};
use model::testing::conformance;
use sinks::archive::s3::{S3Archive, S3Options};
use sinks::aws::{AccessKeys, AwsOptions};
use sinks::testing::real_server::RealServer;

use crate::world::bucket;

fn server() -> &'static RealServer {
    static SERVER: OnceLock<RealServer> = OnceLock::new();
    SERVER.get_or_init(|| RealServer::s3_with_signatures().expect("an S3 server that checks signatures starts"))
}

fn keys() -> AccessKeys {
    server().keys().expect("the server says its keys").clone()
}

fn signed_with(keys: AccessKeys) -> S3Options {
    let options = bucket(server().url());
    S3Options { aws: AwsOptions { keys: Some(keys), ..options.aws.clone() }, ..options }
}

async fn refused(keys: AccessKeys) -> String {
    match S3Archive::open(signed_with(keys)).await {
        Err(ArchiveError::Unusable { source, .. }) => source.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn right_signatures_keep_the_promises_of_archives() {
    conformance::archive(&S3Archive::open(signed_with(keys())).await.unwrap()).await;
}

#[tokio::test]
async fn parts_and_odd_names_are_signed_right() {
    let archive = S3Archive::open(signed_with(keys())).await.unwrap();
    let body = Bytes::from((0..11u32 << 20).map(|i| (i * 7 + (i >> 11)) as u8).collect::<Vec<u8>>());
    for name in ["parts", "dt=2026-11-21/hour=07/a b+c~d&e'(1)!*.json.zst", "þórr/日本/%2F%25"] {
        let name = ObjectName::new(name).unwrap();
        assert_eq!(archive.put_if_absent(&name, body.clone()).await.unwrap(), PutOutcome::Created, "{name}");
        assert_eq!(archive.put_if_absent(&name, body.clone()).await.unwrap(), PutOutcome::AlreadyThere, "{name}");
        assert!(archive.get(&name, None).await.unwrap() == body, "{name}");
        assert_eq!(archive.get(&name, Some(5..9)).await.unwrap(), body.slice(5..9), "{name}");
        assert_eq!(archive.list(name.as_str()).await.unwrap().len(), 1, "{name}");
        archive.delete(&name).await.unwrap();
    }
}

#[tokio::test]
async fn wrong_keys_are_refused_with_the_reason() {
    let AccessKeys { id, secret, session_token } = keys();
    let with = |id: &str, secret: &str| AccessKeys {
        id: id.to_owned(),
        secret: secret.to_owned(),
        session_token: session_token.clone(),
    };
    let wrong = refused(with(&id, "not the secret")).await;
    assert_eq!(wrong, "the signature does not match: the secret access key is not the one of this access key id");
    let unknown = refused(with("AKIAIOSFODNN7EXAMPLE", &secret)).await;
    assert_eq!(unknown, "the store does not know this access key id");
}

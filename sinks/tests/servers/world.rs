//! The servers, started once for all tests, and clients of them that do not see each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::clock::SystemClock;
use sinks::archive::s3::{S3Archive, S3Options};
use sinks::aws::{AccessKeys, AwsOptions};
use sinks::table::dynamodb::{DynamoOptions, DynamoTables};
use sinks::testing::real_server::RealServer;

pub(crate) fn s3_url() -> &'static str {
    static SERVER: OnceLock<RealServer> = OnceLock::new();
    SERVER.get_or_init(|| RealServer::s3().expect("an S3 server starts")).url()
}

pub(crate) fn dynamodb_url() -> &'static str {
    static SERVER: OnceLock<RealServer> = OnceLock::new();
    SERVER.get_or_init(|| RealServer::dynamodb().expect("a DynamoDB server starts")).url()
}

/// Short waits, and keys that nobody else has.
pub(crate) fn aws(endpoint: &str) -> AwsOptions {
    AwsOptions {
        endpoint: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        keys: Some(AccessKeys { id: unique("key"), secret: "secret".to_owned(), session_token: None }),
        retry_delay_min: Duration::from_millis(1),
        retry_delay_max: Duration::from_millis(20),
        ..AwsOptions::default()
    }
}

/// A name that no other test has.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{what}{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A bucket of its own, with bounds so small that tests meet them.
pub(crate) fn bucket(endpoint: &str) -> S3Options {
    S3Options {
        create_bucket: true,
        prefix: "some/prefix/".to_owned(),
        multipart_bytes_min: 6 << 20,
        part_bytes: 5 << 20,
        ..S3Options::new(unique("bucket"), aws(endpoint))
    }
}

pub(crate) async fn s3() -> S3Archive {
    S3Archive::open(bucket(s3_url())).await.unwrap()
}

/// Tables with a prefix of their own: all clients of the server see the same tables.
pub(crate) fn tables_at(endpoint: &str) -> DynamoOptions {
    DynamoOptions { table_prefix: format!("{}-", unique("test")), ..DynamoOptions::new(aws(endpoint)) }
}

pub(crate) async fn dynamodb() -> DynamoTables {
    DynamoTables::open(Arc::new(SystemClock), tables_at(dynamodb_url())).await
}

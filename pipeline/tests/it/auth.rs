//! A server whose settings name who may come in.

#![expect(clippy::unwrap_used, reason = "a failure says which call")]

use std::path::Path;

use aws_sdk_kinesis::config::Credentials;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;

use crate::server::{Server, gallop};

const SETTINGS: &str = r#"
region = "eu-central-1"
account_id = "123456789012"

[streams.rides]
[streams.trips]

[credentials.producer]
access_key_id = "AKIDPRODUCER"
secret_file = "producer.secret"

[[credentials.producer.policy]]
effect = "allow"
actions = ["kinesis:Put*", "kinesis:Describe*"]
resources = ["arn:aws:kinesis:*:*:stream/*"]

[[credentials.producer.policy]]
effect = "deny"
actions = ["*"]
resources = ["arn:aws:kinesis:*:*:stream/trips"]

[credentials.analyst]
access_key_id = "AKIDANALYST"
secret = "a secret that nobody uses"
token = "analysts-bearer-token"

[[credentials.analyst.policy]]
effect = "allow"
actions = ["gallop:*"]
resources = ["*"]
"#;

fn guarded(data: &Path) -> Server {
    std::fs::write(data.join("gallop.toml"), SETTINGS).unwrap();
    std::fs::write(data.join("producer.secret"), "the secret of the producer\n").unwrap();
    Server::start(data)
}

fn client(server: &Server, secret: &str) -> aws_sdk_kinesis::Client {
    let keys = Credentials::new("AKIDPRODUCER", secret, None, None, "test");
    let config = server.kinesis().config().to_builder().credentials_provider(keys);
    aws_sdk_kinesis::Client::from_conf(config.region(aws_sdk_kinesis::config::Region::new("eu-central-1")).build())
}

#[tokio::test]
async fn settings_say_who_may_do_what() {
    let data = tempfile::tempdir().unwrap();
    let server = guarded(data.path());
    let put = |secret: &'static str, stream: &'static str| {
        client(&server, secret).put_record().stream_name(stream).partition_key("k").data(Blob::new("{}")).send()
    };
    put("the secret of the producer", "rides").await.unwrap();
    let denied = put("the secret of the producer", "trips").await.unwrap_err();
    assert_eq!(denied.code(), Some("AccessDeniedException"));
    let arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/trips with an explicit deny";
    assert!(denied.message().unwrap().contains(arn), "{:?}", denied.message());
    assert_eq!(put("a secret of somebody", "rides").await.unwrap_err().code(), Some("InvalidSignatureException"));
    let foreign = server.kinesis().list_streams().send().await.unwrap_err();
    assert_eq!(foreign.code(), Some("UnrecognizedClientException"));

    let ask = |token: Option<&str>| {
        let mut command = gallop();
        command.args(["sql", "--endpoint", &server.url, "--output", "json", "-c", "SELECT COUNT(*) AS n FROM rides"]);
        token.map(|token| command.env("GALLOP_TOKEN", token));
        command.output().unwrap()
    };
    let counted = ask(Some("analysts-bearer-token"));
    assert_eq!(String::from_utf8_lossy(&counted.stdout), "{\"n\":1}\n", "{}", String::from_utf8_lossy(&counted.stderr));
    let refused = ask(None);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Authorization: Bearer"));
}

#[test]
fn an_open_address_without_credentials_and_certificate_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let refused =
        gallop().args(["serve", "--host", "0.0.0.0", "--port", "0", "--data"]).arg(data.path()).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && message.contains("no credentials and no certificate"), "{message}");
}

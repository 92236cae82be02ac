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

    let put = |key: &str, secret: &str| {
        let mut command = gallop();
        let lines = data.path().join("lines.json");
        std::fs::write(&lines, "{\"k\":\"a\"}\n").unwrap();
        command.args(["put", "rides", "--key-field", "k", "--quiet", "--endpoint", &server.url, "--file"]).arg(lines);
        command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_REGION", "eu-central-1");
        command.output().unwrap()
    };
    let taken = put("AKIDPRODUCER", "the secret of the producer");
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let denied = put("AKIDANALYST", "a secret that nobody uses");
    assert!(String::from_utf8_lossy(&denied.stderr).contains("AccessDeniedException"));

    let ask = |variables: &[(&str, &str)]| {
        let mut command = gallop();
        command.args(["sql", "--output", "json", "-c", "SELECT COUNT(*) AS n FROM rides"]);
        command.env("AWS_ENDPOINT_URL", &server.url).env("AWS_REGION", "eu-central-1");
        command.envs(variables.iter().copied()).output().unwrap()
    };
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDANALYST"), ("AWS_SECRET_ACCESS_KEY", "a secret that nobody uses")];
    for variables in [&[("GALLOP_TOKEN", "analysts-bearer-token")][..], &keys] {
        let counted = ask(variables);
        let (rows, errors) = (String::from_utf8_lossy(&counted.stdout), String::from_utf8_lossy(&counted.stderr));
        assert_eq!(rows, "{\"n\":2}\n", "{errors}");
    }
    for (variables, part) in [
        (&[][..], "The security token included in the request is invalid"),
        (&[("GALLOP_TOKEN", "somebody-elses-token")], "security token"),
        (&[("AWS_PROFILE", "nobody")], "profile `nobody` has no credentials to sign with"),
    ] {
        let refused = ask(variables);
        let errors = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && errors.contains(part), "{errors}");
    }
}

#[tokio::test]
async fn profiles_have_keys_and_a_region() {
    let data = tempfile::tempdir().unwrap();
    let server = guarded(data.path());
    let (config, keys) = (data.path().join("aws-config"), data.path().join("aws-credentials"));
    std::fs::write(&config, "[profile analyst]\nregion = eu-central-1\n").unwrap();
    let text = "[analyst]\naws_access_key_id = AKIDANALYST\naws_secret_access_key = a secret that nobody uses\n";
    std::fs::write(&keys, text).unwrap();
    let ask = |args: &[&str], name: &str| {
        let mut command = gallop();
        command.args(["sql", "--output", "json", "--endpoint", &server.url, "-c", "SELECT 1 AS n"]).args(args);
        command.env("AWS_CONFIG_FILE", &config).env("AWS_SHARED_CREDENTIALS_FILE", &keys).env("AWS_PROFILE", name);
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    };
    assert_eq!(ask(&[], "analyst"), "{\"n\":1}\n");
    assert_eq!(ask(&["--profile", "analyst"], "another"), "{\"n\":1}\n");
    assert_eq!(ask(&["--profile", "another"], "analyst"), "");
}

#[tokio::test]
async fn credentials_are_made_at_the_first_start_and_kept() {
    let data = tempfile::tempdir().unwrap();
    let arguments = ["--port", "0", "--signatures", "verify", "--account-id", "123456789012"];
    let server = Server::start_with(data.path(), &arguments);
    let kept = std::fs::read_to_string(data.path().join("credentials.toml")).unwrap();
    let value = |member: &str| {
        let line = kept.lines().find_map(|line| line.strip_prefix(member)?.strip_prefix(" = ")).unwrap();
        line.trim_matches('"').to_owned()
    };
    let (key, secret) = (value("access_key_id"), value("secret"));
    let call = async |server: &Server, secret: &str| {
        let keys = Credentials::new(&key, secret, None, None, "test");
        let config = server.kinesis().config().to_builder().credentials_provider(keys).build();
        let listed = aws_sdk_kinesis::Client::from_conf(config).list_streams().send().await;
        listed.map(drop).map_err(|refused| refused.code().unwrap_or_default().to_owned())
    };
    assert_eq!(call(&server, &secret).await, Ok(()));
    assert_eq!(call(&server, "another secret").await, Err("InvalidSignatureException".to_owned()));
    server.kill();
    // What was made is asked for from then on.
    let server = Server::start(data.path());
    assert_eq!(call(&server, &secret).await, Ok(()));
    assert_eq!(call(&server, "another secret").await, Err("InvalidSignatureException".to_owned()));
    server.kill();
    let server = Server::start_with(data.path(), &["--port", "0", "--signatures", "any"]);
    assert_eq!(call(&server, "another secret").await, Ok(()));
}

#[test]
fn an_open_address_without_credentials_and_certificate_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let refused =
        gallop().args(["serve", "--host", "0.0.0.0", "--port", "0", "--data"]).arg(data.path()).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && message.contains("no certificate is configured"), "{message}");
}

//! A server with a certificate, as the binary's own commands reach it.

use std::process::Output;

use crate::server::{Server, folder_with, gallop, write_certificate};

const SETTINGS: &str = r#"
signatures = "verify"

[tls]
certificate = "cert.pem"
key = "key.pem"

[streams.rides]
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Verified, encrypted, and open to the world: nothing more is asked of whoever starts it.
#[test]
fn commands_reach_a_server_that_demands_both() {
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS), ("lines.json", "{\"k\":\"a\"}\n{\"k\":\"b\"}\n")]);
    write_certificate(&data);
    let server = Server::start_with(&data, &["--port", "0", "--host", "0.0.0.0"]);
    let url = server.url.replace("0.0.0.0", "127.0.0.1");
    assert!(url.starts_with("https://"), "{url}");
    let kept = std::fs::read_to_string(data.join("credentials.toml")).expect("made at the first start");
    let value = |member: &str| {
        let line = kept.lines().find_map(|line| line.strip_prefix(member)?.strip_prefix(" = ")).expect("it is there");
        line.trim_matches('"').to_owned()
    };
    let run = |args: &[&str], bundle: bool| -> Output {
        let mut command = gallop();
        command.args(args).env("AWS_ENDPOINT_URL", &url);
        command.env("AWS_ACCESS_KEY_ID", value("access_key_id")).env("AWS_SECRET_ACCESS_KEY", value("secret"));
        if bundle {
            command.env("AWS_CA_BUNDLE", data.join("cert.pem"));
        }
        command.output().expect("the binary starts")
    };
    let lines = data.join("lines.json").display().to_string();
    let put = run(&["put", "rides", "--key-field", "k", "--quiet", "--file", &lines], true);
    assert!(put.status.success(), "{}", text(&put.stderr));
    let count = ["sql", "--output", "json", "-c", "SELECT COUNT(*) AS n FROM rides"];
    let counted = run(&count, true);
    assert_eq!(text(&counted.stdout), "{\"n\":2}\n", "{}", text(&counted.stderr));
    let stranger = run(&count, false);
    assert!(!stranger.status.success() && text(&stranger.stderr).contains("certificate"), "{}", text(&stranger.stderr));
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_at_the_start() {
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS)]);
    let refused = gallop().args(["serve", "--port", "0", "--data"]).arg(&data).output().expect("the binary starts");
    let message = text(&refused.stderr);
    assert!(!refused.status.success() && message.contains("cert.pem holds no certificate"), "{message}");
}

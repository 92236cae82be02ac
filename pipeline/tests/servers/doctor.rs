//! What `gallop doctor` says of Kafka, S3 and DynamoDB that answer, that do not, and that hold something else.

use std::path::Path;

use ingest::testing::kafka_cluster::KafkaCluster;
use serde_json::Value;

use crate::conservation::Site;
use crate::elsewhere::Elsewhere;
use crate::server::{Server, folder_with, gallop};

const CHECKS: [&str; 3] = ["kafka.brokers", "archive.place", "tables.dynamodb"];
const TABLE: &str = "\n[tables.Latest]\npartition_key = \"Key\"\n";

/// The state of each check, and what it found with its advice.
fn look(site: &Site, data: &Path) -> [(String, String); 3] {
    let mut command = gallop();
    command.envs(site.variables.clone()).args(["doctor", "--output", "json", "--port", "0", "--data"]).arg(data);
    let output = command.output().expect("the binary starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    CHECKS.map(|name| {
        let checks = report["checks"].as_array().expect("a list");
        let check = checks.iter().find(|check| check["check"] == name);
        let check = check.unwrap_or_else(|| panic!("no check {name} in {report}"));
        let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
        (text("state"), format!("{}; {}", text("found"), text("fix")))
    })
}

fn expect(found: &[(String, String); 3], expected: [(&str, &str); 3]) {
    for ((state, text), (expected, part)) in found.iter().zip(expected) {
        assert!(state == expected && text.contains(part), "{expected}, {part}: {found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_answer_pass_and_others_are_named_with_advice() {
    let (cluster, elsewhere) = (KafkaCluster::start(1), Elsewhere::new().await);
    let there = elsewhere.site("doctor");
    let kafka = format!("[kafka]\nbrokers = \"{}\"\n\n", cluster.brokers());
    let (_keep, data) = folder_with(&[("gallop.toml", &format!("{kafka}{}{TABLE}", there.settings))]);
    let site = &there;
    let look_again = |data: &Path| {
        let (site, data) = (site.clone(), data.to_owned());
        tokio::task::spawn_blocking(move || look(&site, &data))
    };

    // No server has started yet.
    let found = look_again(&data).await.expect("a look");
    expect(&found, [("ok", "topics"), ("ok", "the first start creates it"), ("ok", "1 will be created at the start")]);

    let mut command = gallop();
    command.envs(there.variables.clone()).args(["serve", "--port", "0", "--data"]).arg(&data);
    let server = Server::spawn(&mut command);
    server.terminate();
    server.ended().await;
    let found = look_again(&data).await.expect("a look");
    expect(&found, [("ok", "topics"), ("ok", "conditional puts"), ("ok", "1 tables match the settings; 0 will")]);

    let other_key = TABLE.replace("Key", "Other");
    let (_keep, other) = folder_with(&[("gallop.toml", &format!("{kafka}{}{other_key}", there.settings))]);
    let found = look_again(&other).await.expect("a look");
    expect(&found, [("ok", "topics"), ("ok", "conditional puts"), ("fail", "`Latest` has different keys")]);

    // Port 1 refuses, whoever asks.
    let lines = there.settings.lines().map(|line| match line.split_once(" = \"http") {
        Some((name, _)) => format!("{name} = \"http://127.0.0.1:1\""),
        None => line.to_owned(),
    });
    let nowhere: String = lines.map(|line| format!("{line}\n")).collect();
    let settings = format!("[kafka]\nbrokers = \"127.0.0.1:1\"\n\n{nowhere}{TABLE}");
    let (_keep, gone) = folder_with(&[("gallop.toml", &settings)]);
    let found = look_again(&gone).await.expect("a look");
    expect(&found, [("fail", "correct brokers"), ("fail", "correct [s3]"), ("fail", "correct [dynamodb]")]);
}

//! Faulty settings: each file of `faulty/` is refused with the place, the fault and what to write instead, as the file of the
//! same name says; by `config check` and by `serve` alike, before anything is written. `UPDATE_EXPECT=1` writes those files anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::server::gallop;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faulty")
}

/// The binary, in the folder of the files; no variable of OpenTelemetry's has a say.
fn gallop_there() -> Command {
    let mut command = gallop();
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command.current_dir(folder());
    command
}

fn refused(output: &Output, name: &str) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
    assert!(!stderr.contains("canary"), "{name} shows a secret: {stderr}");
    stderr
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).expect("the folder is there");
    let names: BTreeSet<String> = files
        .map(|file| file.expect("readable").file_name().into_string().expect("plain names"))
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.into_iter().collect()
}

#[test]
fn faulty_settings_are_refused_with_line_column_and_suggestion() {
    let names = names();
    assert!(names.len() >= 40, "{} files", names.len());
    let mut differing = Vec::new();
    for name in &names {
        let file = format!("{name}.toml");
        let checked = gallop_there().args(["config", "check", &file, "--output", "table"]).output().expect("it starts");
        let said = refused(&checked, name);
        let expected = folder().join(format!("{name}.expected"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected, &said).expect("the folder can be written");
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            differing.push(said);
        }
        let checked = gallop_there().args(["config", "check", &file, "--output", "json"]).output().expect("it starts");
        refused(&checked, name);
        let report: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
        assert!(!report.to_string().contains("canary"), "{name}");
        let faults = report["faults"].as_array().expect("a list");
        assert!(!faults.is_empty(), "{name}");
        for fault in faults {
            assert!(fault["line"].is_u64() && fault["column"].is_u64(), "{name}: {fault}");
            assert!(!fault["suggestion"].as_str().expect("text").is_empty(), "{name}: {fault}");
        }
    }
    assert_eq!(differing, [""; 0], "with UPDATE_EXPECT=1 these are taken over");
}

#[test]
fn a_server_refuses_with_the_same_text_and_writes_nothing() {
    for name in names() {
        let kept = tempfile::tempdir().expect("a temporary folder");
        let (file, data) = (format!("{name}.toml"), kept.path().join("data"));
        let mut server = gallop_there();
        let said = refused(
            &server.args(["serve", "--config", &file, "--data"]).arg(&data).output().expect("it starts"),
            &name,
        );
        let expected = std::fs::read_to_string(folder().join(format!("{name}.expected"))).expect("it was written");
        assert_eq!(said, expected, "{name}");
        assert!(!data.exists(), "{name}");
    }
}

#[test]
fn flags_and_variables_are_refused_by_their_names() {
    let outside = gallop_there().args(["config", "check", "--host", "0.0.0.0"]).output().expect("it starts");
    let said = refused(&outside, "--host");
    assert!(said.starts_with("error: --host: 0.0.0.0 is not a loopback address"), "{said}");
    let half =
        gallop_there().args(["config", "check"]).env("GALLOP_ACCESS_KEY_ID", "AKID").output().expect("it starts");
    let said = refused(&half, "half a credential");
    assert!(said.contains("GALLOP_ACCESS_KEY_ID: ") && said.contains("set both, or unset both"), "{said}");
}

#[test]
fn settings_are_shown_with_their_sources_and_without_their_secrets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("g.toml");
    let text = "port = 4568\n[streams.rides]\nshards = 2\n[credentials.alice]\naccess_key_id = \"AKIDALICE\"\n\
                secret = \"canary-canary-canary\"\n[s3]\nbucket = \"b\"\n";
    std::fs::write(&file, text).expect("written");
    let mut command = gallop();
    command.args(["config", "show", "--sources", "--region", "eu-central-1", "--config"]).arg(&file);
    let shown = command.env("GALLOP_ACCOUNT_ID", "123456789012").output().expect("it starts");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let at = |line: usize| format!("  # {}:{line}", file.display());
    for line in [
        format!("port = 4568{}", at(1)),
        format!("shards = 2{}", at(3)),
        "retention_hours = 24  # default".to_owned(),
        "region = \"eu-central-1\"  # --region".to_owned(),
        "account_id = \"123456789012\"  # GALLOP_ACCOUNT_ID".to_owned(),
        format!("secret = \"…\"{}", at(6)),
        "signatures = \"verify\"  # default, because credentials are configured or not".to_owned(),
        "# endpoint: the SDK's  # default".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("canary"), "{shown}");

    // What is shown is a file of settings itself, but for what is masked.
    let again = folder.path().join("again.toml");
    std::fs::write(&again, shown.replace("\"…\"", "\"canary-canary-canary\"")).expect("written");
    let checked = gallop().args(["config", "check"]).arg(&again).output().expect("it starts");
    assert!(checked.status.success(), "{}\n{shown}", String::from_utf8_lossy(&checked.stderr));

    let json =
        gallop().args(["config", "show", "--output", "json", "--sources"]).arg(&file).output().expect("it starts");
    let json: Vec<Value> = serde_json::from_slice(&json.stdout).expect("a list");
    let port = json.iter().find(|setting| setting["key"] == "port").expect("listed");
    assert_eq!((&port["value"], port["source"].as_str()), (&Value::from(4568), Some(&at(1)[4..])));
}

#[test]
fn files_to_begin_with_pass_the_check_and_nothing_is_written_over() {
    for purpose in ["demo", "local", "kafka-s3-dynamodb"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("new/gallop.toml");
        let init = || {
            let mut command = gallop();
            command.args(["config", "init", "--for", purpose, "--file"]).arg(&file);
            command.output().expect("it starts")
        };
        let first = init();
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
        let checked = gallop().args(["config", "check"]).arg(&file).output().expect("it starts");
        assert!(checked.status.success(), "{purpose}: {}", String::from_utf8_lossy(&checked.stderr));
        let before = std::fs::read(&file).expect("written");
        let second = init();
        assert_eq!(second.status.code(), Some(6), "{}", String::from_utf8_lossy(&second.stderr));
        assert_eq!(std::fs::read(&file).expect("still there"), before);
    }
}

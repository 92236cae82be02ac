//! `gallop doctor`: a sound machine, and broken environments, each found by its check with what to do about it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::server::{Server, gallop, write_certificate};

/// The report of a look at a data folder, with settings if there are some; the exit status.
fn report(data: &Path, settings: Option<&str>, more: &[&str]) -> (Value, Option<i32>) {
    if let Some(settings) = settings {
        std::fs::create_dir_all(data).expect("the folder can be made");
        std::fs::write(data.join("gallop.toml"), settings).expect("the folder can be written");
    }
    let mut command = gallop();
    command.args(["doctor", "--output", "json", "--data"]).arg(data);
    // A port of its own, unless the test is about ports: others may use the usual one.
    if !more.contains(&"--port") && settings.is_none_or(|settings| !settings.contains("port =")) {
        command.args(["--port", "0"]);
    }
    let output = command.args(more).output().expect("the binary starts");
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code())
}

fn check<'r>(report: &'r Value, name: &str) -> &'r Value {
    let checks = report["checks"].as_array().expect("a list");
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no check {name} in {report}"))
}

/// The check failed or warned as it should, and says what to do.
fn found(report: &Value, name: &str, state: &str, part: &str) {
    let check = check(report, name);
    assert_eq!(check["state"], state, "{check}");
    assert!(check["found"].as_str().expect("text").contains(part), "{part}: {check}");
    assert!(!check["fix"].as_str().unwrap_or_default().is_empty(), "{check}");
}

#[test]
fn a_running_server_on_a_sound_machine_passes_more_than_twenty_checks() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let port = server.url.rsplit(':').next().expect("a port").to_owned();
    let (report, status) = report(data.path(), None, &["--port", &port]);
    let checks = report["checks"].as_array().expect("a list");
    let failed: Vec<&Value> = checks.iter().filter(|check| check["state"] == "fail").collect();
    // A machine that runs all tests at once may be short of memory, room or time; that is no fault of the server's.
    let of_load = ["machine.memory", "data.room", "data.sync"];
    assert!(failed.iter().all(|check| of_load.iter().any(|name| check["check"] == *name)), "{failed:?}");
    assert_eq!(status, Some(i32::from(!failed.is_empty())));
    assert!(checks.len() >= 20, "{} checks", checks.len());
    for name in
        ["settings.valid", "server.health", "server.ready", "server.version", "server.queries", "server.deliveries"]
    {
        assert_eq!(check(&report, name)["state"], "ok", "{}", check(&report, name));
    }
    let holder = format!("process {} (", server.id());
    for name in ["port.free", "data.in-use", "tables.file"] {
        assert!(check(&report, name)["found"].as_str().expect("text").contains(&holder), "{}", check(&report, name));
    }
    for check in checks {
        assert_eq!(check["fix"].is_null(), check["state"] == "ok", "{check}");
    }
    let people =
        gallop().args(["doctor", "--output", "table", "--data"]).arg(data.path()).args(["--port", &port]).output();
    let people = String::from_utf8(people.expect("it starts").stdout).expect("text");
    assert!(people.lines().count() > checks.len() && people.contains("ok    server.health"), "{people}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_tells_what_it_sees_itself() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let url = format!("{}/v1/doctor", server.url);
    let report = crate::rest::get(&url).await;
    assert!(report["checks"].as_array().is_some_and(|checks| checks.len() >= 10), "{report}");
    assert_eq!(check(&report, "settings.certificate")["state"], "ok");
    assert_eq!(crate::rest::get(&url).await, report, "it does not look anew for everyone who asks");
}

#[test]
fn a_folder_that_nobody_used_is_sound_and_stays_unused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let (report, _) = report(&data, None, &[]);
    assert_eq!(check(&report, "data.folder")["state"], "ok");
    assert!(!data.exists() && std::fs::read_dir(folder.path()).expect("readable").count() == 0);
}

#[test]
fn faulty_settings_are_found() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (report, status) = report(data.path(), Some("prot = 1\n"), &[]);
    found(&report, "settings.valid", "fail", "did you mean `port`?");
    assert_eq!((status, &report["state"]), (Some(1), &"fail".into()));
}

#[test]
fn a_port_that_another_process_has_is_found() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it listens").port().to_string();
    // Whoever has it may answer nothing.
    drop(taken.set_nonblocking(true));
    let (report, status) = report(data.path(), None, &["--port", &port, "--endpoint", "http://127.0.0.1:1"]);
    found(&report, "port.free", "fail", &format!("process {} (", std::process::id()));
    found(&report, "server.health", "fail", "no server answers at http://127.0.0.1:1");
    assert_eq!(status, Some(1));
}

#[test]
fn a_server_that_never_answers_is_found() {
    let data = tempfile::tempdir().expect("a temporary folder");
    // Connections are made, and nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", silent.local_addr().expect("it listens"));
    let (report, status) = report(data.path(), None, &["--endpoint", &endpoint]);
    found(&report, "server.health", "fail", &format!("{endpoint} does not answer within 5 s"));
    assert_eq!(status, Some(1));
}

#[test]
fn a_data_folder_that_is_a_file_is_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    std::fs::write(&data, "").expect("written");
    let (report, status) = report(&data, None, &[]);
    found(&report, "data.folder", "fail", "is not a folder");
    found(&report, "data.writable", "fail", "cannot be written to");
    assert_eq!(status, Some(1));
}

#[test]
fn a_log_and_a_table_file_that_rotted_are_found() {
    let data = tempfile::tempdir().expect("a temporary folder");
    for (file, bytes) in
        [("streams/rides/manifest", "no manifest"), ("tables.redb", "no tables, but long enough to be some")]
    {
        let file = data.path().join(file);
        std::fs::create_dir_all(file.parent().expect("in a folder")).expect("made");
        std::fs::write(file, bytes).expect("written");
    }
    let (report, status) = report(data.path(), None, &[]);
    found(&report, "streams.log", "fail", "rides: manifest at offset 0");
    found(&report, "tables.file", "fail", "does not open");
    assert_eq!(status, Some(1));
}

#[test]
fn secrets_that_others_may_read_are_found() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let secret = data.path().join("alice.secret");
    std::fs::write(&secret, "canary-canary-canary").expect("written");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let settings = "[credentials.alice]\naccess_key_id = \"AKIDALICE\"\nsecret_file = \"alice.secret\"\n";
    let (report, status) = report(data.path(), Some(settings), &[]);
    found(&report, "settings.secrets", "fail", "alice.secret (mode 644)");
    assert!(!report.to_string().contains("canary"));
    assert_eq!(status, Some(1));
}

#[test]
fn a_server_for_all_without_signatures_is_found() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (report, status) = report(data.path(), Some("host = \"0.0.0.0\"\n"), &["--insecure"]);
    found(&report, "settings.exposure", "fail", "signatures are not verified");
    assert_eq!(status, Some(1));
}

#[test]
fn a_certificate_s_days_are_counted() {
    let data = tempfile::tempdir().expect("a temporary folder");
    write_certificate(data.path());
    let settings = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    let (report, _) = report(data.path(), Some(settings), &[]);
    let certificate = check(&report, "settings.certificate");
    assert!(certificate["found"].as_str().expect("text").contains(" days"), "{certificate}");
}

#[test]
fn services_elsewhere_that_do_not_answer_are_found() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let settings = "[kafka]\nbrokers = \"127.0.0.1:1\"\n[s3]\nbucket = \"b\"\nendpoint = \"http://127.0.0.1:1\"\nattempts_max = 1\n\
                    [dynamodb]\nendpoint = \"http://127.0.0.1:1\"\nattempts_max = 1\n[tables.T]\npartition_key = \"a\"\n\
                    [sensor]\ninterface = \"no-such-one\"\n";
    std::fs::write(data.path().join("gallop.toml"), settings).expect("written");
    let mut command = gallop();
    command.args(["doctor", "--output", "json", "--port", "0", "--data"]).arg(data.path());
    let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "us-east-1")];
    let output = command.envs(keys).output().expect("the binary starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    found(&report, "kafka.brokers", "fail", "127.0.0.1:1 does not answer");
    found(&report, "archive.place", "fail", "bucket `b`");
    found(&report, "tables.dynamodb", "fail", "");
    found(&report, "sensor.path", "warn", "interface `no-such-one` does not exist");
    assert_eq!(output.status.code(), Some(1));
}

//! Clients in other languages, unchanged: the scripts of `../clients`, each against a server of its own.
//!
//! `make clients` installs them below the cargo target folder; `make test` does so first.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{Server, folder_with};

/// Where a client was installed.
fn installed(language: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_gallop")).ancestors().nth(2).expect("the binary is in a target folder");
    let folder = target.join("clients").join(language);
    assert!(folder.join("installed").exists(), "no {language} client in {}: run `make clients`", folder.display());
    folder
}

/// A Java program, small and quick to start; its name and arguments are to follow.
pub(crate) fn java_program(options: &[&str]) -> Command {
    let folder = installed("java");
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]);
    command.args(options).arg("-cp").arg(format!("{0}/classes:{0}/lib/*", folder.display()));
    command
}

/// Starts a server, runs the client with its address behind the arguments, and holds it to success.
fn check(client: &mut Command) {
    let (_keep, data) = folder_with(&[]);
    let server = Server::start_verifying(&data);
    let output = client.arg(&server.url).output().unwrap_or_else(|error| panic!("{client:?} does not start: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim_end().ends_with(": ok"), "{client:?}:\n{out}\n{err}");
    print!("{out}");
}

#[test]
fn python() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/kinesis.py");
    check(Command::new(installed("python").join("bin/python3")).arg(script));
}

/// Version 1, which pip has beside the SDK for Python.
#[test]
fn python_cli() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/cli/kinesis.sh");
    check(Command::new(script).arg(installed("python").join("bin/aws")));
}

#[test]
fn node() {
    check(Command::new("node").arg(installed("javascript").join("kinesis.mjs")));
}

#[test]
fn go() {
    check(&mut Command::new(installed("go").join("kinesis")));
}

/// CBOR over HTTP/2 with prior knowledge is what the SDK for Java does when nothing is set.
#[test]
fn java() {
    check(java_program(&[]).arg("Kinesis"));
    check(java_program(&["-Daws.cborEnabled=false"]).arg("Kinesis"));
}

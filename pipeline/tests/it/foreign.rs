//! Clients in other languages, unchanged: the scripts of `../clients`, each against a server of its own.
//!
//! `make clients` installs them below the cargo target folder; `make test` does so first.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::installed::installed;
use crate::server::{CERTIFICATE, Server, folder_with};

/// A program with its first arguments.
fn program(path: impl AsRef<OsStr>, arguments: &[&Path]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments);
    command
}

/// A Java program, small and quick to start.
pub(crate) fn java_program(options: &[&str], name: &str) -> Command {
    let folder = installed("java");
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]);
    command.args(options).arg("-cp").arg(format!("{0}/classes:{0}/lib/*", folder.display())).arg(name);
    command
}

/// The option by which Java trusts a certificate.
pub(crate) fn trusting(certificate: &Path) -> String {
    let store = certificate.with_extension("jks").display().to_string();
    if !Path::new(&store).exists() {
        let mut keytool = Command::new("keytool");
        // Of this type it is read without a password.
        keytool.args(["-importcert", "-noprompt", "-storetype", "JKS", "-storepass", "changeit"]);
        keytool.args(["-keystore", &store, "-file"]);
        let output = keytool.arg(certificate).output().expect("keytool is there where Java is");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    format!("-Djavax.net.ssl.trustStore={store}")
}

/// Runs the client without TLS and with it, and holds it to success.
fn check(client: impl Fn(&Path) -> Command) {
    let (_keep, data) = folder_with(&[]);
    let server = Server::start_guarded(&data);
    let certificate = data.join(CERTIFICATE);
    for url in [&server.plain_url(), &server.url] {
        run(client(&certificate), &certificate, url);
    }
}

/// Runs the client with an address behind its arguments.
fn run(mut client: Command, certificate: &Path, url: &str) {
    // Whom Python, Go and Node trust.
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        client.env(variable, certificate);
    }
    let output = client.arg(url).output().unwrap_or_else(|error| panic!("{client:?} does not start: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim_end().ends_with(": ok"), "{client:?}:\n{out}\n{err}");
    print!("{url}: {out}");
}

#[test]
fn python() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/python/kinesis.py");
    check(|_| program(installed("python").join("bin/python3"), &[&script]));
}

/// Version 1, which pip has beside the SDK for Python. It takes its time, and TLS as that one does.
#[test]
fn python_cli() {
    let (_keep, data) = folder_with(&[]);
    let server = Server::start_guarded(&data);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/cli/kinesis.sh");
    run(program(script, &[&installed("python").join("bin/aws")]), &data.join(CERTIFICATE), &server.plain_url());
}

#[test]
fn node() {
    check(|_| program("node", &[&installed("javascript").join("kinesis.mjs")]));
}

#[test]
fn go() {
    check(|_| program(installed("go").join("kinesis"), &[]));
}

/// CBOR over HTTP/2 with prior knowledge is what the SDK for Java does when nothing is set.
#[test]
fn java() {
    check(|certificate| java_program(&[&trusting(certificate)], "Kinesis"));
    check(|certificate| java_program(&[&trusting(certificate), "-Daws.cborEnabled=false"], "Kinesis"));
}

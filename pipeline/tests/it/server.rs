//! The binary as its users run it: started as a process, spoken to over loopback, killed at will.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use serde_json::Value;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// What clients in all languages sign with, here and in `../clients`.
const ACCESS_KEY_ID: &str = "key";
const SECRET_ACCESS_KEY: &str = "secret-of-the-tests";

/// The certificate of a server that has one, in its data folder.
pub(crate) const CERTIFICATE: &str = "cert.pem";

/// A running `gallop serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

/// The binary, with no setting from the outside.
pub(crate) fn gallop() -> Command {
    undisturbed(env!("CARGO_BIN_EXE_gallop"))
}

/// A program, with no setting of ours or of AWS clients from the outside.
pub(crate) fn undisturbed(program: &str) -> Command {
    let mut command = Command::new(program);
    let outside = |name: &str| name.starts_with("GALLOP_") || name.starts_with("AWS_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| outside(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    // No profiles either.
    command.envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")]);
    command
}

impl Server {
    /// Starts a server on a free port over `data`.
    pub(crate) fn start(data: &Path) -> Server {
        Server::start_with(data, &["--port", "0"])
    }

    /// Starts a server on a free port over `data` that verifies every signature and has a certificate of its own,
    /// [`CERTIFICATE`] in `data`.
    pub(crate) fn start_guarded(data: &Path) -> Server {
        std::fs::create_dir_all(data).expect("the folder can be made");
        write_certificate(data);
        let settings = format!("[tls]\ncertificate = \"{CERTIFICATE}\"\nkey = \"key.pem\"\n");
        std::fs::write(data.join("gallop.toml"), settings).expect("the folder can be written");
        let mut command = gallop();
        command.env("GALLOP_ACCESS_KEY_ID", ACCESS_KEY_ID).env("GALLOP_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        Server::spawn(command.args(["serve", "--port", "0", "--data"]).arg(data))
    }

    /// Starts a server over `data`, told more by `args`.
    pub(crate) fn start_with(data: &Path, args: &[&str]) -> Server {
        Server::spawn(gallop().args(["serve", "--data"]).arg(data).args(args))
    }

    /// Starts a server whose log goes to a file in `data`.
    pub(crate) fn start_logged(data: &Path) -> (Server, PathBuf) {
        let log = data.join("log.txt");
        let mut command = gallop();
        command.stderr(std::fs::File::create(&log).expect("the folder can be written"));
        (Server::spawn(command.args(["serve", "--port", "0", "--data"]).arg(data)), log)
    }

    /// Starts the server that a command describes.
    pub(crate) fn spawn(command: &mut Command) -> Server {
        Server::started(Server::starting(command))
    }

    /// Starts the process, and does not wait until it is ready.
    pub(crate) fn starting(command: &mut Command) -> Child {
        command.env("GALLOP_LOG", "warn").stdout(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Waits until a process that was started says where it listens.
    pub(crate) fn started(mut child: Child) -> Server {
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped above");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let url = line.split_whitespace().find(|word| word.starts_with("http"));
        let url = url.unwrap_or_else(|| panic!("no address in `{line}`")).to_owned();
        Server { child, url }
    }

    /// Where it is without TLS: from loopback, on the same port.
    pub(crate) fn plain_url(&self) -> String {
        self.url.replacen("https:", "http:", 1)
    }

    /// SIGKILL: nothing is drained.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("the server ends");
    }

    /// Asks it to end, as an operator does.
    pub(crate) fn terminate(&self) {
        terminate(&self.child);
    }

    /// Waits until it has ended by itself; its status.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        eventually("the server ends", async || self.child.try_wait().expect("it is our child")).await.code()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The memory it has now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kilobytes = line.trim().strip_suffix(" kB").expect("in kB");
        kilobytes.trim().parse::<u64>().expect("a number") * 1024
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says it");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// A Kinesis client that tries everything once.
    pub(crate) fn kinesis(&self) -> aws_sdk_kinesis::Client {
        kinesis_at(&self.plain_url())
    }

    /// Rows of a query over this server.
    pub(crate) fn sql(&self, sql: &str) -> Vec<Value> {
        rows(&["sql", "--endpoint", &self.url, "-c", sql])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, or been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Kinesis client that tries everything once.
pub(crate) fn kinesis_at(url: &str) -> aws_sdk_kinesis::Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(http)
        .build();
    aws_sdk_kinesis::Client::from_conf(config)
}

/// Asks a process to end.
pub(crate) fn terminate(child: &Child) {
    let process = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it runs");
}

/// Runs the binary and reads the JSON lines it prints.
pub(crate) fn rows(args: &[&str]) -> Vec<Value> {
    try_rows(gallop().args(args)).unwrap_or_else(|| panic!("gallop {args:?} failed"))
}

/// Runs a command and reads the JSON lines it prints; none when it fails.
pub(crate) fn try_rows(command: &mut Command) -> Option<Vec<Value>> {
    let output = command.stderr(Stdio::inherit()).output().expect("the binary starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let rows = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line"));
    output.status.success().then(|| rows.collect())
}

/// Looks again and again until `look` finds something, or patience ends.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    while begin.elapsed() < PATIENCE {
        pause.tick().await;
        if let Some(found) = look().await {
            return found;
        }
    }
    panic!("{what}: not within {PATIENCE:?}");
}

/// A folder with settings and query files in it.
pub(crate) fn folder_with(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("the folder can be written");
    }
    let path = folder.path().to_owned();
    (folder, path)
}

/// Writes a certificate for `127.0.0.1`, signed by itself, and its key.
pub(crate) fn write_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("made");
    let pem = |label: &str, der: &[u8]| {
        let text = base64_simd::STANDARD.encode_to_string(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    std::fs::write(folder.join(CERTIFICATE), pem("CERTIFICATE", made.cert.der())).expect("written");
    std::fs::write(folder.join("key.pem"), pem("PRIVATE KEY", &made.signing_key.serialize_der())).expect("written");
}

/// What a command prints, which must end in time.
pub(crate) fn output_in_time(command: &mut Command, input: &str) -> std::process::Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let process = rustix::process::Pid::from_child(&child);
    // Whoever does not read its input is gone already.
    let _ = child.stdin.take().expect("piped above").write_all(input.as_bytes());
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    match end.recv_timeout(PATIENCE) {
        Ok(output) => output.expect("it ends"),
        Err(_) => {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            panic!("{command:?} does not end");
        }
    }
}

/// Asks a process to end, as Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    let process = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it runs");
}

//! A real Apache Kafka for tests: started by `infra/kafka/start.sh` on free ports, gone when the test process is.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// The folder of the scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace holds this crate").join("infra/kafka")
}

/// A running cluster. It ends when this is dropped, and also when the process ends in any other way: the script waits
/// for its standard input to close.
#[derive(Debug)]
pub struct KafkaCluster {
    brokers: String,
    folder: PathBuf,
    script: Child,
    alive: Option<ChildStdin>,
}

impl KafkaCluster {
    /// Starts so many nodes and waits until they are in service. Panics when that fails, with what the script said.
    pub fn start(nodes: u32) -> KafkaCluster {
        let mut script = Command::new(scripts().join("start.sh"))
            .arg(nodes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("infra/kafka/start.sh can be run");
        let alive = script.stdin.take();
        let lines = BufReader::new(script.stdout.take().expect("piped above")).lines();
        let (mut brokers, mut folder) = (None, None);
        for line in lines.map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("brokers", rest)) => brokers = Some(rest.to_owned()),
                Some(("folder", rest)) => folder = Some(PathBuf::from(rest)),
                _ => {}
            }
            if folder.is_some() {
                break;
            }
        }
        let brokers = brokers.expect("the cluster starts: see above for what the script said");
        KafkaCluster { brokers, folder: folder.expect("the script names its folder"), script, alive }
    }

    /// `host:port,..`.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    fn node(&self, node: u32) -> PathBuf {
        self.folder.join(format!("node-{node}"))
    }

    fn pid(&self, node: u32) -> String {
        let text = std::fs::read_to_string(self.node(node).join("pid")).expect("a node leaves its process id");
        text.trim().to_owned()
    }

    fn signal(&self, node: u32, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid(node)]).status().expect("kill can be run");
        assert!(status.success(), "node {node} is not there to get {signal}");
    }

    /// SIGKILL: the node ends where it is.
    pub fn kill(&self, node: u32) {
        self.signal(node, "-KILL");
    }

    /// SIGSTOP: the node stands still, with its connections open.
    pub fn pause(&self, node: u32) {
        self.signal(node, "-STOP");
    }

    /// SIGCONT: the node goes on.
    pub fn resume(&self, node: u32) {
        self.signal(node, "-CONT");
    }

    /// Starts a killed node again over its data; does not wait for it.
    pub fn restart(&self, node: u32) {
        let mut command = Command::new(scripts().join("node.sh"));
        let command = command.arg(&self.folder).arg(node.to_string()).stdin(Stdio::null());
        // The script that started the cluster ends this one too, by the process id it leaves.
        drop(command.spawn().expect("infra/kafka/node.sh can be run"));
    }

    /// Runs one of Kafka's own command line tools, by its class, to its end.
    pub fn tool(&self, class: &str, args: &[&str]) -> std::process::Output {
        let jars = Command::new(scripts().join("jars.sh")).output().expect("infra/kafka/jars.sh can be run");
        let jars = format!("{}/*", String::from_utf8_lossy(&jars.stdout).trim());
        let mut command = Command::new("java");
        command.args([
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            "-cp",
            &jars,
            class,
        ]);
        command.args(args).stdin(Stdio::null()).output().expect("java can be run")
    }
}

impl Drop for KafkaCluster {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Err(error) = self.script.wait() {
            eprintln!("the cluster in {} did not end: {error}", self.folder.display());
        }
    }
}

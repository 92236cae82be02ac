//! A real Apache Kafka for tests: started by `infra/kafka/start.sh` on free ports, gone when the test process is.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// The folder of the scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace holds this crate").join("infra/kafka")
}

/// How much of a node's log is shown.
const LOG_END_BYTES: usize = 4 << 10;

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

    /// The end of what each node has logged.
    pub fn logs(&self) -> String {
        let mut logs = String::new();
        for node in (1..).take_while(|node| self.node(*node).exists()) {
            let text = std::fs::read(self.node(node).join("log")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_END_BYTES)..]).into_owned();
            logs.push_str(&format!("--- node {node}\n{text}\n"));
        }
        logs
    }

    /// Runs one of Kafka's own command line tools, by its class, to its end, and returns what it printed. Panics when the
    /// tool fails.
    pub fn tool(&self, class: &str, args: &[&str], input: &str) -> String {
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
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut tool = command.spawn().expect("java can be run");
        let mut stdin = tool.stdin.take().expect("piped above");
        stdin.write_all(input.as_bytes()).expect("the tool reads its input");
        drop(stdin);
        let output = tool.wait_with_output().expect("the tool ends");
        assert!(output.status.success(), "{class} ended with {}", output.status);
        String::from_utf8(output.stdout).expect("the tool prints text")
    }

    /// Writes messages of the form `key:value` with Kafka's console producer.
    pub fn console_produce(&self, topic: &str, messages: &str) {
        let properties = ["--property", "parse.key=true", "--property", "key.separator=:"];
        let place = ["--bootstrap-server", self.brokers(), "--topic", topic];
        self.tool("org.apache.kafka.tools.ConsoleProducer", &[place, properties].concat(), messages);
    }

    /// Reads a topic from its beginning with Kafka's console consumer, committed messages only, until none comes any more;
    /// a line a message, `key:value`.
    pub fn console_consume(&self, topic: &str) -> Vec<String> {
        let place = ["--bootstrap-server", self.brokers(), "--topic", topic, "--from-beginning"];
        let how = ["--isolation-level", "read_committed", "--timeout-ms", "5000"];
        let properties = ["--property", "print.key=true", "--property", "key.separator=:"];
        let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
        let printed = self.tool(class, &[&place[..], &how, &properties].concat(), "");
        printed.lines().map(str::to_owned).collect()
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

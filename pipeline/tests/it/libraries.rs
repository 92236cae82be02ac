//! The Kinesis Producer and Client Libraries, unchanged, through a split, a merge and the death of a worker.
//!
//! ```text
//!                              ┌─▶ cbor-polls ─┐   Each is an application with leases in a table server and two
//!  Producer ─▶ gallop serve ───┼─▶ cbor-fans  ─┼─▶ workers, of which `one` is killed. All tell what they do over
//!  (aggregates)                ├─▶ json-polls ─┤   one pipe, so that the order is that in which they did it.
//!                              └─▶ json-fans  ─┘
//! ```
//!
//! What must hold: every application is given every record, and each key's records in the order in which they were put.
//! The producer hands over a key's next record when the one before is acknowledged. A record may come twice, when a worker
//! died before its checkpoint, or when the producer saw that a split had moved it; its first time counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, PipeWriter, Write, pipe};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use sinks::testing::real_server::RealServer;

use crate::foreign::{java_program, trusting};
use crate::server::{CERTIFICATE, Server, eventually, folder_with};

/// A worker that finds an empty table looks away from it for up to 30 s, and for 10 s from an index that is not ready.
const PATIENCE: Duration = Duration::from_secs(240);
/// Lines that wait between the processes and the test.
const LINES_MAX: usize = 10_000;

const STREAM: &str = "libraries";
/// The middle of the first of two even shards.
const QUARTER: u128 = 1 << 126;

/// On a second thread, for TLS goes on while the test waits for a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hundred_thousand_records() {
    const RECORDS: usize = 100_000;
    const KEYS: usize = 1000;
    let (_keep, folder) = folder_with(&[]);
    let leases = RealServer::dynamodb().expect("a DynamoDB server starts");
    let server = Server::start_guarded(&folder.join("data"));
    let certificate = folder.join("data").join(CERTIFICATE);
    server.kinesis().create_stream().stream_name(STREAM).shard_count(2).send().await.expect("a stream");

    let mut run = Run::new();
    let start_workers = |name: &str, run: &Run| {
        let trust = trusting(&certificate);
        let cbor = ("cbor", java_program(&[], "Worker"), server.plain_url());
        let json = ("json", java_program(&["-Daws.cborEnabled=false", &trust], "Worker"), server.url.clone());
        [cbor, json].map(|(wire, mut command, url)| {
            command.args([&url, leases.url(), STREAM, wire, name]);
            Process::start(command, folder.join(format!("{wire}-{name}.log")), run)
        })
    };
    // One after the other: of two that meet no index and create it, the later never takes part (KCL 3.5.1).
    let ones = start_workers("one", &run);
    run.until("the first workers have begun both shards", |app| app.begun.len() == 2);
    let twos = start_workers("two", &run);
    run.until("the second workers take part", |app| app.workers.len() == 2);

    let mut command = java_program(&[], "Producer");
    command.args([&server.url, STREAM, &KEYS.to_string()]).arg(folder.join("scratch")).arg(certificate);
    let mut producer = Process::start(command, folder.join("producer.log"), &run);
    producer.allow(RECORDS / 2);
    run.until_acknowledged(RECORDS / 4);
    let split = server.kinesis().split_shard().stream_name(STREAM).shard_to_split(shard(0));
    split.new_starting_hash_key(QUARTER.to_string()).send().await.expect("a split");
    run.until("every application has begun the children", |app| app.begun.len() == 4);

    producer.allow(RECORDS);
    run.until_acknowledged(RECORDS * 6 / 10);
    drop(ones);
    run.until_acknowledged(RECORDS * 7 / 10);
    let merge = server.kinesis().merge_shards().stream_name(STREAM).shard_to_merge(shard(3));
    merge.adjacent_shard_to_merge(shard(1)).send().await.expect("a merge");
    run.until_acknowledged(RECORDS);
    producer.ends().await;

    run.until("every application has every record", |app| app.delivered == RECORDS);
    let closed = BTreeSet::from([shard(0), shard(1), shard(3)]);
    run.until("what is closed has ended, and nothing else", |app| app.ended == closed && app.begun.len() == 5);
    for two in twos {
        two.ends().await;
    }
    for (name, application) in &run.applications {
        println!("{name}: {RECORDS} records, {} of them more than once", application.repeated);
    }
}

fn shard(index: usize) -> String {
    format!("shardId-{index:012}")
}

/// What the processes have said.
struct Run {
    pipe: PipeWriter,
    lines: Receiver<String>,
    acknowledged: usize,
    applications: BTreeMap<String, Application>,
}

/// What the workers of an application have said.
#[derive(Debug, Default)]
struct Application {
    workers: BTreeSet<String>,
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
    /// How many records of each key it has.
    keys: BTreeMap<String, usize>,
    delivered: usize,
    repeated: usize,
}

impl Run {
    fn new() -> Run {
        let (output, pipe) = pipe().expect("a pipe");
        let (sender, lines) = sync_channel(LINES_MAX);
        // It ends with the last process that may write to it, or with the run.
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let names = ["cbor-fans", "cbor-polls", "json-fans", "json-polls"];
        let applications = names.map(|name| (name.to_owned(), Application::default())).into();
        Run { pipe, lines, acknowledged: 0, applications }
    }

    /// Listens until `holds` for every application.
    fn until(&mut self, what: &str, holds: impl Fn(&Application) -> bool) {
        self.listen(what, |run| run.applications.values().all(&holds));
    }

    fn until_acknowledged(&mut self, count: usize) {
        self.listen("records are acknowledged", |run| run.acknowledged >= count);
    }

    fn listen(&mut self, what: &str, holds: impl Fn(&Run) -> bool) {
        let begin = Instant::now();
        while !holds(self) {
            let left = PATIENCE.saturating_sub(begin.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.hear(&line),
                Err(error) => panic!("{what}: {error}, {} acknowledged\n{:#?}", self.acknowledged, self.applications),
            }
        }
        println!("{:?} until {what}", begin.elapsed());
    }

    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["acknowledged", count] => self.acknowledged = count.parse().expect("a number"),
            [application, worker, ref what @ ..] => {
                let application =
                    self.applications.get_mut(application).unwrap_or_else(|| panic!("who says `{line}`?"));
                application.hear(worker, what);
            }
            _ => panic!("what is `{line}`?"),
        }
    }
}

impl Application {
    fn hear(&mut self, worker: &str, what: &[&str]) {
        match *what {
            ["starts"] => drop(self.workers.insert(worker.to_owned())),
            ["begins", shard] => drop(self.begun.insert(shard.to_owned())),
            ["ends", shard] => drop(self.ended.insert(shard.to_owned())),
            ["loses", _] => (),
            ["has", key, number] => {
                let number: usize = number.parse().expect("a number");
                let next = self.keys.entry(key.to_owned()).or_default();
                assert!(number <= *next, "{key}: {number} comes where {next} should");
                if number < *next {
                    self.repeated += 1;
                } else {
                    *next += 1;
                    self.delivered += 1;
                }
            }
            _ => panic!("what is {what:?}?"),
        }
    }
}

/// A process and all that it started; killed when dropped.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(mut command: Command, log: PathBuf, run: &Run) -> Process {
        let output = run.pipe.try_clone().expect("a pipe can be shared");
        let errors = File::create(&log).expect("the folder can be written");
        command.process_group(0).stdin(Stdio::piped()).stdout(output).stderr(errors);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Process { child, log }
    }

    /// Tells the producer how many records it may put in all.
    fn allow(&mut self, records: usize) {
        let input = self.child.stdin.as_mut().expect("piped above");
        writeln!(input, "{records}").expect("the producer runs");
    }

    /// Ends its input, and holds it to end well.
    async fn ends(mut self) {
        drop(self.child.stdin.take());
        let status = eventually("a process ends", async || self.child.try_wait().expect("it is ours")).await;
        assert!(status.success(), "{}: {status}", self.log.display());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; what it started has not, then.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("{}:\n{}", self.log.display(), lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

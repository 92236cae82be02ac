//! Somebody who follows pages to the letter: in an empty folder, with `gallop`, the AWS CLI and boto3 at hand, block after
//! block. Only the port is another: what pages call `127.0.0.1:4567` is the port that the server got.

use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use model::name::ConsumerName;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::book::expectation::shows;
use crate::book::page::{Block, Mark, Page, clone_root};
use crate::installed::installed;
use crate::server::{PATIENCE, eventually, undisturbed};

/// The address in pages, and the port of their sensors.
const WRITTEN: &str = "127.0.0.1:4567";
const SENSORS_WRITTEN: &str = "port add 9000";
/// Folders of the clone that a page's commands may name; the reader has them too.
const CLONE_FOLDERS: [&str; 2] = ["examples", "infra"];
/// How long a command may take.
const COMMAND_SECONDS_MAX: u32 = 120;
/// Of one that goes on until it is stopped.
const NO_END: u32 = 0;
/// Between two tries of a command that is run again.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// What following pages took.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    /// Commands that were typed.
    pub(crate) commands: usize,
    /// What they took, but for waiting until something had happened.
    pub(crate) machine: Duration,
    /// That waiting.
    pub(crate) waiting: Duration,
}

/// A command that goes on; it and its children are killed when it is dropped.
struct Running {
    place: String,
    child: Child,
}

impl Running {
    fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    /// Ctrl-C, to which it must end, by that or by itself without a failure.
    async fn stop(mut self) {
        self.signal(Signal::INT);
        let place = self.place.clone();
        let ended = eventually("it ends", async || self.child.try_wait().expect("it is our child")).await;
        let by_signal = ended.signal() == Some(Signal::INT.as_raw());
        assert!(ended.success() || by_signal, "{place}: {ended} after Ctrl-C");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The reader.
pub(crate) struct Reader {
    /// Holds everything; `here` in it is where the reader is.
    folder: tempfile::TempDir,
    server: Option<Running>,
    port: Option<String>,
    background: Vec<Running>,
    effort: Effort,
    /// What stands on pages for servers of others, and where they are.
    elsewhere: Vec<(&'static str, String)>,
}

/// What a command printed.
struct Printed {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Reader {
    /// Somebody with an empty folder.
    pub(crate) fn new() -> Reader {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["here", "home", "bin"] {
            std::fs::create_dir(path(name)).expect("the folder can be written");
        }
        let python = installed("python").join("bin");
        let link =
            |from: &Path, to: &str| std::os::unix::fs::symlink(from, path(to)).expect("the folder can be written");
        link(Path::new(env!("CARGO_BIN_EXE_gallop")), "bin/gallop");
        link(&python.join("aws"), "bin/aws");
        // A virtual environment is found by its program's own place, so a link to it would lose its packages.
        let program = format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.join("python3").display());
        std::fs::write(path("bin/python3"), program).expect("the folder can be written");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path("bin/python3"), executable).expect("it is ours");
        // Node looks for packages beside a script and above it.
        let packages = installed("javascript").join("node_modules");
        link(&packages, "node_modules");
        let (background, elsewhere, effort) = (Vec::new(), Vec::new(), Effort::default());
        Reader { folder, server: None, port: None, background, effort, elsewhere }
    }

    /// Whose pages name a server of others that stands elsewhere.
    #[allow(dead_code, reason = "only tests with such servers need it")]
    pub(crate) fn knowing(mut self, written: &'static str, address: &str) -> Reader {
        self.elsewhere.push((written, address.to_owned()));
        self
    }

    /// Where the reader is.
    pub(crate) fn here(&self) -> PathBuf {
        self.folder.path().join("here")
    }

    /// Follows pages, one after the other, to their end; servers and programs get Ctrl-C then.
    pub(crate) async fn follow(mut self, pages: &[&str]) -> Effort {
        for name in pages {
            let page = Page::read(name);
            for folder in CLONE_FOLDERS {
                let named = format!("{folder}/");
                let is_named = page.blocks.iter().any(|block| block.text.contains(&named));
                if is_named && !self.here().join(folder).exists() {
                    let link = std::os::unix::fs::symlink(clone_root().join(folder), self.here().join(folder));
                    link.expect("the folder can be written");
                }
            }
            if page.blocks.iter().any(|block| block.text.contains(SENSORS_WRITTEN)) {
                let udp = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|udp| udp.local_addr());
                self.elsewhere.push((" 9000 ", format!(" {} ", udp.expect("there is a free port").port())));
            }
            let mut blocks = page.blocks.iter().peekable();
            while let Some(block) = blocks.next() {
                let expected = blocks.next_if(|next| next.mark == Mark::Output);
                assert!(block.mark != Mark::Output, "{}: no command is before this output", block.place);
                self.take(block, expected).await;
            }
        }
        self.stop_all().await;
        self.effort
    }

    async fn take(&mut self, block: &Block, expected: Option<&Block>) {
        let is_command = block.language == "sh" && !matches!(block.mark, Mark::File(_) | Mark::NotRun(_));
        self.effort.commands += if is_command { block.commands() } else { 0 };
        let text = self.at_our_port(&block.text);
        match (&block.mark, &*block.language) {
            (Mark::NotRun(_), _) => return,
            (Mark::File(name), _) => self.write(name, &text, false),
            (Mark::Append(name), _) => self.write(name, &text, true),
            (Mark::Server, "sh") => return self.serve(block, &text).await,
            (Mark::Background, "sh") => {
                let child =
                    self.bash(NO_END, &text, &[]).stdout(Stdio::null()).process_group(0).spawn().expect("bash starts");
                return self.background.push(Running { place: block.place.clone(), child });
            }
            (Mark::Stopped, "sh") => {
                self.stop_all().await;
                self.run(block, &text, expected).await;
            }
            (Mark::Run | Mark::Eventually | Mark::Waits | Mark::Fails, "sh" | "python") => {
                self.run(block, &text, expected).await
            }
            (Mark::Run, _) => {}
            _ => panic!("{}: a block of `{}` cannot be {:?}", block.place, block.language, block.mark),
        }
        match &*block.language {
            "json" => {
                let values = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
                values.for_each(|value| drop(value.unwrap_or_else(|error| panic!("{}: {error}", block.place))));
            }
            "toml" => drop(text.parse::<toml::Table>().unwrap_or_else(|error| panic!("{}: {error}", block.place))),
            "sql" => self.check_sql(block),
            _ => {}
        }
    }

    /// Runs a block, and holds it to what the page shows of it.
    async fn run(&mut self, block: &Block, text: &str, expected: Option<&Block>) {
        let (begin, mut last) = (Instant::now(), Duration::ZERO);
        let expected = expected.map(|expected| self.at_our_port(&expected.text));
        let is_met = |printed: &Printed| {
            let shown = if block.mark == Mark::Fails { &printed.err } else { &printed.out };
            printed.status.success() != (block.mark == Mark::Fails)
                && expected.as_ref().is_none_or(|expected| shows(expected, shown))
        };
        let mut attempt = || {
            let tried = Instant::now();
            let printed = self.output(block, text);
            last = tried.elapsed();
            printed
        };
        let mut printed = attempt();
        let mut pause = tokio::time::interval(BETWEEN_TRIES);
        while block.mark == Mark::Eventually && !is_met(&printed) && begin.elapsed() < PATIENCE {
            pause.tick().await;
            printed = attempt();
        }
        let Printed { status, out, err } = &printed;
        assert!(
            is_met(&printed),
            "{}: {status}\n{text}\nprinted:\n{out}{err}\nexpected:\n{}",
            block.place,
            expected.as_deref().unwrap_or_default()
        );
        let machine = if block.mark == Mark::Waits { Duration::ZERO } else { last };
        self.effort.machine += machine;
        self.effort.waiting += begin.elapsed() - machine;
    }

    fn output(&self, block: &Block, text: &str) -> Printed {
        let mut command = match &*block.language {
            "python" => self.bash(COMMAND_SECONDS_MAX, "python3 -c \"$2\"", &[text]),
            _ => self.bash(COMMAND_SECONDS_MAX, text, &[]),
        };
        let output = command.output().expect("bash starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Printed { status: output.status, out: text(output.stdout), err: text(output.stderr) }
    }

    /// A shell that goes on with the variables and in the folder of the one before, and keeps its own for the next.
    fn bash(&self, seconds_max: u32, script: &str, arguments: &[&str]) -> Command {
        let path = |name: &str| self.folder.path().join(name);
        let mut command = undisturbed("timeout");
        command.args(["--foreground", "--kill-after=5", &seconds_max.to_string(), "bash", "-euo", "pipefail", "-c"]);
        let keep = "trap '{ declare -px; printf \"cd %q\\n\" \"$PWD\"; } > \"$KEPT\"' EXIT";
        // What goes on beside others keeps nothing for them.
        let keep = if seconds_max == NO_END { ":" } else { keep };
        command.arg(format!("[ ! -e \"$KEPT\" ] || . \"$KEPT\"; {keep}; eval \"$1\""));
        command.arg("bash").arg(script).args(arguments).current_dir(self.here());
        command.env("KEPT", path("kept")).env("HOME", path("home")).env("AWS_EC2_METADATA_DISABLED", "true");
        let programs = std::env::var("PATH").expect("there is a PATH");
        command.env("PATH", format!("{}:{programs}", path("bin").display()));
        if let Some(port) = &self.port {
            command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts a server. One that is up gets Ctrl-C first, and its port is taken over.
    async fn serve(&mut self, block: &Block, text: &str) {
        self.stop_server().await;
        let begin = Instant::now();
        let script = format!("{} --port {}", text.trim_end(), self.port.as_deref().unwrap_or("0"));
        let mut command = self.bash(NO_END, &script, &[]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().expect("bash starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped above")).lines();
        self.server = Some(Running { place: block.place.clone(), child });
        let url = lines.by_ref().map_while(Result::ok).find(|line| line.contains("://127.0.0.1:"));
        let url = url.unwrap_or_else(|| panic!("{}: it ended and said no address", block.place));
        let port = url.split("://127.0.0.1:").nth(1).expect("found above");
        self.port = Some(port.chars().take_while(char::is_ascii_digit).collect());
        // Whatever it says later must find a reader.
        std::thread::spawn(move || lines.for_each(drop));
        self.effort.machine += begin.elapsed();
    }

    /// Programs first: what they send when they end, a server takes.
    async fn stop_all(&mut self) {
        for program in std::mem::take(&mut self.background) {
            program.stop().await;
        }
        self.stop_server().await;
    }

    async fn stop_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// A query is planned: a continuous one as at a start, another by the server.
    fn check_sql(&self, block: &Block) {
        if block.text.contains("INSERT INTO") {
            let name = ConsumerName::new("of-the-page").expect("a name");
            let planned = ContinuousQuery::prepare(&name, &block.text, QueryOptions::default());
            planned.unwrap_or_else(|error| panic!("{}: {error:?}", block.place));
        } else {
            let asked = self.bash(COMMAND_SECONDS_MAX, "gallop sql -c \"$2\"", &[&block.text]).output();
            let asked = asked.expect("bash starts");
            assert!(asked.status.success(), "{}: {}", block.place, String::from_utf8_lossy(&asked.stderr));
        }
    }

    fn write(&self, name: &str, text: &str, append: bool) {
        let file = self.here().join(name);
        std::fs::create_dir_all(file.parent().expect("it is in a folder")).expect("the folder can be written");
        let before = if append { std::fs::read_to_string(&file).expect("the file is there") } else { String::new() };
        std::fs::write(file, before + text).expect("the folder can be written");
    }

    /// A page's text with the addresses that hold here.
    fn at_our_port(&self, text: &str) -> String {
        let own = self.port.as_ref().map(|port| (WRITTEN, format!("127.0.0.1:{port}")));
        let replaced = |text: String, (written, address): &(&str, String)| text.replace(written, address);
        self.elsewhere.iter().chain(&own).fold(text.to_owned(), replaced)
    }
}

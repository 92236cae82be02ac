//! Golden files of the command line: commands, and what they say.
//!
//! ```text
//! $ gallop stream describe unicornz          a command; NAME=value may stand before it, <<< 'text' behind it is its input
//! error: there is no stream `unicornz`       what it said on standard error
//! exit 3                                     its status, unless it is 0
//! ```
//!
//! `UPDATE=1` writes what was said into the files. `{server}` and `{guarded}` in commands stand for the URLs of two running
//! servers, of which the second asks everybody for a name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use crate::server::{Server, folder_with, gallop, output_in_time};

/// What the servers run.
const SETTINGS: &str = r#"
[streams.unicorns]
shards = 2
[streams.rides]
[tables.UnicornSensorData]
partition_key = "Name"
sort_key = "StatusTime"
[tables.Plain]
partition_key = "Name"
[queries.per-minute]
sql = "per-minute.sql"
streams = { SOURCE_SQL_STREAM_001 = "unicorns", DESTINATION_SQL_STREAM = "summary" }
[deliveries.to-table]
source = "summary"
table = "UnicornSensorData"
"#;

/// A folder to run commands in, and whom they ask.
pub(crate) struct World {
    folder: PathBuf,
    _folder: tempfile::TempDir,
    open: Server,
    guarded: Server,
}

/// The one of all tests that run now: they change nothing that another one looks at. Its servers end with the last of them.
static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());

/// That one, or a new one.
pub(crate) fn world() -> Arc<World> {
    let mut shared = SHARED.lock().expect("no holder of the lock panics");
    shared.upgrade().unwrap_or_else(|| {
        let world = Arc::new(start());
        *shared = Arc::downgrade(&world);
        world
    })
}

fn start() -> World {
    let sql = include_str!("../../../src/demo/per-minute.sql");
    let (folder, path) = folder_with(&[
        ("broken.sql", "SELECT"),
        ("per-minute.sql", sql),
        ("lines.json", "{\"Name\":\"a\"}\nnot json\n{\"x\":1}\n"),
        ("good.json", "{\"Name\":\"a\"}\n{\"Name\":\"b\"}\n"),
    ]);
    let data = path.join("data");
    std::fs::create_dir(&data).expect("created");
    std::fs::write(data.join("gallop.toml"), SETTINGS).expect("written");
    std::fs::write(data.join("per-minute.sql"), sql).expect("written");
    let open = Server::start(&data);
    let guarded = Server::start_guarded(&path.join("guarded"));
    World { folder: path, _folder: folder, open, guarded }
}

impl World {
    /// Runs a command line; what it said on standard error, and its status.
    pub(crate) fn run(&self, line: &str) -> (String, i32) {
        let (said, _, status) = self.run_whole(line);
        (said, status)
    }

    /// Runs a command line; what it said, what it printed, and its status.
    pub(crate) fn run_whole(&self, line: &str) -> (String, String, i32) {
        let line = line.replace("{server}", &self.open.url).replace("{guarded}", &self.guarded.plain_url());
        let (line, input) = match line.split_once(" <<< ") {
            Some((line, input)) => (line.to_owned(), words(input).remove(0)),
            None => (line, String::new()),
        };
        let mut words = words(&line);
        let mut command = gallop();
        command.current_dir(&self.folder).env("AWS_ENDPOINT_URL", &self.open.url);
        while let Some((name, value)) = words[0].split_once('=') {
            command.env(name, value);
            words.remove(0);
        }
        assert_eq!(words.remove(0), "gallop", "{line}");
        let output = output_in_time(command.args(&words), &input);
        let said = String::from_utf8(output.stderr).expect("text");
        let guarded = self.guarded.plain_url();
        let said = said.replace(&self.open.url, "{server}").replace(&guarded, "{guarded}");
        let said = said.replace(self.folder.to_str().expect("text"), "{folder}");
        let printed = String::from_utf8(output.stdout).expect("text");
        (said, printed, output.status.code().expect("no signal ended it"))
    }
}

/// Runs every command of a golden file and compares.
pub(crate) fn check(file: &Path) -> usize {
    let expected = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut found = String::new();
    let mut commands = 0;
    let world = world();
    for line in expected.lines() {
        if line.starts_with('#') || (line.is_empty() && commands == 0) {
            found.push_str(line);
            found.push('\n');
        }
        let Some(command) = line.strip_prefix("$ ") else { continue };
        commands += 1;
        let (said, status) = world.run(command);
        found.push_str(&format!("$ {command}\n{said}"));
        if status != 0 {
            found.push_str(&format!("exit {status}\n"));
        }
        found.push('\n');
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &found).expect("the file can be written");
    } else {
        assert_eq!(expected.trim_end(), found.trim_end(), "{}: UPDATE=1 writes what is said now", file.display());
    }
    commands
}

/// Splits a command line as a shell does, as far as ours go: blanks, single and double quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => (quote, begun) = (Some(c), true),
            (' ', None) if begun => {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            (' ', None) => {}
            (c, None) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

//! The examples that every `--help` ends with are run.

use std::collections::BTreeSet;

use super::golden::words;
use crate::server::{Server, folder_with, gallop, output_in_time};

/// Examples that a test cannot run, by how they begin: what they do without an end, to this machine, or for minutes.
const NOT_RUN: [&str; 13] = [
    "gallop aws",
    "gallop completions",
    "gallop config",
    "gallop demo",
    "gallop doctor",
    "gallop env",
    "gallop inspect",
    "gallop man",
    "gallop repair",
    "gallop serve",
    "gallop top",
    // Datagrams need a key file or a port that may be another's.
    "gallop sensor port",
    // Sends until it is told to stop.
    "gallop sim --unicorns 20",
];

/// Examples that change the shards of a stream.
const RESHAPE: [&str; 3] = ["gallop stream merge", "gallop stream scale", "gallop stream split"];

/// Examples that end with 3: they name a row that this server does not have.
const NOT_FOUND: [&str; 1] = ["gallop table get"];

/// The help of a command, and of all below it.
fn helps(command: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let output = gallop().args(command).arg("--help").output().expect("the binary starts");
    let help = String::from_utf8(output.stdout).expect("text");
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap_or(""));
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).filter(|n| *n != "help").collect();
    for name in names {
        helps(&[command, &[name.to_owned()]].concat(), found);
    }
    found.push((command.to_vec(), help));
}

#[test]
fn examples_in_the_help_run() {
    let demo = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/demo");
        std::fs::read_to_string(format!("{folder}/{name}")).expect("the demo has it")
    };
    let (settings, minute, seconds) = (demo("gallop.toml"), demo("per-minute.sql"), demo("ten-seconds.sql"));
    let (_folder, data) =
        folder_with(&[("gallop.toml", &settings), ("per-minute.sql", &minute), ("ten-seconds.sql", &seconds)]);
    let server = Server::start(&data);
    let (_work, work) = folder_with(&[("per-minute.sql", &minute), ("lines.json", "{\"Name\":\"Shadowfax\"}\n")]);
    let run = |line: &str| {
        let mut command = gallop();
        command.args(&words(line)[1..]).env("AWS_ENDPOINT_URL", &server.url).current_dir(&work);
        let output = output_in_time(&mut command, "");
        (output.status.code().expect("a status"), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let prepared = [
        "gallop sim --count 200 --unicorns 20 --rate 2000 --quiet",
        "gallop stream create old-rides",
        "gallop put wildrydes-summary --file lines.json --key-field Name",
        "gallop put wildrydes-live --file lines.json --key-field Name",
    ];
    for line in prepared {
        assert_eq!(run(line).0, 0, "{line}: {}", run(line).1);
    }

    let mut found = Vec::new();
    helps(&[], &mut found);
    let (mut run_once, mut failed) = (BTreeSet::new(), Vec::new());
    for (command, help) in found {
        let Some((_, examples)) = help.split_once("\nExamples:\n") else {
            assert!(help.contains("\nCommands:\n"), "{command:?} has no examples");
            continue;
        };
        let examples: Vec<&str> = examples.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert!(examples.len() >= 2, "{command:?} has {} examples", examples.len());
        for example in examples {
            let plain = example.starts_with("gallop ") && !example.contains(['|', '>']) || example.contains(">=");
            let left_out = NOT_RUN.iter().any(|begin| example.starts_with(begin)) || example.contains("s3://")
                // Another server.
                || example.contains("--endpoint");
            if !plain || left_out || !run_once.insert(example.to_owned()) {
                continue;
            }
            let example = example.replace("gallop-data/archive", data.join("archive").to_str().expect("text"));
            if example.starts_with("gallop stream delete") {
                // Each of them deletes it.
                run("gallop stream create old-rides");
            }
            // Each of them finds the shards as they were.
            let example = match RESHAPE.iter().any(|begin| example.starts_with(begin)) {
                true => {
                    let fresh = format!("fresh-{}", run_once.len());
                    run(&format!("gallop stream create {fresh} --shards 2"));
                    example.replace("wildrydes", &fresh)
                }
                false => example,
            };
            let (status, said) = run(&example);
            let expected = if NOT_FOUND.iter().any(|begin| example.starts_with(begin)) { 3 } else { 0 };
            if status != expected {
                failed.push(format!("{example}\n  exit {status}: {said}"));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(run_once.len() >= 30, "only {} examples were run", run_once.len());
}

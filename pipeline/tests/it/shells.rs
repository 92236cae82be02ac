//! What shells, `man` and the AWS command line are given.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::server::{Server, gallop};

/// Whether a program is on this machine.
fn is_here(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn script(shell: &str) -> String {
    let output = gallop().args(["completions", shell]).output().expect("the binary starts");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_shell_gets_a_script_with_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = script(shell);
        for command in ["serve", "doctor", "inspect", "config", "completions"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    // Those that are here read their script.
    for (shell, args) in [("zsh", &["-n"][..]), ("fish", &["--no-execute"])] {
        if is_here(shell) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let file = folder.path().join("completions");
            std::fs::write(&file, script(shell)).expect("written");
            assert!(Command::new(shell).args(args).arg(&file).status().expect("it starts").success(), "{shell}");
        }
    }
}

#[test]
fn bash_completes_commands_and_flags() {
    let complete = |words: &str, at: usize| {
        let asked = format!(
            "{}\nCOMP_WORDS=({words})\nCOMP_CWORD={at}\n_gallop gallop \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{}]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script("bash"),
            at - 1
        );
        // As input: the script is longer than an argument may be.
        let mut bash = Command::new("bash");
        let output = crate::server::output_in_time(bash.args(["--norc", "-s"]), &asked);
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("gallop doc", 1), ["doctor"]);
    assert_eq!(complete("gallop config sh", 2), ["show"]);
    assert_eq!(complete("gallop inspect --rec", 2), ["--records"]);
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let written = gallop().args(["man", "--folder"]).arg(folder.path()).output().expect("it starts");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    for page in ["gallop.1", "gallop-serve.1", "gallop-config-check.1", "gallop-doctor.1"] {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap_or_else(|_| panic!("no {page}"));
        assert!(text.contains(".SH NAME") && (page == "gallop.1" || text.contains("Examples")), "{page}");
    }
}

#[test]
fn the_aws_command_line_is_pointed_at_the_server_and_its_status_passed_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stand_in = folder.path().join("aws");
    let text = "#!/bin/sh\necho \"$@\"\nenv | grep -E '^AWS_' | sort\nexit 254\n";
    std::fs::write(&stand_in, text).expect("written");
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).expect("changed");
    let data = folder.path().join("data");
    let run = |variables: &[(&str, &str)]| {
        let mut command = gallop();
        command.args(["aws", "--endpoint", "http://127.0.0.1:9", "--data"]).arg(&data);
        command.env("GALLOP_AWS", &stand_in).envs(variables.iter().copied());
        let output = command.args(["--", "kinesis", "list-streams"]).output().expect("it starts");
        assert_eq!(output.status.code(), Some(254), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let said = run(&[]);
    for line in [
        "--endpoint-url http://127.0.0.1:9 kinesis list-streams",
        "AWS_ENDPOINT_URL=http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID=any",
        "AWS_DEFAULT_REGION=us-east-1",
        "AWS_PAGER=",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    // The keys that the server's first start made.
    std::fs::create_dir(&data).expect("made");
    let kept = "[credentials.admin]\naccess_key_id = \"GALLOPKEY\"\nsecret = \"the secret\"\n";
    std::fs::write(data.join("credentials.toml"), kept).expect("written");
    let said = run(&[]);
    assert!(
        said.contains("AWS_ACCESS_KEY_ID=GALLOPKEY\n") && said.contains("AWS_SECRET_ACCESS_KEY=the secret\n"),
        "{said}"
    );
    // What somebody names ranks above.
    let said = run(&[("AWS_ACCESS_KEY_ID", "own"), ("AWS_SECRET_ACCESS_KEY", "own"), ("AWS_REGION", "eu-central-1")]);
    assert!(said.contains("AWS_ACCESS_KEY_ID=own\n") && !said.contains("AWS_DEFAULT_REGION"), "{said}");

    let exports = gallop().args(["env", "--data"]).arg(&data).output().expect("it starts");
    let exports = String::from_utf8(exports.stdout).expect("text");
    assert!(exports.contains("export AWS_SECRET_ACCESS_KEY='the secret'\n"), "{exports}");
    let nothing =
        gallop().args(["aws", "--", "s3", "ls"]).env("GALLOP_AWS", "/no/such/aws").output().expect("it starts");
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(nothing.status.code() == Some(3) && said.contains("pip install awscli"), "{said}");
}

#[test]
fn a_stock_aws_command_line_lists_streams() {
    let aws = crate::installed::installed("python").join("bin/aws");
    if !aws.exists() {
        println!("left out: the Python clients have no AWS command line");
        return;
    }
    let data = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(data.path().join("gallop.toml"), "[streams.rides]\n").expect("written");
    let server = Server::start(data.path());
    let mut command = gallop();
    command.args(["aws", "--endpoint", &server.url, "--data"]).arg(data.path()).env("GALLOP_AWS", aws);
    let listed = command.args(["--", "kinesis", "list-streams"]).output().expect("it starts");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\"rides\""));
}

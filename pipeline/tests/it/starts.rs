//! A start, as whoever types it sees it: what it says, what stands in its way, and how quiet it is afterwards.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::server::{Server, gallop, terminate, write_certificate};

/// What a start says on standard output, up to its last line.
fn banner(child: &mut Child, last: &str) -> Vec<String> {
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut said = Vec::new();
    for line in stdout.lines() {
        said.push(line.expect("text"));
        if said.last().is_some_and(|line| line.starts_with(last)) {
            break;
        }
    }
    said
}

#[test]
fn a_start_says_where_it_is_what_it_keeps_who_may_come_and_what_to_type() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut command = gallop();
    command.args(["serve", "--port", "0", "--data"]).arg(data.path()).env("GALLOP_LOG", "warn");
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
    let said = banner(&mut child, "next: ");
    terminate(&child);
    assert!(child.wait().expect("it ends").success());
    assert_eq!(said.len(), 4, "{said:?}");
    let url = said[0].split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")).expect("a URL");
    assert!(said[0].contains(&format!("AWS_ENDPOINT_URL={url}")), "{said:?}");
    assert_eq!(said[1], format!("data: {}", data.path().display()));
    assert!(said[2].starts_with("access: any signature is accepted"), "{said:?}");
    let next: Vec<&str> = said[3].trim_start_matches("next: ").split(" | ").collect();
    assert_eq!(next.len(), 3, "{said:?}");
    assert!(next.iter().all(|command| command.contains(&format!("--endpoint {url}"))), "{said:?}");
}

#[test]
fn beyond_loopback_the_first_start_makes_credentials_and_shows_them_once() {
    let data = tempfile::tempdir().expect("a temporary folder");
    write_certificate(data.path());
    let settings = "host = \"0.0.0.0\"\n[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    std::fs::write(data.path().join("gallop.toml"), settings).expect("written");
    let start = || {
        let mut command = gallop();
        command.args(["serve", "--port", "0", "--data"]).arg(data.path()).env("GALLOP_LOG", "warn");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let said = banner(&mut child, "next: ").join("\n");
        terminate(&child);
        assert!(child.wait().expect("it ends").success());
        said
    };
    let first = start();
    let kept = std::fs::read_to_string(data.path().join("credentials.toml")).expect("they are kept");
    let secret =
        kept.lines().find_map(|line| line.strip_prefix("secret = \"")).expect("a secret").trim_end_matches('"');
    assert!(first.contains(&format!("export AWS_SECRET_ACCESS_KEY={secret}")), "{first}");
    let second = start();
    assert!(
        !second.contains(secret) && second.contains("must be signed by one of these credentials: admin"),
        "{second}"
    );
}

#[test]
fn a_port_or_a_folder_that_is_taken_names_who_has_it() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let holder = format!("process {} (", server.id());
    let port = server.url.rsplit(':').next().expect("a port").to_owned();

    let other = tempfile::tempdir().expect("a temporary folder");
    let refused = gallop().args(["serve", "--port", &port, "--data"]).arg(other.path()).output().expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(6), "{said}");
    let said = &said[said.find("error: ").expect("an error")..];
    assert!(said.starts_with(&format!("error: port {port} is in use\n")), "{said}");
    assert!(
        said.contains(&holder) && said.contains(" serve ") && said.contains("--port (0 chooses a free one)"),
        "{said}"
    );

    let refused = gallop().args(["serve", "--port", "0", "--data"]).arg(data.path()).output().expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(6), "{said}");
    assert!(said.contains(&format!("error: the data folder {} is in use", data.path().display())), "{said}");
    assert!(said.contains(&holder) && said.contains("name another folder with --data"), "{said}");
}

/// How long an idle server is watched: longer than any pause between its looks at retention and at certificates.
const IDLE: std::time::Duration = std::time::Duration::from_secs(12);

#[test]
fn an_idle_server_has_nothing_to_say() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let begun =
        gallop().args(["config", "init", "--for", "demo", "--file"]).arg(data.path().join("gallop.toml")).output();
    assert!(begun.expect("it starts").status.success());
    let mut command = gallop();
    command.args(["serve", "--port", "0", "--data"]).arg(data.path()).env("GALLOP_LOG_FORMAT", "text");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let (said, lines) = std::sync::mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(said.send(line))));
    let patience = crate::server::PATIENCE;
    while !lines.recv_timeout(patience).expect("it says that it listens").contains("gallop listens") {}
    let (begin, mut idle) = (std::time::Instant::now(), Vec::new());
    while let Some(left) = IDLE.checked_sub(begin.elapsed()) {
        idle.extend(lines.recv_timeout(left));
    }
    terminate(&child);
    assert!(child.wait().expect("it ends").success());
    // Queries and deliveries begin their work behind the start.
    idle.retain(|line| !line.contains(" started "));
    assert!(idle.len() <= 1, "{idle:?}");
}

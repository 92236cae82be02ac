//! A hundred thousand requests that are not quite right, over real HTTP: each gets an answer that blames the client, and
//! the server neither panics nor grows. `SEED=...` repeats a run.

mod corpus;
mod mutation;
mod wire;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::server::Server;
use corpus::Call;
use wire::{Connection, Head};

const REQUESTS: usize = 100_000;
const CONNECTIONS: usize = 8;
/// Every so many requests of a connection, what they have created is removed.
const CLEAN_AFTER: usize = 2_000;
/// What the server may have more at the end than after its first tenth.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

/// Sends `count` requests; returns how many of them were refused.
async fn send(url: String, seed: u64, count: usize, guarded: bool) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let calls = corpus::calls();
    let mut connection = Connection::open(&url).await;
    let mut refused = 0;
    for number in 0..count {
        if number % CLEAN_AFTER == 0 && !guarded {
            corpus::clean(&mut connection).await;
        }
        let call = calls.choose(&mut random).expect("there are calls");
        let raw = random.random_bool(0.05);
        let (request, what) = request(call, &calls, raw, guarded, &mut random);
        let status = match raw {
            true => Connection::open(&url).await.send_and_leave(&request).await,
            false => connection.send(&request).await,
        };
        let shown = || format!("seed {seed}, request {number}, {what}: {}", request.escape_ascii());
        match status {
            Some(status) => {
                assert!(status < 500, "{status} for {}", shown());
                assert!(!guarded || status >= 300, "{status} for {}", shown());
                refused += usize::from(status >= 400);
            }
            // Where the frame itself was wrong the server may close without a word.
            None => assert!(raw, "no answer to {}", shown()),
        }
    }
    refused
}

/// A request that is wrong in its body, in a header, or in any byte; and which of them.
fn request(call: &Call, calls: &[Call], raw: bool, guarded: bool, random: &mut StdRng) -> (Vec<u8>, &'static str) {
    let mut head = Head::of(call);
    if guarded {
        head.sign();
    }
    let mut body = call.body.clone();
    let what = if raw {
        "any byte"
    } else {
        match random.random_range(0..10) {
            0..7 => {
                mutation::mutate(&mut body, |random| &calls.choose(random).expect("there are calls").body, random);
                "body"
            }
            7..9 => {
                head.mutate(random);
                "header"
            }
            _ => {
                body = (0..random.random_range(0..300)).map(|_| random.random()).collect();
                "random body"
            }
        }
    };
    let mut request = head.with(&body);
    if raw {
        mutation::mutate(&mut request, |random| &calls.choose(random).expect("there are calls").body, random);
    }
    (request, what)
}

/// Runs `count` requests against `server`, and returns how many were refused.
async fn run(server: &Server, seed: u64, count: usize, guarded: bool) -> usize {
    let connections: Vec<_> = (0..CONNECTIONS as u64)
        .map(|connection| {
            let (url, seed) = (server.url.clone(), seed.wrapping_add(connection));
            tokio::spawn(async move { send(url, seed, count / CONNECTIONS, guarded).await })
        })
        .collect();
    let mut refused = 0;
    for connection in connections {
        refused += connection.await.expect("every request has its answer");
    }
    refused
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("SEED is a number"));
    println!("seed {seed}");
    seed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_malformed_requests_do_no_harm() {
    let (seed, data) = (seed(), tempfile::tempdir().expect("a temporary folder"));
    let (server, log) = Server::start_logged(data.path());
    let mut refused = run(&server, seed, REQUESTS / 10, false).await;
    let before = server.resident_bytes();
    refused += run(&server, seed.wrapping_add(1000), REQUESTS * 8 / 10, false).await;
    let after = server.resident_bytes();
    println!("{refused} of {} refused; {} MiB, then {} MiB", REQUESTS * 9 / 10, before >> 20, after >> 20);
    assert!(after < before + GROWTH_BYTES_MAX, "{before} bytes before, {after} after");
    assert!(refused > REQUESTS / 2, "{refused} refused are too few: the requests were not malformed");
    drop(server);
    let said = std::fs::read_to_string(log).expect("the server's log");
    assert!(!said.contains("panicked"), "{said}");
}

/// The same where signatures are asked for: none of them fits, and nothing is let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_signatures_let_nobody_in() {
    const SETTINGS: &str = r#"
[credentials.producer]
access_key_id = "AKIDPRODUCER"
secret = "the secret of the producer"

[[credentials.producer.policy]]
effect = "allow"
actions = ["*"]
resources = ["*"]
"#;
    let (seed, data) = (seed(), tempfile::tempdir().expect("a temporary folder"));
    std::fs::write(data.path().join("gallop.toml"), SETTINGS).expect("the folder can be written");
    let (server, log) = Server::start_logged(data.path());
    let refused = run(&server, seed, REQUESTS / 10, true).await;
    assert!(refused > REQUESTS / 10 * 9 / 10, "{refused}");
    drop(server);
    let said = std::fs::read_to_string(log).expect("the server's log");
    assert!(!said.contains("panicked"), "{said}");
}

//! Ad hoc SQL over HTTP: one query for its rows, and clients that ask for too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::rig::http::Caller;

/// Queries that need more memory, time or temporary files than a server gives one.
const HOSTILE: [&str; 4] = [
    "SELECT COUNT(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b WHERE a.value * b.value % 7 = 3",
    "SELECT length(array_to_string(range(0, 4000000), repeat('x', 60000)))",
    "SELECT value % 9000000 AS g, COUNT(*) FROM generate_series(1, 400000000) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1",
    "SELECT MAX(m) FROM (SELECT md5(CAST(value AS VARCHAR)) AS m FROM generate_series(1, 900000000))",
];

/// How long a client waits after a query that was turned away.
const PAUSE: Duration = Duration::from_millis(10);

/// One query on a connection of its own, which must succeed: how long it took, and the answer.
pub(crate) async fn rows(caller: &Caller, sql: &str) -> anyhow::Result<(Duration, String)> {
    let (took, answer) = ask(caller, sql).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{sql}: {answer}");
    Ok((took, answer))
}

/// One query on a connection of its own: how long it took, and the answer.
async fn ask(caller: &Caller, sql: &str) -> anyhow::Result<(Duration, String)> {
    let body = serde_json::json!({ "sql": sql }).to_string();
    let request = format!(
        "POST /v1/sql HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        caller.address,
        body.len()
    );
    let begin = Instant::now();
    let mut stream = TcpStream::connect(&caller.address).await.context("the server cannot be reached")?;
    stream.set_nodelay(true)?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok((begin.elapsed(), answer))
}

/// Clients that run hostile queries, one after the other each, until this is dropped.
pub(crate) struct HostileClients {
    ended: Arc<AtomicU64>,
    _clients: JoinSet<()>,
}

impl HostileClients {
    /// Starts `count` of them.
    pub(crate) fn start(caller: &Caller, count: u32) -> HostileClients {
        let (ended, mut clients) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
        for first in 0..count as usize {
            let (caller, ended) = (caller.clone(), Arc::clone(&ended));
            clients.spawn(async move {
                for sql in HOSTILE.iter().cycle().skip(first) {
                    match ask(&caller, sql).await {
                        Ok((_, answer)) if answer.starts_with("HTTP/1.1 200") => {}
                        _ => tokio::time::sleep(PAUSE).await,
                    }
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        HostileClients { ended, _clients: clients }
    }

    /// Queries that have come to an end, by an error or by an answer.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }
}

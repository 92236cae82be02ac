//! Connections that do not do what connections do: each meets its deadline, and the others do not notice.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use gateway::accept::options::AcceptOptions;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::Server;

/// So short that a test need not wait, where a deadline is to be met.
const SHORT: Duration = Duration::from_millis(60);
/// So long that it is never met.
const LONG: Duration = Duration::from_secs(600);
/// How often a client sends a byte that trickles.
const DRIP: Duration = Duration::from_millis(5);

/// Only the bounds that a test names are near.
fn far() -> AcceptOptions {
    AcceptOptions {
        first_byte_max: LONG,
        handshake_max: LONG,
        head_max: LONG,
        idle_max: LONG,
        body_grace: LONG,
        body_max: LONG,
        ..AcceptOptions::default()
    }
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

/// All that comes until the server hangs up; a reset is a way to do that.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

/// Sends a byte now and then until the server hangs up or answers; what it answered.
async fn drip(stream: &mut TcpStream, byte: u8) -> String {
    let mut answer = vec![0; 4096];
    loop {
        if stream.write_all(&[byte]).await.is_err() {
            return String::new();
        }
        if let Ok(read) = timeout(DRIP, stream.read(&mut answer)).await {
            answer.truncate(read.unwrap_or_default());
            return String::from_utf8(answer).unwrap();
        }
    }
}

#[tokio::test]
async fn silence_from_the_first_is_ended() {
    let server = Server::accepting(AcceptOptions { first_byte_max: SHORT, ..far() }, None).await;
    let silent: FuturesUnordered<_> = (0..200).map(|_| async { rest(&mut connect(&server).await).await }).collect();
    let good = async { server.get("/healthz").await.status };
    let (answers, good) = tokio::join!(silent.collect::<Vec<_>>(), good);
    assert!(answers.iter().all(String::is_empty));
    assert_eq!(good, StatusCode::OK);
}

#[tokio::test]
async fn heads_that_trickle_are_ended() {
    let server = Server::accepting(AcceptOptions { head_max: SHORT, ..far() }, None).await;
    for begun in ["GET /healthz HTTP/1.1\r\nx-slow: ", "G"] {
        let mut stream = connect(&server).await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(drip(&mut stream, b'x').await, "", "{begun}");
    }
    let mut stream = connect(&server).await;
    stream.write_all(b"PRI * HTTP/2.0").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    // The second of a connection as the first.
    let mut stream = connect(&server).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nx-slow: ").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with(r#"{"status":"ok"}"#) && !answer.contains("HTTP/1.1"), "{answer}");
}

#[tokio::test]
async fn bodies_that_trickle_are_refused_by_name() {
    let server = Server::accepting(AcceptOptions { body_grace: SHORT, ..far() }, None).await;
    let kinesis = "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: Kinesis_20131202.PutRecord\r\n\
        content-type: application/x-amz-json-1.1\r\ncontent-length: 100000\r\n\r\n";
    let sql = "POST /v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n";
    for (head, name) in [(kinesis, "RequestTimeoutException"), (sql, "body_too_slow")] {
        let mut stream = connect(&server).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = drip(&mut stream, b' ').await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(name), "{answer}");
        assert_eq!(rest(&mut stream).await, "", "the connection is of no more use");
    }
}

#[tokio::test]
async fn connections_without_requests_are_ended() {
    let server = Server::accepting(AcceptOptions { idle_max: SHORT, ..far() }, None).await;
    let mut kept = connect(&server).await;
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(rest(&mut kept).await.starts_with("HTTP/1.1 200 OK"));
    let io = TokioIo::new(connect(&server).await);
    let (mut send, connection) = http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{}/healthz", server.address)).body(Full::default()).unwrap();
    let answer = send.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.collect().await.unwrap().to_bytes(), r#"{"status":"ok"}"#);
    // Told, not cut.
    connection.await.unwrap().unwrap();
}

/// Who waits for the server's own work is not idle, however long it takes.
#[tokio::test]
async fn requests_under_way_are_waited_for() {
    let server = Server::accepting(AcceptOptions { idle_max: SHORT, head_max: SHORT, ..far() }, None).await;
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await;
    let mut stream = connect(&server).await;
    let body = r#"{"StreamName":"s"}"#;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-target: Kinesis_20131202.DescribeStreamSummary\r\n\
         content-type: application/x-amz-json-1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Several times the bound of heads and of idle connections; the bound of bodies is far.
    let early = timeout(SHORT * 4, stream.read(&mut [0; 1])).await;
    assert!(early.is_err(), "{early:?}");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait_for_one() {
    let server = Server::accepting(AcceptOptions { connections_max: 2, ..far() }, None).await;
    let ask = async |stream: &mut TcpStream| {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 15]).await.unwrap();
    };
    let (mut first, mut second) = (connect(&server).await, connect(&server).await);
    ask(&mut first).await;
    ask(&mut second).await;
    let mut third = connect(&server).await;
    let waiting = ask(&mut third);
    tokio::pin!(waiting);
    assert!(timeout(SHORT, waiting.as_mut()).await.is_err(), "there is no place");
    drop(first);
    waiting.await;
    ask(&mut second).await;
}

#[tokio::test]
async fn heads_have_a_bound() {
    let server = Server::accepting(far(), None).await;
    for (bytes, status) in [(10 << 10, "200"), (20 << 10, "431")] {
        let mut stream = connect(&server).await;
        let long = "x".repeat(bytes);
        let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

/// Each may be a MiB, so there is a bound on how many there are; requests without a body are not held up.
#[tokio::test]
async fn rest_requests_with_a_body_are_bounded_in_number() {
    const REQUESTS_MAX: usize = 256;
    let server = Server::start().await;
    let mut unfinished = Vec::new();
    for _ in 0..REQUESTS_MAX {
        let mut stream = connect(&server).await;
        let head = format!("POST /v1/sql HTTP/1.1\r\nhost: {}\r\n", server.address);
        let head = format!("{head}content-type: application/json\r\ncontent-length: 20\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        unfinished.push(stream);
    }
    let post = async || {
        let sql = Request::post(format!("http://{}/v1/sql", server.address)).header("content-type", "application/json");
        server.send(sql.body(r#"{"sql":"SELECT 1"}"#.to_owned()).unwrap()).await
    };
    let refused = loop {
        // The server has not read all heads yet.
        let answer = post().await;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(refused.json()["error"]["code"], "too_many_requests");
    assert_eq!(server.get("/v1/tables").await.status, StatusCode::OK);
    drop(unfinished);
    while post().await.status == StatusCode::SERVICE_UNAVAILABLE {
        tokio::task::yield_now().await;
    }
}

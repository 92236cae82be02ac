//! HTTP/1.1 by hand, so that a request can be as wrong as it likes.

use rand::Rng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::corpus::Call;
use super::mutation;
use crate::server::PATIENCE;

/// A head as SDKs send it.
pub(super) struct Head {
    headers: Vec<(&'static str, Vec<u8>)>,
}

impl Head {
    pub(super) fn of(call: &Call) -> Head {
        let mut headers = vec![
            ("host", b"localhost".to_vec()),
            ("x-amz-target", format!("Kinesis_20131202.{}", call.operation).into_bytes()),
            ("content-type", call.content_type.into()),
            ("user-agent", b"aws-sdk-rust/1.3.14 os/linux lang/rust/1.95.0".to_vec()),
            ("amz-sdk-request", b"attempt=1; max=3".to_vec()),
        ];
        if call.gzip {
            headers.push(("content-encoding", b"gzip".to_vec()));
        }
        Head { headers }
    }

    /// Adds a signature in the right form, of somebody who does not know the secret.
    pub(super) fn sign(&mut self) {
        let credential = "AKIDPRODUCER/20261121/us-east-1/kinesis/aws4_request";
        let signed = "content-type;host;x-amz-date;x-amz-target";
        let signature = "0123456789abcdef".repeat(4);
        self.headers.push(("x-amz-date", b"20261121T080000Z".to_vec()));
        let value = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}");
        self.headers.push(("authorization", value.into_bytes()));
    }

    /// Changes one value, within what HTTP lets a value be.
    pub(super) fn mutate(&mut self, random: &mut StdRng) {
        let at = random.random_range(1..self.headers.len());
        let mut values = self.headers.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let value = &mut values[at];
        mutation::mutate(value, |random| &VALUES[random.random_range(0..VALUES.len())], random);
        value.retain(|byte| matches!(byte, b' '..=b'~' | 0x80..));
        self.headers[at].1 = std::mem::take(value);
    }

    /// The whole request.
    pub(super) fn with(&self, body: &[u8]) -> Vec<u8> {
        let mut request = b"POST / HTTP/1.1\r\n".to_vec();
        for (name, value) in &self.headers {
            request.extend_from_slice(name.as_bytes());
            request.extend_from_slice(b": ");
            request.extend_from_slice(value);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        request.extend_from_slice(body);
        request
    }
}

/// Values to mix with.
static VALUES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
    let values = [
        "Kinesis_20131202.PutRecords",
        "application/x-amz-cbor-1.1",
        "AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=, Signature=",
        "gzip, br",
        "20260230T256199Z",
    ];
    values.iter().map(|value| value.as_bytes().to_vec()).collect()
});

/// A connection to the server, opened anew whenever the server has closed it.
pub(super) struct Connection {
    address: String,
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(url: &str) -> Connection {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&address).await.expect("the server listens");
        Connection { address, stream, read: Vec::new() }
    }

    /// The status of the answer; none when there was no answer.
    pub(super) async fn send(&mut self, request: &[u8]) -> Option<u16> {
        let (status, again) = match timeout(PATIENCE, self.exchange(request)).await.expect("an answer in time") {
            Some((status, _, again)) => (Some(status), again),
            None => (None, false),
        };
        if !again {
            *self = Connection::open(&self.address).await;
        }
        status
    }

    /// The answer to a request that is right.
    pub(super) async fn call(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        let answer = timeout(PATIENCE, self.exchange(request)).await.expect("an answer in time");
        let (status, body, again) = answer.expect("an answer");
        if !again {
            *self = Connection::open(&self.address).await;
        }
        (status, body)
    }

    /// Sends what may be no request at all, says that nothing follows, and waits until the server has done with it. None
    /// when it has closed without an answer.
    pub(super) async fn send_and_leave(mut self, request: &[u8]) -> Option<u16> {
        // The server may have heard enough before the end.
        let _ = self.stream.write_all(request).await;
        let _ = self.stream.shutdown().await;
        let answer = timeout(PATIENCE, self.answer()).await.expect("the server closes");
        answer.map(|(status, ..)| status)
    }

    async fn exchange(&mut self, request: &[u8]) -> Option<(u16, Vec<u8>, bool)> {
        self.read.clear();
        self.stream.write_all(request).await.ok()?;
        self.answer().await
    }

    /// Status, body, and whether the connection goes on. What comes in chunks, as events do, is not read.
    async fn answer(&mut self) -> Option<(u16, Vec<u8>, bool)> {
        let head_bytes = loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.read[..head_bytes]).to_ascii_lowercase();
        let status = head.split_whitespace().nth(1)?.parse().ok()?;
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
        };
        let Some(length) = header("content-length").and_then(|length| length.parse::<usize>().ok()) else {
            return Some((status, Vec::new(), false));
        };
        while self.read.len() < head_bytes + length {
            self.more().await?;
        }
        let body = self.read[head_bytes..head_bytes + length].to_vec();
        Some((status, body, header("connection").as_deref() != Some("close")))
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.read).await.ok()?;
        (read > 0).then_some(())
    }
}

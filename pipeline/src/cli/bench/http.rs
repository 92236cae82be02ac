//! A client that costs little: requests are bytes made once and sent many times, answers are read into one buffer.
//! It knows as much HTTP/1.1 as our server speaks to it, and checks that.

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest answer that is taken.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How much is asked of the socket at a time.
const READ_BYTES: usize = 1 << 20;

/// Makes requests to one server.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Host and port.
    pub(crate) address: String,
}

impl Caller {
    /// The bytes of one call of `operation`.
    pub(crate) fn request(&self, operation: &str, body: &[u8]) -> Bytes {
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-amz-json-1.1\r\n\
             x-amz-target: Kinesis_20131202.{operation}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        [head.as_bytes(), body].concat().into()
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(&self.address).await.context("the server cannot be reached")?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, answer: Vec::new() })
    }

    /// One call on a connection of its own.
    pub(crate) async fn call(&self, operation: &str, body: &str) -> anyhow::Result<String> {
        let mut connection = self.connect().await?;
        let answer = connection.call(&self.request(operation, body.as_bytes())).await;
        Ok(String::from_utf8_lossy(answer.with_context(|| operation.to_owned())?).into_owned())
    }
}

/// A connection with at most one call under way.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads the body of its answer. Any status but 200 is an error that shows the answer.
    pub(crate) async fn call(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await.context("the server takes no more")?;
        self.answer.clear();
        let (head_bytes, body_bytes) = loop {
            self.read().await?;
            if let Some(end) = memmem::find(&self.answer, b"\r\n\r\n") {
                break (end + 4, content_length(&self.answer[..end])?);
            }
        };
        ensure!(body_bytes <= ANSWER_BYTES_MAX, "an answer of {body_bytes} bytes");
        while self.answer.len() < head_bytes + body_bytes {
            self.read().await?;
        }
        let body = &self.answer[head_bytes..];
        ensure!(body.len() == body_bytes, "the answer is longer than it says");
        if !self.answer.starts_with(b"HTTP/1.1 200 ") {
            bail!("{}", String::from_utf8_lossy(&self.answer[..self.answer.len().min(1000)]));
        }
        Ok(body)
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        self.answer.reserve(READ_BYTES);
        let read = self.stream.read_buf(&mut self.answer).await?;
        ensure!(read > 0, "the server hung up");
        Ok(())
    }
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head).context("headers are text")?;
    let value = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    value.context("the answer says no length")?.trim().parse().context("a length is a number")
}

/// The text after `"member":"` in an answer, up to the next quote.
pub(crate) fn text_member<'a>(answer: &'a [u8], member: &str) -> Option<&'a str> {
    let begin = format!("\"{member}\":\"");
    let at = memmem::rfind(answer, begin.as_bytes())? + begin.len();
    let end = memchr::memchr(b'"', &answer[at..])?;
    std::str::from_utf8(&answer[at..at + end]).ok()
}

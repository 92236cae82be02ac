//! A client that costs little: bodies are made and hashed once and sent many times, answers are read into one buffer.
//! It knows as much HTTP/1.1 as our server speaks to it, and checks that.

use std::io::Write;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, Bytes};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::sign::{Signable, Signer, sha256_hex};

/// The largest answer that is taken.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How much is asked of the socket at a time.
const READ_BYTES: usize = 1 << 20;
/// The forms of a body.
const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";

/// One call, to be made any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    target: String,
    content_type: &'static str,
    /// The input.
    pub(crate) body: Bytes,
    body_hash: String,
}

impl Request {
    /// A call of `operation` with an input in JSON.
    pub(crate) fn new(operation: &str, body: impl Into<Bytes>) -> Request {
        Request::of(operation, JSON, body.into())
    }

    /// A call of `operation` with an input in CBOR, as the SDK for Java makes it.
    pub(crate) fn cbor(operation: &str, body: impl Into<Bytes>) -> Request {
        Request::of(operation, CBOR, body.into())
    }

    fn of(operation: &str, content_type: &'static str, body: Bytes) -> Request {
        let target = format!("Kinesis_20131202.{operation}");
        Request { target, content_type, body_hash: sha256_hex(&body), body }
    }

    fn signable<'a>(&'a self, host: &'a str) -> Signable<'a> {
        Signable { content_type: self.content_type, host, target: &self.target, body_hash: &self.body_hash }
    }
}

/// Whom calls are made to, and whether they are signed.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Host and port.
    pub(crate) address: String,
    /// Whether the server asks for signatures.
    pub(crate) signed: bool,
}

impl Caller {
    /// What writes the heads of calls.
    pub(crate) fn heads(&self) -> Heads {
        Heads { address: self.address.clone(), signer: self.signed.then(Signer::default) }
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(&self.address).await.context("the server cannot be reached")?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, heads: self.heads(), head: Vec::new(), answer: Vec::new() })
    }

    /// One call on a connection of its own.
    pub(crate) async fn call(&self, operation: &str, body: &str) -> anyhow::Result<String> {
        let mut connection = self.connect().await?;
        let answer = connection.call(&Request::new(operation, body.to_owned())).await;
        Ok(String::from_utf8_lossy(answer.with_context(|| operation.to_owned())?).into_owned())
    }
}

/// Writes the heads of calls.
#[derive(Debug)]
pub(crate) struct Heads {
    address: String,
    signer: Option<Signer>,
}

impl Heads {
    /// Replaces what is in `head`.
    pub(crate) fn write(&mut self, request: &Request, head: &mut Vec<u8>) {
        head.clear();
        write!(
            head,
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: {}\r\nx-amz-target: {}\r\n\
             content-length: {}\r\n",
            self.address,
            request.content_type,
            request.target,
            request.body.len()
        )
        .expect("writing to memory does not fail");
        if let Some(signer) = &mut self.signer {
            signer.sign(request.signable(&self.address), head);
        }
        head.extend_from_slice(b"\r\n");
    }

    /// Header fields for a call over HTTP/2, where the host is the authority.
    pub(crate) fn fields(&mut self, request: &Request) -> Vec<(String, String)> {
        let mut fields = vec![
            ("content-type".to_owned(), request.content_type.to_owned()),
            ("x-amz-target".to_owned(), request.target.clone()),
        ];
        let mut signed = Vec::new();
        if let Some(signer) = &mut self.signer {
            signer.sign(request.signable(&self.address), &mut signed);
        }
        let signed = String::from_utf8_lossy(&signed);
        let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        fields.extend(signed.lines().filter_map(split));
        fields
    }
}

/// A connection with at most one call under way.
pub(crate) struct Connection {
    stream: TcpStream,
    heads: Heads,
    head: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends a request and reads the body of its answer. Any status but 200 is an error that shows the answer.
    pub(crate) async fn call(&mut self, request: &Request) -> anyhow::Result<&[u8]> {
        self.heads.write(request, &mut self.head);
        let mut bytes = Buf::chain(self.head.as_slice(), request.body.as_ref());
        self.stream.write_all_buf(&mut bytes).await.context("the server takes no more")?;
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

/// What the head of an answer says of its body.
pub(crate) fn content_length(head: &[u8]) -> anyhow::Result<usize> {
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

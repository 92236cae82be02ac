//! Whole lines out of the body of an answer that goes on and on.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body_util::BodyStream;
use hyper::body::Incoming;

use crate::failure::{Failure, Kind, innermost};

/// The longest line that is taken: a record of 10 MiB as base64, and what stands around it.
const LINE_BYTES_MAX: usize = 32 << 20;

/// Reads a body.
pub struct LineReader {
    body: BodyStream<Incoming>,
    rest: BytesMut,
}

impl LineReader {
    /// Reads `body`.
    pub fn new(body: Incoming) -> Self {
        LineReader { body: BodyStream::new(body), rest: BytesMut::new() }
    }

    /// The next whole lines, with their line ends; none at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let broken = |why: String| {
            Failure::new(Kind::Unreachable, "the answer broke off").why(why).fix("see whether the server still runs")
        };
        loop {
            if let Some(end) = memchr::memrchr(b'\n', &self.rest) {
                return Ok(Some(self.rest.split_to(end + 1).freeze()));
            }
            if self.rest.len() > LINE_BYTES_MAX {
                return Err(broken(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
            }
            match self.body.next().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(broken(innermost(&error))),
                None if self.rest.is_empty() => return Ok(None),
                None => return Err(broken("it ended in the middle of a line".to_owned())),
            }
        }
    }
}

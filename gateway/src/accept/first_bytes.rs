//! What a client speaks, by the first bytes that it sends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::accept::options::AcceptOptions;

/// What every connection of HTTP/2 begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A TLS record that holds a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Tls,
}

/// The bytes that were read to find out; they belong to what follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstBytes {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl FirstBytes {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn protocol(&self) -> Option<Protocol> {
        match self.bytes() {
            [] => None,
            [TLS_HANDSHAKE, ..] => Some(Protocol::Tls),
            bytes if bytes == PREFACE => Some(Protocol::Http2),
            bytes if PREFACE.starts_with(bytes) => None,
            _ => Some(Protocol::Http1),
        }
    }
}

/// Reads until it is clear. Error: the client hung up or took too long.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    options: &AcceptOptions,
) -> io::Result<(Protocol, FirstBytes)> {
    let mut first = FirstBytes { bytes: [0; PREFACE.len()], length: 0 };
    more(stream, &mut first, options.first_byte_max).await?;
    let rest = async {
        loop {
            if let Some(protocol) = first.protocol() {
                return Ok((protocol, first));
            }
            let length = first.length;
            first.length += at_least_one(stream.read(&mut first.bytes[length..]).await?)?;
        }
    };
    timeout(options.head_max, rest).await?
}

async fn more(stream: &mut (impl AsyncRead + Unpin), first: &mut FirstBytes, max: Duration) -> io::Result<()> {
    first.length = at_least_one(timeout(max, stream.read(&mut first.bytes)).await??)?;
    Ok(())
}

fn at_least_one(read: usize) -> io::Result<usize> {
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(bytes: &[u8]) -> io::Result<(Protocol, Vec<u8>)> {
        // One by one, as an attacker or a bad network would.
        let mut stream = tokio_test_reader(bytes);
        let (protocol, first) = read(&mut stream, &AcceptOptions::default()).await?;
        Ok((protocol, first.bytes().to_vec()))
    }

    fn tokio_test_reader(bytes: &[u8]) -> impl AsyncRead + Unpin + use<> {
        let (client, server) = tokio::io::duplex(1);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let mut client = client;
            // The reader stops when it knows enough.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut client, &bytes).await;
        });
        server
    }

    #[tokio::test]
    async fn the_first_bytes_tell() {
        for (bytes, expected, taken) in [
            (&b"POST / HTTP/1.1\r\n"[..], Protocol::Http1, 2),
            (b"GET /", Protocol::Http1, 1),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest", Protocol::Http2, 24),
            (b"PRI * HTTP/1.1\r\n\r\n", Protocol::Http1, 12),
            (b"\x16\x03\x01", Protocol::Tls, 1),
        ] {
            let (protocol, first) = found(bytes).await.expect("clear");
            assert_eq!((protocol, &first[..]), (expected, &bytes[..taken]));
        }
        assert_eq!(found(b"").await.expect_err("nothing").kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(found(b"PRI").await.expect_err("half").kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_has_an_end() {
        let (client, mut server) = tokio::io::duplex(64);
        let begin = tokio::time::Instant::now();
        let options = AcceptOptions::default();
        assert_eq!(read(&mut server, &options).await.expect_err("silent").kind(), io::ErrorKind::TimedOut);
        assert_eq!(begin.elapsed(), options.first_byte_max);
        let mut client = client;
        tokio::io::AsyncWriteExt::write_all(&mut client, b"PRI *").await.expect("it fits");
        assert_eq!(read(&mut server, &options).await.expect_err("half").kind(), io::ErrorKind::TimedOut);
        assert_eq!(begin.elapsed(), options.first_byte_max + options.head_max);
    }
}

//! Request bodies: bounded one by one in bytes, and all together. Their pace is kept by
//! [`crate::accept::paced`].
//!
//! A body counts from its first byte to the end of its request, so that many clients with large
//! bodies meet a clear refusal and not the end of the server's memory. What a gzip body unpacks to
//! counts too, as it is unpacked.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::accept::paced::is_too_slow;
use crate::aws::error::AwsError;

/// The most bytes of one request's body, as sent and as unpacked: 10 MiB in base64, and room for
/// 500 keys written with escapes.
pub(crate) const BODY_BYTES_MAX: usize = 20 << 20;

/// The most bytes of all bodies that are being read or answered.
pub(crate) const BODIES_BYTES_MAX: usize = 256 << 20;

/// The most that a gzip body may grow by, beyond [`UNPACKED_BYTES_FREE`]: more is an attack, not a
/// batch of records.
const UNPACK_RATIO_MAX: usize = 100;

/// Up to here a gzip body may grow as it likes.
const UNPACKED_BYTES_FREE: usize = 1 << 20;

/// How much is unpacked before other requests have their turn.
const UNPACK_STEP_BYTES: usize = 128 << 10;

/// The first allocation for a body of several parts, whatever length it claims.
const FIRST_BYTES_MAX: usize = 256 << 10;

/// The bytes that all bodies share.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    free: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Bodies::new(BODIES_BYTES_MAX)
    }
}

/// A whole body. Its bytes count until it is dropped.
#[derive(Debug)]
pub(crate) struct Received {
    /// As sent: what a signature covers.
    pub(crate) bytes: Bytes,
    held: Held,
}

/// A share of the bytes.
#[derive(Debug)]
struct Held {
    bodies: Bodies,
    permit: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// `bytes_max` for all bodies together.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Bodies { free: Arc::new(Semaphore::new(bytes_max)) }
    }

    /// Reads a body.
    pub(crate) async fn receive(&self, headers: &HeaderMap, body: Body) -> Result<Received, AwsError> {
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return Err(too_large());
        }
        let mut held = Held { bodies: self.clone(), permit: None };
        let bytes = collect(body, length, &mut held).await?;
        Ok(Received { bytes, held })
    }
}

impl Held {
    fn grow(&mut self, bytes: usize) -> Result<(), AwsError> {
        let count = u32::try_from(bytes).map_err(|_| too_large())?;
        let more = Arc::clone(&self.bodies.free).try_acquire_many_owned(count).map_err(|_| AwsError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..AwsError::new(
                "ThrottlingException",
                "Too many bytes of request bodies are in flight on this server: slow down and try again.",
            )
        })?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

async fn collect(mut body: Body, length: Option<u64>, held: &mut Held) -> Result<Bytes, AwsError> {
    let mut first = Bytes::new();
    let mut joined: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|failure| not_whole(&failure))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + joined.len() + data.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        held.grow(data.len())?;
        if first.is_empty() && joined.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
            joined.reserve(expected.clamp(first.len() + data.len(), FIRST_BYTES_MAX.max(first.len() + data.len())));
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&data);
        if body.is_end_stream() {
            break;
        }
    }
    Ok(if joined.is_empty() { first } else { joined.into() })
}

impl Received {
    /// The bytes of the input: unpacked where `Content-Encoding` says so.
    pub(crate) async fn unpack(&mut self, headers: &HeaderMap) -> Result<Bytes, AwsError> {
        match headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?")) {
            None | Some("" | "identity") => Ok(self.bytes.clone()),
            Some("gzip" | "x-gzip") => self.gunzip().await,
            Some(other) => Err(unsupported(&format!("Content-Encoding {other}"))),
        }
    }

    async fn gunzip(&mut self) -> Result<Bytes, AwsError> {
        let bytes_max = BODY_BYTES_MAX.min((self.bytes.len() * UNPACK_RATIO_MAX).max(UNPACKED_BYTES_FREE));
        let mut decoder = MultiGzDecoder::new(self.bytes.as_ref());
        let mut unpacked = Vec::new();
        loop {
            // One byte more than fits, to tell the end from too much.
            let step = UNPACK_STEP_BYTES.min(bytes_max + 1 - unpacked.len());
            self.held.grow(step)?;
            let read = (&mut decoder).take(step as u64).read_to_end(&mut unpacked);
            let read = read.map_err(|_| AwsError::serialization("The body is not valid gzip."))?;
            if unpacked.len() > bytes_max {
                return Err(too_large());
            }
            if read < step {
                return Ok(unpacked.into());
            }
            tokio::task::yield_now().await;
        }
    }
}

fn not_whole(failure: &axum::Error) -> AwsError {
    match is_too_slow(failure) {
        true => AwsError {
            status: StatusCode::REQUEST_TIMEOUT,
            ..AwsError::new("RequestTimeoutException", "The body took too long to arrive.")
        },
        false => AwsError::serialization("The body did not arrive whole."),
    }
}

fn too_large() -> AwsError {
    AwsError {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        ..AwsError::new(
            "RequestEntityTooLargeException",
            format!("The body is over {BODY_BYTES_MAX} bytes, or unpacks to {UNPACK_RATIO_MAX} times its size."),
        )
    }
}

/// A form of body that is not read here.
pub(crate) fn unsupported(what: &str) -> AwsError {
    AwsError {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ..AwsError::new("UnsupportedMediaTypeException", format!("{what} is not supported by this endpoint."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes it")
    }

    fn headers(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, http::HeaderValue::from_static(encoding))])
    }

    async fn received(bodies: &Bodies, bytes: Vec<u8>) -> Received {
        bodies.receive(&HeaderMap::new(), bytes.into()).await.expect("received")
    }

    #[tokio::test]
    async fn bodies_in_flight_share_their_bytes() {
        let bodies = Bodies::new(1000);
        let first = received(&bodies, vec![0; 600]).await;
        let over = bodies.receive(&HeaderMap::new(), vec![0; 600].into()).await.expect_err("over");
        assert_eq!((over.status, over.name), (StatusCode::SERVICE_UNAVAILABLE, "ThrottlingException"));
        drop(first);
        received(&bodies, vec![0; 600]).await;
        assert_eq!(bodies.free.available_permits(), 1000);
    }

    #[tokio::test]
    async fn parts_become_a_whole() {
        let parts: Vec<Result<Bytes, std::io::Error>> = (0..5u8).map(|i| Ok(Bytes::from(vec![i; 3]))).collect();
        let body = Body::from_stream(futures::stream::iter(parts));
        let received = Bodies::default().receive(&HeaderMap::new(), body).await.expect("received");
        assert_eq!(received.bytes, [[0u8; 3], [1; 3], [2; 3], [3; 3], [4; 3]].concat());
    }

    #[tokio::test]
    async fn a_length_over_the_bound_is_refused_before_reading() {
        let length = http::HeaderValue::from(BODY_BYTES_MAX + 1);
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, length)]);
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let refused = Bodies::default().receive(&headers, never).await.expect_err("refused");
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1 << 16])));
        let refused =
            Bodies::default().receive(&HeaderMap::new(), Body::from_stream(endless)).await.expect_err("refused");
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn gzip_is_unpacked_within_its_bounds() {
        let bodies = Bodies::new(BODY_BYTES_MAX);
        let check = async |bytes: Vec<u8>| received(&bodies, bytes).await.unpack(&headers("gzip")).await;
        assert_eq!(check(gzip(b"{}")).await.expect("small"), &b"{}"[..]);
        assert_eq!(check([gzip(b"{"), gzip(b"}")].concat()).await.expect("members"), &b"{}"[..]);
        assert_eq!(check(gzip(&[b' '; UNPACKED_BYTES_FREE])).await.expect("up to here").len(), UNPACKED_BYTES_FREE);
        let bomb = check(gzip(&vec![b' '; 16 << 20])).await.expect_err("a bomb");
        assert_eq!(bomb.status, StatusCode::PAYLOAD_TOO_LARGE);
        let cut = gzip(b"{}");
        assert_eq!(check(cut[..cut.len() - 1].to_vec()).await.expect_err("cut").name, "SerializationException");
        assert_eq!(check(b"{}".to_vec()).await.expect_err("plain").name, "SerializationException");
        let other = received(&bodies, Vec::new()).await.unpack(&headers("br")).await.expect_err("br");
        assert_eq!(other.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(bodies.free.available_permits(), BODY_BYTES_MAX);
    }
}

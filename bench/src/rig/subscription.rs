//! SubscribeToShard over HTTP/2 without TLS, as the SDK for Java speaks it: one connection a consumer, one stream of
//! events a shard.

use anyhow::{Context, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use memchr::memmem;
use tokio::net::TcpStream;

use crate::rig::http::{Caller, Request};

/// What may be under way to one subscription, and to all of a connection.
const WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;
/// The longest frame of an event stream that is taken.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// A connection for the subscriptions of one consumer.
pub(crate) struct Consumer {
    caller: Caller,
    requests: SendRequest<Full<Bytes>>,
    arn: String,
}

impl Consumer {
    /// Connects as the consumer of this ARN.
    pub(crate) async fn connect(caller: &Caller, arn: String) -> anyhow::Result<Consumer> {
        let stream = TcpStream::connect(&caller.address).await.context("the server cannot be reached")?;
        stream.set_nodelay(true)?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let (requests, connection) = builder.handshake(TokioIo::new(stream)).await?;
        // Ends with its last request; what fails, fails there too.
        tokio::spawn(connection);
        Ok(Consumer { caller: caller.clone(), requests, arn })
    }

    /// Subscribes to the records of a shard from `position` on.
    pub(crate) async fn subscribe(&mut self, shard: u32, position: &str) -> anyhow::Result<Subscription> {
        let input = format!(
            "{{\"ConsumerARN\":\"{}\",\"ShardId\":\"shardId-{shard:012}\",\"StartingPosition\":{{\"Type\":\"{position}\"}}}}",
            self.arn
        );
        let call = Request::new("SubscribeToShard", input);
        let mut request = hyper::Request::post(format!("http://{}/", self.caller.address));
        for (name, value) in self.caller.heads().fields(&call) {
            request = request.header(name, value);
        }
        self.requests.ready().await?;
        let response = self.requests.send_request(request.body(Full::new(call.body.clone()))?).await?;
        let status = response.status();
        if status != hyper::StatusCode::OK {
            let body = response.into_body().collect().await?.to_bytes();
            bail!("SubscribeToShard: {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(Subscription { body: response.into_body(), pending: BytesMut::new() })
    }
}

/// The events of one shard.
pub(crate) struct Subscription {
    body: Incoming,
    /// What has arrived of frames that are not whole.
    pending: BytesMut,
}

impl Subscription {
    /// The payload of the next event; nothing at the end. A failed subscription is an error.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            if let Some(event) = self.take_frame()? {
                return Ok(Some(event));
            }
            let Some(arrived) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = arrived?.into_data() {
                self.pending.extend_from_slice(&data);
            }
        }
    }

    fn take_frame(&mut self) -> anyhow::Result<Option<Bytes>> {
        /// Lengths and their checksum before the headers, and a checksum at the end.
        const PRELUDE_BYTES: usize = 12;
        const CHECKSUM_BYTES: usize = 4;
        let Some(mut prelude) = self.pending.get(..PRELUDE_BYTES) else { return Ok(None) };
        let (length, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
        ensure!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
        ensure!(PRELUDE_BYTES + headers + CHECKSUM_BYTES <= length, "a frame is shorter than its headers");
        if self.pending.len() < length {
            self.pending.reserve(length - self.pending.len());
            return Ok(None);
        }
        let frame = self.pending.split_to(length).freeze();
        let payload = frame.slice(PRELUDE_BYTES + headers..length - CHECKSUM_BYTES);
        let failed = memmem::find(&frame[..PRELUDE_BYTES + headers], b"exception").is_some();
        ensure!(!failed, "a subscription failed: {}", String::from_utf8_lossy(&payload));
        Ok(Some(payload))
    }
}

//! A request's body that must arrive at a least rate.
//!
//! One timer a body, made when the first wait begins and set again only when it has gone off: a body that arrives as it
//! should costs a comparison.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::accept::options::AcceptOptions;

/// A body that took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the body arrives too slowly")]
pub(crate) struct TooSlow;

/// A body with a clock.
#[derive(Debug)]
pub(crate) struct Paced<B> {
    body: B,
    grace: Duration,
    bytes_per_second_min: u64,
    max: Duration,
    bytes: u64,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    begin: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<B> Paced<B> {
    /// Holds `body` to the rates of `options`.
    pub(crate) fn new(body: B, options: &AcceptOptions) -> Self {
        let AcceptOptions { body_grace: grace, bytes_per_second_min, body_max: max, .. } = *options;
        Paced { body, grace, bytes_per_second_min, max, bytes: 0, waiting: None }
    }

    /// How long the bytes so far may have taken.
    fn allowed(&self) -> Duration {
        let earned = Duration::from_millis(self.bytes.saturating_mul(1000) / self.bytes_per_second_min.max(1));
        (self.grace + earned).min(self.max)
    }

    /// Whether the body is late; arms the alarm for when it could be.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let allowed = self.allowed();
        let waiting = self.waiting.get_or_insert_with(|| {
            let begin = Instant::now();
            Waiting { begin, alarm: Box::pin(sleep_until(begin + allowed)) }
        });
        while waiting.alarm.as_mut().poll(cx).is_ready() {
            let until = waiting.begin + allowed;
            if until <= Instant::now() {
                return true;
            }
            waiting.alarm.as_mut().reset(until);
        }
        false
    }
}

impl<B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.bytes += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(failure))) => Poll::Ready(Some(Err(failure.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if this.is_late(cx) => Poll::Ready(Some(Err(TooSlow.into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether a body ended in [`TooSlow`].
pub(crate) fn is_too_slow(failure: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(failure), |failure| (*failure).source()).any(|failure| failure.is::<TooSlow>())
}

#[cfg(test)]
mod tests {
    use futures::stream::{self, StreamExt};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// After how many seconds a body of `count` parts of `bytes` ends that come every `pause`, and whether whole.
    async fn ends(count: usize, bytes: usize, pause: Duration) -> (u64, bool) {
        let parts = stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![0; bytes])))
        });
        let begin = Instant::now();
        let collected = Paced::new(StreamBody::new(Box::pin(parts)), &AcceptOptions::default()).collect().await;
        if let Err(failure) = &collected {
            assert!(is_too_slow(&**failure), "{failure}");
        }
        (begin.elapsed().as_secs(), collected.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_must_keep_its_pace() {
        let seconds = Duration::from_secs;
        assert_eq!(ends(5, 1, seconds(1)).await, (5, true));
        assert_eq!(ends(1000, 1, seconds(1)).await, (10, false));
        assert_eq!(ends(1, 1, seconds(3600)).await, (10, false));
        assert_eq!(ends(200, 1024, seconds(1)).await, (200, true));
        assert_eq!(ends(1000, 4096, seconds(1)).await, (300, false));
        assert_eq!(ends(1000, 1, Duration::ZERO).await, (0, true));
    }
}

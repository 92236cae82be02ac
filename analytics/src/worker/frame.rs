//! Frames on the pipes between server and worker.
//!
//! ```text
//! | head bytes u32 | body bytes u32 | head: JSON | body |
//! ```
//!
//! Numbers are little-endian. A length is checked before anything is kept for it, so the reader of damaged bytes takes no
//! more memory than the bounds allow. Reading is cancel-safe: what has arrived stays in the reader.

use std::io;
use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// The longest head: the names of all streams, or a part of a listing.
pub(crate) const HEAD_BYTES_MAX: usize = 32 << 20;
/// The longest body: a batch of rows, of records, or a piece of an object.
pub(crate) const BODY_BYTES_MAX: usize = 32 << 20;
/// Frames that wait to be written.
const FRAMES_WAITING_MAX: usize = 2;
/// Bytes that are asked of the pipe at once.
const READ_BYTES: usize = 64 << 10;
const LENGTHS_BYTES: usize = 8;

/// A message and the bytes that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame<H> {
    pub(crate) head: H,
    pub(crate) body: Bytes,
}

/// Why a frame cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// More than a frame may have.
    #[error("a frame of {head} + {body} bytes is over the limit of {HEAD_BYTES_MAX} + {BODY_BYTES_MAX}")]
    TooLong { head: usize, body: usize },
    /// A head that is no message.
    #[error("a frame has a head that is not a message")]
    Head(#[from] serde_json::Error),
    /// The pipe failed, or ended inside a frame.
    #[error("the pipe failed")]
    Io(#[from] io::Error),
}

/// Adds a frame to `bytes`.
pub(crate) fn encode<H: Serialize>(head: &H, body: &[u8], bytes: &mut BytesMut) -> Result<(), FrameError> {
    let head = serde_json::to_vec(head)?;
    check(head.len(), body.len())?;
    bytes.reserve(LENGTHS_BYTES + head.len() + body.len());
    bytes.put_u32_le(head.len() as u32);
    bytes.put_u32_le(body.len() as u32);
    bytes.put_slice(&head);
    bytes.put_slice(body);
    Ok(())
}

/// Takes the first frame off `bytes`; none while a part of it is missing.
pub(crate) fn decode<H: DeserializeOwned>(bytes: &mut BytesMut) -> Result<Option<Frame<H>>, FrameError> {
    let Some((mut lengths, rest)) = bytes.split_at_checked(LENGTHS_BYTES) else { return Ok(None) };
    let (head, body) = (lengths.get_u32_le() as usize, lengths.get_u32_le() as usize);
    check(head, body)?;
    if rest.len() < head + body {
        bytes.reserve(LENGTHS_BYTES + head + body - bytes.len());
        return Ok(None);
    }
    bytes.advance(LENGTHS_BYTES);
    let head = serde_json::from_slice(&bytes.split_to(head))?;
    Ok(Some(Frame { head, body: bytes.split_to(body).freeze() }))
}

fn check(head: usize, body: usize) -> Result<(), FrameError> {
    match head <= HEAD_BYTES_MAX && body <= BODY_BYTES_MAX {
        true => Ok(()),
        false => Err(FrameError::TooLong { head, body }),
    }
}

/// The reading end of a pipe.
pub(crate) struct FrameReader<R, H> {
    pipe: R,
    bytes: BytesMut,
    heads: PhantomData<fn() -> H>,
}

impl<R: AsyncRead + Unpin, H: DeserializeOwned> FrameReader<R, H> {
    /// Reads from the pipe's beginning.
    pub(crate) fn new(pipe: R) -> Self {
        FrameReader { pipe, bytes: BytesMut::new(), heads: PhantomData }
    }

    /// The next frame; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame<H>>, FrameError> {
        loop {
            if let Some(frame) = decode(&mut self.bytes)? {
                return Ok(Some(frame));
            }
            self.bytes.reserve(READ_BYTES);
            if self.pipe.read_buf(&mut self.bytes).await? == 0 {
                return match self.bytes.is_empty() {
                    true => Ok(None),
                    false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                };
            }
        }
    }
}

/// The writing end of a pipe. Clones share it, and a full queue makes them wait.
#[derive(Debug)]
pub(crate) struct FrameSender<H> {
    frames: mpsc::Sender<Frame<H>>,
}

impl<H> Clone for FrameSender<H> {
    fn clone(&self) -> Self {
        FrameSender { frames: self.frames.clone() }
    }
}

/// Nobody reads the pipe any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other end of the pipe is gone")]
pub(crate) struct Gone;

impl<H: Serialize + Send + Sync + 'static> FrameSender<H> {
    /// Writes to `pipe`, on a task that ends with the last sender or when the pipe fails.
    pub(crate) fn new(mut pipe: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (frames, mut waiting) = mpsc::channel::<Frame<H>>(FRAMES_WAITING_MAX);
        tokio::spawn(async move {
            let mut bytes = BytesMut::new();
            while let Some(frame) = waiting.recv().await {
                if let Err(error) = encode(&frame.head, &frame.body, &mut bytes) {
                    tracing::error!(error = &error as &dyn std::error::Error, "a frame cannot be written");
                    return;
                }
                if pipe.write_all(&bytes).await.is_err() {
                    return;
                }
                bytes.clear();
                if READ_BYTES < bytes.capacity() {
                    bytes = BytesMut::new();
                }
            }
        });
        FrameSender { frames }
    }

    /// Waits for room in the queue, not for the other end.
    pub(crate) async fn send(&self, head: H, body: Bytes) -> Result<(), Gone> {
        self.frames.send(Frame { head, body }).await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn frames(random: &mut SmallRng) -> Vec<Frame<String>> {
        let many = random.random_range(0..6);
        let text = |random: &mut SmallRng| {
            let length = random.random_range(0..200);
            (0..length).map(|_| random.random::<char>()).collect::<String>()
        };
        (0..many).map(|_| Frame { head: text(random), body: text(random).into_bytes().into() }).collect()
    }

    #[tokio::test]
    async fn frames_come_out_as_they_went_in_however_they_are_cut() {
        for seed in 0..200 {
            let mut random = SmallRng::seed_from_u64(seed);
            let sent = frames(&mut random);
            let mut bytes = BytesMut::new();
            sent.iter().for_each(|frame| encode(&frame.head, &frame.body, &mut bytes).unwrap());
            let whole = bytes.clone();
            let (mut arrived, mut found) = (BytesMut::new(), Vec::new());
            while !bytes.is_empty() {
                arrived.extend_from_slice(&bytes.split_to(random.random_range(1..=bytes.len())));
                while let Some(frame) = decode::<String>(&mut arrived).unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, sent, "seed {seed}");
            let mut reader = FrameReader::<_, String>::new(&whole[..]);
            for frame in &sent {
                assert_eq!(reader.next().await.unwrap().as_ref(), Some(frame), "seed {seed}");
            }
            assert!(reader.next().await.unwrap().is_none(), "seed {seed}");
            if !whole.is_empty() {
                // Cut off anywhere but between frames, the end is an error.
                let mut cut = FrameReader::<_, String>::new(&whole[..whole.len() - 1]);
                while let Ok(frame) = cut.next().await {
                    assert!(frame.is_some(), "seed {seed}");
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_a_frame_an_error_or_too_few() {
        for seed in 0..2000 {
            let mut random = SmallRng::seed_from_u64(seed);
            let mut bytes = BytesMut::new();
            if random.random() {
                bytes.put_u32_le(random.random_range(0..40));
                bytes.put_u32_le(random.random_range(0..40));
            }
            bytes.extend((0..random.random_range(0..100)).map(|_| random.random::<u8>()));
            while let Ok(Some(_)) = decode::<serde_json::Value>(&mut bytes) {}
            assert!(bytes.capacity() <= 2 * (LENGTHS_BYTES + HEAD_BYTES_MAX + BODY_BYTES_MAX), "seed {seed}");
        }
    }

    #[test]
    fn a_frame_over_the_bound_is_refused_before_it_is_read() {
        let mut bytes = BytesMut::from(&[2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, b'1', b'2'][..]);
        assert!(matches!(decode::<u32>(&mut bytes), Err(FrameError::TooLong { .. })));
        assert!(encode(&1, &vec![0; BODY_BYTES_MAX + 1], &mut BytesMut::new()).is_err());
    }
}

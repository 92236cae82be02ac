//! A segment's bytes in pieces: frames that verify, and what stands between them.
//!
//! ```text
//! frame ok ─▶ frame ok ─▶ bytes that are no frame ─▶ frame ok ...
//!                         └─ up to the next header that verifies, which no chance makes: its
//!                            checksum holds the place where it stands
//! ```

use bytes::Bytes;

use crate::log::error::Reason;
use crate::log::frames::frame::{HEADER_BYTES, Header, Kind, MAGIC};
use crate::log::frames::place::Place;

/// A piece. Of a frame that verifies, what was made of it.
#[derive(Debug)]
pub(crate) enum Piece<T> {
    Frame(Header, u64, T),
    Bad(Bad),
}

/// Bytes that are not those that were written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bad {
    pub(crate) offset: u64,
    pub(crate) end: u64,
    /// What the frame held, where its header still says so.
    pub(crate) header: Option<Header>,
    pub(crate) reason: Reason,
}

/// The pieces of `bytes`, from the first byte to the last. `check` looks into the payload of a frame
/// whose checksums fit.
pub(crate) fn pieces<T>(
    bytes: &Bytes,
    place: Place,
    mut check: impl FnMut(&Header, u64, Bytes) -> Result<T, Reason>,
) -> impl Iterator<Item = Piece<T>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let (offset, header) = (at, header_at(bytes, place, at));
        at = match &header {
            Ok(header) => bytes.len().min(offset + header.frame_bytes()),
            Err(_) => next_header(bytes, place, offset),
        };
        let bad = |header, reason| Piece::Bad(Bad { offset: offset as u64, end: at as u64, header, reason });
        Some(match header {
            Err(reason) => bad(None, reason),
            Ok(header) => {
                let payload = bytes.slice(offset + HEADER_BYTES..at);
                match verified(&header, &payload).and_then(|()| check(&header, offset as u64, payload)) {
                    Ok(made) => Piece::Frame(header, offset as u64, made),
                    Err(reason) => bad(Some(header), reason),
                }
            }
        })
    })
}

fn verified(header: &Header, payload: &Bytes) -> Result<(), Reason> {
    if payload.len() < header.payload_bytes as usize {
        return Err("the file ends inside a frame");
    }
    header.verify(payload)
}

fn header_at(bytes: &Bytes, place: Place, offset: usize) -> Result<Header, Reason> {
    let header = Header::decode(&bytes[offset..], place, offset as u64)?;
    if (header.kind == Kind::Head) == (offset == 0) {
        Ok(header)
    } else {
        Err("a segment has one head, at its beginning")
    }
}

/// Where the next header behind `offset` stands, or the end.
fn next_header(bytes: &Bytes, place: Place, offset: usize) -> usize {
    let windows = bytes.windows(MAGIC.len()).enumerate().skip(offset + 1);
    let mut candidates = windows.filter(|(_, window)| *window == MAGIC).map(|(at, _)| at);
    candidates.find(|at| header_at(bytes, place, *at).is_ok()).unwrap_or(bytes.len())
}

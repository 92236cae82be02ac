//! An archive that is elsewhere as a worker has it: read through the server, which has the connections and the keys.

use std::ops::Range;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use model::archive::store::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};

use crate::worker::backing::OBJECT_BYTES_MAX;
use crate::worker::calls::{Calls, Parts};
use crate::worker::message::{Answer, Asked};

/// Reads the archive through the server.
pub(crate) struct RemoteArchive(pub(crate) Calls);

impl RemoteArchive {
    async fn ask(&self, name: Option<&ObjectName>, asked: Asked) -> Result<Parts, ArchiveError> {
        let mut parts = self.0.ask(asked).await.map_err(|gone| unavailable("asking the server", gone))?;
        match parts.pop() {
            Some((Answer::ArchiveFailed(failure), _)) => Err(failure.into_error(name)),
            Some(last) => {
                parts.push(last);
                Ok(parts)
            }
            None => Err(amiss()),
        }
    }
}

fn unavailable(doing: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ArchiveError {
    ArchiveError::Unavailable { doing: doing.to_owned(), source: cause.into() }
}

fn amiss() -> ArchiveError {
    unavailable("asking the server", "the answer does not fit the question")
}

fn refused<T>() -> Result<T, ArchiveError> {
    Err(ArchiveError::Unusable { doing: "writing".to_owned(), source: "SQL only reads the archive".into() })
}

#[async_trait]
impl Archive for RemoteArchive {
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, ArchiveError> {
        let mut objects = Vec::new();
        for (part, _) in self.ask(None, Asked::Objects { prefix: prefix.to_owned() }).await? {
            let Answer::Objects(listed) = part else { return Err(amiss()) };
            for object in listed {
                let name = ObjectName::new(object.name).map_err(|error| unavailable("listing", error))?;
                objects.push(ObjectMeta { name, bytes: object.bytes, written_at: object.written_at });
            }
        }
        Ok(objects)
    }

    async fn folders(&self) -> Result<Vec<String>, ArchiveError> {
        match self.ask(None, Asked::Folders).await?.pop() {
            Some((Answer::Folders(folders), _)) => Ok(folders),
            _ => Err(amiss()),
        }
    }

    /// SQL knows how long objects are and always asks for a range, which is read in pieces that fit into frames.
    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Bytes, ArchiveError> {
        let Some(Range { mut start, end }) = range else { return refused() };
        let mut whole = BytesMut::new();
        loop {
            let piece = start..end.min(start.saturating_add(OBJECT_BYTES_MAX));
            let (to, last) = (piece.end, piece.end == end);
            let asked = Asked::Object { name: name.as_str().to_owned(), range: piece };
            let Some((Answer::Object, body)) = self.ask(Some(name), asked).await?.pop() else { return Err(amiss()) };
            if last && whole.is_empty() {
                return Ok(body);
            }
            whole.extend_from_slice(&body);
            if last {
                return Ok(whole.freeze());
            }
            start = to;
        }
    }

    async fn put_if_absent(&self, _: &ObjectName, _: Bytes) -> Result<PutOutcome, ArchiveError> {
        refused()
    }

    async fn delete(&self, _: &ObjectName) -> Result<(), ArchiveError> {
        refused()
    }
}

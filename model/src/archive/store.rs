//! The trait of object archives. Objects are written as a whole, never change, and have names that
//! say what they hold.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::Timestamp;

/// Longest object name in bytes, as in S3.
pub const OBJECT_NAME_BYTES_MAX: usize = 1024;

/// `/`-separated segments; none empty, `.` or `..`, no control characters or backslashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

/// A name that could leave the archive or not be stored everywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not an object name")]
pub struct InvalidObjectName {
    /// What was given.
    pub name: String,
}

impl ObjectName {
    /// Checks the name. Error: [`InvalidObjectName`].
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidObjectName> {
        let name = name.into();
        let segments_fit = name.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        let characters_fit = !name.chars().any(|c| c.is_control() || c == '\\');
        if segments_fit && characters_fit && name.len() <= OBJECT_NAME_BYTES_MAX {
            Ok(ObjectName(name))
        } else {
            Err(InvalidObjectName { name })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its name.
    pub name: ObjectName,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, where the backend tells: one that was deleted and put again is another
    /// object.
    pub written_at: Option<Timestamp>,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is there now and durable.
    Created,
    /// An object of that name was there before and is unchanged.
    AlreadyThere,
}

/// Why an operation on an archive failed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No object of that name.
    #[error("object `{0}` does not exist")]
    NotFound(ObjectName),
    /// A range that is not inside the object.
    #[error("object `{name}` has {bytes} bytes: {range:?} is not inside it")]
    InvalidRange {
        /// The object.
        name: ObjectName,
        /// Its size.
        bytes: u64,
        /// What was asked for.
        range: Range<u64>,
    },
    /// The backend cannot serve as this archive until somebody changes settings or rights.
    #[error("archive cannot be used: {doing}")]
    Unusable {
        /// What was being done.
        doing: String,
        /// What is wrong, and what to do.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The backend is out of reach, full, or refuses for now; trying again later may help.
    #[error("archive is not available: {doing}")]
    Unavailable {
        /// What was being done.
        doing: String,
        /// What the backend said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Objects by name. Implementations: a folder, S3 and memory; all run the suite of
/// `testing::conformance`.
///
/// ```
/// # use model::archive::store::{Archive, ObjectName, PutOutcome};
/// # use model::testing::memory_archive::MemoryArchive;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let archive = MemoryArchive::default();
/// let name = ObjectName::new("rides/2026/part-1.gz")?;
/// assert_eq!(archive.put_if_absent(&name, "records".into()).await?, PutOutcome::Created);
/// assert_eq!(archive.put_if_absent(&name, "others".into()).await?, PutOutcome::AlreadyThere);
/// assert_eq!(archive.get(&name, Some(0..3)).await?, "rec");
/// assert_eq!(archive.folders().await?, ["rides"]);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Archive: Send + Sync {
    /// Writes an object whole, unless one of that name is there. When this returns the object is
    /// durable, and no reader ever sees a part of it. Of several puts of a name at once exactly one
    /// is [`PutOutcome::Created`].
    async fn put_if_absent(&self, name: &ObjectName, body: Bytes) -> Result<PutOutcome, ArchiveError>;

    /// Objects whose names begin with `prefix`, in order of name.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, ArchiveError>;

    /// The first segments of the names that have more than one, each once, in order: `a` for `a/b`
    /// and `a/c/d`.
    async fn folders(&self) -> Result<Vec<String>, ArchiveError> {
        let objects = self.list("").await?;
        let first = |object: &ObjectMeta| object.name.as_str().split_once('/').map(|(first, _)| first.to_owned());
        let mut folders: Vec<String> = objects.iter().filter_map(first).collect();
        folders.sort_unstable();
        folders.dedup();
        Ok(folders)
    }

    /// An object's bytes, or a part of them.
    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Bytes, ArchiveError>;

    /// Deletes an object; one that is not there is no error.
    async fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError>;
}

//! What was learned of archived objects, kept longer than an engine lives: objects never change, and to look through all of
//! an archive again costs as much as to read it.

use async_trait::async_trait;

/// Objects that are asked for at once.
pub(crate) const OBJECTS_AT_ONCE_MAX: usize = 128;
/// The longest columns that are kept.
pub(crate) const COLUMNS_BYTES_MAX: usize = 64 << 10;

/// Keeps the columns of objects. Both are texts that only engines understand. It may forget whatever it was given.
#[async_trait]
pub trait ColumnsKeeper: Send + Sync {
    /// The columns of each object, as far as they are known.
    async fn recall(&self, objects: Vec<String>) -> Vec<Option<String>>;

    /// Keeps the columns of an object.
    async fn keep(&self, object: String, columns: String);
}

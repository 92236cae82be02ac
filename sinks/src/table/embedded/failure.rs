//! Why a transaction did not go through.

use model::table::store::TableError;

/// What went wrong, before it is put into words.
pub(super) enum Failure {
    Table(TableError),
    Store(redb::Error),
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        Failure::Table(error)
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::Store(error.into())
            }
        })*
    };
}

from_redb!(redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);

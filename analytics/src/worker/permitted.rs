//! The tables that one query may read: decided here in the server, and asked for by the worker
//! before it opens one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use model::stream::access::{AccessError, Readable};

use crate::worker::message::Asked;

/// Decisions for one query. Nothing of a table is answered before the worker has been told that it
/// may read it, so a worker that forgets to ask reads nothing through the server.
#[derive(Clone, Default)]
pub(crate) struct Permitted {
    readable: Readable,
    tables: Arc<Mutex<BTreeSet<String>>>,
}

impl Permitted {
    /// Nothing is permitted yet of what is `readable`.
    pub(crate) fn new(readable: Readable) -> Self {
        Permitted { readable, tables: Arc::default() }
    }

    /// Whether there is anything to ask.
    pub(crate) fn is_limited(&self) -> bool {
        self.readable.is_limited()
    }

    /// Decides about a table.
    pub(crate) async fn decide(&self, table: String) -> Result<(), AccessError> {
        self.readable.check(&table).await?;
        self.tables.lock().expect("no holder of the lock panics").insert(table);
        Ok(())
    }

    /// Whether a question may be answered: it is about no table, or about one that was permitted.
    pub(crate) fn allows(&self, asked: &Asked) -> bool {
        let table = match asked {
            Asked::Columns(_) | Asked::Access(_) | Asked::Streams | Asked::Folders => return true,
            Asked::Stream(stream) | Asked::Locate { stream, .. } | Asked::Read { stream, .. } => stream.as_str(),
            Asked::Objects { prefix: path } | Asked::Object { name: path, .. } => {
                path.split('/').next().unwrap_or_default()
            }
        };
        !self.is_limited() || self.tables.lock().expect("no holder of the lock panics").contains(table)
    }
}

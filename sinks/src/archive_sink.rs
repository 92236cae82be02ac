//! Writes every record of a stream to an archive, as lines of objects: one object per cut. Of an aggregate the parts
//! are lines; all of them stand in one object, since a cut never ends inside a record.
//!
//! A record that is exactly one JSON object is a line of the data object; any other goes to the error object of the
//! same cut with the reason (see [`crate::object::name`] for where). A cut of nothing but such records has no data object.

use std::sync::Arc;

use async_trait::async_trait;
use model::archive::Archive;
use model::name::StreamName;

use crate::cut::Cut;
use crate::object::dead_letter::{MISPLACED, push_dead_letter};
use crate::object::json_line::push_line;
use crate::object::name::{data_object, error_object};
use crate::object::put::put_lines;
use crate::sink::{Delivered, Sink, SinkError};

/// Delivers cuts of `stream` to an archive.
pub struct ArchiveSink {
    archive: Arc<dyn Archive>,
    stream: StreamName,
}

impl ArchiveSink {
    /// A sink for records of `stream`.
    pub fn new(archive: Arc<dyn Archive>, stream: StreamName) -> Self {
        ArchiveSink { archive, stream }
    }
}

/// What becomes of a cut's records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    data: Vec<u8>,
    data_count: usize,
    errors: Vec<u8>,
    errors_count: usize,
}

fn lines_of(cut: &Cut) -> Lines {
    let mut lines = Lines::default();
    lines.data.reserve(cut.records.iter().map(|record| record.data.len() + 1).sum());
    for user in cut.user_records() {
        let pushed = match user.misplaced {
            true => Err(MISPLACED.to_owned()),
            false => push_line(&mut lines.data, user.data).map_err(|reason| reason.to_string()),
        };
        match pushed {
            Ok(()) => lines.data_count += 1,
            Err(reason) => {
                push_dead_letter(&mut lines.errors, cut.range.shard, &user, &reason);
                lines.errors_count += 1;
            }
        }
    }
    lines
}

#[async_trait]
impl Sink for ArchiveSink {
    /// Always: the object's name holds the cut, so other cuts of the same records would be other objects.
    async fn must_be_promised(&self, _: &[Cut]) -> Result<bool, SinkError> {
        Ok(true)
    }

    async fn deliver(&self, cut: &Cut) -> Result<Delivered, SinkError> {
        let Lines { data, data_count, errors, errors_count } = lines_of(cut);
        let format = cut.range.format;
        if data_count > 0 {
            put_lines(&*self.archive, &data_object(&self.stream, &cut.range), format, data, data_count).await?;
        }
        if errors_count > 0 {
            let name = error_object(self.stream.as_str(), &cut.range);
            put_lines(&*self.archive, &name, format, errors, errors_count).await?;
        }
        Ok(Delivered { records: data_count as u64, dead_letters: errors_count as u64 })
    }
}

//! Puts rows into panes. A pane is the smallest slice of time that windows share; of windows that do not overlap, each is
//! one pane.
//!
//! ```text
//! columns .., ROWTIME  ──▶  columns .., ROWTIME, pane's start, pane's end
//! ```
//!
//! It stands between what makes rows of records and what folds them, so that neither knows how time is cut.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, Field, Schema, SchemaRef, TimestampMillisecondType as Millis};
use model::clock::Timestamp;

use crate::window::kind::WindowKind;
use crate::window::span::Span;

/// The column that holds the start of a row's pane.
pub(crate) const WINDOW_START: &str = "__window_start";
/// The column that holds the end of a row's pane.
pub(crate) const WINDOW_END: &str = "__window_end";

/// How rows get into panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assigner(pub(crate) WindowKind);

impl Assigner {
    /// Whether rows of different times share a pane.
    fn is_aligned(self) -> bool {
        matches!(self.0, WindowKind::Aligned(_))
    }

    /// The columns of assigned rows, given those of rows.
    pub(crate) fn schema(rows: &Schema) -> SchemaRef {
        let hidden = [WINDOW_START, WINDOW_END].map(|name| Arc::new(Field::new(name, Millis::DATA_TYPE, false)));
        Arc::new(Schema::new(rows.fields().iter().cloned().chain(hidden).collect::<Vec<_>>()))
    }

    /// The rows with their panes.
    ///
    /// # Panics
    ///
    /// If the column of their `time` does not hold milliseconds.
    pub(crate) fn assign(self, rows: &RecordBatch, time: &ArrayRef) -> RecordBatch {
        let times = time.as_primitive::<Millis>();
        let (mut starts, mut ends) = (Vec::with_capacity(times.len()), Vec::with_capacity(times.len()));
        let mut pane: Option<Span> = None;
        for at in times.values().iter().map(|millis| Timestamp::from_millis(*millis)) {
            // Rows of one time come together.
            let pane = match pane {
                Some(known) if self.is_aligned() && known.start <= at && at < known.end => known,
                _ => *pane.insert(self.0.pane_of(at)),
            };
            starts.push(pane.start.as_millis());
            ends.push(pane.end.as_millis());
        }
        let mut columns = rows.columns().to_vec();
        columns.extend([starts, ends].map(|times| Arc::new(TimestampMillisecondArray::from(times)) as _));
        let schema = Assigner::schema(rows.schema_ref());
        RecordBatch::try_new(schema, columns).expect("columns are as long as each other")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::calendar::Tumbling;
    use crate::window::kind::Aligned;

    #[test]
    fn every_row_gets_the_pane_of_its_time() {
        let times = TimestampMillisecondArray::from(vec![0, 999, 1000, 5, 2500]);
        let rows = RecordBatch::try_from_iter([("ROWTIME", Arc::new(times) as _)]).unwrap();
        let assigned =
            Assigner(WindowKind::Aligned(Aligned::Tumbling(Tumbling::Millis(1000)))).assign(&rows, rows.column(0));
        let column = |name: &str| assigned.column_by_name(name).unwrap().as_primitive::<Millis>().values().to_vec();
        assert_eq!(column(WINDOW_START), [0, 0, 1000, 0, 2000]);
        assert_eq!(column(WINDOW_END), [1000, 1000, 2000, 1000, 3000]);
        assert_eq!(column("ROWTIME"), [0, 999, 1000, 5, 2500]);
    }
}

//! Finds the rows and groups that a query cannot compute, so that they cost themselves and not the
//! query.
//!
//! A division by zero, or a text that is no number, fails a whole batch in the engine. The batch is
//! then halved until what fails stands alone. That is left out and counted, with the reason.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::DataFusionError;

use crate::continuous::plan::Plan;
use crate::continuous::projection::Projection;
use crate::error::translate;

/// What a query could not use, since somebody last asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// How many records, rows or groups.
    pub(crate) count: u64,
    /// Why the last of them was left out.
    pub(crate) reason: String,
    /// Those that are rows of the last batch: each one's place in it, and why.
    pub(crate) rows: Vec<(usize, String)>,
}

impl LeftOut {
    pub(crate) fn add(&mut self, count: u64, reason: impl Into<String>) {
        self.count += count;
        self.reason = reason.into();
    }

    fn add_failed(&mut self, failed: &[(usize, DataFusionError)]) {
        if let Some((_, error)) = failed.last() {
            self.add(failed.len() as u64, reason_of(error));
        }
    }

    /// A row that failed.
    pub(crate) fn add_error(&mut self, error: &DataFusionError) {
        self.add(1, reason_of(error));
    }

    /// Rows of a batch that failed.
    fn add_rows(&mut self, failed: &[(usize, DataFusionError)]) {
        self.add_failed(failed);
        self.rows = failed.iter().map(|(place, error)| (*place, reason_of(error))).collect();
    }
}

fn reason_of(error: &DataFusionError) -> String {
    format!("the query cannot compute it: {}", translate(error, |_| None).message)
}

/// The state rows of all rows that can be folded.
pub(crate) fn fold(
    plan: &Plan,
    rows: &RecordBatch,
    left_out: &mut LeftOut,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    let Pieces { results, failed } = pieces(rows.num_rows(), |range| plan.fold(rows.slice(range.start, range.len())))?;
    left_out.add_rows(&failed);
    Ok(results)
}

/// The rows that all rows make that can be computed.
pub(crate) fn map(
    projection: &Projection,
    rows: &RecordBatch,
    left_out: &mut LeftOut,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    let Pieces { results, failed } =
        pieces(rows.num_rows(), |range| projection.map(rows.slice(range.start, range.len())))?;
    left_out.add_rows(&failed);
    Ok(results)
}

/// Fewer state rows that say the same. Those of groups that cannot be merged stay as they are.
pub(crate) fn merge(plan: &Plan, parts: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, DataFusionError> {
    match plan.merge(parts.clone()) {
        Ok(merged) => return Ok(vec![merged]),
        Err(error) if is_of_values(&error) => {}
        Err(error) => return Err(error),
    }
    let groups = Groups::of(plan, &parts)?;
    let Pieces { results: mut merged, failed } = pieces(groups.len(), |range| plan.merge(vec![groups.states(range)]))?;
    merged.extend(failed.into_iter().map(|(group, _)| groups.states(group..group + 1)));
    Ok(vec![concat_batches(plan.state_schema(), &merged)?])
}

/// The results of a window's groups, without those that cannot be computed.
pub(crate) fn close(
    plan: &Plan,
    parts: Vec<RecordBatch>,
    left_out: &mut LeftOut,
) -> Result<RecordBatch, DataFusionError> {
    match plan.close(parts.clone()) {
        Ok(results) => return Ok(results),
        Err(error) if is_of_values(&error) && plan.by_group => {}
        Err(error) if is_of_values(&error) => {
            left_out.add_error(&error);
            return Ok(RecordBatch::new_empty(Arc::clone(&plan.result)));
        }
        Err(error) => return Err(error),
    }
    let groups = Groups::of(plan, &parts)?;
    let Pieces { results, failed } = pieces(groups.len(), |range| plan.close(vec![groups.states(range)]))?;
    left_out.add_failed(&failed);
    Ok(concat_batches(&plan.result, &results)?)
}

/// What was computed piece by piece.
struct Pieces<T> {
    /// Of the pieces that succeeded, in order.
    results: Vec<T>,
    /// What fails alone, with its error.
    failed: Vec<(usize, DataFusionError)>,
}

/// Computes `0..length` in as few pieces as succeed.
fn pieces<T>(
    length: usize,
    mut compute: impl FnMut(Range<usize>) -> Result<T, DataFusionError>,
) -> Result<Pieces<T>, DataFusionError> {
    let (mut results, mut failed) = (Vec::new(), Vec::new());
    let mut waiting = Vec::from_iter((length > 0).then_some(0..length));
    while let Some(range) = waiting.pop() {
        match compute(range.clone()) {
            Ok(result) => results.push(result),
            Err(error) if !is_of_values(&error) => return Err(error),
            Err(error) if range.len() == 1 => failed.push((range.start, error)),
            Err(_) => {
                let middle = range.start + range.len() / 2;
                waiting.extend([middle..range.end, range.start..middle]);
            }
        }
    }
    Ok(Pieces { results, failed })
}

/// Whether other values might have succeeded. Otherwise the engine lacks memory or a disk.
pub(crate) fn is_of_values(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) | DataFusionError::IoError(_) => false,
        DataFusionError::ArrowError(arrow, _) => {
            !matches!(**arrow, ArrowError::IoError(..) | ArrowError::MemoryError(_))
        }
        _ => true,
    }
}

/// State rows in order of their groups.
struct Groups {
    states: RecordBatch,
    /// Where each group begins, and where the last one ends.
    bounds: Vec<usize>,
}

impl Groups {
    fn of(plan: &Plan, parts: &[RecordBatch]) -> Result<Groups, DataFusionError> {
        let states = concat_batches(plan.state_schema(), parts)?;
        let keys: Vec<ArrayRef> = states.columns()[..plan.group_columns()].to_vec();
        let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
        let keys = RowConverter::new(fields)?.convert_columns(&keys)?;
        let mut order: Vec<u32> = (0..states.num_rows() as u32).collect();
        // A group's rows keep their order: some aggregates depend on it.
        order.sort_by_key(|index| keys.row(*index as usize));
        let key = |place: usize| keys.row(order[place] as usize);
        let mut bounds: Vec<usize> =
            (0..order.len()).filter(|place| *place == 0 || key(*place) != key(place - 1)).collect();
        bounds.push(order.len());
        Ok(Groups { states: take_record_batch(&states, &UInt32Array::from(order))?, bounds })
    }

    fn len(&self) -> usize {
        self.bounds.len() - 1
    }

    fn states(&self, groups: Range<usize>) -> RecordBatch {
        let (start, end) = (self.bounds[groups.start], self.bounds[groups.end]);
        self.states.slice(start, end - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_found_alone_and_the_rest_is_computed_in_order() {
        for bad in [vec![], vec![0], vec![6], vec![2, 3], (0..7).collect::<Vec<usize>>()] {
            let compute = |range: Range<usize>| match range.clone().find(|index| bad.contains(index)) {
                Some(index) => Err(DataFusionError::Execution(index.to_string())),
                None => Ok(range.collect::<Vec<usize>>()),
            };
            let Pieces { results, failed } = pieces(7, compute).unwrap();
            let good: Vec<usize> = (0..7).filter(|index| !bad.contains(index)).collect();
            assert_eq!(results.concat(), good);
            assert_eq!(failed.iter().map(|(index, _)| *index).collect::<Vec<_>>(), bad);
        }
    }

    #[test]
    fn an_engine_without_memory_fails_as_a_whole() {
        let compute = |_: Range<usize>| Err::<(), _>(DataFusionError::ResourcesExhausted("no memory".to_owned()));
        assert!(pieces(7, compute).is_err());
    }
}

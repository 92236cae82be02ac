//! A query with sliding windows at work: each row makes a row, computed with the rows before it.
//!
//! ```text
//! rows ─▶ pending, until no earlier row can come ─▶ in order of time ─▶ with the rows before them ─▶ plan ─▶ results
//!                                                                          ▲                           │
//!                                                                          └─── what later rows see ◀──┘
//! ```
//! All state is rows: those that are pending have no place in the order yet.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, TimestampMillisecondType, UInt64Type,
};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use model::clock::Timestamp;

use crate::continuous::apart::{LeftOut, is_of_values};
use crate::continuous::panes::bytes_of;
use crate::continuous::plan::{Slot, plan_over, run};
use crate::sql::query::StreamQuery;
use crate::sql::schema::{ROWTIME, SqlColumn, full_schema};
use crate::stack::with_large_stack;
use crate::window::sliding::{Frames, ORDER, order};

/// The plan, and the rows that it needs again.
#[derive(Debug)]
pub(crate) struct Sliding {
    plan: Arc<dyn ExecutionPlan>,
    rows: Arc<Slot>,
    task: Arc<TaskContext>,
    frames: Frames,
    /// What results look like: the user's columns, the time, the key, the order, and a rank for each window of rows.
    pub(crate) result: SchemaRef,
    /// Where results have the order.
    order: usize,
    /// Rows with their order, or with none while they are pending.
    schema: SchemaRef,
    pending: Vec<RecordBatch>,
    before: RecordBatch,
}

impl Sliding {
    /// Plans `select` over a source with these columns.
    pub(crate) fn new(
        select: &StreamQuery,
        frames: &Frames,
        columns: &[SqlColumn],
        system_columns: &[&str],
    ) -> Result<Sliding, DataFusionError> {
        let own = full_schema(columns, system_columns);
        let ordered = Arc::new(Field::new(ORDER, DataType::Int64, true));
        let schema = Arc::new(Schema::new(own.fields().iter().cloned().chain([ordered]).collect::<Vec<_>>()));
        let rows = Slot::new(Arc::clone(&schema));
        let (plan, task) = with_large_stack(|| plan_over(&rows, select))??;
        let (result, before) = (plan.schema(), RecordBatch::new_empty(Arc::clone(&schema)));
        // Behind the user's columns, the time and the key.
        let order = select.names.len() + 2;
        Ok(Sliding { plan, rows, task, frames: frames.clone(), result, order, schema, pending: Vec::new(), before })
    }

    /// Adds rows that wait for their turn. Returns how many bytes they are.
    pub(crate) fn push(&mut self, rows: &RecordBatch) -> Result<usize, DataFusionError> {
        let unordered = Int64Array::new_null(rows.num_rows());
        let rows = self.with_order(rows, unordered)?;
        let bytes = bytes_of(&rows);
        self.pending.push(rows);
        Ok(bytes)
    }

    fn with_order(&self, rows: &RecordBatch, order: Int64Array) -> Result<RecordBatch, DataFusionError> {
        let own = self.schema.fields().len() - 1;
        let mut columns = rows.columns()[..own].to_vec();
        columns.push(Arc::new(order));
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// The results of all rows before `until`, of which there will be no more.
    pub(crate) fn close(
        &mut self,
        until: Timestamp,
        left_out: &mut LeftOut,
    ) -> Result<Vec<RecordBatch>, DataFusionError> {
        let Some(rows) = self.take_complete(until)? else { return Ok(Vec::new()) };
        let mut results = Vec::new();
        let mut waiting = vec![rows];
        while let Some(rows) = waiting.pop() {
            match self.compute(&rows) {
                Ok(result) => results.push(result),
                Err(error) if !is_of_values(&error) => return Err(error),
                Err(error) if rows.num_rows() == 1 => left_out.add_error(&error),
                Err(_) => {
                    let middle = rows.num_rows() / 2;
                    waiting.extend([rows.slice(middle, rows.num_rows() - middle), rows.slice(0, middle)]);
                }
            }
        }
        Ok(results)
    }

    /// Pending rows before `until`, in order of their time.
    fn take_complete(&mut self, until: Timestamp) -> Result<Option<RecordBatch>, DataFusionError> {
        let all = concat_batches(&self.schema, &self.pending)?;
        let times = times(&all);
        let (mut complete, later): (Vec<u32>, Vec<u32>) =
            (0..all.num_rows() as u32).partition(|row| times.value(*row as usize) < until.as_millis());
        // Rows of one time stay as they came.
        complete.sort_by_key(|row| times.value(*row as usize));
        let later = take_record_batch(&all, &UInt32Array::from(later))?;
        let complete = take_record_batch(&all, &UInt32Array::from(complete))?;
        self.pending = if later.num_rows() > 0 { vec![later] } else { Vec::new() };
        if complete.num_rows() == 0 {
            return Ok(None);
        }
        let (mut place, mut last) = (0, None);
        let times = self::times(&complete);
        let numbers = times.values().iter().map(|time| {
            place = if last == Some(*time) { place + 1 } else { 0 };
            last = Some(*time);
            order(Timestamp::from_millis(*time), place)
        });
        let numbers: Int64Array = numbers.map(Some).collect();
        self.with_order(&complete, numbers).map(Some)
    }

    /// The results of these rows; they become rows before others.
    fn compute(&mut self, rows: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let all = concat_batches(&self.schema, [&self.before, rows])?;
        self.rows.fill(vec![all.clone()]);
        let results = run(&self.plan, &self.task)?;
        let orders = results.column(self.order).as_primitive::<Int64Type>();
        let newest = times(rows).values().last().copied().unwrap_or(i64::MIN);
        let oldest = self.frames.range.map(|range| order(Timestamp::from_millis(newest.saturating_sub(range)), 0));
        let ranks: Vec<_> = (0..self.frames.rows.len())
            .map(|place| results.column(self.order + 1 + place).as_primitive::<UInt64Type>())
            .collect();
        let stays = |row: &usize| {
            let in_range = oldest.is_some_and(|oldest| oldest <= orders.value(*row));
            in_range || ranks.iter().zip(&self.frames.rows).any(|(ranks, rows)| ranks.value(*row) <= *rows)
        };
        let staying: HashSet<i64> = (0..results.num_rows()).filter(stays).map(|row| orders.value(row)).collect();
        let number = all.column(self.schema.fields().len() - 1).as_primitive::<Int64Type>();
        let stays: BooleanArray = number.values().iter().map(|number| Some(staying.contains(number))).collect();
        let first = rows.column(self.schema.fields().len() - 1).as_primitive::<Int64Type>().value(0);
        let is_new: BooleanArray = orders.values().iter().map(|order| Some(first <= *order)).collect();
        let results = filter_record_batch(&results, &is_new)?;
        self.before = filter_record_batch(&all, &stays)?;
        Ok(results)
    }

    /// Bytes of all state.
    pub(crate) fn bytes(&self) -> usize {
        bytes_of(&self.before) + self.pending.iter().map(bytes_of).sum::<usize>()
    }

    /// All state.
    pub(crate) fn states(&self) -> Vec<RecordBatch> {
        let before = Some(self.before.clone()).filter(|rows| rows.num_rows() > 0);
        before.into_iter().chain(self.pending.iter().cloned()).collect()
    }

    /// What state looks like.
    pub(crate) fn state_schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes back what [`Sliding::states`] gave. Returns when the pending rows happened.
    pub(crate) fn restore(&mut self, states: &RecordBatch) -> Result<Vec<Timestamp>, DataFusionError> {
        let number = states.column(self.schema.fields().len() - 1);
        let is_pending: BooleanArray = (0..states.num_rows()).map(|row| Some(number.is_null(row))).collect();
        let is_before: BooleanArray = is_pending.iter().map(|pending| pending.map(|pending| !pending)).collect();
        let pending = filter_record_batch(states, &is_pending)?;
        let pending_times = times(&pending).values().iter().map(|time| Timestamp::from_millis(*time)).collect();
        self.pending.push(pending);
        self.before = concat_batches(&self.schema, [&self.before, &filter_record_batch(states, &is_before)?])?;
        Ok(pending_times)
    }
}

fn times(rows: &RecordBatch) -> datafusion::arrow::array::TimestampMillisecondArray {
    let times = rows.column_by_name(ROWTIME).expect("rows have a time");
    times.as_primitive::<TimestampMillisecondType>().clone()
}

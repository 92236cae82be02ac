//! DataFusion's plan of a windowed query, cut in two at its aggregate.
//!
//! ```text
//! rows ─▶ filter, projection ─▶ Partial ─▶ state rows, kept per window ─▶ Final ─▶ HAVING, select list ─▶ result
//!                                              ▲            │
//!                                              └PartialReduce┘
//! ```
//! State rows are plain Arrow, so a snapshot is their IPC encoding, and any aggregate function of DataFusion works.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::Statement;

use crate::capped_functions::cap;
use crate::functions;
use crate::integers::check_integers;
use crate::sql::dialect::Dialect;
use crate::sql::query::StreamQuery;
use crate::sql::schema::{SqlColumn, full_schema};
use crate::stack::with_large_stack;
use crate::window::assigner::{Assigner, WINDOW_END, WINDOW_START};

/// The most bytes that one function makes of one batch of rows.
const FUNCTION_OUTPUT_BYTES_MAX: usize = 64 << 20;

/// The three parts of a query that run again and again.
#[derive(Debug)]
pub(crate) struct Plan {
    partial: Arc<dyn ExecutionPlan>,
    reduce: Arc<dyn ExecutionPlan>,
    close: Arc<dyn ExecutionPlan>,
    rows: Arc<Slot>,
    states: Arc<Slot>,
    task: Arc<TaskContext>,
    /// Where a state row has its window's start and end.
    window: (usize, usize),
    /// How many columns, the first of a state row, are its group.
    group_columns: usize,
    /// Whether results of one group say nothing of others.
    pub(crate) by_group: bool,
    /// What results look like.
    pub(crate) result: SchemaRef,
}

impl Plan {
    /// Plans `select` over a source with these columns.
    pub(crate) fn new(
        select: &StreamQuery,
        columns: &[SqlColumn],
        system_columns: &[&str],
    ) -> Result<Plan, DataFusionError> {
        with_large_stack(|| Plan::of(select, columns, system_columns))?
    }

    fn of(select: &StreamQuery, columns: &[SqlColumn], system_columns: &[&str]) -> Result<Plan, DataFusionError> {
        let rows = Slot::new(Assigner::schema(&full_schema(columns, system_columns)));
        let (physical, task) = plan_over(&rows, select)?;
        let (mut found, mut over_groups) = (None, 0_usize);
        physical.apply(|node| {
            if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
                // The innermost one folds rows; others are over its results.
                over_groups += usize::from(found.replace(aggregate.clone()).is_some());
            }
            over_groups += usize::from(node.is::<WindowAggExec>() || node.is::<BoundedWindowAggExec>());
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        let aggregate = found.ok_or_else(|| DataFusionError::Plan("the query aggregates nothing".to_owned()))?;
        let stage = |mode, group_by, input, filters| {
            let functions = aggregate.aggr_expr().to_vec();
            AggregateExec::try_new(mode, group_by, functions, filters, input, aggregate.input_schema()).map(Arc::new)
        };
        let input = Arc::clone(aggregate.input());
        let partial =
            stage(AggregateMode::Partial, aggregate.group_expr().clone(), input, aggregate.filter_expr().to_vec())?;
        let states = Slot::new(partial.schema());
        let no_filters = vec![None; aggregate.aggr_expr().len()];
        let merged = aggregate.group_expr().as_final();
        let reduce = stage(AggregateMode::PartialReduce, merged.clone(), states.exec()?, no_filters.clone())?;
        let last: Arc<dyn ExecutionPlan> = stage(AggregateMode::Final, merged, states.exec()?, no_filters)?;
        let innermost = |node: &Arc<dyn ExecutionPlan>| {
            node.is::<AggregateExec>() && !node.children().into_iter().any(has_aggregate)
        };
        let close = physical
            .transform_down(|node| {
                Ok(if innermost(&node) {
                    Transformed::new(Arc::clone(&last), true, datafusion::common::tree_node::TreeNodeRecursion::Jump)
                } else {
                    Transformed::no(node)
                })
            })?
            .data;
        let window = (states.schema.index_of(WINDOW_START)?, states.schema.index_of(WINDOW_END)?);
        let (group_columns, result) = (aggregate.group_expr().expr().len(), close.schema());
        let by_group = over_groups == 0;
        Ok(Plan { partial, reduce, close, rows, states, task, window, group_columns, by_group, result })
    }

    /// What state rows look like.
    pub(crate) fn state_schema(&self) -> &SchemaRef {
        &self.states.schema
    }

    /// Where a state row has its window's start and end.
    pub(crate) fn window_columns(&self) -> (usize, usize) {
        self.window
    }

    /// How many columns, the first of a state row, say which group it belongs to.
    pub(crate) fn group_columns(&self) -> usize {
        self.group_columns
    }

    /// State rows of rows that have their panes.
    pub(crate) fn fold(&self, rows: RecordBatch) -> Result<RecordBatch, DataFusionError> {
        self.rows.fill(vec![rows]);
        run(&self.partial, &self.task)
    }

    /// Fewer state rows that say the same.
    pub(crate) fn merge(&self, states: Vec<RecordBatch>) -> Result<RecordBatch, DataFusionError> {
        self.states.fill(states);
        run(&self.reduce, &self.task)
    }

    /// Results of all state rows of some windows.
    pub(crate) fn close(&self, states: Vec<RecordBatch>) -> Result<RecordBatch, DataFusionError> {
        self.states.fill(states);
        run(&self.close, &self.task)
    }
}

/// Whether a plan groups rows.
fn has_aggregate(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<AggregateExec>() || plan.children().into_iter().any(has_aggregate)
}

/// Plans a query over rows that a slot gives out.
pub(crate) fn plan_over(
    rows: &Arc<Slot>,
    select: &StreamQuery,
) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>), DataFusionError> {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .set_bool("datafusion.sql_parser.enable_ident_normalization", false)
        // 0.1 is a DECIMAL in both dialects, so that it is a tenth.
        .set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
    let context = SessionContext::new_with_config(config);
    // It splits COUNT(DISTINCT) into two aggregates; state is kept for one.
    context.remove_optimizer_rule("single_distinct_aggregation_to_group_by");
    cap(&context, FUNCTION_OUTPUT_BYTES_MAX);
    check_integers(&context);
    if select.dialect == Dialect::Aws {
        functions::register(&context);
    }
    let partitions: Vec<Arc<dyn PartitionStream>> = vec![Arc::clone(rows) as _];
    let table = StreamingTable::try_new(Arc::clone(&rows.schema), partitions)?;
    context.register_table(datafusion::common::TableReference::bare(select.source.clone()), Arc::new(table))?;
    let statement = DFStatement::Statement(Box::new(Statement::clone(&select.statement)));
    let physical = at_once(async {
        let state = context.state();
        let logical = state.statement_to_plan(statement).await?;
        state.create_physical_plan(&logical).await
    })?;
    Ok((physical, context.task_ctx()))
}

/// Runs a plan whose slots are filled.
pub(crate) fn run(plan: &Arc<dyn ExecutionPlan>, task: &Arc<TaskContext>) -> Result<RecordBatch, DataFusionError> {
    // Without the reset every run would add its metrics to those of the runs before.
    let plan = reset_plan_states(Arc::clone(plan))?;
    let schema = plan.schema();
    // A run leaves nothing behind that a panic could have broken: its plan is its own, and slots are filled anew.
    let batches = caught(|| at_once(collect(plan, Arc::clone(task))))?;
    Ok(concat_batches(&schema, &batches)?)
}

/// Computes, and makes an error of a panic.
fn caught<T>(compute: impl FnOnce() -> Result<T, DataFusionError>) -> Result<T, DataFusionError> {
    catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(DataFusionError::Execution(format!("the engine panicked: {}", text.unwrap_or("without a message"))))
    })
}

/// Runs a future that waits for nobody: plans over slots compute and do no I/O.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(tokio::task::unconstrained(future));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// A leaf of a plan: whoever runs the plan puts batches in first.
#[derive(Debug)]
pub(crate) struct Slot {
    schema: SchemaRef,
    batches: Mutex<VecDeque<RecordBatch>>,
}

impl Slot {
    pub(crate) fn new(schema: SchemaRef) -> Arc<Slot> {
        Arc::new(Slot { schema, batches: Mutex::default() })
    }

    pub(crate) fn fill(&self, batches: Vec<RecordBatch>) {
        *self.batches.lock().expect("no holder of the lock panics") = batches.into();
    }

    fn exec(self: &Arc<Self>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let partitions: Vec<Arc<dyn PartitionStream>> = vec![Arc::clone(self) as _];
        Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&self.schema), partitions, None, None, false, None)?))
    }
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = std::mem::take(&mut *self.batches.lock().expect("no holder of the lock panics"));
        let batches = futures::stream::iter(batches.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_engine_is_an_error() {
        let error = caught(|| -> Result<(), DataFusionError> { panic!("row {}", 7) }).unwrap_err();
        assert!(error.to_string().contains("the engine panicked: row 7"), "{error}");
    }
}

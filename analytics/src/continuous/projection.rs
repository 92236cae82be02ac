//! DataFusion's plan of a query without windows: each row makes a row, or none.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

use crate::continuous::plan::{Slot, plan_over, run};
use crate::sql::query::StreamQuery;
use crate::sql::schema::{SqlColumn, full_schema};
use crate::stack::with_large_stack;

/// A filter and a select list.
#[derive(Debug)]
pub(crate) struct Projection {
    plan: Arc<dyn ExecutionPlan>,
    rows: Arc<Slot>,
    task: Arc<TaskContext>,
    /// What results look like.
    pub(crate) result: SchemaRef,
}

impl Projection {
    /// Plans `select` over a source with these columns.
    pub(crate) fn new(
        select: &StreamQuery,
        columns: &[SqlColumn],
        system_columns: &[&str],
    ) -> Result<Projection, DataFusionError> {
        let rows = Slot::new(full_schema(columns, system_columns));
        let (plan, task) = with_large_stack(|| plan_over(&rows, select))??;
        let mut aggregates = false;
        datafusion::common::tree_node::TreeNode::apply(&plan, |node| {
            aggregates |= node.is::<AggregateExec>();
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        if aggregates {
            return Err(DataFusionError::Plan("GROUP BY has no window, so no row would ever be final".to_owned()));
        }
        let result = plan.schema();
        Ok(Projection { plan, rows, task, result })
    }

    /// The rows that these rows make, in their order.
    pub(crate) fn map(&self, rows: RecordBatch) -> Result<RecordBatch, DataFusionError> {
        self.rows.fill(vec![rows]);
        run(&self.plan, &self.task)
    }
}

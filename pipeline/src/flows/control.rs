//! Flows as the front door changes them. Each change runs as a task of its own: a client that hangs up in the middle
//! of one does not leave it half done.

use std::sync::Arc;

use async_trait::async_trait;
use model::flow::admin::{Alteration, FlowAdmin, FlowError, FlowUses};
use model::flow::spec::{FlowKind, FlowSpec};
use model::name::ConsumerName;

use crate::flows::part::uses;
use crate::flows::supervisor::Supervisor;
use crate::read_only;

/// Changes the flows of a supervisor.
pub(crate) struct FlowControl(pub(crate) Arc<Supervisor>);

impl FlowControl {
    async fn change<F>(&self, change: impl FnOnce(Arc<Supervisor>) -> F) -> Result<(), FlowError>
    where
        F: Future<Output = Result<(), FlowError>> + Send + 'static,
    {
        if self.0.backends.is_read_only() {
            return Err(FlowError::Failed(format!("{}; {}", read_only::WHY, read_only::FIX)));
        }
        let done = tokio::spawn(change(Arc::clone(&self.0))).await;
        let unfinished = |error| FlowError::Failed(format!("the change was not finished: {error}; try it again"));
        done.unwrap_or_else(|error| Err(unfinished(error)))
    }
}

#[async_trait]
impl FlowAdmin for FlowControl {
    async fn spec(&self, kind: FlowKind, name: &ConsumerName) -> Result<FlowSpec, FlowError> {
        self.0.spec(kind, name)
    }

    fn uses(&self, name: &ConsumerName, spec: &FlowSpec) -> Result<FlowUses, FlowError> {
        Ok(uses(name, spec)?)
    }

    async fn create(&self, name: ConsumerName, spec: FlowSpec) -> Result<(), FlowError> {
        self.change(|supervisor| async move { supervisor.create(name, spec).await }).await
    }

    async fn alter(&self, name: &ConsumerName, spec: FlowSpec, how: Alteration) -> Result<(), FlowError> {
        let name = name.clone();
        self.change(|supervisor| async move { supervisor.alter(&name, spec, how).await }).await
    }

    async fn pause(&self, kind: FlowKind, name: &ConsumerName) -> Result<(), FlowError> {
        let name = name.clone();
        self.change(|supervisor| async move { supervisor.pause(kind, &name).await }).await
    }

    async fn resume(&self, kind: FlowKind, name: &ConsumerName) -> Result<(), FlowError> {
        let name = name.clone();
        self.change(|supervisor| async move { supervisor.resume(kind, &name).await }).await
    }

    async fn drop(&self, kind: FlowKind, name: &ConsumerName, with_output: bool) -> Result<(), FlowError> {
        let name = name.clone();
        self.change(|supervisor| async move { supervisor.drop_flow(kind, &name, with_output).await }).await
    }
}

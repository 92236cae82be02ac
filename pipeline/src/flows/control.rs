//! Flows as the front door changes them. Each change runs as a task of its own: a client that hangs up in the middle
//! of one does not leave it half done.

use std::sync::Arc;

use async_trait::async_trait;
use model::flow::admin::{Alteration, FlowAdmin, FlowError};
use model::flow::spec::{FlowKind, FlowSpec};
use model::name::ConsumerName;

use crate::flows::supervisor::Supervisor;

/// Changes the flows of a supervisor.
pub(crate) struct FlowControl(pub(crate) Arc<Supervisor>);

async fn to_the_end(change: impl Future<Output = Result<(), FlowError>> + Send + 'static) -> Result<(), FlowError> {
    let done = tokio::spawn(change).await;
    done.unwrap_or_else(|error| Err(FlowError::Failed(format!("the change was not finished: {error}; try it again"))))
}

#[async_trait]
impl FlowAdmin for FlowControl {
    async fn spec(&self, kind: FlowKind, name: &ConsumerName) -> Result<FlowSpec, FlowError> {
        self.0.spec(kind, name)
    }

    async fn create(&self, name: ConsumerName, spec: FlowSpec) -> Result<(), FlowError> {
        let supervisor = Arc::clone(&self.0);
        to_the_end(async move { supervisor.create(name, spec).await }).await
    }

    async fn alter(&self, name: &ConsumerName, spec: FlowSpec, how: Alteration) -> Result<(), FlowError> {
        let (supervisor, name) = (Arc::clone(&self.0), name.clone());
        to_the_end(async move { supervisor.alter(&name, spec, how).await }).await
    }

    async fn pause(&self, kind: FlowKind, name: &ConsumerName) -> Result<(), FlowError> {
        let (supervisor, name) = (Arc::clone(&self.0), name.clone());
        to_the_end(async move { supervisor.pause(kind, &name).await }).await
    }

    async fn resume(&self, kind: FlowKind, name: &ConsumerName) -> Result<(), FlowError> {
        let (supervisor, name) = (Arc::clone(&self.0), name.clone());
        to_the_end(async move { supervisor.resume(kind, &name).await }).await
    }

    async fn drop(&self, kind: FlowKind, name: &ConsumerName, with_output: bool) -> Result<(), FlowError> {
        let (supervisor, name) = (Arc::clone(&self.0), name.clone());
        to_the_end(async move { supervisor.drop_flow(kind, &name, with_output).await }).await
    }
}

//! The flow that a request names, and what may be done to it.

use axum::body::Body;
use http::StatusCode;
use model::flow::admin::{Alteration, FlowAdmin, FlowError, FlowUses};
use model::flow::spec::{FlowKind, FlowSpec};
use model::name::ConsumerName;
use serde::Deserialize;

use crate::rest::action::StreamUse;
use crate::rest::body;
use crate::rest::error::RestError;
use crate::rest::permission::Asker;
use crate::state::GatewayState;

/// A flow, whether it exists or not.
pub(super) struct Target<'a> {
    admin: &'a dyn FlowAdmin,
    kind: FlowKind,
    pub(super) name: ConsumerName,
}

impl<'a> Target<'a> {
    /// The flow of this name. Error: it cannot be a name, or this server runs no flows.
    pub(super) fn of(state: &'a GatewayState, kind: FlowKind, name: &str) -> Result<Self, RestError> {
        let name = ConsumerName::new(name).map_err(|error| RestError::invalid(error.to_string()))?;
        let off = || RestError::new(StatusCode::NOT_FOUND, "not_found", "this server runs no queries or deliveries");
        Ok(Target { admin: state.flow_admin.as_deref().ok_or_else(off)?, kind, name })
    }

    /// Creates it, if `asker` may read and write all that it does.
    pub(super) async fn create(&self, asker: &Asker, spec: FlowSpec) -> Result<(), RestError> {
        if asker.caller.is_limited() {
            self.check(asker, &self.done(self.admin.uses(&self.name, &spec))?).await?;
        }
        self.done(self.admin.create(self.name.clone(), spec).await)
    }

    /// Changes what it is made of, if `asker` may read and write what it did and what it will.
    /// `change` gives nothing if that is of another kind.
    pub(super) async fn alter(
        &self,
        asker: &Asker,
        restart: bool,
        change: impl FnOnce(FlowSpec) -> Option<FlowSpec>,
    ) -> Result<(), RestError> {
        let known = self.done(self.admin.spec(self.kind, &self.name).await)?;
        let uses = self.admin.uses(&self.name, &known);
        let spec = change(known).ok_or_else(|| self.not_found())?;
        if asker.caller.is_limited() {
            // What cannot run uses nothing.
            self.check(asker, &uses.unwrap_or_default()).await?;
            self.check(asker, &self.done(self.admin.uses(&self.name, &spec))?).await?;
        }
        self.done(self.admin.alter(&self.name, spec, Alteration { restart }).await)
    }

    async fn check(&self, asker: &Asker, uses: &FlowUses) -> Result<(), RestError> {
        for stream in &uses.reads {
            asker.check_stream(stream.as_str(), StreamUse::Read).await?;
        }
        for stream in &uses.writes {
            asker.check_stream(stream.as_str(), StreamUse::Write).await?;
        }
        if let Some(table) = &uses.table {
            asker.check_table(table.as_str())?;
        }
        Ok(())
    }

    pub(super) async fn pause(&self) -> Result<(), RestError> {
        self.done(self.admin.pause(self.kind, &self.name).await)
    }

    pub(super) async fn resume(&self) -> Result<(), RestError> {
        self.done(self.admin.resume(self.kind, &self.name).await)
    }

    /// Drops it, and the streams that it wrote if `with_output` and `asker` may delete them.
    pub(super) async fn drop_it(&self, asker: &Asker, with_output: bool) -> Result<(), RestError> {
        if with_output && asker.caller.is_limited() {
            let known = self.done(self.admin.spec(self.kind, &self.name).await)?;
            // What cannot run has written nothing that is its own.
            for stream in &self.admin.uses(&self.name, &known).unwrap_or_default().writes {
                asker.check_stream(stream.as_str(), StreamUse::Delete).await?;
            }
        }
        self.done(self.admin.drop(self.kind, &self.name, with_output).await)
    }

    pub(super) fn not_found(&self) -> RestError {
        refused(self.kind, FlowError::NotFound(format!("{} `{}` does not exist", self.kind.as_str(), self.name)))
    }

    fn done<T>(&self, done: Result<T, FlowError>) -> Result<T, RestError> {
        done.map_err(|error| refused(self.kind, error))
    }
}

fn refused(kind: FlowKind, error: FlowError) -> RestError {
    let message = error.to_string();
    match error {
        FlowError::Sql(error) => error.into(),
        FlowError::Invalid(_) => RestError::invalid(message),
        FlowError::NotFound(_) => {
            RestError::new(StatusCode::NOT_FOUND, &format!("{}_not_found", kind.as_str()), message)
        }
        FlowError::Conflict(_) => RestError::new(StatusCode::CONFLICT, "conflict", message),
        FlowError::Differs { differences, .. } => {
            RestError::new(StatusCode::CONFLICT, "differs", message).with_differences(differences)
        }
        FlowError::Failed(_) => RestError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message),
    }
}

/// Reads the body of a request.
pub(super) async fn read<T: for<'de> Deserialize<'de>>(body: Body) -> Result<T, RestError> {
    let bytes = body::read(body).await?;
    serde_json::from_slice(&bytes).map_err(|error| RestError::invalid(format!("the body is not valid here: {error}")))
}

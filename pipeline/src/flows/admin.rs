//! What people may do to flows while the server runs.
//!
//! A change is checked, kept, and then done, one change at a time. So a crash in between leaves either the flow as it
//! was, or a flow that the next start runs as it was asked for.

use model::flow::admin::{Alteration, Difference, FLOWS_MAX, FlowError};
use model::flow::report::Origin;
use model::flow::spec::{FlowKind, FlowSpec};
use model::name::{ConsumerName, StreamName};
use model::stream::store::StreamError;
use tracing::{info, warn};

use crate::flows::differences::differences;
use crate::flows::kept::{Holder, Kept};
use crate::flows::part::{Part, parts};
use crate::flows::supervisor::{Flow, Key, Supervisor};

impl Supervisor {
    /// Looks at a flow. Error: there is none of that name.
    fn with<T>(&self, kind: FlowKind, name: &ConsumerName, look: impl FnOnce(&Flow) -> T) -> Result<T, FlowError> {
        let flows = self.flows();
        if let Some(flow) = flows.get(&(kind, name.clone())) {
            return Ok(look(flow));
        }
        let kind = kind.as_str();
        let mut owners = flows.iter().filter(|(_, flow)| flow.running.iter().any(|part| part.part.name() == name));
        Err(FlowError::NotFound(match owners.next() {
            Some(((_, owner), _)) => format!("`{name}` is a pump of {kind} `{owner}`; name the {kind}: {owner}"),
            None => format!("{kind} `{name}` does not exist"),
        }))
    }

    /// A flow's spec and parts, if it may be changed at run time.
    fn changeable(&self, kind: FlowKind, name: &ConsumerName) -> Result<(FlowSpec, Vec<Part>), FlowError> {
        let found = self.with(kind, name, |flow| {
            let parts = flow.running.iter().map(|running| running.part.clone()).collect();
            (flow.origin, flow.spec.clone(), parts)
        });
        let (origin, spec, parts) = found?;
        if origin == Origin::Settings {
            let section = if kind == FlowKind::Query { "queries" } else { "deliveries" };
            return Err(FlowError::Conflict(format!(
                "{} `{name}` is in the settings file; change `[{section}.{name}]` there and restart the server",
                kind.as_str()
            )));
        }
        Ok((spec, parts))
    }

    async fn keep(&self, change: impl FnOnce(&mut Kept)) -> Result<(), FlowError> {
        let kept = self.book.change(change).await;
        kept.map_err(|error| FlowError::Failed(format!("the change cannot be kept in the data folder: {error}")))
    }

    /// Ends the workers of a flow, and waits until they have ended.
    async fn end(&self, kind: FlowKind, name: &ConsumerName) {
        let Some(flow) = self.flows().remove(&(kind, name.clone())) else { return };
        flow.running.iter().for_each(|running| running.worker.stop());
        for running in &flow.running {
            running.worker.ended().await;
        }
    }

    /// Waits until the workers of a flow have taken in a pause.
    async fn rested(&self, kind: FlowKind, name: &ConsumerName) {
        let waits = self
            .with(kind, name, |flow| flow.running.iter().map(|running| running.worker.rested()).collect::<Vec<_>>());
        futures::future::join_all(waits.unwrap_or_default()).await;
    }

    /// Forgets checkpoints that nobody will take up again. What cannot be forgotten now is at the next start.
    async fn settle(&self, holders: &[Holder]) {
        for holder in holders {
            if let Err(error) = self.book.settle(holder).await {
                warn!(consumer = %holder.consumer, error = &error as &dyn std::error::Error, "a checkpoint cannot be forgotten now");
            }
        }
    }

    /// Error: another flow reads or writes a stream that `parts` of flow `key` write.
    fn check_outputs_are_free(&self, key: &Key, parts: &[Part]) -> Result<(), FlowError> {
        let outputs: Vec<&StreamName> = parts.iter().filter_map(Part::output).collect();
        let flows = self.flows();
        for ((kind, name), flow) in flows.iter().filter(|(other, _)| *other != key) {
            let mut used = flow.running.iter().flat_map(|running| running.part.streams());
            if let Some(stream) = used.find(|stream| outputs.contains(stream)) {
                let kind = kind.as_str();
                return Err(FlowError::Conflict(format!(
                    "stream `{stream}` is also used by {kind} `{name}`; drop that {kind} first, or keep the output"
                )));
            }
        }
        Ok(())
    }

    async fn delete_outputs(&self, parts: &[Part]) -> Result<(), FlowError> {
        let outputs: Vec<&StreamName> = parts.iter().filter_map(Part::output).collect();
        for output in outputs {
            match self.backends.streams.delete(output).await {
                Ok(()) | Err(StreamError::NotFound(_)) => {}
                Err(error) => {
                    let message = format!("the query is dropped, but stream `{output}` cannot be deleted: {error}");
                    return Err(FlowError::Failed(message));
                }
            }
        }
        Ok(())
    }
}

impl Supervisor {
    /// What a flow was made of.
    pub(super) fn spec(&self, kind: FlowKind, name: &ConsumerName) -> Result<FlowSpec, FlowError> {
        self.with(kind, name, |flow| flow.spec.clone())
    }

    /// See [`FlowAdmin::create`](model::flow::admin::FlowAdmin::create).
    pub(super) async fn create(&self, name: ConsumerName, spec: FlowSpec) -> Result<(), FlowError> {
        let _changing = self.changing.lock().await;
        let kind = spec.kind();
        if self.with(kind, &name, |_| ()).is_ok() {
            let kind = kind.as_str();
            let message =
                format!("{kind} `{name}` exists already; choose another name, or alter it: gallop {kind} alter");
            return Err(FlowError::Conflict(message));
        }
        let created = self.flows().values().filter(|flow| flow.origin == Origin::RunTime).count();
        if FLOWS_MAX <= created {
            return Err(FlowError::Conflict(format!(
                "there are {FLOWS_MAX} flows that were created at run time, which is the most; drop one first"
            )));
        }
        let parts = parts(&name, &spec, &self.backends)?;
        self.check(&name, &spec, &parts).await?;
        self.check_checkpoints(&parts).await?;
        self.create_streams(&parts).await.map_err(|error| FlowError::Failed(format!("{error:#}")))?;
        self.keep(|kept| kept.put(name.clone(), spec.clone())).await?;
        info!(kind = kind.as_str(), %name, "flow created");
        self.launch(name, spec, Origin::RunTime, parts, false);
        Ok(())
    }

    /// See [`FlowAdmin::alter`](model::flow::admin::FlowAdmin::alter).
    pub(super) async fn alter(&self, name: &ConsumerName, spec: FlowSpec, how: Alteration) -> Result<(), FlowError> {
        let _changing = self.changing.lock().await;
        let kind = spec.kind();
        let (old_spec, old) = self.changeable(kind, name)?;
        let new = parts(name, &spec, &self.backends)?;
        self.check(name, &spec, &new).await?;
        let differences = differences((&old_spec, &old), (&spec, &new));
        if !differences.is_empty() && !how.restart {
            return Err(differs(kind, name, differences));
        }
        self.create_streams(&new).await.map_err(|error| FlowError::Failed(format!("{error:#}")))?;
        let mut holders: Vec<Holder> = old.iter().chain(&new).map(Part::holder).collect();
        holders.retain(|_| how.restart);
        self.end(kind, name).await;
        let paused = self.book.kept().await.paused(kind).contains(name);
        let kept = self.keep(|kept| {
            kept.put(name.clone(), spec.clone());
            kept.forget.extend(holders.iter().cloned());
        });
        if let Err(error) = kept.await {
            self.launch(name.clone(), old_spec, Origin::RunTime, old, paused);
            return Err(error);
        }
        // Of parts that go on, their workers forget their own before they begin.
        let gone: Vec<Holder> =
            holders.into_iter().filter(|holder| new.iter().all(|part| part.holder() != *holder)).collect();
        self.settle(&gone).await;
        info!(kind = kind.as_str(), %name, restart = how.restart, "flow altered");
        self.launch(name.clone(), spec, Origin::RunTime, new, paused);
        Ok(())
    }

    /// See [`FlowAdmin::pause`](model::flow::admin::FlowAdmin::pause).
    pub(super) async fn pause(&self, kind: FlowKind, name: &ConsumerName) -> Result<(), FlowError> {
        let _changing = self.changing.lock().await;
        self.with(kind, name, |_| ())?;
        self.keep(|kept| kept.paused(kind).extend([name.clone()])).await?;
        self.with(kind, name, |flow| flow.running.iter().for_each(|running| running.worker.pause()))?;
        self.rested(kind, name).await;
        info!(kind = kind.as_str(), %name, "flow paused");
        Ok(())
    }

    /// See [`FlowAdmin::resume`](model::flow::admin::FlowAdmin::resume).
    pub(super) async fn resume(&self, kind: FlowKind, name: &ConsumerName) -> Result<(), FlowError> {
        let _changing = self.changing.lock().await;
        self.with(kind, name, |_| ())?;
        self.keep(|kept| kept.paused(kind).retain(|other| other != name)).await?;
        self.with(kind, name, |flow| flow.running.iter().for_each(|running| running.worker.resume()))?;
        info!(kind = kind.as_str(), %name, "flow resumed");
        Ok(())
    }

    /// See [`FlowAdmin::drop`](model::flow::admin::FlowAdmin::drop).
    pub(super) async fn drop_flow(
        &self,
        kind: FlowKind,
        name: &ConsumerName,
        with_output: bool,
    ) -> Result<(), FlowError> {
        let _changing = self.changing.lock().await;
        let (spec, parts) = self.changeable(kind, name)?;
        if with_output {
            self.check_outputs_are_free(&(kind, name.clone()), &parts)?;
        }
        let holders: Vec<Holder> = parts.iter().map(Part::holder).collect();
        self.end(kind, name).await;
        let paused = self.book.kept().await.paused(kind).contains(name);
        let kept = self.keep(|kept| {
            kept.remove(kind, name);
            kept.paused(kind).remove(name);
            kept.forget.extend(holders.iter().cloned());
        });
        if let Err(error) = kept.await {
            self.launch(name.clone(), spec, Origin::RunTime, parts, paused);
            return Err(error);
        }
        self.settle(&holders).await;
        info!(kind = kind.as_str(), %name, with_output, "flow dropped");
        if with_output { self.delete_outputs(&parts).await } else { Ok(()) }
    }
}

fn differs(kind: FlowKind, name: &ConsumerName, differences: Vec<Difference>) -> FlowError {
    let parts: Vec<String> =
        differences.iter().map(|one| format!("{} is `{}`, not `{}`", one.part, one.is, one.wanted)).collect();
    let message = format!(
        "{} `{name}` cannot continue after this change: {}; its checkpoint belongs to the earlier definition; allow a restart to discard the checkpoint and start again",
        kind.as_str(),
        parts.join(", ")
    );
    FlowError::Differs { message, differences }
}

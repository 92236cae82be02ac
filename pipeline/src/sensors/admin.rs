//! What people may ask of the sensor path: its schemas, its ports, its figures.

use async_trait::async_trait;
use model::clock::{Clock, SystemClock};
use model::datagram::admin::{PortReport, PortSpec, SCHEMAS_MAX, SchemaSpec, SensorAdmin, SensorError};
use serde_json::{Value, json};
use tracing::{error, info};

use crate::sensors::control::{SensorControl, lock};
use crate::sensors::report;

#[async_trait]
impl SensorAdmin for SensorControl {
    async fn schemas(&self) -> Vec<SchemaSpec> {
        let state = self.state.lock().await;
        let mut all: Vec<SchemaSpec> = state.settings.schemas.iter().chain(&state.kept.schemas).cloned().collect();
        all.sort_by_key(|schema| schema.id);
        all
    }

    async fn put_schema(&self, schema: SchemaSpec) -> Result<(), SensorError> {
        let mut state = self.state.lock().await;
        let id = schema.id.0;
        match state.schema(schema.id) {
            Some(known) if *known == schema.fields => return Ok(()),
            Some(_) => {
                let message =
                    format!("schema {id} is registered with other fields; register these under another number");
                return Err(SensorError::Conflict(message));
            }
            None => {}
        }
        let mut kept = state.kept.clone();
        if SCHEMAS_MAX <= state.settings.schemas.len() + kept.schemas.len() {
            return Err(SensorError::Conflict(format!("all {SCHEMAS_MAX} schemas are in use")));
        }
        kept.schemas.push(schema);
        self.keep(&mut state, kept).await?;
        info!(schema = id, "sensor schema registered");
        Ok(())
    }

    async fn ports(&self) -> Vec<PortReport> {
        let state = self.state.lock().await;
        let report = |port: &u16, spec: &PortSpec, from_settings| PortReport {
            port: *port,
            spec: spec.clone(),
            from_settings,
            error: state.errors.get(port).cloned(),
            counters: report::counters(&self.reception.port_tally(*port).unwrap_or_default()),
        };
        let settings = state.settings.ports.iter().map(|(port, spec)| report(port, spec, true));
        let kept = state.kept.ports.iter().map(|(port, spec)| report(port, spec, false));
        let mut all: Vec<PortReport> = settings.chain(kept).collect();
        all.sort_by_key(|report| report.port);
        all
    }

    async fn put_port(&self, port: u16, spec: PortSpec) -> Result<bool, SensorError> {
        let mut state = self.state.lock().await;
        if state.settings.ports.contains_key(&port) {
            let message = format!("port {port} is defined in the settings file; change it there and restart");
            return Err(SensorError::Conflict(message));
        }
        let before = state.kept.ports.get(&port).cloned().filter(|_| !state.errors.contains_key(&port));
        self.program(&mut state, port, &spec).await?;
        let mut kept = state.kept.clone();
        kept.ports.insert(port, spec.clone());
        if let Err(error) = self.keep(&mut state, kept).await {
            // As it was: nobody is told of a port that a restart forgets.
            let undone = match &before {
                Some(before) => self.program(&mut state, port, before).await,
                None => self.reception.remove_port(port).map_err(|error| SensorError::Failed(error.to_string())),
            };
            if let Err(why) = undone {
                error!(port, error = %why, "sensor port cannot be set back");
            }
            return Err(error);
        }
        state.errors.remove(&port);
        info!(port, stream = %spec.stream, schema = spec.schema.0, tagged = spec.keys.is_some(), "sensor port added");
        Ok(before.is_none())
    }

    async fn remove_port(&self, port: u16) -> Result<(), SensorError> {
        let mut state = self.state.lock().await;
        if state.settings.ports.contains_key(&port) {
            let message = format!("port {port} is defined in the settings file; remove it there and restart");
            return Err(SensorError::Conflict(message));
        }
        let mut kept = state.kept.clone();
        if kept.ports.remove(&port).is_none() {
            return Err(SensorError::NotFound(format!("port {port} is not a sensor port")));
        }
        self.keep(&mut state, kept).await?;
        if state.errors.remove(&port).is_none() {
            self.reception.remove_port(port).map_err(|error| SensorError::Failed(error.to_string()))?;
        }
        info!(port, "sensor port removed");
        Ok(())
    }

    fn stats(&self) -> Value {
        let counters = report::counters;
        let pollers = self.reception.poller_tallies();
        let pollers: Vec<Value> =
            pollers.iter().map(|(name, tally)| json!({"poller": name, "counters": counters(tally)})).collect();
        let ports: Vec<Value> =
            self.tallies().iter().map(|(port, tally)| json!({"port": port, "counters": counters(tally)})).collect();
        json!({
            "at_millis": SystemClock.now().as_millis(),
            "receiver": lock(&self.receiver)(),
            "sources": self.reception.sources().len(),
            "total": counters(&self.reception.tally()),
            "pollers": pollers,
            "ports": ports,
        })
    }

    fn sources(&self, port: Option<u16>, after: Option<u32>, limit: usize) -> Value {
        let after = after.map(model::datagram::header::SourceId);
        json!(self.reception.sources().list(port, after, limit))
    }
}

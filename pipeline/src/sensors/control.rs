//! Ports and schemas at run time: each change is made where datagrams come in, and kept over restarts. What people ask for
//! is in `admin`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use ingest::sensor::accounts::Tally;
use ingest::sensor::port_rule::StreamHandle;
use ingest::sensor::port_table::PortError;
use ingest::sensor::reception::{Reception, ReceptionOptions};
use ingest::sensor::writer::StreamWriter;
use model::datagram::admin::{PortSpec, SchemaSpec, SensorError};
use model::datagram::header::SchemaId;
use model::datagram::schema::Schema;
use model::name::StreamName;
use model::stream::store::StreamStore;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tracing::{error, warn};

use crate::sensors::kept::Kept;
use crate::sensors::{keys, report, rule, stream};

/// Where things are, and what is allowed.
#[derive(Debug, Clone)]
pub(crate) struct ControlOptions {
    /// The data folder: what is set at run time is kept there.
    pub(crate) data: PathBuf,
    /// The folder with files of keys.
    pub(crate) keys: PathBuf,
    /// Where datagrams are received.
    pub(crate) address: IpAddr,
    /// Whether ports beyond loopback may take datagrams from anyone.
    pub(crate) allow_untagged: bool,
}

/// Says what receives, with its own figures.
pub(super) type Receiver = Box<dyn Fn() -> Value + Send + Sync>;

/// Controls the sensor path of one server.
pub(crate) struct SensorControl {
    options: ControlOptions,
    pub(super) reception: Arc<Reception>,
    streams: Arc<dyn StreamStore>,
    runtime: Handle,
    pub(super) state: Mutex<State>,
    writers: StdMutex<Vec<JoinHandle<()>>>,
    pub(super) receiver: StdMutex<Receiver>,
}

/// What is set, and by whom.
#[derive(Default)]
pub(super) struct State {
    /// Of the settings file.
    pub(super) settings: Kept,
    /// Of REST, kept.
    pub(super) kept: Kept,
    /// Ports of either that could not be opened at the start, and why.
    pub(super) errors: BTreeMap<u16, String>,
    handles: BTreeMap<StreamName, StreamHandle>,
}

impl State {
    pub(super) fn schema(&self, id: SchemaId) -> Option<&Schema> {
        let mut all = self.settings.schemas.iter().chain(&self.kept.schemas);
        all.find(|schema| schema.id == id).map(|schema| &schema.fields)
    }
}

impl SensorControl {
    /// Opens the reception and programs the ports of the settings and those that were kept. A port of the settings that
    /// cannot be is an error; a kept one is told and shown with the reason.
    pub(crate) async fn open(
        options: ControlOptions,
        streams: Arc<dyn StreamStore>,
        schemas: Vec<SchemaSpec>,
        ports: BTreeMap<u16, PortSpec>,
    ) -> anyhow::Result<Arc<SensorControl>> {
        let mut kept = Kept::load(&options.data)?;
        for schema in &schemas {
            match kept.schemas.iter().find(|known| known.id == schema.id) {
                Some(known) if known.fields != schema.fields => {
                    let id = schema.id.0;
                    anyhow::bail!("schema {id} of the settings was registered with other fields; give it another id");
                }
                _ => kept.schemas.retain(|known| known.id != schema.id),
            }
        }
        for port in ports.keys() {
            if kept.ports.remove(port).is_some() {
                warn!(port, "the settings now define this sensor port: its setting from run time is dropped");
            }
        }
        let settings = Kept { schemas, ports };
        let control = Arc::new(SensorControl {
            options,
            reception: Reception::new(ReceptionOptions::default()),
            streams,
            runtime: Handle::current(),
            state: Mutex::default(),
            writers: StdMutex::default(),
            receiver: StdMutex::new(Box::new(report::no_receiver)),
        });
        let opening = Arc::clone(&control);
        let mut state = opening.state.lock().await;
        (state.settings, state.kept) = (settings, kept);
        for (port, spec) in state.settings.ports.clone() {
            let programmed = control.program(&mut state, port, &spec).await;
            programmed.map_err(|why| anyhow::anyhow!("sensor port {port}: {why}"))?;
        }
        for (port, spec) in state.kept.ports.clone() {
            if let Err(why) = control.program(&mut state, port, &spec).await {
                error!(port, error = %why, "sensor port of an earlier run cannot be opened");
                state.errors.insert(port, why.to_string());
            }
        }
        drop(state);
        Ok(control)
    }

    /// Where receivers hand datagrams over.
    pub(crate) fn reception(&self) -> &Arc<Reception> {
        &self.reception
    }

    /// What receives, for people.
    pub(crate) fn set_receiver(&self, receiver: impl Fn() -> Value + Send + Sync + 'static) {
        *lock(&self.receiver) = Box::new(receiver);
    }

    /// Figures of each port, and of what came to none.
    pub(crate) fn tallies(&self) -> Vec<(u16, Tally)> {
        let ports = self.reception.ports().list();
        ports.into_iter().filter_map(|(port, _)| Some((port, self.reception.port_tally(port)?))).collect()
    }

    /// Waits until everything that was accepted is stored or refused. Receivers must have ended.
    pub(crate) async fn drain(&self) {
        self.reception.close();
        let writers = std::mem::take(&mut *lock(&self.writers));
        let joined = tokio::task::spawn_blocking(move || writers.into_iter().for_each(|writer| drop(writer.join())));
        // A writer that panicked has said so.
        let _ = joined.await;
    }

    /// Brings a port about: its stream, its writer, its rule.
    pub(super) async fn program(&self, state: &mut State, port: u16, spec: &PortSpec) -> Result<(), SensorError> {
        let schema = state.schema(spec.schema).cloned().ok_or_else(|| {
            let id = spec.schema.0;
            SensorError::Invalid(format!(
                "schema {id} is not registered; add it first: gallop sensor schema add {id} ..."
            ))
        })?;
        self.check_exposure(port, spec)?;
        let sources = match spec.keys.clone() {
            Some(name) => {
                let folder = self.options.keys.clone();
                let read = tokio::task::spawn_blocking(move || keys::read(&folder, &name)).await;
                let read = read.map_err(|error| SensorError::Failed(error.to_string()))?;
                Some(read.map_err(|error| SensorError::Invalid(format!("{error:#}")))?)
            }
            None => None,
        };
        // All that can be wrong with the rule, before the stream is touched.
        let invalid = SensorError::Invalid;
        rule::ranges(&spec.addresses).map_err(invalid)?;
        spec.rate.map(rule::rate).transpose().map_err(invalid)?;
        stream::prepare(&*self.streams, spec, &schema).await?;
        let handle = match state.handles.get(&spec.stream) {
            Some(handle) => *handle,
            None => {
                let handle = self.start_writer(&spec.stream)?;
                state.handles.insert(spec.stream.clone(), handle);
                handle
            }
        };
        let mut rule = rule::rule_of(spec, handle, &schema).map_err(invalid)?;
        if let Some(sources) = sources {
            (rule.sources, rule.tagged, rule.unregistered) = (sources, true, false);
        }
        self.reception.set_port(port, rule).map_err(|error| match &error {
            PortError::Zero => SensorError::Invalid(error.to_string()),
            PortError::TooMany | PortError::NotFound(_) => SensorError::Conflict(error.to_string()),
            PortError::Open { source, .. } => SensorError::Failed(format!("{error}: {source}")),
        })
    }

    /// Beyond loopback somebody must be asked for something.
    fn check_exposure(&self, port: u16, spec: &PortSpec) -> Result<(), SensorError> {
        let guarded = spec.keys.is_some() || !spec.addresses.is_empty() || self.options.allow_untagged;
        if guarded || self.options.address.is_loopback() {
            return Ok(());
        }
        Err(SensorError::Invalid(format!(
            "port {port} would accept datagrams from anyone who reaches {}: give it keys or addresses, or set allow_untagged in [sensor]",
            self.options.address
        )))
    }

    /// A thread of its own for each stream: bursts of datagrams hold up nobody's requests.
    fn start_writer(&self, stream: &StreamName) -> Result<StreamHandle, SensorError> {
        let (handle, reader) = self.reception.open().map_err(|error| SensorError::Conflict(error.to_string()))?;
        let writer = StreamWriter::new(Arc::clone(&self.streams), stream.clone(), reader);
        let runtime = self.runtime.clone();
        let thread = std::thread::Builder::new().name(format!("sensor-writer {stream}"));
        let thread = thread.spawn(move || runtime.block_on(writer.run()));
        lock(&self.writers)
            .push(thread.map_err(|error| SensorError::Failed(format!("no thread for a writer: {error}")))?);
        Ok(handle)
    }

    /// Keeps the state; where it cannot be kept, nothing has changed.
    pub(super) async fn keep(&self, state: &mut State, kept: Kept) -> Result<(), SensorError> {
        let saved = kept.save(&self.options.data).await;
        saved.map_err(|error| SensorError::Failed(format!("the change cannot be saved: {error}")))?;
        state.kept = kept;
        Ok(())
    }
}

pub(super) fn lock<T>(mutex: &StdMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Ports and schemas at run time: each change is made where datagrams come in, and kept over restarts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use ingest::sensor::accounts::Tally;
use ingest::sensor::port_rule::StreamHandle;
use ingest::sensor::port_table::PortError;
use ingest::sensor::reception::{Reception, ReceptionOptions};
use ingest::sensor::writer::StreamWriter;
use model::datagram::header::SchemaId;
use model::datagram::schema::Schema;
use model::datagram::sensor_stream::SensorStream;
use model::name::StreamName;
use model::sensor_admin::{PortReport, PortSpec, SCHEMAS_MAX, SchemaSpec, SensorAdmin, SensorError};
use model::stream_settings::StreamSettings;
use model::stream_store::{StartingPosition, StreamDescription, StreamError, StreamOptions, StreamStore};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tracing::{error, info, warn};

use crate::sensors::kept::Kept;
use crate::sensors::{keys, report, rule};

/// How often a change of a stream's settings is tried when somebody else changes them at the same time.
const ALTER_TRIES_MAX: usize = 5;

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
type Receiver = Box<dyn Fn() -> Value + Send + Sync>;

/// Controls the sensor path of one server.
pub(crate) struct SensorControl {
    options: ControlOptions,
    reception: Arc<Reception>,
    streams: Arc<dyn StreamStore>,
    runtime: Handle,
    state: Mutex<State>,
    writers: StdMutex<Vec<JoinHandle<()>>>,
    receiver: StdMutex<Receiver>,
}

/// What is set, and by whom.
#[derive(Default)]
struct State {
    /// Of the settings file.
    settings: Kept,
    /// Of REST, kept.
    kept: Kept,
    /// Ports of either that could not be opened at the start, and why.
    errors: BTreeMap<u16, String>,
    handles: BTreeMap<StreamName, StreamHandle>,
}

impl State {
    fn schema(&self, id: SchemaId) -> Option<&Schema> {
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
                warn!(port, "sensor port stands in the settings now: what was set at run time is forgotten");
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
    async fn program(&self, state: &mut State, port: u16, spec: &PortSpec) -> Result<(), SensorError> {
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
        self.prepare_stream(spec, &schema).await?;
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
            "port {port} would take datagrams from anyone who reaches {}: give it keys or addresses, or set allow_untagged in [sensor]",
            self.options.address
        )))
    }

    /// Creates the stream, or sees that its records are what the port takes.
    async fn prepare_stream(&self, spec: &PortSpec, schema: &Schema) -> Result<(), SensorError> {
        for _ in 0..ALTER_TRIES_MAX {
            let sensor = SensorStream {
                schema_id: spec.schema,
                schema: schema.clone(),
                readers: spec.readers.unwrap_or_default(),
            };
            let found = match self.streams.describe(&spec.stream).await {
                Ok(found) => found,
                Err(StreamError::NotFound(_)) => {
                    let options = StreamOptions { sensor: Some(sensor), ..StreamOptions::default() };
                    match self.streams.create(&spec.stream, options).await {
                        Ok(_) => {
                            info!(stream = %spec.stream, "stream created for sensor datagrams");
                            return Ok(());
                        }
                        Err(StreamError::Exists(_)) => continue,
                        Err(error) => return Err(SensorError::Failed(error.to_string())),
                    }
                }
                Err(error) => return Err(SensorError::Failed(error.to_string())),
            };
            let Some(wanted) = self.wanted(&found, spec, sensor).await? else { return Ok(()) };
            let to = StreamSettings { sensor: Some(wanted), ..found.settings.clone() };
            match self.streams.alter(&spec.stream, &found.settings, to).await {
                Ok(_) => return Ok(()),
                Err(StreamError::SettingsConflict(_)) => {}
                Err(error) => return Err(SensorError::Failed(error.to_string())),
            }
        }
        Err(SensorError::Conflict(format!("the settings of stream `{}` are being changed; try again", spec.stream)))
    }

    /// What the stream is to hold, if that is not what it holds.
    async fn wanted(
        &self,
        found: &StreamDescription,
        spec: &PortSpec,
        sensor: SensorStream,
    ) -> Result<Option<SensorStream>, SensorError> {
        match &found.settings.sensor {
            Some(there) if there.schema_id == sensor.schema_id && there.schema == sensor.schema => {
                let readers = spec.readers.unwrap_or(there.readers);
                Ok((readers != there.readers).then_some(SensorStream { readers, ..sensor }))
            }
            there => {
                if self.is_empty(found).await.map_err(|error| SensorError::Failed(error.to_string()))? {
                    return Ok(Some(sensor));
                }
                let holds = match there {
                    Some(there) if there.schema_id == sensor.schema_id => "records with other fields".to_owned(),
                    Some(there) => format!("records of schema {}", there.schema_id.0),
                    None => "records that are no sensor datagrams".to_owned(),
                };
                let message = format!(
                    "stream `{}` holds {holds}; send schema {} to another stream",
                    found.name, sensor.schema_id.0
                );
                Err(SensorError::Conflict(message))
            }
        }
    }

    async fn is_empty(&self, stream: &StreamDescription) -> Result<bool, StreamError> {
        for shard in stream.shards.iter() {
            let oldest = self.streams.locate(&stream.name, shard.id, StartingPosition::TrimHorizon).await?;
            if oldest != self.streams.locate(&stream.name, shard.id, StartingPosition::Latest).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A thread of its own for each stream: bursts of datagrams hold up nobody's requests.
    fn start_writer(&self, stream: &StreamName) -> Result<StreamHandle, SensorError> {
        let (handle, reader) = self.reception.open().map_err(|error| SensorError::Conflict(error.to_string()))?;
        let writer = StreamWriter::new(Arc::clone(&self.streams), stream.clone(), reader);
        let runtime = self.runtime.clone();
        let thread = std::thread::Builder::new().name("sensor-writer".to_owned());
        let thread = thread.spawn(move || runtime.block_on(writer.run()));
        lock(&self.writers)
            .push(thread.map_err(|error| SensorError::Failed(format!("no thread for a writer: {error}")))?);
        Ok(handle)
    }

    /// Keeps the state; where it cannot be kept, nothing has changed.
    async fn keep(&self, state: &mut State, kept: Kept) -> Result<(), SensorError> {
        let (data, new) = (self.options.data.clone(), kept.clone());
        let saved = tokio::task::spawn_blocking(move || new.save(&data)).await;
        let saved = saved.map_err(std::io::Error::other).and_then(|saved| saved);
        saved.map_err(|error| SensorError::Failed(format!("what was set cannot be kept: {error}")))?;
        state.kept = kept;
        Ok(())
    }
}

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
            return Err(SensorError::Conflict(format!(
                "{SCHEMAS_MAX} schemas are registered, and there are no more places"
            )));
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
            let message = format!("port {port} stands in the settings file; change it there and restart");
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
        info!(port, stream = %spec.stream, schema = spec.schema.0, tagged = spec.keys.is_some(), "sensor port programmed");
        Ok(before.is_none())
    }

    async fn remove_port(&self, port: u16) -> Result<(), SensorError> {
        let mut state = self.state.lock().await;
        if state.settings.ports.contains_key(&port) {
            let message = format!("port {port} stands in the settings file; remove it there and restart");
            return Err(SensorError::Conflict(message));
        }
        let mut kept = state.kept.clone();
        if kept.ports.remove(&port).is_none() {
            return Err(SensorError::NotFound(format!("port {port} is not programmed")));
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
            "at_millis": jiff::Timestamp::now().as_millisecond(),
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

fn lock<T>(mutex: &StdMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

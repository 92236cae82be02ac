//! What every route works with: the seams of `model` that the gateway serves, and its own names.
//!
//! A leaf: it imports nothing of the routes, so each of them can import it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use model::clock::Clock;
use model::datagram::admin::SensorAdmin;
use model::doctor::Doctor;
use model::flow::admin::FlowAdmin;
use model::flow::report::Flows;
use model::query::engine::SqlEngine;
use model::stream::store::StreamStore;
use model::table::store::TableStore;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::auth::access::Access;

/// Prints the metrics of this server.
pub type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// What handlers work with.
#[derive(Clone)]
pub struct GatewayState {
    /// Streams.
    pub streams: Arc<dyn StreamStore>,
    /// The same streams, without the quotas of shards: for people who look at records.
    pub browse: Arc<dyn StreamStore>,
    /// Tables.
    pub tables: Arc<dyn TableStore>,
    /// Ad hoc queries.
    pub sql: Arc<dyn SqlEngine>,
    /// Continuous queries and deliveries, where there are any.
    pub flows: Option<Arc<dyn Flows>>,
    /// Control of them, where they can be changed at run time.
    pub flow_admin: Option<Arc<dyn FlowAdmin>>,
    /// Control of sensor ports, where sensor datagrams are taken.
    pub sensors: Option<Arc<dyn SensorAdmin>>,
    /// Checks of this server's machine, if it makes any.
    pub doctor: Option<Arc<dyn Doctor>>,
    /// Whether the server can only be read, because its data folder takes no writes.
    pub is_read_only: bool,
    /// Cancelled when the server stops: answers without end finish then.
    pub stop: CancellationToken,
    /// The time: iterators and signatures expire by it.
    pub clock: Arc<dyn Clock>,
    /// Whether `/readyz` answers 200.
    pub ready: Arc<AtomicBool>,
    /// What `/metrics` answers: Prometheus' text format.
    pub metrics: Exposition,
    /// Who may call.
    pub access: Arc<Access>,
    /// The runtime whose blocking threads write large answers.
    pub bulk: Handle,
    /// Names in answers, and names of this server.
    pub options: GatewayOptions,
}

/// The region and the account in ARNs and error texts, and the names of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayOptions {
    /// Such as `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    /// Host names, besides loopback and the local address, by which browsers may call this server.
    pub hosts: Vec<String>,
    /// Origins, such as `https://app.example`, whose pages may call the Kinesis API from a browser.
    pub origins: Vec<String>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        GatewayOptions {
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}

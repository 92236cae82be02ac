//! Two looks at a server, and what happened between them.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::exposition::Exposition;
use crate::failure::{Failure, Kind};
use crate::server::rest_client::RestClient;

/// One look.
pub(crate) struct Sample {
    at: Instant,
    metrics: Exposition,
    streams: Vec<Value>,
    queries: Vec<Value>,
    deliveries: Vec<Value>,
    ports: Vec<Value>,
}

impl Sample {
    /// Looks.
    pub(crate) async fn take(client: &RestClient) -> anyhow::Result<Sample> {
        let list = async |path: &str, name: &str| -> anyhow::Result<Vec<Value>> {
            let mut answer = client.get(path).await?;
            Ok(match answer[name].take() {
                Value::Array(rows) => rows,
                _ => Vec::new(),
            })
        };
        let metrics = Exposition::parse(&client.page("/metrics").await?);
        let ports = match list("/v1/sensor/ports", "ports").await {
            // This server takes no datagrams.
            Err(error) if error.downcast_ref::<Failure>().is_some_and(|f| f.kind() == Kind::NotFound) => Vec::new(),
            listed => listed?,
        };
        Ok(Sample {
            at: Instant::now(),
            metrics,
            streams: list("/v1/streams", "streams").await?,
            queries: list("/v1/queries", "queries").await?,
            deliveries: list("/v1/deliveries", "deliveries").await?,
            ports,
        })
    }
}

/// A server, as it stands.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    /// Seconds that rates are of.
    pub(crate) seconds: f64,
    pub(crate) server: ServerRow,
    pub(crate) streams: Vec<StreamRow>,
    /// As `GET /v1/queries` has them.
    pub(crate) queries: Vec<Value>,
    /// As `GET /v1/deliveries` has them.
    pub(crate) deliveries: Vec<Value>,
    pub(crate) ports: Vec<PortRow>,
}

/// The process and its disk.
#[derive(Debug, Serialize)]
pub(crate) struct ServerRow {
    /// Processors that it keeps busy.
    pub(crate) cores: f64,
    pub(crate) memory_bytes: f64,
    pub(crate) requests_per_second: f64,
    /// Requests that failed on the server's side, a second.
    pub(crate) errors_per_second: f64,
    pub(crate) written_bytes_per_second: f64,
    pub(crate) disk_bytes: f64,
    pub(crate) disk_available_bytes: f64,
}

/// A stream.
#[derive(Debug, Serialize)]
pub(crate) struct StreamRow {
    pub(crate) name: String,
    pub(crate) shards: u64,
    pub(crate) records_per_second: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) read_records_per_second: f64,
    pub(crate) throttled_per_second: f64,
    /// Age of the oldest record that a delivery of this server has read and not delivered.
    pub(crate) iterator_age_millis: u64,
    /// Records that the slowest consumer of this server is behind.
    pub(crate) behind: u64,
    /// Calls that failed on the server's side, in all.
    pub(crate) failures: f64,
    /// Why it cannot be read, where it cannot.
    pub(crate) error: Option<String>,
}

/// A sensor port.
#[derive(Debug, Serialize)]
pub(crate) struct PortRow {
    pub(crate) port: u64,
    pub(crate) stream: String,
    pub(crate) received_per_second: f64,
    pub(crate) stored_records_per_second: f64,
    pub(crate) rejected_per_second: f64,
    pub(crate) waiting: f64,
}

impl Snapshot {
    /// What happened between two looks.
    pub(crate) fn between(before: &Sample, now: &Sample) -> Snapshot {
        let seconds = (now.at - before.at).as_secs_f64();
        let rate = |count: &dyn Fn(&Exposition) -> f64| {
            // A server that was started anew counts from zero.
            let more = (count(&now.metrics) - count(&before.metrics)).max(0.0);
            if seconds > 0.0 { (more / seconds * 10.0).round() / 10.0 } else { 0.0 }
        };
        let server = ServerRow {
            cores: (rate(&|m| m.sum("process_cpu_seconds_total") * 100.0)) / 100.0,
            memory_bytes: now.metrics.sum("process_resident_memory_bytes"),
            requests_per_second: rate(&|m| m.sum("gallop_http_requests_total")),
            errors_per_second: rate(&|m| m.beginning("gallop_http_requests_total", "status", "5")),
            written_bytes_per_second: rate(&|m| m.sum("gallop_log_written_bytes_total")),
            disk_bytes: now.metrics.sum("gallop_disk_size_bytes"),
            disk_available_bytes: now.metrics.sum("gallop_disk_available_bytes"),
        };
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let streams = now.streams.iter().map(|row| {
            let name = text(row, "name");
            let of = |family: &'static str| rate(&|m: &Exposition| m.of(family, "stream", &name));
            let readers = || now.queries.iter().chain(&now.deliveries).filter(|reader| reader["source"] == row["name"]);
            let most = |what: &str| readers().filter_map(|reader| reader[what].as_u64()).max().unwrap_or(0);
            StreamRow {
                shards: row["open_shards"].as_u64().unwrap_or(0),
                records_per_second: of("gallop_stream_records_total") + of("gallop_stream_committed_records_total"),
                bytes_per_second: of("gallop_stream_bytes_total"),
                read_records_per_second: of("gallop_stream_read_records_total"),
                throttled_per_second: of("gallop_stream_throttled_records_total"),
                iterator_age_millis: most("lag_millis"),
                behind: most("behind"),
                failures: now.metrics.of("gallop_stream_failures_total", "stream", &name),
                error: row["error"].as_str().map(str::to_owned),
                name,
            }
        });
        let ports = now.ports.iter().map(|row| {
            let port = row["port"].as_u64().unwrap_or(0);
            let of = |family: &'static str| rate(&|m: &Exposition| m.of(family, "port", &port.to_string()));
            PortRow {
                port,
                stream: text(row, "stream"),
                received_per_second: of("gallop_sensor_received_datagrams_total"),
                stored_records_per_second: of("gallop_sensor_stored_records_total"),
                rejected_per_second: of("gallop_sensor_rejected_datagrams_total"),
                waiting: now.metrics.of("gallop_sensor_waiting_datagrams", "port", &port.to_string()),
            }
        });
        Snapshot {
            seconds,
            server,
            streams: streams.collect(),
            queries: now.queries.clone(),
            deliveries: now.deliveries.clone(),
            ports: ports.collect(),
        }
    }
}

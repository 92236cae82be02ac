//! All metrics of one server, and how they are written down.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use analytics::worker::engine::WorkerFigures;
use axum::Router;
use ingest::log::store::LogStore;
use ingest::receiver::ReceiverReport;
use ingest::sensor::accounts::Tally;
use model::archive::store::Archive;
use model::clock::{Clock, SystemClock};
use model::disk::Disk;
use model::stream::store::StreamStore;
use model::table::store::TableStore;
use prometheus::process_collector::ProcessCollector;
use prometheus::{GaugeVec, TextEncoder};

use super::archive::{ArchiveMeters, CountedArchive};
use super::deliveries::Deliveries;
use super::disk::{CountedDisk, DiskMeters};
use super::families::{Families, NONE, as_gauge};
use super::figures::Figures;
use super::http::{Requests, counted};
use super::log::Logs;
use super::queries::Queries;
use super::room::Room;
use super::sensors::Sensors;
use super::sql::Sql;
use super::stream_meters::{Reader, StreamMeters};
use super::streams::CountedStreams;
use super::tables::{CountedTables, TableMeters};
use super::tasks::Tasks;

/// Says what flows and tasks do.
type Watched = Box<dyn Fn() -> Figures + Send + Sync>;

/// What a server counts. Every family stands in `docs/METRICS.md`.
pub(crate) struct Metrics {
    /// Locked while somebody looks, so that figures that are taken over are so once.
    families: Mutex<Families>,
    ready: GaugeVec,
    requests: Arc<Requests>,
    streams: Arc<StreamMeters>,
    tables: Arc<TableMeters>,
    archive: Arc<ArchiveMeters>,
    disk: DiskMeters,
    logs: Logs,
    queries: Queries,
    deliveries: Deliveries,
    tasks: Tasks,
    flows: Mutex<Watched>,
    room: Room,
    sensors: Sensors,
    sql: Sql,
}

impl Metrics {
    /// All metrics at zero.
    pub(crate) fn new() -> Arc<Metrics> {
        let mut families = Families::default();
        let ready = families.gauge("gallop_ready", &[], "1 while the server accepts requests, 0 once it stops.");
        let info = families.gauge("gallop_build_info", &["version"], "Always 1; the label is the version that runs.");
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        families.registry.register(Box::new(ProcessCollector::for_self())).expect("it is registered once");
        Arc::new(Metrics {
            ready,
            requests: Arc::new(Requests::new(&mut families)),
            streams: Arc::new(StreamMeters::new(&mut families)),
            disk: DiskMeters::new(&mut families),
            logs: Logs::new(&mut families),
            queries: Queries::new(&mut families),
            deliveries: Deliveries::new(&mut families),
            tasks: Tasks::new(&mut families),
            flows: Mutex::new(Box::new(Figures::default)),
            tables: Arc::new(TableMeters::new(&mut families)),
            archive: Arc::new(ArchiveMeters::new(&mut families)),
            room: Room::new(&mut families),
            sensors: Sensors::new(&mut families),
            sql: Sql::new(&mut families),
            families: Mutex::new(families),
        })
    }

    /// `router` with every request counted and traced.
    pub(crate) fn counted(&self, router: Router) -> Router {
        counted(router, Arc::clone(&self.requests))
    }

    /// `disk`, counted.
    pub(crate) fn disk(&self, disk: Arc<dyn Disk>) -> Arc<dyn Disk> {
        Arc::new(CountedDisk::new(disk, self.disk.clone()))
    }

    /// `streams`, counted as read by `reader`.
    pub(crate) fn streams(&self, streams: &Arc<dyn StreamStore>, reader: Reader) -> Arc<dyn StreamStore> {
        Arc::new(CountedStreams::new(Arc::clone(streams), Arc::clone(&self.streams), reader))
    }

    /// `tables`, counted.
    pub(crate) fn tables(&self, tables: Arc<dyn TableStore>) -> Arc<dyn TableStore> {
        Arc::new(CountedTables::new(tables, Arc::clone(&self.tables)))
    }

    /// `archive`, counted.
    pub(crate) fn archive(&self, archive: Arc<dyn Archive>) -> Arc<dyn Archive> {
        Arc::new(CountedArchive::new(archive, Arc::clone(&self.archive)))
    }

    /// Shows the streams of `log` from now on.
    pub(crate) fn watch_log(&self, log: LogStore) {
        self.logs.watch(Box::new(move || log.statuses()));
    }

    /// Shows the disk that `folder` is on from now on.
    pub(crate) fn watch_room(&self, folder: PathBuf) {
        self.room.watch(folder);
    }

    /// Shows what `tallies` says of each sensor port, and `receiver` of the kernel's part, from now on.
    pub(crate) fn watch_sensors(
        &self,
        tallies: impl Fn() -> Vec<(u16, Tally)> + Send + Sync + 'static,
        receiver: impl Fn() -> Option<ReceiverReport> + Send + Sync + 'static,
    ) {
        self.sensors.watch(tallies, receiver);
    }

    /// Shows what `figures` says of ad hoc SQL from now on.
    pub(crate) fn watch_sql(&self, figures: impl Fn() -> WorkerFigures + Send + Sync + 'static) {
        self.sql.watch(figures);
    }

    /// Shows what `figures` says of queries, deliveries and tasks, from now on.
    pub(crate) fn watch_flows(&self, figures: impl Fn() -> Figures + Send + Sync + 'static) {
        *self.flows.lock().expect("no holder of the lock panics") = Box::new(figures);
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn text(&self, ready: bool) -> String {
        let families = self.families.lock().expect("no holder of the lock panics");
        self.ready.with_label_values(&NONE).set(as_gauge(ready));
        let figures = (self.flows.lock().expect("no holder of the lock panics"))();
        self.queries.refresh(SystemClock.now(), &figures.queries);
        self.deliveries.refresh(&figures.deliveries);
        self.tasks.refresh(&figures.tasks);
        self.logs.refresh();
        self.room.refresh();
        self.sensors.refresh();
        self.sql.refresh();
        TextEncoder::new().encode_to_string(&families.registry.gather()).expect("memory takes everything")
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use super::*;

    /// The reference page has every family in the words of the code. `UPDATE_METRICS=1` writes it.
    #[test]
    fn the_reference_page_lists_every_family() {
        let metrics = Metrics::new();
        let families = metrics.families.lock().expect("nobody else");
        let mut table = String::from("| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n");
        let mut row = |name: &str, kind: &str, labels: &[&str], help: &str| {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).expect("text takes text");
        };
        for family in &families.listed {
            row(family.name, family.kind, family.labels, family.help);
        }
        for family in families.registry.gather().iter().filter(|family| family.name().starts_with("process_")) {
            let kind = if family.name().ends_with("_total") { "counter" } else { "gauge" };
            row(family.name(), kind, &[], family.help());
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
        let page = std::fs::read_to_string(&file).expect("the page is there");
        let (head, rest) = page.split_once("| metric |").expect("the page has a table");
        let foot = rest.split_once("\n\n").map_or("", |(_, foot)| foot);
        let expected = format!("{head}{table}\n{foot}");
        if std::env::var_os("UPDATE_METRICS").is_some() {
            std::fs::write(&file, &expected).expect("the page can be written");
        } else {
            assert_eq!(page, expected, "run the test with UPDATE_METRICS=1");
        }
    }
}

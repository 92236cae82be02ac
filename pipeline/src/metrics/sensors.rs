//! What became of sensor datagrams, by port and cause, asked at every look.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ingest::sensor::accounts::Tally;
use ingest::sensor::cause::{Refusal, Rejection};
use prometheus::{GaugeVec, IntCounterVec};

use super::families::Families;

/// Tells the tally of each port.
type Tallies = Box<dyn Fn() -> Vec<(u16, Tally)> + Send + Sync>;

/// The sensor path.
pub(crate) struct Sensors {
    received: IntCounterVec,
    rejected: IntCounterVec,
    stored: IntCounterVec,
    stored_records: IntCounterVec,
    refused: IntCounterVec,
    waiting: GaugeVec,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    tallies: Option<Tallies>,
    /// What was counted of each port at the last look: a port that was added anew begins at zero.
    counted: BTreeMap<u16, Tally>,
}

impl Sensors {
    pub(crate) fn new(families: &mut Families) -> Sensors {
        let by_cause = &["port", "cause"];
        Sensors {
            received: families.counter(
                "gallop_sensor_received_datagrams_total",
                &["port"],
                "Datagrams taken from the kernel.",
            ),
            rejected: families.counter(
                "gallop_sensor_rejected_datagrams_total",
                by_cause,
                "Datagrams that a port did not take.",
            ),
            stored: families.counter(
                "gallop_sensor_stored_datagrams_total",
                &["port"],
                "Datagrams durable in a stream.",
            ),
            stored_records: families.counter(
                "gallop_sensor_stored_records_total",
                &["port"],
                "Sensor records in datagrams that are durable.",
            ),
            refused: families.counter(
                "gallop_sensor_refused_datagrams_total",
                by_cause,
                "Datagrams that were taken and could not be stored.",
            ),
            waiting: families.gauge(
                "gallop_sensor_waiting_datagrams",
                &["port"],
                "Datagrams that were taken and are neither stored nor refused yet.",
            ),
            watched: Mutex::default(),
        }
    }

    /// Shows the ports from now on.
    pub(crate) fn watch(&self, tallies: impl Fn() -> Vec<(u16, Tally)> + Send + Sync + 'static) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).tallies = Some(Box::new(tallies));
    }

    /// Takes the figures over.
    pub(crate) fn refresh(&self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tallies) = watched.tallies.as_ref().map(|tallies| tallies()) else { return };
        let gone: Vec<u16> =
            watched.counted.keys().copied().filter(|port| tallies.iter().all(|(known, _)| known != port)).collect();
        for port in gone {
            watched.counted.remove(&port);
            // The gauge of a port that is gone says nothing; its counters stand.
            let _ = self.waiting.remove_label_values(&[&port.to_string()]);
        }
        for (port, now) in tallies {
            let before = watched.counted.insert(port, now).unwrap_or_default();
            self.count(port, now, before);
        }
    }

    fn count(&self, port: u16, now: Tally, before: Tally) {
        // Removed and added between two looks: all of it is new.
        let grown = if now.received() < before.received() { now } else { now - before };
        let port = port.to_string();
        let by = [port.as_str()];
        self.received.with_label_values(&by).inc_by(grown.received());
        self.stored.with_label_values(&by).inc_by(grown.stored);
        self.stored_records.with_label_values(&by).inc_by(grown.stored_records);
        self.waiting.with_label_values(&by).set(now.waiting() as f64);
        for cause in Rejection::ALL {
            self.rejected.with_label_values(&[&port, cause.name()]).inc_by(grown.rejected(cause));
        }
        for cause in Refusal::ALL {
            self.refused.with_label_values(&[&port, cause.name()]).inc_by(grown.refused(cause));
        }
    }
}

//! What became of sensor datagrams, by port and cause, asked at every look.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ingest::receiver::ReceiverReport;
use ingest::sensor::accounts::Tally;
use ingest::sensor::cause::{Refusal, Rejection};
use prometheus::{GaugeVec, IntCounter, IntCounterVec};

use super::families::{Families, NONE};

/// Tells the tally of each port.
type Tallies = Box<dyn Fn() -> Vec<(u16, Tally)> + Send + Sync>;

/// Tells what the kernel counts; none while it cannot be asked.
type KernelReport = Box<dyn Fn() -> Option<ReceiverReport> + Send + Sync>;

/// The sensor path.
pub(crate) struct Sensors {
    received: IntCounterVec,
    rejected: IntCounterVec,
    stored: IntCounterVec,
    stored_records: IntCounterVec,
    refused: IntCounterVec,
    waiting: GaugeVec,
    socket_drops: IntCounterVec,
    program_packets: IntCounterVec,
    queue_losses: IntCounterVec,
    fill_empty: IntCounterVec,
    queue_fill: GaugeVec,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    tallies: Option<Tallies>,
    receiver: Option<KernelReport>,
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
                "Datagrams received from the kernel.",
            ),
            rejected: families.counter(
                "gallop_sensor_rejected_datagrams_total",
                by_cause,
                "Datagrams that a port rejected.",
            ),
            stored: families.counter(
                "gallop_sensor_stored_datagrams_total",
                &["port"],
                "Datagrams durable in a stream.",
            ),
            stored_records: families.counter(
                "gallop_sensor_stored_records_total",
                &["port"],
                "Sensor records in durable datagrams.",
            ),
            refused: families.counter(
                "gallop_sensor_refused_datagrams_total",
                by_cause,
                "Datagrams accepted that could not be stored.",
            ),
            waiting: families.gauge(
                "gallop_sensor_waiting_datagrams",
                &["port"],
                "Datagrams accepted and not yet stored or refused.",
            ),
            socket_drops: families.counter(
                "gallop_sensor_socket_dropped_datagrams_total",
                &[],
                "Datagrams that the kernel dropped at ordinary sockets because pollers were too slow.",
            ),
            program_packets: families.counter(
                "gallop_sensor_program_packets_total",
                &["verdict"],
                "Packets that the steering program saw, by what it did with them.",
            ),
            queue_losses: families.counter(
                "gallop_sensor_queue_lost_frames_total",
                &["queue", "cause"],
                "Frames that bypassed the kernel and were lost at a receive queue.",
            ),
            fill_empty: families.counter(
                "gallop_sensor_queue_fill_empty_total",
                &["queue"],
                "Times that no buffer was free for a frame; such frames count as dropped.",
            ),
            queue_fill: families.gauge(
                "gallop_sensor_queue_fill_ratio",
                &["queue"],
                "Fill of a receive queue's ring when its poller last looked, from 0 to 1.",
            ),
            watched: Mutex::default(),
        }
    }

    /// Shows the ports from now on.
    pub(crate) fn watch(
        &self,
        tallies: impl Fn() -> Vec<(u16, Tally)> + Send + Sync + 'static,
        receiver: impl Fn() -> Option<ReceiverReport> + Send + Sync + 'static,
    ) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.tallies = Some(Box::new(tallies));
        watched.receiver = Some(Box::new(receiver));
    }

    /// Takes the figures over.
    pub(crate) fn refresh(&self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(report) = watched.receiver.as_ref().and_then(|receiver| receiver()) {
            self.count_kernel(&report);
        }
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

    fn count_kernel(&self, report: &ReceiverReport) {
        let follow = |counter: IntCounter, now: u64| counter.inc_by(now.saturating_sub(counter.get()));
        follow(self.socket_drops.with_label_values(&NONE), report.socket_drops.iter().sum());
        for (verdict, packets) in report.program.iter().flatten() {
            follow(self.program_packets.with_label_values(&[verdict]), *packets);
        }
        for (queue, of_queue) in report.queues.iter().enumerate() {
            let queue = queue.to_string();
            let losses = &of_queue.losses;
            let lost = [("ring_full", losses.ring_full), ("dropped", losses.dropped), ("invalid", losses.invalid)];
            for (cause, frames) in lost {
                follow(self.queue_losses.with_label_values(&[&queue, cause]), frames);
            }
            follow(self.fill_empty.with_label_values(&[&queue]), losses.fill_empty);
            let fill = f64::from(of_queue.waiting) / f64::from(of_queue.room.max(1));
            self.queue_fill.with_label_values(&[&queue]).set(fill);
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

//! Figures of the sensor path as REST shows them and Prometheus counts them.

use ingest::receiver::Receiver;
use ingest::sensor::accounts::Tally;
use ingest::sensor::cause::{Refusal, Rejection};
use serde_json::{Map, Value, json};

/// A tally by cause. `received` is `accepted` plus what was rejected; `accepted` is `stored` plus what was refused plus
/// `waiting`.
pub(super) fn counters(tally: &Tally) -> Value {
    let rejected: Map<String, Value> =
        Rejection::ALL.into_iter().map(|cause| (cause.name().to_owned(), tally.rejected(cause).into())).collect();
    let refused: Map<String, Value> =
        Refusal::ALL.into_iter().map(|cause| (cause.name().to_owned(), tally.refused(cause).into())).collect();
    json!({
        "received": tally.received(),
        "accepted": tally.accepted,
        "accepted_records": tally.accepted_records,
        "accepted_bytes": tally.accepted_bytes,
        "stored": tally.stored,
        "stored_records": tally.stored_records,
        "waiting": tally.waiting(),
        "rejected": rejected,
        "refused": refused,
    })
}

/// What receives: the path and why no better one, and what the kernel dropped before anybody could count it by port.
pub(super) fn receiver(receiver: &Receiver) -> Value {
    match receiver.report() {
        Ok(report) => {
            let dropped: u64 = report.socket_drops.iter().sum();
            let mut shown = json!(report);
            shown["kind"] = report.path.into();
            shown["reason"] = report.reasons.join("; ").into();
            shown["dropped_by_kernel"] = dropped.into();
            shown
        }
        Err(error) => json!({"kind": "unknown", "reason": format!("the kernel does not say: {error}")}),
    }
}

/// Before there is a receiver, and once it has ended.
pub(super) fn no_receiver() -> Value {
    json!({"kind": "none"})
}

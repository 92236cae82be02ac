//! Figures of the sensor path as REST shows them and Prometheus counts them.

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

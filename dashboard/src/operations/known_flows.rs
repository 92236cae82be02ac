//! Flows that tests show: those of a list.

use async_trait::async_trait;
use model::clock::Timestamp;
use model::flow::incident::Incident;
use model::flow::report::{DeliveryReport, Flows, Origin, QueryReport, Standing};
use model::flow::state::FlowState;
use model::name::{ConsumerName, StreamName};

/// Queries that never change.
pub(crate) struct KnownFlows(pub(crate) Vec<QueryReport>);

#[async_trait]
impl Flows for KnownFlows {
    async fn queries(&self) -> Vec<QueryReport> {
        self.0.clone()
    }

    async fn deliveries(&self) -> Vec<DeliveryReport> {
        Vec::new()
    }

    fn standings(&self) -> Vec<Standing> {
        Vec::new()
    }
}

/// A query that fails.
pub(crate) fn failing_query(name: &str, source: &StreamName, output: &StreamName) -> QueryReport {
    let name = ConsumerName::new(name).expect("a name");
    let at = Timestamp::from_millis(7);
    QueryReport {
        query: name.clone(),
        name,
        source: source.clone(),
        output: output.clone(),
        origin: Origin::Settings,
        state: FlowState::Failed,
        since: at,
        running: false,
        records: 0,
        rows: 0,
        left_out: 0,
        expired: 0,
        lost: 0,
        deleted: 0,
        rows_read: 0,
        any_passed: false,
        behind: None,
        records_per_second: 0.0,
        watermark: None,
        watermark_lag_millis: None,
        window_end: None,
        open_windows: 0,
        restarts: 1,
        last_error: Some(Incident { at, message: "no room".to_owned() }),
        last_left_out: None,
        waits_for: None,
    }
}

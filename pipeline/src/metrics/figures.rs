//! What metrics are told of workers at a scrape.

use analytics::continuous::status::QueryStatus;
use model::flow::report::Standing;
use sinks::delivery::status::DeliveryStatus;

/// Figures of all workers. With each query and delivery: the records that it has still to read, where that is known.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) queries: Vec<(Standing, QueryStatus, Option<u64>)>,
    pub(crate) deliveries: Vec<(Standing, DeliveryStatus, Option<u64>)>,
    pub(crate) tasks: Vec<Standing>,
}

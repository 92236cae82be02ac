//! The flows that a settings file names, as specs.

use std::path::Path;

use anyhow::Context;
use model::flow::spec::{DeliverySpec, FlowSpec, QuerySpec};
use model::name::ConsumerName;

use crate::config::file::Config;

/// Reads the files of queries; `folder` is where their paths begin.
pub(crate) fn flows(config: &Config, folder: &Path) -> anyhow::Result<Vec<(ConsumerName, FlowSpec)>> {
    let mut flows = Vec::new();
    for (name, query) in &config.queries {
        let file = folder.join(&query.sql);
        let sql = std::fs::read_to_string(&file)
            .with_context(|| format!("query `{name}`: {} cannot be read", file.display()))?;
        let spec = QuerySpec { sql, streams: query.streams.clone(), start: query.start };
        flows.push((name.clone(), FlowSpec::Query(spec)));
    }
    for (name, delivery) in &config.deliveries {
        let destination = delivery.destination().with_context(|| format!("delivery `{name}`"))?;
        let spec = DeliverySpec { source: delivery.source.clone(), destination, start: delivery.start };
        flows.push((name.clone(), FlowSpec::Delivery(spec)));
    }
    Ok(flows)
}

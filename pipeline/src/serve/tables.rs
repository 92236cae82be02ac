//! Creates the streams and tables that the settings name. Tables that are out of reach at the start are created later.

use std::time::Duration;

use model::table::store::{TableError, TableSchema};
use model::text::chain::chain;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backends::{Backends, START_WAIT_MAX};
use crate::config::file::Config;

/// How long a table that could not be created waits for the next try.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Creates what the settings name and is not there yet. Returns the tables that are out of reach, or not ready yet.
pub(super) async fn create(backends: &Backends, config: &Config) -> anyhow::Result<Vec<TableSchema>> {
    for (name, stream) in &config.streams {
        backends.create_stream(name, stream.options()).await?;
    }
    let mut later = Vec::new();
    for (name, table) in &config.tables {
        match tokio::time::timeout(START_WAIT_MAX, backends.tables.create(table.schema(name))).await {
            Ok(Ok(())) => {}
            Ok(Err(error @ TableError::Unavailable { .. })) => {
                warn!(table = %name, %error, "table is unreachable: its rows wait in their stream until it is back");
                later.push(table.schema(name));
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                warn!(table = %name, "table does not exist yet: its rows wait in their stream until it does");
                later.push(table.schema(name));
            }
        }
    }
    Ok(later)
}

/// Creates tables that the start could not wait for, until cancelled.
pub(super) async fn create_later(backends: Backends, schemas: Vec<TableSchema>, stop: CancellationToken) {
    for schema in schemas {
        loop {
            match stop.run_until_cancelled(backends.tables.create(schema.clone())).await {
                None => return,
                Some(Ok(())) => break,
                Some(Err(error)) => {
                    let text = chain(&error);
                    warn!(table = %schema.name, error = text, "table cannot be created now");
                }
            }
            stop.run_until_cancelled(tokio::time::sleep(RETRY_DELAY)).await;
        }
        info!(table = %schema.name, "table exists");
    }
}

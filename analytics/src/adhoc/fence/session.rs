//! A DataFusion session for one query, fenced in: its own memory pool, no object store, no file access, no writes.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::object_store::ObjectStore;
use datafusion::prelude::{SessionConfig, SessionContext};
use url::Url;

use crate::adhoc::limits::AdhocLimits;
use crate::capped_functions::cap;
use crate::integers::check_integers;

/// No store: tables bring their own, and a path in a query leads nowhere.
#[derive(Debug)]
struct NoStores;

impl ObjectStoreRegistry for NoStores {
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        Err(DataFusionError::Plan(format!("`{url}` is not available: queries read streams and the archive only")))
    }
}

/// A session for one query.
pub(crate) fn session(limits: &AdhocLimits) -> Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(limits.query_memory_bytes_max)))
        .with_max_temp_directory_size(limits.query_spill_bytes_max)
        .with_object_store_registry(Arc::new(NoStores))
        .build_arc()?;
    let config = SessionConfig::new().with_target_partitions(limits.threads).with_information_schema(false);
    let context = SessionContext::new_with_config_rt(config, runtime);
    cap(&context, limits.function_output_bytes_max);
    check_integers(&context);
    Ok(context)
}

/// What plans may do: read.
pub(crate) fn read_only() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

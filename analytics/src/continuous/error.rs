//! Why a continuous query stops.

use datafusion::error::DataFusionError;
use model::name::ConsumerName;
use model::query::engine::SqlError;
use model::stream::store::StreamError;

/// Why a query stopped. Starting it again may help after [`QueryError::Stream`] and
/// [`QueryError::Engine`]; the others need a change of the query.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The query does not fit the records that came first.
    #[error("query `{query}` does not fit the records of its stream")]
    Sql {
        query: ConsumerName,
        /// What does not fit.
        #[source]
        source: SqlError,
    },
    /// The checkpoint was made by another query of the same name.
    #[error(
        "query `{query}` was changed since its checkpoint: give the new query another name, or restore the old SQL"
    )]
    Changed { query: ConsumerName },
    /// The checkpoint cannot be read.
    #[error("the checkpoint of query `{query}` cannot be read: {reason}")]
    Checkpoint {
        query: ConsumerName,
        /// What is wrong with it.
        reason: String,
    },
    /// Its open windows hold more than a checkpoint may.
    #[error(
        "query `{query}` holds {bytes} bytes of state for its open windows, and the limit is {bytes_max}: group by \
         fewer values, use shorter windows, or split the query"
    )]
    StateTooLarge {
        query: ConsumerName,
        /// How much it holds.
        bytes: usize,
        /// How much it may hold.
        bytes_max: usize,
    },
    /// A stream could not be read or written.
    #[error("query `{query}` cannot continue")]
    Stream {
        query: ConsumerName,
        /// What the store said.
        #[source]
        source: StreamError,
    },
    /// The engine failed.
    #[error("query `{query}` could not be computed")]
    Engine {
        query: ConsumerName,
        /// What DataFusion said.
        #[source]
        source: Box<DataFusionError>,
    },
}

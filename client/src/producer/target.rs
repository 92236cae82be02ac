//! Where a producer sends, and why it could not begin.

use std::sync::Arc;

use clap::Args;

use crate::producer::kinesis::KinesisTransport;
use crate::producer::transport::CallError;
use crate::server::identity::{Identity, IdentityError};
use crate::server::trust::TrustError;

/// Where and how to send; shared by the commands that produce.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The server to send to.
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL", default_value = "http://127.0.0.1:4567")]
    pub endpoint: String,
    /// Sign with the keys of this AWS profile [default: the AWS variables, then AWS_PROFILE, then the default profile].
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Signs with fixed keys, whatever the environment holds: for a server of our own that takes any signature.
    #[arg(skip)]
    pub anybody: bool,
    /// Create the stream with this many shards if it does not exist.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub create_shards: Option<u32>,
}

/// Why a producer could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// The stream is not there or the server refuses.
    #[error("stream `{stream}` at {endpoint} cannot be used: {source}")]
    Target {
        stream: String,
        /// The server.
        endpoint: String,
        /// What it said.
        source: CallError,
    },
    /// There are no keys to sign with.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The server's certificate cannot be checked.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Input cannot be read.
    #[error("the input cannot be read")]
    Input(#[from] std::io::Error),
    /// An argument that cannot be.
    #[error("{0}")]
    Argument(String),
}

impl Target {
    /// A transport to `stream`, once the stream is known to be there.
    pub async fn connect(&self, stream: &str) -> Result<Arc<KinesisTransport>, ProduceError> {
        let identity = match self.anybody {
            true => Identity::anybody(),
            false => Identity::find(self.profile.as_deref()).await?,
        };
        let transport = KinesisTransport::new(&self.endpoint, stream, identity)?;
        let outcome = match self.create_shards {
            Some(shards) => transport.create(shards).await,
            None => transport.check().await,
        };
        let target = |source| ProduceError::Target { stream: stream.into(), endpoint: self.endpoint.clone(), source };
        outcome.map_err(target)?;
        Ok(Arc::new(transport))
    }
}

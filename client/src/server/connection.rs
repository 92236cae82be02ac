//! Which server a command asks, and as whom: three flags that all commands which ask share.

use crate::server::identity::Identity;
use clap::Args;

use crate::server::authorization::Authorization;
use crate::server::kinesis_client::KinesisClient;
use crate::server::rest_client::RestClient;

/// The server that is asked when none is named.
pub const ENDPOINT: &str = "http://127.0.0.1:4567";

/// The flags.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The server to ask [default: AWS_ENDPOINT_URL, then http://127.0.0.1:4567].
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// A token from the server's settings; without one, requests are signed.
    #[arg(long, global = true, env = "GALLOP_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Sign with the keys of this AWS profile [default: the AWS variables, then AWS_PROFILE, then the default profile].
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
}

impl Connection {
    /// The server's URL.
    pub fn endpoint(&self) -> String {
        self.named_endpoint().unwrap_or_else(|| ENDPOINT.to_owned())
    }

    /// The URL that somebody named.
    pub fn named_endpoint(&self) -> Option<String> {
        let variable = || std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty());
        self.endpoint.clone().or_else(variable)
    }

    /// The profile that was named with the command.
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// Who asks. A profile that is named ranks above a token that a variable holds.
    pub async fn authorization(&self) -> anyhow::Result<Authorization> {
        match (&self.profile, &self.token) {
            (None, Some(token)) => Authorization::token(token),
            (profile, _) => Ok(Authorization::Signature(Identity::find(profile.as_deref()).await?)),
        }
    }

    /// The server's Kinesis API.
    pub async fn kinesis(&self) -> anyhow::Result<KinesisClient> {
        KinesisClient::new(&self.endpoint(), self.authorization().await?)
    }

    /// The server's REST API.
    pub async fn rest(&self) -> anyhow::Result<RestClient> {
        RestClient::new(&self.endpoint(), self.authorization().await?)
    }
}

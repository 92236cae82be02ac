//! Clients of AWS services, and of servers that speak like them: where they are, who we are, how often we try.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use model::text::chain::chain;

/// Region of servers that know none.
const REGION_OF_ENDPOINTS: &str = "us-east-1";

/// How to reach a service. What is not given comes from where the SDK looks: variables, profiles, roles.
#[derive(Debug, Clone)]
pub struct AwsOptions {
    /// A server that speaks like AWS; the service itself without it.
    pub endpoint: Option<String>,
    /// The region; with an endpoint and nothing else to name one, `us-east-1`.
    pub region: Option<String>,
    /// The profile of the SDK's configuration files.
    pub profile: Option<String>,
    /// Fixed keys, instead of what the SDK finds.
    pub keys: Option<AccessKeys>,
    /// Tries of a call that fails in passing, the first one included.
    pub attempts_max: u32,
    /// Wait before the second try; doubled after each further one, and jittered.
    pub retry_delay_min: Duration,
    /// The longest wait between two tries.
    pub retry_delay_max: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one try may take.
    pub attempt_timeout: Duration,
}

impl Default for AwsOptions {
    fn default() -> Self {
        AwsOptions {
            endpoint: None,
            region: None,
            profile: None,
            keys: None,
            attempts_max: 4,
            retry_delay_min: Duration::from_millis(50),
            retry_delay_max: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(30),
        }
    }
}

/// An access key; its secret is never printed.
#[derive(Clone)]
pub struct AccessKeys {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
    /// For temporary keys.
    pub session_token: Option<String>,
}

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKeys").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What all clients of one service share.
pub(crate) async fn config(options: &AwsOptions) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let retries = RetryConfig::standard()
        .with_max_attempts(options.attempts_max)
        .with_initial_backoff(options.retry_delay_min)
        .with_max_backoff(options.retry_delay_max);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout)
        .operation_attempt_timeout(options.attempt_timeout)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(retries)
        .timeout_config(timeouts);
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(AccessKeys { id, secret, session_token }) = &options.keys {
        let keys = Credentials::new(id, secret, session_token.clone(), None, "settings");
        loader = loader.credentials_provider(keys);
    }
    let config = loader.load().await;
    if config.region().is_none() && options.endpoint.is_some() {
        return config.into_builder().region(Region::new(REGION_OF_ENDPOINTS)).build();
    }
    config
}

/// Why a call failed, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CallFailure(String);

impl CallFailure {
    /// The service's own words where it answered, else the whole chain of causes.
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        match (error.as_service_error(), status) {
            (Some(service), Some(status)) => {
                let code = service.code().unwrap_or("no error code");
                let message = service.message().unwrap_or("no message");
                CallFailure(format!("HTTP {status}, {code}: {message}"))
            }
            _ => CallFailure::of_chain(error),
        }
    }

    /// An error and all its causes.
    pub(crate) fn of_chain(error: &dyn Error) -> Self {
        CallFailure(chain(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let keys = AccessKeys { id: "id".into(), secret: "hush".into(), session_token: Some("hush".into()) };
        let printed = format!("{:?}", AwsOptions { keys: Some(keys), ..AwsOptions::default() });
        assert!(printed.contains("id") && !printed.contains("hush"), "{printed}");
    }
}

//! Who signs: the keys and the region of the usual AWS variables and profiles.
//!
//! Variables come first, then the profile that is named, then the default one. Where none of them has keys, fixed ones
//! sign: a server that takes any signature needs no more. Nothing is asked of the network but what a profile says.

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use thiserror::Error;
use tracing::warn;

/// Region that is used when none is configured.
const REGION: &str = "us-east-1";

/// Keys and region.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What scopes of signatures name.
    pub region: String,
    /// The keys; asked again when they expire.
    pub credentials: SharedCredentialsProvider,
}

/// A profile that was named and cannot be used: going on without it would act for somebody else.
#[derive(Debug, Error)]
#[error("profile `{profile}` has no credentials to sign with: {source}")]
pub struct IdentityError {
    profile: String,
    source: CredentialsError,
}

impl Identity {
    /// Keys that sign where any signature is taken.
    pub fn anybody() -> Self {
        let keys = Credentials::new("gallop", "gallop", None, None, "anybody");
        Identity { region: REGION.to_owned(), credentials: SharedCredentialsProvider::new(keys) }
    }

    /// What variables and profiles say. `profile` ranks above `AWS_PROFILE`.
    pub async fn find(profile: Option<&str>) -> Result<Self, IdentityError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = profile.map(str::to_owned).or_else(|| variable("AWS_PROFILE"));
        let http = aws_smithy_http_client::Builder::new();
        let http = http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = ProviderConfig::default().with_http_client(http);

        let mut keys = ProfileFileCredentialsProvider::builder().configure(&config);
        let mut region = ProfileFileRegionProvider::builder().configure(&config);
        if let Some(named) = &named {
            keys = keys.profile_name(named);
            region = region.profile_name(named);
        }
        let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(region.build());
        let region = region.region().await.map_or_else(|| REGION.to_owned(), |region| region.to_string());
        let keys = match profile {
            // Named with the command: it is meant, whatever the variables hold.
            Some(_) => SharedCredentialsProvider::new(keys.build()),
            None => SharedCredentialsProvider::new(
                CredentialsProviderChain::first_try("variables", EnvironmentVariableCredentialsProvider::new())
                    .or_else("profile", keys.build()),
            ),
        };
        match (keys.provide_credentials().await, named) {
            (Ok(_), _) => Ok(Identity { region, credentials: keys }),
            (Err(source), Some(profile)) => Err(IdentityError { profile, source }),
            (Err(CredentialsError::CredentialsNotLoaded(_)), None) => Ok(Identity { region, ..Identity::anybody() }),
            (Err(failure), None) => {
                warn!(%failure, "the default profile cannot be used; requests are signed by nobody in particular");
                Ok(Identity { region, ..Identity::anybody() })
            }
        }
    }
}

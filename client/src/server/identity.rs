//! Who signs: the keys and the region of the usual AWS variables and profiles.
//!
//! Variables come first, then the profile that is named, then the default one. Where none of them has keys, fixed ones
//! sign: a server that takes any signature needs no more. Nothing is asked of the network but what a profile says.

use std::path::PathBuf;

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
#[error("profile `{profile}` has no credentials to sign with")]
pub struct IdentityError {
    profile: String,
    source: CredentialsError,
}

/// The files that profiles are kept in.
fn profile_files() -> Vec<PathBuf> {
    let file = |name: &str, usual: &str| {
        let named = std::env::var_os(name).filter(|file| !file.is_empty()).map(PathBuf::from);
        named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".aws").join(usual)))
    };
    [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
        .into_iter()
        .flatten()
        .collect()
}

impl Identity {
    /// Keys that sign where any signature is taken.
    pub fn anybody() -> Self {
        let keys = Credentials::new("gallop", "gallop", None, None, "anybody");
        Identity { region: REGION.to_owned(), credentials: SharedCredentialsProvider::new(keys) }
    }

    /// What variables alone say, where nothing else would be asked: found at once, without a client for HTTPS.
    fn at_hand(variable: impl Fn(&str) -> Option<String>, files: &[PathBuf]) -> Option<Self> {
        let no_profiles =
            || files.iter().all(|file| file.metadata().is_ok_and(|file| file.len() == 0) || !file.exists());
        let region = match variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")) {
            Some(region) => region,
            None => no_profiles().then(|| REGION.to_owned())?,
        };
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                let keys = Credentials::new(id.trim(), secret.trim(), variable("AWS_SESSION_TOKEN"), None, "variables");
                Some(Identity { region, credentials: SharedCredentialsProvider::new(keys) })
            }
            (None, None) if variable("AWS_PROFILE").is_none() && no_profiles() => {
                Some(Identity { region, ..Identity::anybody() })
            }
            _ => None,
        }
    }

    /// What variables and profiles say. `profile` ranks above `AWS_PROFILE`.
    pub async fn find(profile: Option<&str>) -> Result<Self, IdentityError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let (None, Some(identity)) = (profile, Identity::at_hand(variable, &profile_files())) {
            return Ok(identity);
        }
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
                warn!(%failure, "the default profile cannot be used; requests are signed with placeholder keys");
                Ok(Identity { region, ..Identity::anybody() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn key_of(variables: &[(&str, &str)], files: &[PathBuf]) -> Option<String> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        let identity = Identity::at_hand(variable, files)?;
        let keys = identity.credentials.provide_credentials().await.expect("keys at hand need nobody");
        Some(format!("{} {}", identity.region, keys.access_key_id()))
    }

    #[tokio::test]
    async fn what_variables_say_is_found_at_once_and_all_else_is_looked_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (none, some) = (folder.path().join("none"), folder.path().join("some"));
        std::fs::write(&some, "[default]\naws_access_key_id = a\n").expect("written");
        let (none, some) = ([none], [some]);
        let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert_eq!(key_of(&[], &none).await.as_deref(), Some("us-east-1 gallop"));
        assert_eq!(key_of(&keys, &none).await.as_deref(), Some("us-east-1 id"));
        assert_eq!(key_of(&[keys[0], keys[1], ("AWS_REGION", "x")], &some).await.as_deref(), Some("x id"));
        assert_eq!(key_of(&keys, &some).await, None, "a profile may name the region");
        assert_eq!(key_of(&[], &some).await, None);
        assert_eq!(key_of(&[("AWS_PROFILE", "p")], &none).await, None);
        assert_eq!(key_of(&keys[..1], &none).await, None, "half of the keys is a mistake, to be told");
    }
}

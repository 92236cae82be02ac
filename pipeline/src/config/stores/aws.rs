//! How to reach a service of AWS, or a server that speaks like it: what `[s3]` and `[dynamodb]`
//! share.
//!
//! Credentials are not settings: they come from where the SDKs look, which is variables
//! (`AWS_ACCESS_KEY_ID`, ..), profiles, web identities, containers and instances. So do region and
//! endpoint when they are not given.

use std::time::Duration;

use sinks::aws::AwsOptions;
use url::Url;

use crate::config::text::error::Faults;

/// Tries of a call.
const ATTEMPTS: std::ops::RangeInclusive<u32> = 1..=20;
/// How long one try may take.
const ATTEMPT_MILLIS: std::ops::RangeInclusive<u64> = 100..=600_000;

/// Where a service is and how often it is tried; the fields are those of the settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service<'a> {
    /// The settings' table, for messages.
    pub(crate) section: &'static str,
    pub(crate) endpoint: Option<&'a str>,
    pub(crate) region: Option<&'a str>,
    pub(crate) profile: Option<&'a str>,
    pub(crate) attempts_max: Option<u32>,
    pub(crate) attempt_timeout_ms: Option<u64>,
}

impl Service<'_> {
    /// What the shape alone does not say.
    pub(crate) fn check(&self, faults: &mut Faults) {
        let section = self.section;
        if let Some(endpoint) = self.endpoint {
            let url = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            if url.is_none_or(|url| url.path() != "/" || url.query().is_some()) {
                let message = format!("{section}: endpoint `{endpoint}` is not an address");
                faults.add(&[section, "endpoint"], message, "write one like `http://127.0.0.1:9000`, without a path");
            }
        }
        faults.range(&[section, "attempts_max"], section, self.attempts_max, &ATTEMPTS);
        faults.range(&[section, "attempt_timeout_ms"], section, self.attempt_timeout_ms, &ATTEMPT_MILLIS);
    }

    /// The settings in the words of the client.
    pub(crate) fn options(&self) -> AwsOptions {
        let standard = AwsOptions::default();
        AwsOptions {
            endpoint: self.endpoint.map(str::to_owned),
            region: self.region.map(str::to_owned),
            profile: self.profile.map(str::to_owned),
            attempts_max: self.attempts_max.unwrap_or(standard.attempts_max),
            attempt_timeout: self.attempt_timeout_ms.map_or(standard.attempt_timeout, Duration::from_millis),
            ..standard
        }
    }
}

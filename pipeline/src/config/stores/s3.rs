//! `[s3]`: the archive stands in a bucket, not in the data folder.

use serde::Deserialize;
use sinks::archive::s3::S3Options;

use crate::config::stores::aws::Service;
use crate::config::text::error::Faults;

/// Where the archive is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3Config {
    bucket: String,
    /// What every key begins with, such as `archive/`.
    #[serde(default)]
    prefix: String,
    /// Puts the bucket's name into the path; by default wherever an endpoint is given.
    path_style: Option<bool>,
    /// Creates the bucket when it is missing.
    #[serde(default)]
    create_bucket: bool,
    /// A server that speaks like S3.
    endpoint: Option<String>,
    /// The region; by default the SDK's.
    region: Option<String>,
    /// A profile of the SDK's configuration files.
    profile: Option<String>,
    /// Tries of a call before the delivery waits.
    attempts_max: Option<u32>,
    /// How long one try may take.
    attempt_timeout_ms: Option<u64>,
}

impl S3Config {
    fn service(&self) -> Service<'_> {
        Service {
            section: "s3",
            endpoint: self.endpoint.as_deref(),
            region: self.region.as_deref(),
            profile: self.profile.as_deref(),
            attempts_max: self.attempts_max,
            attempt_timeout_ms: self.attempt_timeout_ms,
        }
    }

    /// What the shape alone does not say.
    pub(crate) fn check(&self, faults: &mut Faults) {
        if self.bucket.is_empty() || self.bucket.contains('/') {
            let message = format!("s3: bucket `{}` is not the name of a bucket", self.bucket);
            faults.add(&["s3", "bucket"], message, "write its name alone; what keys begin with is `prefix`");
        }
        let prefix = &self.prefix;
        if !prefix.is_empty() && (prefix.starts_with('/') || !prefix.ends_with('/') || prefix.contains("//")) {
            let message = format!("s3: prefix `{prefix}` must look like `archive/` or `a/b/`");
            let plain: Vec<&str> = prefix.split('/').filter(|part| !part.is_empty()).collect();
            faults.add(&["s3", "prefix"], message, format!("did you mean `{}/`?", plain.join("/")));
        }
        self.service().check(faults);
    }

    /// The settings in the words of the archive.
    pub(crate) fn options(&self) -> S3Options {
        S3Options {
            prefix: self.prefix.clone(),
            path_style: self.path_style,
            create_bucket: self.create_bucket,
            ..S3Options::new(&self.bucket, self.service().options())
        }
    }
}

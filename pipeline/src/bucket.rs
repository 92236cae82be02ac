//! Archives in a bucket of S3: as the settings have it, or as a command names it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use model::archive::store::{Archive, ArchiveError};
use model::text::chain::chain;
use sinks::archive::s3::{S3Archive, S3Options};
use sinks::aws::AwsOptions;
use tracing::warn;

/// The archive of a server, which has `wait_max` to answer. One that is out of reach is opened all the same; one that
/// refuses us for good is an error.
pub(crate) async fn open(options: S3Options, wait_max: Duration) -> anyhow::Result<Arc<dyn Archive>> {
    let archive = S3Archive::connect(options).await;
    match tokio::time::timeout(wait_max, archive.check()).await {
        Ok(Ok(())) => {}
        Ok(Err(error @ ArchiveError::Unusable { .. })) => return Err(error.into()),
        Ok(Err(error)) => {
            let error = chain(&error);
            warn!(error, "the archive is unreachable: records wait in their streams until it is back");
        }
        Err(_) => warn!("the archive does not answer: records wait in their streams until it does"),
    }
    Ok(Arc::new(archive))
}

/// The archive at `bucket/prefix`, with what the SDK's variables and profiles say of it.
pub(crate) async fn named(place: &str, profile: Option<&str>) -> anyhow::Result<Arc<dyn Archive>> {
    Ok(Arc::new(S3Archive::connect(bucket_of(place, profile)?).await))
}

/// Reads `bucket/prefix`.
fn bucket_of(place: &str, profile: Option<&str>) -> anyhow::Result<S3Options> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        bail!("s3://{place} names no bucket; write it as s3://bucket or s3://bucket/prefix");
    }
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let aws = AwsOptions { profile: profile.map(str::to_owned), ..AwsOptions::default() };
    Ok(S3Options { prefix, ..S3Options::new(bucket, aws) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_buckets_are_read() {
        let check = |place: &str, bucket: &str, prefix: &str| {
            let options = bucket_of(place, None).expect("a bucket");
            assert_eq!((options.bucket.as_str(), options.prefix.as_str()), (bucket, prefix), "{place}");
        };
        check("rides", "rides", "");
        check("rides/", "rides", "");
        check("rides/a/b", "rides", "a/b/");
        check("rides/a/b/", "rides", "a/b/");
        assert!(bucket_of("/a", None).is_err());
    }
}

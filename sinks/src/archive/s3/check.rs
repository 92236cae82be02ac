//! Whether a bucket can serve as an archive: it is there, these credentials may use it, and the store honours
//! conditional puts. One that ignores them would overwrite objects without a word.

use aws_sdk_s3::error::ProvideErrorMetadata;
use bytes::Bytes;
use model::archive::store::{ArchiveError, PutOutcome};

use super::store::{PROBE, S3Archive, status, unavailable};
use crate::aws::CallFailure;

impl S3Archive {
    /// Checks the bucket; once it has passed, it is not checked again. Error: [`ArchiveError::Unusable`] says what
    /// somebody must change, [`ArchiveError::Unavailable`] may pass.
    pub async fn check(&self) -> Result<(), ArchiveError> {
        let check = || async {
            self.check_bucket().await?;
            self.check_conditional_puts().await
        };
        self.checked.get_or_try_init(check).await.copied()
    }

    async fn check_bucket(&self) -> Result<(), ArchiveError> {
        if self.has_bucket().await? {
            return Ok(());
        }
        if self.options.create_bucket {
            return self.create_bucket().await;
        }
        Err(refused(self.looking(), "the bucket does not exist; create it, or set `create_bucket = true`"))
    }

    /// Whether the bucket is there. Error: as [`S3Archive::check`].
    pub async fn has_bucket(&self) -> Result<bool, ArchiveError> {
        match self.client.head_bucket().bucket(&self.options.bucket).send().await {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(404) => Ok(false),
            Err(error) if status(&error) == Some(403) => Err(refused(self.looking(), &self.why_denied().await)),
            Err(error) => Err(unavailable(self.looking(), CallFailure::of(&error))),
        }
    }

    fn looking(&self) -> String {
        format!("looking for bucket `{}`", self.options.bucket)
    }

    /// What the store has against these credentials. An answer to HEAD has no body to say it: it is asked otherwise.
    async fn why_denied(&self) -> String {
        let asked = self.client.list_objects_v2().bucket(&self.options.bucket).max_keys(1).send().await;
        let error = asked.err();
        let said = error.as_ref().and_then(ProvideErrorMetadata::message).unwrap_or("access denied");
        match error.as_ref().and_then(ProvideErrorMetadata::code) {
            Some("SignatureDoesNotMatch") => {
                "the signature does not match: the secret access key is not the one of this access key id".to_owned()
            }
            Some("InvalidAccessKeyId") => "the store does not know this access key id".to_owned(),
            Some("InvalidToken" | "ExpiredToken") => format!("the session token is not accepted: {said}"),
            Some("RequestTimeTooSkewed") => "the clock of this machine is too far from the store's".to_owned(),
            _ => "access denied: these credentials may not use the bucket".to_owned(),
        }
    }

    async fn create_bucket(&self) -> Result<(), ArchiveError> {
        use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
        let bucket = &self.options.bucket;
        let region = self.client.config().region().map(|region| region.as_ref().to_owned());
        // The first region is the one that must not be named.
        let place = region.filter(|region| region != "us-east-1").map(|region| {
            let place = BucketLocationConstraint::from(region.as_str());
            CreateBucketConfiguration::builder().location_constraint(place).build()
        });
        let created = self.client.create_bucket().bucket(bucket).set_create_bucket_configuration(place).send().await;
        match created {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => Err(unavailable(format!("creating bucket `{bucket}`"), CallFailure::of(&error))),
        }
    }

    /// Of two puts of one name the second must find the first.
    async fn check_conditional_puts(&self) -> Result<(), ArchiveError> {
        let key = format!("{}{PROBE}", self.options.prefix);
        for _ in 0..2 {
            let body = Bytes::from_static(b"Gallop put this to see whether conditional puts are honoured.\n");
            if self.put_whole(&key, body).await? == PutOutcome::AlreadyThere {
                return Ok(());
            }
        }
        let doing = format!("checking bucket `{}`", self.options.bucket);
        Err(refused(doing, "the store ignores `If-None-Match: *`: it would overwrite objects that must never change"))
    }
}

fn refused(doing: String, why: &str) -> ArchiveError {
    ArchiveError::Unusable { doing, source: why.into() }
}

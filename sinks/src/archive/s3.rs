//! An archive in an S3 bucket, or in any server that speaks like one.
//!
//! ```text
//! object `a/b.json`, prefix `p/`   ──▶   PUT /bucket/p/a/b.json   If-None-Match: *   x-amz-checksum-crc32
//! larger than multipart_bytes_min  ──▶   parts in parallel, then completion with If-None-Match: *
//! ```
//!
//! An object appears whole or not at all and is never replaced: the store's own conditional writes see to that. Opening
//! checks that the store keeps this promise, since one that ignores `If-None-Match` would overwrite without a word.
//!
//! A call that fails in passing is tried again, with doubling and jittered waits, up to `attempts_max`; then the error
//! goes up, and the delivery goes on trying until the stream's retention ends. A put whose answer got lost is found
//! there by the next try and is then [`PutOutcome::AlreadyThere`]: the caller compares, as after a crash.

use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, EncodingType};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use model::archive::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};

use super::key_text::decoded;
use crate::aws::{AwsOptions, CallFailure, config};

/// Key, after the prefix, of the object that [`S3Archive::open`] tries conditional puts with.
const PROBE: &str = ".gallop-probe";
/// Tries of a put that the store refuses because another put of the name is under way.
const CONFLICT_TRIES_MAX: usize = 8;
/// Tries of a get whose body breaks off or does not fit its checksum.
const BODY_TRIES_MAX: usize = 4;

/// Where objects are kept, and bounds.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// How to reach the service.
    pub aws: AwsOptions,
    /// The bucket.
    pub bucket: String,
    /// What every key begins with; `archive/`, say, or nothing.
    pub prefix: String,
    /// Puts the bucket's name into the path and not into the host's name, as most servers other than AWS want it.
    pub path_style: bool,
    /// Creates the bucket when it is missing.
    pub create_bucket: bool,
    /// Objects of more bytes are sent in parts.
    pub multipart_bytes_min: usize,
    /// Size of a part; the store wants at least 5 MiB.
    pub part_bytes: usize,
    /// Parts of an object that are sent at the same time.
    pub parts_in_flight_max: usize,
}

impl S3Options {
    /// Objects of `bucket`, 16 MiB at most in one piece.
    pub fn new(bucket: impl Into<String>, aws: AwsOptions) -> Self {
        S3Options {
            path_style: aws.endpoint.is_some(),
            aws,
            bucket: bucket.into(),
            prefix: String::new(),
            create_bucket: false,
            multipart_bytes_min: 16 << 20,
            part_bytes: 8 << 20,
            parts_in_flight_max: 4,
        }
    }
}

/// Objects in a bucket.
#[derive(Debug, Clone)]
pub struct S3Archive {
    pub(super) client: Client,
    pub(super) options: S3Options,
}

impl S3Archive {
    /// Connects, and checks that the bucket is there and that the store honours conditional puts.
    /// Error: [`ArchiveError::Unavailable`].
    pub async fn open(options: S3Options) -> Result<Self, ArchiveError> {
        let config = aws_sdk_s3::config::Builder::from(&config(&options.aws).await);
        let client = Client::from_conf(config.force_path_style(options.path_style).build());
        let archive = S3Archive { client, options };
        archive.check_bucket().await?;
        archive.check_conditional_puts().await?;
        Ok(archive)
    }

    async fn check_bucket(&self) -> Result<(), ArchiveError> {
        let bucket = &self.options.bucket;
        let doing = || format!("looking for bucket `{bucket}`");
        match self.client.head_bucket().bucket(bucket).send().await {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(404) && self.options.create_bucket => self.create_bucket().await,
            Err(error) if status(&error) == Some(404) => {
                Err(refused(doing(), "there is no such bucket; create it, or set `create_bucket = true`"))
            }
            Err(error) if status(&error) == Some(403) => {
                Err(refused(doing(), "access denied: these credentials may not use the bucket"))
            }
            Err(error) => Err(unavailable(doing(), CallFailure::of(&error))),
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

    pub(super) fn key(&self, name: &ObjectName) -> String {
        format!("{}{name}", self.options.prefix)
    }

    /// Puts an object in one request.
    async fn put_whole(&self, key: &str, body: Bytes) -> Result<PutOutcome, ArchiveError> {
        let mut tries = 1;
        loop {
            let put = self.client.put_object().bucket(&self.options.bucket).key(key).if_none_match("*");
            let put = put.checksum_algorithm(ChecksumAlgorithm::Crc32).body(ByteStream::from(body.clone()));
            match put.send().await {
                Ok(_) => return Ok(PutOutcome::Created),
                Err(error) if is_already_there(&error) => return Ok(PutOutcome::AlreadyThere),
                // Another put of the name is under way: soon it is there, or it has failed.
                Err(error) if status(&error) == Some(409) && tries < CONFLICT_TRIES_MAX => {
                    tokio::time::sleep(self.options.aws.retry_delay_min).await;
                    tries += 1;
                }
                Err(error) => return Err(unavailable(format!("putting `{key}`"), CallFailure::of(&error))),
            }
        }
    }

    pub(super) async fn size_of(&self, name: &ObjectName) -> Result<u64, ArchiveError> {
        let head = self.client.head_object().bucket(&self.options.bucket).key(self.key(name)).send().await;
        match head {
            Ok(head) => Ok(head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)),
            Err(error) if status(&error) == Some(404) => Err(ArchiveError::NotFound(name.clone())),
            Err(error) => Err(unavailable(format!("asking for the size of `{name}`"), CallFailure::of(&error))),
        }
    }

    async fn get_once(&self, name: &ObjectName, range: Option<&Range<u64>>) -> Result<Got, ArchiveError> {
        let mut get = self.client.get_object().bucket(&self.options.bucket).key(self.key(name));
        get = match range {
            Some(range) => get.range(format!("bytes={}-{}", range.start, range.end - 1)),
            // Checksums are of whole objects.
            None => get.checksum_mode(ChecksumMode::Enabled),
        };
        let output = match get.send().await {
            Ok(output) => output,
            Err(error) if is_missing(&error) => return Err(ArchiveError::NotFound(name.clone())),
            Err(error) if status(&error) == Some(416) => return Ok(Got::NotInside),
            Err(error) => return Err(unavailable(format!("getting `{name}`"), CallFailure::of(&error))),
        };
        let expected = range.map(|range| range.end - range.start);
        let inside = range.is_none_or(|range| size_from(&output).is_none_or(|bytes| range.end <= bytes));
        if !inside {
            return Ok(Got::NotInside);
        }
        let body = match tokio::time::timeout(self.options.aws.attempt_timeout, output.body.collect()).await {
            Ok(Ok(body)) => body.into_bytes(),
            Ok(Err(error)) => return Ok(Got::Broken(CallFailure::of_chain(&error))),
            Err(error) => return Ok(Got::Broken(CallFailure::of_chain(&error))),
        };
        match expected {
            Some(bytes) if bytes != body.len() as u64 => Ok(Got::NotInside),
            _ => Ok(Got::Body(body)),
        }
    }
}

/// What came of one try of a get.
enum Got {
    Body(Bytes),
    /// The object ends before the range does.
    NotInside,
    /// The body broke off, or is not what was put.
    Broken(CallFailure),
}

/// The size of the whole object, as a ranged answer tells it.
fn size_from(output: &GetObjectOutput) -> Option<u64> {
    output.content_range()?.rsplit_once('/')?.1.parse().ok()
}

pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

pub(super) fn is_already_there<E>(error: &SdkError<E, HttpResponse>) -> bool {
    status(error) == Some(412)
}

fn is_missing(error: &SdkError<GetObjectError, HttpResponse>) -> bool {
    status(error) == Some(404) && error.code() != Some("NoSuchBucket")
}

pub(super) fn unavailable(doing: String, failure: CallFailure) -> ArchiveError {
    ArchiveError::Unavailable { doing, source: failure.into() }
}

fn refused(doing: String, why: &str) -> ArchiveError {
    ArchiveError::Unavailable { doing, source: why.into() }
}

#[async_trait]
impl Archive for S3Archive {
    async fn put_if_absent(&self, name: &ObjectName, body: Bytes) -> Result<PutOutcome, ArchiveError> {
        if body.len() > self.options.multipart_bytes_min {
            self.put_in_parts(name, body).await
        } else {
            self.put_whole(&self.key(name), body).await
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, ArchiveError> {
        let ours = &self.options.prefix;
        let list = self.client.list_objects_v2().bucket(&self.options.bucket).prefix(format!("{ours}{prefix}"));
        let mut pages = list.encoding_type(EncodingType::Url).into_paginator().send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable(format!("listing `{prefix}`"), CallFailure::of(&error)))?;
            for object in page.contents() {
                let key = decoded(object.key().unwrap_or_default(), page.encoding_type());
                // What others keep in the bucket under names that are none of an archive is not in the archive.
                let Some(Ok(name)) = key.strip_prefix(ours.as_str()).map(ObjectName::new) else { continue };
                let bytes = object.size().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
                if name.as_str() != PROBE {
                    objects.push(ObjectMeta { name, bytes });
                }
            }
        }
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    async fn folders(&self) -> Result<Vec<String>, ArchiveError> {
        let ours = &self.options.prefix;
        let list = self.client.list_objects_v2().bucket(&self.options.bucket).prefix(ours).delimiter("/");
        let mut pages = list.encoding_type(EncodingType::Url).into_paginator().send();
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable("listing folders".to_owned(), CallFailure::of(&error)))?;
            for common in page.common_prefixes() {
                let key = decoded(common.prefix().unwrap_or_default(), page.encoding_type());
                let folder = key.strip_prefix(ours.as_str()).and_then(|folder| folder.strip_suffix('/'));
                folders.extend(folder.filter(|folder| !folder.is_empty()).map(str::to_owned));
            }
        }
        folders.sort_unstable();
        Ok(folders)
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Bytes, ArchiveError> {
        if let Some(range) = range.as_ref().filter(|range| range.end <= range.start) {
            // Nothing of an object cannot be asked for; whether there is such a place can.
            let bytes = self.size_of(name).await?;
            let inside = range.start == range.end && range.end <= bytes;
            let outside = || ArchiveError::InvalidRange { name: name.clone(), bytes, range: range.clone() };
            return if inside { Ok(Bytes::new()) } else { Err(outside()) };
        }
        let mut tries = 1;
        loop {
            match (self.get_once(name, range.as_ref()).await?, &range) {
                (Got::Body(body), _) => return Ok(body),
                (Got::NotInside, Some(range)) => {
                    let bytes = self.size_of(name).await?;
                    return Err(ArchiveError::InvalidRange { name: name.clone(), bytes, range: range.clone() });
                }
                (Got::NotInside, None) => return Ok(Bytes::new()),
                (Got::Broken(failure), _) if tries >= BODY_TRIES_MAX => {
                    return Err(unavailable(format!("reading `{name}`"), failure));
                }
                (Got::Broken(_), _) => tries += 1,
            }
        }
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError> {
        match self.client.delete_object().bucket(&self.options.bucket).key(self.key(name)).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(unavailable(format!("deleting `{name}`"), CallFailure::of(&error))),
        }
    }
}

//! The store: objects by key, and the seam's methods.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, EncodingType};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use model::archive::store::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};
use model::clock::Timestamp;
use tokio::sync::OnceCell;

use super::key_text::decoded;
use super::options::S3Options;
use crate::aws::{CallFailure, config};

/// Key, after the prefix, of the object that conditional puts are tried with.
pub(super) const PROBE: &str = ".gallop-probe";
/// Tries of a put that the store refuses because another put of the name is under way.
const CONFLICT_TRIES_MAX: usize = 8;
/// Tries of a get whose body breaks off or does not fit its checksum.
const BODY_TRIES_MAX: usize = 4;

/// Objects in a bucket.
#[derive(Debug, Clone)]
pub struct S3Archive {
    pub(super) client: Client,
    pub(super) options: S3Options,
    pub(super) checked: Arc<OnceCell<()>>,
}

impl S3Archive {
    /// Connects and checks the bucket. Error: as [`S3Archive::check`].
    pub async fn open(options: S3Options) -> Result<Self, ArchiveError> {
        let archive = S3Archive::connect(options).await;
        archive.check().await?;
        Ok(archive)
    }

    /// Without a call: the bucket is checked before the first put, and never when there is none.
    pub async fn connect(options: S3Options) -> Self {
        let config = config(&options.aws).await;
        let path_style = options.path_style.unwrap_or(config.endpoint_url().is_some());
        let builder = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style);
        S3Archive { client: Client::from_conf(builder.build()), options, checked: Arc::default() }
    }

    pub(super) fn key(&self, name: &ObjectName) -> String {
        format!("{}{name}", self.options.prefix)
    }

    /// Puts an object in one request.
    pub(super) async fn put_whole(&self, key: &str, body: Bytes) -> Result<PutOutcome, ArchiveError> {
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

#[async_trait]
impl Archive for S3Archive {
    async fn put_if_absent(&self, name: &ObjectName, body: Bytes) -> Result<PutOutcome, ArchiveError> {
        self.check().await?;
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
                    let written_at = object.last_modified().and_then(|at| at.to_millis().ok());
                    objects.push(ObjectMeta { name, bytes, written_at: written_at.map(Timestamp::from_millis) });
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

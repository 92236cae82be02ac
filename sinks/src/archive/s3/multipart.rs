//! Large objects: sent in parts, and there only once the last step, which is conditional, has succeeded.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use model::archive::store::{ArchiveError, ObjectName, PutOutcome};
use tracing::warn;

use super::store::{S3Archive, is_already_there, unavailable};
use crate::aws::CallFailure;

impl S3Archive {
    /// Puts an object in parts. A failed upload is aborted; one that a crash left behind costs storage until the
    /// bucket's lifecycle rule for incomplete uploads removes it.
    pub(super) async fn put_in_parts(&self, name: &ObjectName, body: Bytes) -> Result<PutOutcome, ArchiveError> {
        let (bucket, key) = (&self.options.bucket, self.key(name));
        let begin = self.client.create_multipart_upload().bucket(bucket).key(&key);
        let begun = begin.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await;
        let begun =
            begun.map_err(|error| unavailable(format!("beginning upload of `{name}`"), CallFailure::of(&error)))?;
        let upload = begun.upload_id().unwrap_or_default();
        let outcome = match self.send_parts(&key, upload, body).await {
            Ok(parts) => self.complete(name, &key, upload, parts).await,
            Err(error) => Err(error),
        };
        if !matches!(outcome, Ok(PutOutcome::Created)) {
            let abort = self.client.abort_multipart_upload().bucket(bucket).key(&key).upload_id(upload);
            if let Err(error) = abort.send().await
                && error.code() != Some("NoSuchUpload")
            {
                warn!(%key, upload, error = %CallFailure::of(&error), "upload cannot be aborted");
            }
        }
        outcome
    }

    async fn send_parts(&self, key: &str, upload: &str, body: Bytes) -> Result<Vec<CompletedPart>, ArchiveError> {
        let part_bytes = self.options.part_bytes;
        let parts = (0..body.len().div_ceil(part_bytes)).map(|index| {
            let range = index * part_bytes..body.len().min((index + 1) * part_bytes);
            let number = i32::try_from(index + 1).expect("an object in memory has far fewer parts");
            self.send_part(key, upload, number, body.slice(range))
        });
        stream::iter(parts).buffered(self.options.parts_in_flight_max).try_collect().await
    }

    async fn send_part(
        &self,
        key: &str,
        upload: &str,
        number: i32,
        body: Bytes,
    ) -> Result<CompletedPart, ArchiveError> {
        let send = self.client.upload_part().bucket(&self.options.bucket).key(key).upload_id(upload);
        let send = send.part_number(number).checksum_algorithm(ChecksumAlgorithm::Crc32);
        let sent = send.body(ByteStream::from(body)).send().await;
        let sent =
            sent.map_err(|error| unavailable(format!("sending part {number} of `{key}`"), CallFailure::of(&error)))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
        Ok(part.set_checksum_crc32(sent.checksum_crc32).build())
    }

    async fn complete(
        &self,
        name: &ObjectName,
        key: &str,
        upload: &str,
        parts: Vec<CompletedPart>,
    ) -> Result<PutOutcome, ArchiveError> {
        let complete = self.client.complete_multipart_upload().bucket(&self.options.bucket).key(key).upload_id(upload);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        match complete.multipart_upload(parts).if_none_match("*").send().await {
            Ok(_) => Ok(PutOutcome::Created),
            Err(error) if is_already_there(&error) => Ok(PutOutcome::AlreadyThere),
            // An earlier try of the completion may have succeeded with its answer lost.
            Err(error) if error.code() == Some("NoSuchUpload") && self.is_there(name).await? => {
                Ok(PutOutcome::AlreadyThere)
            }
            Err(error) => Err(unavailable(format!("completing upload of `{name}`"), CallFailure::of(&error))),
        }
    }

    async fn is_there(&self, name: &ObjectName) -> Result<bool, ArchiveError> {
        match self.size_of(name).await {
            Ok(_) => Ok(true),
            Err(ArchiveError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

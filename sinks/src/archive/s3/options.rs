//! What can be set on an archive in S3. Every bound has a name.

use crate::aws::AwsOptions;

/// Where objects are kept, and bounds.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// How to reach the service.
    pub aws: AwsOptions,
    pub bucket: String,
    /// What every key begins with; `archive/`, say, or nothing.
    pub prefix: String,
    /// Puts the bucket's name into the path and not into the host's name, as most servers other than AWS want it;
    /// when nothing is said, wherever an endpoint is given.
    pub path_style: Option<bool>,
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
            path_style: None,
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

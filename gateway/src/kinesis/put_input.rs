//! The input of PutRecords: read by `put_scanner` where it is plain JSON, else by the parser.

use serde::Deserialize;

use crate::aws::wire::blob::Blob;
use crate::aws::wire::bounded;
use crate::aws::wire::text::Text;
use crate::kinesis::limits;
use crate::kinesis::target::targets_stream;

/// Records for a stream. Of too many records it keeps one more than the limit.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    pub(crate) stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    pub(crate) stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "bounded::list::<_, _, { limits::PUT_RECORDS_MAX }>")]
    pub(crate) records: Option<Vec<Entry<'a>>>,
    pub(crate) dry_run: Option<bool>,
}

targets_stream!(Input);

/// One record of the input.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry<'a> {
    #[serde(borrow)]
    pub(crate) data: Option<Blob<'a>>,
    #[serde(borrow)]
    pub(crate) partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) explicit_hash_key: Option<Text<'a>>,
}

//! The input of PutRecords: read by `scanner` where it is plain JSON, else by the parser.

use model::name::StreamName;
use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::blob::Blob;
use crate::aws::wire::bounded;
use crate::aws::wire::text::Text;
use crate::kinesis::limits;
use crate::kinesis::target::{Target, Targets};
use crate::state::GatewayState;

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

impl Input<'_> {
    /// The stream that takes the records.
    pub(crate) fn stream(&self, state: &GatewayState) -> Result<StreamName, AwsError> {
        let (name, arn, id) = (self.stream_name.as_deref(), self.stream_arn.as_deref(), self.stream_id.as_deref());
        limits::stream(&state.options, name, arn, id)
    }
}

impl Targets for Input<'_> {
    fn target(&self, state: &GatewayState) -> Result<Target, AwsError> {
        self.stream(state).map(Target::Stream)
    }
}

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

//! GetRecords: the next records of a shard, and where to go on.

use std::io::Write as _;

use minicbor::encode::Encoder;
use model::stream::record::Record;
use model::stream::shard::Shard;
use model::stream::store::{ReadLimit, StreamError};
use serde::Deserialize;
use tokio::runtime::Handle;

use crate::aws::error::AwsError;
use crate::aws::wire::format::Format;
use crate::aws::wire::output;
use crate::aws::wire::text::Text;
use crate::kinesis::read::iterator::ShardIterator;
use crate::kinesis::read::reading::Shown;
use crate::kinesis::read::{bulk, reading, records};
use crate::kinesis::stream::shapes::ChildShard;
use crate::kinesis::target::{Target, Targets};
use crate::kinesis::{error, limits};
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    shard_iterator: Option<Text<'a>>,
    limit: Option<i64>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    stream_id: Option<Text<'a>>,
    dry_run: Option<bool>,
}

impl Targets for Input<'_> {
    fn target(&self, state: &GatewayState) -> Result<Target, AwsError> {
        let text = self.shard_iterator.as_ref().ok_or_else(|| AwsError::missing("shardIterator"))?;
        Ok(Target::Stream(ShardIterator::open(text, state.clock.now())?.stream))
    }
}

/// Reads records, of at most `bytes_max` bytes of data and keys; a single one always fits.
pub(crate) async fn run(state: &GatewayState, bytes_max: usize, input: Input<'_>) -> Result<Output, AwsError> {
    let limit = limits::number(input.limit, "limit", limits::GET_RECORDS_MAX, limits::GET_RECORDS_MAX)?;
    let text = input.shard_iterator.as_deref().ok_or_else(|| AwsError::missing("shardIterator"))?;
    let mut iterator = ShardIterator::open(text, state.clock.now())?;
    if input.stream_arn.is_some() || input.stream_id.is_some() {
        let arn = input.stream_arn.as_deref();
        if limits::stream(&state.options, None, arn, input.stream_id.as_deref())? != iterator.stream {
            return Err(AwsError::invalid_argument("The iterator is not of the stream that StreamARN names."));
        }
    }
    let account = &state.options.account_id;
    let description = state.streams.describe(&iterator.stream).await;
    let description = description.map_err(|failure| error::of_stream(&failure, account))?;
    if description.created_at != iterator.stream_created_at {
        return Err(error::not_found(iterator.stream.as_str(), account));
    }
    let shard = description.shards.get(iterator.shard).ok_or_else(|| {
        let (stream, shard) = (iterator.stream.clone(), iterator.shard);
        error::of_stream(&StreamError::ShardNotFound { stream, shard }, account)
    })?;
    limits::end_dry_run(input.dry_run)?;
    let limit = ReadLimit { records_max: limit, bytes_max, wait: false };
    let Shown { batch, encrypted } =
        reading::read(state, &iterator.stream, iterator.shard, iterator.next, limit).await?;
    iterator.next = batch.next;
    // Asked again at the end of a shard: its children may be newer than the description above.
    let now = state.clock.now();
    let next = if batch.end_of_shard {
        let description = state.streams.describe(&iterator.stream).await;
        let description = description.map_err(|failure| error::of_stream(&failure, account))?;
        Next::Children(ChildShard::all(&description.shards, shard.id))
    } else {
        Next::Iterator(iterator.seal(now))
    };
    let millis_behind = reading::millis_behind(&batch, now);
    Ok(Output { shard: shard.clone(), records: batch.records, encrypted, millis_behind, next })
}

/// Records, and how the reader goes on.
pub(crate) struct Output {
    shard: Shard,
    records: Vec<Record>,
    encrypted: bool,
    millis_behind: u64,
    next: Next,
}

impl Output {
    /// The answer's bytes.
    pub(crate) async fn written(self, bulk: &Handle, format: Format) -> Vec<u8> {
        if bulk::is_large(&self.records) {
            return bulk::run(bulk, move || format.write(&self)).await;
        }
        format.write(&self)
    }
}

/// Where a reader goes on.
enum Next {
    /// In the same shard.
    Iterator(String),
    /// In the children of a closed shard that has no more.
    Children(Vec<ChildShard>),
}

impl output::Output for Output {
    fn write_json(&self, into: &mut Vec<u8>) {
        into.reserve(1024 + records::bytes_expected(&self.records));
        into.extend_from_slice(b"{\"Records\":");
        records::write_json(&self.shard, &self.records, self.encrypted, into);
        write!(into, ",\"MillisBehindLatest\":{},\"NextShardIterator\":", self.millis_behind).expect(INFALLIBLE);
        match &self.next {
            Next::Iterator(iterator) => write!(into, "\"{iterator}\"").expect(INFALLIBLE),
            Next::Children(children) => {
                into.extend_from_slice(b"null,\"ChildShards\":");
                children.write_json(into);
            }
        }
        into.push(b'}');
    }

    fn write_cbor(&self, into: &mut Vec<u8>) {
        into.reserve(1024 + records::bytes_expected(&self.records));
        let mut encoder = Encoder::new(into);
        let members = encoder.map(3).expect(INFALLIBLE);
        members.str("MillisBehindLatest").and_then(|members| members.u64(self.millis_behind)).expect(INFALLIBLE);
        match &self.next {
            Next::Iterator(iterator) => {
                members.str("NextShardIterator").and_then(|members| members.str(iterator)).expect(INFALLIBLE);
            }
            Next::Children(children) => {
                members.str("ChildShards").expect(INFALLIBLE);
                children.write_cbor(members.writer_mut());
            }
        }
        encoder.str("Records").expect(INFALLIBLE);
        records::write_cbor(&self.shard, &self.records, self.encrypted, encoder.writer_mut());
    }
}

const INFALLIBLE: &str = "writing to memory does not fail";

//! One file per operation.

pub(crate) mod create_stream;
pub(crate) mod delete_stream;
pub(crate) mod describe_stream;
pub(crate) mod describe_stream_summary;
pub(crate) mod get_records;
pub(crate) mod get_shard_iterator;
pub(crate) mod list_shards;
pub(crate) mod list_streams;
pub(crate) mod put_record;
pub(crate) mod put_records;
pub(crate) mod subscribe_to_shard;

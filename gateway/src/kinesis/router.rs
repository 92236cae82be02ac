//! From `X-Amz-Target` to the action.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;

use crate::aws::error::AwsError;
use crate::aws::protocol;
use crate::host;
use crate::kinesis::actions::{
    create_stream, delete_stream, describe_stream, describe_stream_summary, get_records, get_shard_iterator,
    list_shards, list_streams, put_record, put_records,
};
use crate::router::GatewayState;

/// What `X-Amz-Target` begins with.
const SERVICE: &str = "Kinesis_20131202";

/// Answers `POST /`.
pub(crate) async fn handle(State(state): State<Arc<GatewayState>>, request: Request) -> Response {
    protocol::answer(answer(&state, request).await)
}

async fn answer(state: &GatewayState, request: Request) -> Result<Vec<u8>, AwsError> {
    if let Some(origin) = host::foreign_origin(&request, &state.options.hosts) {
        return Err(AwsError::new("AccessDeniedException", format!("Origin {origin} is not this server.")));
    }
    let (parts, body) = request.into_parts();
    let operation = protocol::operation(&parts.headers, SERVICE)?;
    let body = protocol::body(&parts.headers, body).await?;
    run(state, operation, &body).await
}

async fn run(state: &GatewayState, operation: &str, body: &Bytes) -> Result<Vec<u8>, AwsError> {
    match operation {
        "PutRecords" => put_records::run(state, body).await,
        "PutRecord" => put_record::run(state, body).await,
        "GetRecords" => get_records::run(state, body).await,
        "GetShardIterator" => get_shard_iterator::run(state, body).await,
        "CreateStream" => create_stream::run(state, body).await,
        "DeleteStream" => delete_stream::run(state, body).await,
        "DescribeStream" => describe_stream::run(state, body).await,
        "DescribeStreamSummary" => describe_stream_summary::run(state, body).await,
        "ListStreams" => list_streams::run(state, body).await,
        "ListShards" => list_shards::run(state, body).await,
        other => Err(protocol::unknown_operation(other)),
    }
}

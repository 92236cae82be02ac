//! Kinesis Data Streams as a service of the AWS frame: its names and its operations.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::accept::arrival::Arrival;
use crate::aws::error::AwsError;
use crate::aws::frame::Hosted;
use crate::aws::protocol::{Answer, ErrorShape, Protocol};
use crate::aws::service::{Call, Guarded, Operation, Service};
use crate::kinesis::actions::subscribe_to_shard::Pushing;
use crate::kinesis::put::scanner;
use crate::kinesis::target::Targets;
use crate::kinesis::{actions, limits, target};
use crate::state::GatewayState;

/// What the operations share.
pub(crate) struct Kinesis {
    gateway: Arc<GatewayState>,
    pushing: Pushing,
}

/// An operation whose action is `run(state, input)` in a file of its own.
macro_rules! operation {
    ($name:literal, $action:ident) => {
        Operation {
            name: $name,
            route: None,
            run: |call| Box::pin(call.answer(|kinesis, input| actions::$action::run(&kinesis.gateway, input))),
        }
    };
}

/// Kinesis Data Streams, version 2013-12-02.
static KINESIS: Service<Kinesis> = Service {
    prefix: "Kinesis_20131202",
    scope: "kinesis",
    protocol: Protocol {
        json: "application/x-amz-json-1.1",
        cbor: Some("application/x-amz-cbor-1.1"),
        error: ErrorShape { namespace: Some(""), message: "message" },
    },
    operations: &[
        operation!("AddTagsToStream", add_tags_to_stream),
        operation!("CreateStream", create_stream),
        operation!("DecreaseStreamRetentionPeriod", decrease_stream_retention_period),
        operation!("DeleteResourcePolicy", delete_resource_policy),
        operation!("DeleteStream", delete_stream),
        operation!("DeregisterStreamConsumer", deregister_stream_consumer),
        operation!("DescribeAccountSettings", describe_account_settings),
        operation!("DescribeLimits", describe_limits),
        operation!("DescribeStream", describe_stream),
        operation!("DescribeStreamConsumer", describe_stream_consumer),
        operation!("DescribeStreamSummary", describe_stream_summary),
        operation!("DisableEnhancedMonitoring", disable_enhanced_monitoring),
        operation!("EnableEnhancedMonitoring", enable_enhanced_monitoring),
        Operation { name: "GetRecords", route: None, run: get_records },
        operation!("GetResourcePolicy", get_resource_policy),
        operation!("GetShardIterator", get_shard_iterator),
        operation!("IncreaseStreamRetentionPeriod", increase_stream_retention_period),
        operation!("ListShards", list_shards),
        operation!("ListStreamConsumers", list_stream_consumers),
        operation!("ListStreams", list_streams),
        operation!("ListTagsForResource", list_tags_for_resource),
        operation!("ListTagsForStream", list_tags_for_stream),
        operation!("MergeShards", merge_shards),
        operation!("PutRecord", put_record),
        Operation { name: "PutRecords", route: None, run: put_records },
        operation!("PutResourcePolicy", put_resource_policy),
        operation!("RegisterStreamConsumer", register_stream_consumer),
        operation!("RemoveTagsFromStream", remove_tags_from_stream),
        operation!("SplitShard", split_shard),
        operation!("StartStreamEncryption", start_stream_encryption),
        operation!("StopStreamEncryption", stop_stream_encryption),
        Operation { name: "SubscribeToShard", route: None, run: subscribe_to_shard },
        operation!("TagResource", tag_resource),
        operation!("UntagResource", untag_resource),
        operation!("UpdateAccountSettings", update_account_settings),
        operation!("UpdateMaxRecordSize", update_max_record_size),
        operation!("UpdateShardCount", update_shard_count),
        operation!("UpdateStreamMode", update_stream_mode),
        operation!("UpdateStreamRecordDistributionStrategy", update_stream_record_distribution_strategy),
        operation!("UpdateStreamWarmThroughput", update_stream_warm_throughput),
    ],
};

/// The operation that `X-Amz-Target` names, if it is one of Kinesis.
pub(crate) fn operation_of(target: &str) -> Option<&'static str> {
    KINESIS.operation_of(target)
}

/// Kinesis over the streams of this server.
pub(crate) fn hosted(gateway: Arc<GatewayState>) -> Hosted<Kinesis> {
    Hosted::new(&KINESIS, Kinesis { gateway, pushing: Pushing::default() })
}

impl<I: Targets + Sync> Guarded<Kinesis> for I {
    async fn check(&self, call: &Call<'_, Kinesis>) -> Result<(), AwsError> {
        let state = &*call.shared.gateway;
        target::authorize(state, call.caller, call.operation, &self.target(state)?).await
    }
}

/// Its input has a reader of its own.
fn put_records(call: Call<'_, Kinesis>) -> BoxFuture<'_, Result<Answer, AwsError>> {
    Box::pin(async move {
        let input = call.permit(scanner::read(call.format, call.body)?).await?;
        Ok(call.written(&actions::put_records::run(&call.shared.gateway, input).await?))
    })
}

/// Its answer is bounded together with all others that wait for their clients to read them.
fn get_records(call: Call<'_, Kinesis>) -> BoxFuture<'_, Result<Answer, AwsError>> {
    Box::pin(async move {
        let Kinesis { gateway, pushing } = call.shared;
        let room = pushing.memory.reserve(limits::GET_BYTES_MAX).ok_or_else(no_room)?;
        let output = actions::get_records::run(gateway, room.data_bytes_max(), call.input().await?).await?;
        let answer = output.written(&gateway.bulk, call.format).await;
        room.hold(answer).map(Answer::Body).ok_or_else(no_room)
    })
}

/// Its answer is a stream of events.
fn subscribe_to_shard(call: Call<'_, Kinesis>) -> BoxFuture<'_, Result<Answer, AwsError>> {
    Box::pin(async move {
        let Kinesis { gateway, pushing } = call.shared;
        let arrival = call.parts.extensions.get::<Arrival>();
        let draining = arrival.map(|arrival| arrival.draining.clone()).unwrap_or_default();
        let input = call.input().await?;
        let events = actions::subscribe_to_shard::run(gateway, pushing, draining, call.format, input).await?;
        Ok(Answer::Events(events))
    })
}

fn no_room() -> AwsError {
    AwsError::new(
        "ProvisionedThroughputExceededException",
        "Too many bytes of answers wait for their clients to read them on this server: slow down and try again.",
    )
}

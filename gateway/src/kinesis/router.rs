//! From `X-Amz-Target` to the action.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use serde::Deserialize;

use crate::accept::arrival::Arrival;
use crate::auth::access::Caller;
use crate::auth::canonical::PathForm;
use crate::auth::verifier::Service;
use crate::aws::body::Bodies;
use crate::aws::error::AwsError;
use crate::aws::protocol::{self, Answer};
use crate::aws::wire::format::Format;
use crate::aws::wire::output::Output;
use crate::kinesis::actions::subscribe_to_shard::Pushing;
use crate::kinesis::actions::{
    add_tags_to_stream, create_stream, decrease_stream_retention_period, delete_resource_policy, delete_stream,
    deregister_stream_consumer, describe_account_settings, describe_limits, describe_stream, describe_stream_consumer,
    describe_stream_summary, disable_enhanced_monitoring, enable_enhanced_monitoring, get_records, get_resource_policy,
    get_shard_iterator, increase_stream_retention_period, list_shards, list_stream_consumers, list_streams,
    list_tags_for_resource, list_tags_for_stream, merge_shards, put_record, put_records, put_resource_policy,
    register_stream_consumer, remove_tags_from_stream, split_shard, start_stream_encryption, stop_stream_encryption,
    subscribe_to_shard, tag_resource, untag_resource, update_account_settings, update_max_record_size,
    update_shard_count, update_stream_mode, update_stream_record_distribution_strategy, update_stream_warm_throughput,
};
use crate::kinesis::cors::Cors;
use crate::kinesis::target::{self, Targets};
use crate::kinesis::{limits, put_scanner};
use crate::state::GatewayState;

/// What `X-Amz-Target` begins with.
const SERVICE: &str = "Kinesis_20131202";

/// The service's name in signatures and policies.
const SCOPE: &str = "kinesis";

/// What all requests share.
pub(crate) struct Kinesis {
    gateway: Arc<GatewayState>,
    bodies: Bodies,
    pushing: Pushing,
}

/// `POST /`, and the question that browsers ask before it.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(gateway: Arc<GatewayState>) -> MethodRouter<S> {
    let kinesis = Arc::new(Kinesis { gateway, bodies: Bodies::default(), pushing: Pushing::default() });
    post(handle).options(preflight).with_state(kinesis)
}

async fn preflight(State(kinesis): State<Arc<Kinesis>>, request: Request) -> Response {
    match Cors::check(&request, &kinesis.gateway.options) {
        Ok(cors) => {
            let mut response = protocol::answer(Format::Json, Ok(Answer::Whole(Bytes::new())));
            cors.preflight(&mut response);
            response
        }
        Err(refused) => protocol::answer(Format::Json, Err(refused)),
    }
}

async fn handle(State(kinesis): State<Arc<Kinesis>>, request: Request) -> Response {
    let format = Format::of(request.headers());
    let in_doubt = *format.as_ref().unwrap_or(&Format::Json);
    match Cors::check(&request, &kinesis.gateway.options) {
        Ok(cors) => {
            let outcome = match format {
                Ok(format) => kinesis.answer(format, request).await,
                Err(unsupported) => Err(unsupported),
            };
            let mut response = protocol::answer(in_doubt, outcome);
            cors.allow(&mut response);
            response
        }
        Err(refused) => protocol::answer(in_doubt, Err(refused)),
    }
}

impl Kinesis {
    async fn answer(&self, format: Format, request: Request) -> Result<Answer, AwsError> {
        let (parts, body) = request.into_parts();
        let state = &*self.gateway;
        let service = Service { name: SCOPE, region: &state.options.region, path_form: PathForm::Normal };
        let verifier = state.access.verifier();
        let unproven = verifier.map(|verifier| verifier.open(&parts, service, state.clock.now())).transpose()?;
        let operation = protocol::operation(&parts.headers, SERVICE)?;
        let mut received = self.bodies.receive(&parts.headers, body).await?;
        let caller = match unproven {
            Some(unproven) => Caller::Principal(unproven.close(&parts, service, &received.bytes)?),
            None => Caller::Anyone,
        };
        let body = received.unpack(&parts.headers).await?;
        let call = Call { state, caller: &caller, operation, format, body: &body };
        if operation == "SubscribeToShard" {
            let draining =
                parts.extensions.get::<Arrival>().map(|arrival| arrival.draining.clone()).unwrap_or_default();
            let input = call.input().await?;
            let events = subscribe_to_shard::run(&self.gateway, &self.pushing, draining, format, input).await?;
            return Ok(Answer::Events(events));
        }
        if operation == "GetRecords" {
            return self.get_records(call).await.map(Answer::Whole);
        }
        run(state, operation, call).await.map(|answer| Answer::Whole(answer.into()))
    }

    /// Its answer is bounded together with all others that wait for their clients to read them.
    async fn get_records(&self, call: Call<'_>) -> Result<Bytes, AwsError> {
        let state = call.state;
        let room = self.pushing.memory.reserve(limits::GET_BYTES_MAX).ok_or_else(no_room)?;
        let bytes_max = room.data_bytes_max();
        let format = call.format;
        let output = get_records::run(state, bytes_max, call.input().await?).await?;
        let answer = output.written(&state.bulk, format).await;
        room.hold(answer).ok_or_else(no_room)
    }
}

fn no_room() -> AwsError {
    AwsError::new(
        "ProvisionedThroughputExceededException",
        "Too many bytes of answers wait for their clients to read them on this server: slow down and try again.",
    )
}

async fn run(state: &GatewayState, operation: &str, call: Call<'_>) -> Result<Vec<u8>, AwsError> {
    match operation {
        "PutRecords" => {
            let input = call.permit(put_scanner::read(call.format, call.body)?).await?;
            Ok(call.format.write(&put_records::run(state, input).await?))
        }
        "PutRecord" => call.answer(|input| put_record::run(state, input)).await,
        "GetShardIterator" => call.answer(|input| get_shard_iterator::run(state, input)).await,
        "CreateStream" => call.answer(|input| create_stream::run(state, input)).await,
        "DeleteStream" => call.answer(|input| delete_stream::run(state, input)).await,
        "DescribeStream" => call.answer(|input| describe_stream::run(state, input)).await,
        "DescribeStreamSummary" => call.answer(|input| describe_stream_summary::run(state, input)).await,
        "ListStreams" => call.answer(|input| list_streams::run(state, input)).await,
        "ListShards" => call.answer(|input| list_shards::run(state, input)).await,
        "AddTagsToStream" => call.answer(|input| add_tags_to_stream::run(state, input)).await,
        "DecreaseStreamRetentionPeriod" => {
            call.answer(|input| decrease_stream_retention_period::run(state, input)).await
        }
        "DeleteResourcePolicy" => call.answer(|input| delete_resource_policy::run(state, input)).await,
        "DeregisterStreamConsumer" => call.answer(|input| deregister_stream_consumer::run(state, input)).await,
        "DescribeAccountSettings" => call.answer(|input| describe_account_settings::run(state, input)).await,
        "DescribeLimits" => call.answer(|input| describe_limits::run(state, input)).await,
        "DescribeStreamConsumer" => call.answer(|input| describe_stream_consumer::run(state, input)).await,
        "DisableEnhancedMonitoring" => call.answer(|input| disable_enhanced_monitoring::run(state, input)).await,
        "EnableEnhancedMonitoring" => call.answer(|input| enable_enhanced_monitoring::run(state, input)).await,
        "GetResourcePolicy" => call.answer(|input| get_resource_policy::run(state, input)).await,
        "IncreaseStreamRetentionPeriod" => {
            call.answer(|input| increase_stream_retention_period::run(state, input)).await
        }
        "ListStreamConsumers" => call.answer(|input| list_stream_consumers::run(state, input)).await,
        "ListTagsForResource" => call.answer(|input| list_tags_for_resource::run(state, input)).await,
        "ListTagsForStream" => call.answer(|input| list_tags_for_stream::run(state, input)).await,
        "MergeShards" => call.answer(|input| merge_shards::run(state, input)).await,
        "PutResourcePolicy" => call.answer(|input| put_resource_policy::run(state, input)).await,
        "RegisterStreamConsumer" => call.answer(|input| register_stream_consumer::run(state, input)).await,
        "RemoveTagsFromStream" => call.answer(|input| remove_tags_from_stream::run(state, input)).await,
        "SplitShard" => call.answer(|input| split_shard::run(state, input)).await,
        "StartStreamEncryption" => call.answer(|input| start_stream_encryption::run(state, input)).await,
        "StopStreamEncryption" => call.answer(|input| stop_stream_encryption::run(state, input)).await,
        "TagResource" => call.answer(|input| tag_resource::run(state, input)).await,
        "UntagResource" => call.answer(|input| untag_resource::run(state, input)).await,
        "UpdateAccountSettings" => call.answer(|input| update_account_settings::run(state, input)).await,
        "UpdateMaxRecordSize" => call.answer(|input| update_max_record_size::run(state, input)).await,
        "UpdateShardCount" => call.answer(|input| update_shard_count::run(state, input)).await,
        "UpdateStreamMode" => call.answer(|input| update_stream_mode::run(state, input)).await,
        "UpdateStreamRecordDistributionStrategy" => {
            call.answer(|input| update_stream_record_distribution_strategy::run(state, input)).await
        }
        "UpdateStreamWarmThroughput" => call.answer(|input| update_stream_warm_throughput::run(state, input)).await,
        other => Err(protocol::unknown_operation(other)),
    }
}

/// A request whose operation is known and whose input is still bytes.
struct Call<'a> {
    state: &'a GatewayState,
    caller: &'a Caller,
    operation: &'a str,
    format: Format,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    /// Reads the input, and refuses it where the caller may not.
    async fn input<I: Deserialize<'a> + Targets>(&self) -> Result<I, AwsError> {
        self.permit(self.format.read(self.body)?).await
    }

    /// Gives the input back, unless the caller may not.
    async fn permit<I: Targets>(&self, input: I) -> Result<I, AwsError> {
        if self.caller.is_limited() {
            target::authorize(self.state, self.caller, self.operation, &input.target(self.state)?).await?;
        }
        Ok(input)
    }

    /// Reads the input of `action`, runs it if the caller may, and writes its output.
    async fn answer<I, O, F>(self, action: impl FnOnce(I) -> F) -> Result<Vec<u8>, AwsError>
    where
        I: Deserialize<'a> + Targets,
        O: Output,
        F: Future<Output = Result<O, AwsError>>,
    {
        let output = action(self.input().await?).await?;
        Ok(self.format.write(&output))
    }
}

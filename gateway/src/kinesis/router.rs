//! From `X-Amz-Target` to the action.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use serde::Deserialize;

use crate::accept::Draining;
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
    create_stream, delete_stream, describe_stream, describe_stream_summary, get_records, get_shard_iterator,
    list_shards, list_streams, put_record, put_records, subscribe_to_shard,
};
use crate::kinesis::cors::Cors;
use crate::kinesis::target::{self, Targets};
use crate::router::GatewayState;

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
            let mut response = protocol::answer(Format::Json, Ok(Answer::Whole(Vec::new())));
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
            let draining = parts.extensions.get::<Draining>().map(|draining| draining.0.clone()).unwrap_or_default();
            let input = call.input().await?;
            let events = subscribe_to_shard::run(&self.gateway, &self.pushing, draining, format, input).await?;
            return Ok(Answer::Events(events));
        }
        run(state, operation, call).await.map(Answer::Whole)
    }
}

async fn run(state: &GatewayState, operation: &str, call: Call<'_>) -> Result<Vec<u8>, AwsError> {
    match operation {
        "PutRecords" => call.answer(|input| put_records::run(state, input)).await,
        "PutRecord" => call.answer(|input| put_record::run(state, input)).await,
        "GetRecords" => call.answer(|input| get_records::run(state, input)).await,
        "GetShardIterator" => call.answer(|input| get_shard_iterator::run(state, input)).await,
        "CreateStream" => call.answer(|input| create_stream::run(state, input)).await,
        "DeleteStream" => call.answer(|input| delete_stream::run(state, input)).await,
        "DescribeStream" => call.answer(|input| describe_stream::run(state, input)).await,
        "DescribeStreamSummary" => call.answer(|input| describe_stream_summary::run(state, input)).await,
        "ListStreams" => call.answer(|input| list_streams::run(state, input)).await,
        "ListShards" => call.answer(|input| list_shards::run(state, input)).await,
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
        let input: I = self.format.read(self.body)?;
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

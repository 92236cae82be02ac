//! Counts and traces requests by operation: a layer around the router.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use prometheus::{HistogramVec, IntCounterVec};
use tokio::time::Instant;
use tracing::Instrument;

use super::families::{Families, OTHER};
use crate::telemetry::spans;

/// Figures of requests.
#[derive(Debug)]
pub(crate) struct Requests {
    answered: IntCounterVec,
    seconds: HistogramVec,
}

impl Requests {
    pub(crate) fn new(families: &mut Families) -> Self {
        Requests {
            answered: families.counter("gallop_http_requests_total", &["operation", "status"], "Requests answered."),
            seconds: families.seconds(
                "gallop_http_request_duration_seconds",
                &["operation"],
                "Time until the answer starts.",
            ),
        }
    }
}

/// Names the operation in calls of the Kinesis API, after the API's version.
const TARGET: &str = "x-amz-target";
/// Counts what passes through `router`.
pub(crate) fn counted(router: Router, requests: Arc<Requests>) -> Router {
    router.layer(middleware::from_fn_with_state(requests, count))
}

async fn count(State(requests): State<Arc<Requests>>, request: Request, next: Next) -> Response {
    let target = request.headers().get(TARGET).and_then(|target| target.to_str().ok());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let operation = match route.as_ref().map(MatchedPath::as_str) {
        Some("/") => operation_of(target),
        Some(route) => route,
        None => OTHER,
    };
    let span = spans::of_request(&request, operation, route.as_ref().map_or(OTHER, MatchedPath::as_str));
    let begin = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    spans::answered(&span, &response);
    requests.seconds.with_label_values(&[operation]).observe(begin.elapsed().as_secs_f64());
    requests.answered.with_label_values(&[operation, response.status().as_str()]).inc();
    response
}

/// What a call of an AWS API asks for. A header is what anybody sends: a name that the server does not know is no
/// label.
fn operation_of(target: Option<&str>) -> &'static str {
    target.and_then(gateway::router::operation_of).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_sends_is_no_label() {
        assert_eq!(operation_of(Some("Kinesis_20131202.PutRecords")), "PutRecords");
        assert_eq!(operation_of(Some("Kinesis_20131202.PutUnicorns")), OTHER);
        assert_eq!(operation_of(Some("DynamoDB_20120810.PutRecords")), OTHER);
        assert_eq!(operation_of(None), OTHER);
    }
}

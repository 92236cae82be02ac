//! The spans that traces are made of: a request, and below it the calls of streams, tables and archive.
//!
//! Where no traces are wanted a span costs a look at a flag, and log lines never show one. Attributes follow
//! OpenTelemetry's conventions; none holds data or a partition key.

use std::fmt::Display;

use axum::extract::Request;
use axum::response::Response;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Target of all spans.
pub(crate) const TARGET: &str = "gallop::traces";

/// A request for `operation`; below the caller's own span, where it names one (`traceparent`).
pub(crate) fn of_request(request: &Request, operation: &str, route: &str) -> Span {
    let span = info_span!(
        target: TARGET,
        "request",
        otel.name = operation,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = route,
        http.response.status_code = Empty,
    );
    if !span.is_disabled() {
        let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
        // Fails only where traces are off.
        let _ = span.set_parent(caller);
    }
    span
}

/// What a request came to.
pub(crate) fn answered(span: &Span, response: &Response) {
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// `records` on their way to a stream.
pub(crate) fn append(stream: &dyn Display, records: usize) -> Span {
    info_span!(
        target: TARGET,
        "append",
        gallop.stream = %stream,
        gallop.records = records,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// Rows and checkpoint of a consumer on their way to a stream.
pub(crate) fn commit(stream: &dyn Display, consumer: &dyn Display, records: usize) -> Span {
    info_span!(
        target: TARGET,
        "commit",
        gallop.stream = %stream,
        gallop.consumer = %consumer,
        gallop.records = records,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// A read that a client asked for.
pub(crate) fn read(stream: &dyn Display) -> Span {
    info_span!(
        target: TARGET,
        "read",
        gallop.stream = %stream,
        gallop.records = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// A call of the tables' backend.
pub(crate) fn table(operation: &'static str, table: &dyn Display) -> Span {
    info_span!(
        target: TARGET,
        "table",
        otel.name = format_args!("table {operation}"),
        gallop.table = %table,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// A call of the archive's backend.
pub(crate) fn archive(operation: &'static str) -> Span {
    info_span!(
        target: TARGET,
        "archive",
        otel.name = format_args!("archive {operation}"),
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// Says in a span what failed.
pub(crate) fn note<T, E: Display>(span: &Span, result: &Result<T, E>) {
    if let Err(error) = result {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", error.to_string());
    }
}

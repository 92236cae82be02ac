//! Traces, as a collector of OpenTelemetry's receives them.

use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::server::{PATIENCE, Server, folder_with, gallop};

/// The variable for how long spans wait for more, in milliseconds.
const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
/// The caller's own trace and span, in hexadecimal.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
/// How long the end of a server may take, whatever its collector does.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// A span, and the service that it is of.
struct Received {
    service: String,
    span: Span,
}

impl Received {
    fn attribute(&self, name: &str) -> Option<String> {
        let found = self.span.attributes.iter().find(|attribute| attribute.key == name)?;
        match found.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text.clone()),
            Value::IntValue(number) => Some(number.to_string()),
            other => panic!("{name} is {other:?}"),
        }
    }
}

/// A collector: its address, and what it receives.
async fn collector() -> (String, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (received, spans) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("connections come");
            let received = received.clone();
            let answer = service_fn(move |request| take(request, received.clone()));
            tokio::spawn(async move {
                let connection = hyper::server::conn::http1::Builder::new();
                // A server that ends cuts its connections.
                let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (url, spans)
}

async fn take(
    request: Request<Incoming>,
    received: mpsc::UnboundedSender<Received>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/traces"));
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.expect("a whole request").to_bytes();
    let export = ExportTraceServiceRequest::decode(body).expect("what OTLP sends");
    for of_resource in export.resource_spans {
        let attributes = of_resource.resource.expect("a resource").attributes;
        let name = attributes.into_iter().find(|attribute| attribute.key == "service.name").expect("a name");
        let Some(Value::StringValue(service)) = name.value.and_then(|value| value.value) else { panic!("no text") };
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            // A test that has seen enough listens no more.
            let _ = received.send(Received { service: service.clone(), span });
        }
    }
    Ok(Response::new(Full::default()))
}

/// A server whose traces go to `collector`, four times a second.
fn traced(data: &Path, collector: &str) -> Server {
    let mut command = gallop();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector).env(DELAY, "250");
    Server::spawn(command.args(["serve", "--port", "0", "--data"]).arg(data))
}

/// One put, below the caller's span where it has one.
async fn put(server: &Server, parent: Option<&str>) {
    let body = r#"{"StreamName":"rides","PartitionKey":"Shadowfax","Data":"e30="}"#;
    let mut request = Request::post(&server.url)
        .header("x-amz-target", "Kinesis_20131202.PutRecord")
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request");
    if let Some(parent) = parent {
        request = request.header("traceparent", parent);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client.request(request.body(Full::from(body)).expect("a request")).await.expect("the server answers");
    assert_eq!(answer.status(), 200);
}

/// The next span that `fits`.
async fn next(spans: &mut mpsc::UnboundedReceiver<Received>, fits: impl Fn(&Received) -> bool) -> Received {
    let found = async {
        loop {
            let span = spans.recv().await.expect("the collector runs");
            if fits(&span) {
                return span;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the span arrives")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SETTINGS: &str = "[streams.rides]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_is_a_span_below_its_callers_and_the_append_one_below_it() {
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS)]);
    let (collector, mut spans) = collector().await;
    let server = traced(&data, &collector);
    put(&server, Some(&format!("00-{TRACE}-{PARENT}-01"))).await;
    // Children end first, and are sent first.
    let append = next(&mut spans, |received| received.span.name == "append").await;
    let request = next(&mut spans, |received| received.span.name == "PutRecord").await;
    for received in [&request, &append] {
        assert_eq!(hexadecimal(&received.span.trace_id), TRACE);
        assert_eq!(received.service, "gallop");
        assert!(received.span.start_time_unix_nano <= received.span.end_time_unix_nano);
        let text = format!("{:?}", received.span);
        assert!(!text.contains("Shadowfax"), "no key of a producer is in a trace: {text}");
    }
    assert_eq!(hexadecimal(&request.span.parent_span_id), PARENT);
    assert_eq!(request.span.kind, 2, "of a server");
    assert_eq!(request.attribute("http.response.status_code").as_deref(), Some("200"));
    assert_eq!(append.span.parent_span_id, request.span.span_id);
    assert_eq!(append.attribute("gallop.stream").as_deref(), Some("rides"));
    assert_eq!(append.attribute("gallop.records").as_deref(), Some("1"));

    // A caller that is not traced is followed too.
    put(&server, Some(&format!("00-{}-{PARENT}-00", TRACE.replace('0', "1")))).await;
    // What was not sent yet is sent at the end.
    put(&server, None).await;
    server.terminate();
    let last = next(&mut spans, |received| received.span.name == "PutRecord").await;
    assert!(last.span.parent_span_id.is_empty(), "{:?}", last.span);
    assert_eq!(server.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_name_the_collector_and_the_share_that_it_gets() {
    let (collector, mut spans) = collector().await;
    let telemetry = format!("[telemetry]\notlp_endpoint = \"{collector}\"\nsample_ratio = 0.0\n");
    let (_keep, data) = folder_with(&[("gallop.toml", &format!("{SETTINGS}{telemetry}"))]);
    let mut command = gallop();
    let server = Server::spawn(command.env(DELAY, "250").args(["serve", "--port", "0", "--data"]).arg(&data));
    for _ in 0..20 {
        put(&server, None).await;
    }
    put(&server, Some(&format!("00-{TRACE}-{PARENT}-01"))).await;
    for name in ["append", "PutRecord"] {
        let received = next(&mut spans, |_| true).await;
        assert_eq!((received.span.name.as_str(), hexadecimal(&received.span.trace_id).as_str()), (name, TRACE));
    }
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
    spans.close();
    assert!(spans.recv().await.is_none(), "nothing else was to be traced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_holds_up_nobody() {
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS)]);
    // It takes connections, and reads nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
    let server = traced(&data, &format!("http://{}", silent.local_addr().expect("it is bound")));
    for _ in 0..50 {
        put(&server, None).await;
    }
    let (held, _) = silent.accept().await.expect("the server tries");
    put(&server, None).await;
    let signalled = Instant::now();
    server.terminate();
    assert_eq!(server.ended().await, Some(0));
    assert!(signalled.elapsed() < DRAIN_MAX, "{:?}", signalled.elapsed());
    drop(held);
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_by_name() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut command = gallop();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let refused = command.args(["serve", "--port", "0", "--data"]).arg(data.path()).output().expect("it starts");
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("`grpc` is not supported; use `http/protobuf`"), "{text}");
}

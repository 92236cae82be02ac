//! REST as a test speaks it.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::StatusCode;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Status and body of a GET.
pub(crate) async fn answer(url: &str) -> (StatusCode, Bytes) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(url.parse().expect("a URL")).await.expect("the server answers");
    let status = response.status();
    (status, response.into_body().collect().await.expect("a whole answer").to_bytes())
}

/// A GET that must succeed.
pub(crate) async fn get(url: &str) -> Value {
    let (status, body) = answer(url).await;
    assert!(status.is_success(), "{url}: {status}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).expect("JSON")
}

/// All items of one partition.
pub(crate) async fn items(server: &str, table: &str, partition: &str) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("{server}/v1/tables/{table}/items/{partition}?limit=100{after}")).await;
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        match &page["next"] {
            Value::Null => return items,
            Value::String(next) => after = format!("&after={next}"),
            other => panic!("next is {other}"),
        }
    }
}

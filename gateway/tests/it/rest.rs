//! The REST API.

use http::{Request, StatusCode};
use model::table::json::read_item;
use model::table::store::{KeyAttribute, KeyType, TableSchema, VersionedItem};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use crate::server::Server;

async fn with_rides() -> Server {
    let server = Server::start().await;
    let key = |name: &str, key_type| KeyAttribute { name: name.to_owned(), key_type };
    let schema = TableSchema {
        name: "rides".parse().unwrap(),
        partition_key: key("Name", KeyType::String),
        sort_key: Some(key("At", KeyType::Number)),
    };
    server.state.tables.create(schema).await.unwrap();
    let item = |name: &str, at: u64| {
        let item = read_item(json!({"Name": name, "At": at, "Empty": null}).to_string().as_bytes()).unwrap();
        VersionedItem { item, version: 1 }
    };
    let items = [("Rocinante / é", 1), ("Rocinante / é", 2), ("Rocinante / é", 3), ("Shadowfax", 1)];
    let items = items.into_iter().map(|(name, at)| item(name, at)).collect();
    server.state.tables.put(&"rides".parse().unwrap(), items).await.unwrap();
    server
}

fn ats(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|item| item["At"].as_u64().unwrap()).collect()
}

const PARTITION: &str = "/v1/tables/rides/items/Rocinante%20%2F%20%C3%A9";

#[tokio::test]
async fn tables_are_listed_scanned_queried_and_read() {
    let server = with_rides().await;
    assert_eq!(server.get("/v1/tables").await.json()["tables"][0]["name"], "rides");
    assert_eq!(server.get("/v1/tables/rides").await.json()["sort_key"]["key_type"], "number");
    let mut after = String::new();
    let mut seen = 0;
    loop {
        let page = server.get(&format!("/v1/tables/rides/items?limit=3{after}")).await.json();
        seen += page["items"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, 4);
    assert_eq!(ats(&server.get(PARTITION).await.json()), [1, 2, 3]);
    assert_eq!(ats(&server.get(&format!("{PARTITION}?order=desc&from=2")).await.json()), [3, 2]);
    let first = server.get(&format!("{PARTITION}?order=desc&limit=2")).await.json();
    let next = first["next"].as_str().unwrap();
    assert_eq!(ats(&server.get(&format!("{PARTITION}?order=desc&after={next}")).await.json()), [1]);
    assert_eq!(server.get(&format!("{PARTITION}/2")).await.json()["Empty"], Value::Null);
}

#[tokio::test]
async fn wrong_requests_say_what_is_wrong() {
    let server = with_rides().await;
    for (path, status, code) in [
        ("/v1/tables/no", StatusCode::NOT_FOUND, "table_not_found"),
        ("/v1/tables/rides/items/Shadowfax/9", StatusCode::NOT_FOUND, "item_not_found"),
        ("/v1/tables/rides/items/Shadowfax/x", StatusCode::BAD_REQUEST, "invalid_parameter"),
        ("/v1/tables/rides/items/Shadowfax?order=up", StatusCode::BAD_REQUEST, "invalid_parameter"),
        ("/v1/tables/rides/items/Shadowfax?after=zzz", StatusCode::BAD_REQUEST, "invalid_parameter"),
        ("/v1/tables/rides/items?limit=0", StatusCode::BAD_REQUEST, "invalid_parameter"),
        ("/v1/tables/rides/items?colour=red", StatusCode::BAD_REQUEST, "invalid_parameter"),
        ("/v1/nothing", StatusCode::NOT_FOUND, "not_found"),
        ("/v1/sql", StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{path}");
    }
    let unknown = server.get("/v1/tables/rides/items?colour=red").await.json();
    assert!(unknown["error"]["message"].as_str().unwrap().contains("`colour`"), "{unknown}");
    let rebound = Request::get(format!("http://{}/v1/tables", server.address)).header("host", "evil.example");
    assert_eq!(server.send(rebound.body(String::new()).unwrap()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn sql_streams_lines_and_ends_with_an_error_when_it_fails_late() {
    let server = Server::start().await;
    let rows = server.post("/v1/sql", r#"{"sql":"rows"}"#).await;
    assert_eq!(rows.headers["content-type"], "application/x-ndjson");
    assert_eq!(rows.body, "{\"n\":1}\n{\"n\":2}\n");
    let late = server.post("/v1/sql", r#"{"sql":"late"}"#).await;
    assert_eq!(late.status, StatusCode::OK);
    assert!(late.body.ends_with(b"{\"error\":{\"code\":\"limit_exceeded\",\"message\":\"out of time\"}}\n"));
    assert_eq!(server.post("/v1/sql", r#"{"sql":"early"}"#).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let wrong = server.post("/v1/sql", r#"{"sql":"else"}"#).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let error = &wrong.json()["error"];
    assert_eq!((&error["line"], &error["column"]), (&json!(1), &json!(8)));
    assert_eq!(error["suggestion"], "did you mean `rows`?");
    assert_eq!(server.post("/v1/sql", r#"{"query":"rows"}"#).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn health_and_streams_are_shown() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(server.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    server.state.ready.store(true, Ordering::Release);
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK);
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":2}"#).await;
    assert_eq!(server.get("/v1/streams").await.json()["streams"][0]["open_shards"], 2);
}

#[tokio::test]
async fn one_port_speaks_http_2_too() {
    let server = Server::start().await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http::<http_body_util::Full<bytes::Bytes>>();
    let response = client.get(format!("http://{}/v1/tables", server.address).parse().unwrap()).await.unwrap();
    assert_eq!((response.version(), response.status()), (http::Version::HTTP_2, StatusCode::OK));
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let server = Server::start().await;
    for (origin, status) in [("http://localhost:3000", StatusCode::OK), ("http://evil.example", StatusCode::FORBIDDEN)]
    {
        let request = Request::get(format!("http://{}/v1/tables", server.address)).header("origin", origin);
        assert_eq!(server.send(request.body(String::new()).unwrap()).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn shards_are_split_and_merged_and_a_preview_changes_nothing() {
    let server = Server::start().await;
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":2}"#).await;
    let reshard = async |body: Value| server.post("/v1/streams/s/reshard", &body.to_string()).await;
    let open = async || server.get("/v1/streams").await.json()["streams"][0]["open_shards"].as_u64().unwrap();
    let (zero, one) = ("shardId-000000000000", "shardId-000000000001");

    let halves = reshard(json!({"split": {"shard": zero}, "preview": true})).await.json();
    assert_eq!((halves["closed"].as_array().unwrap().len(), &halves["closed"][0]["shard"]), (1, &json!(zero)));
    assert_eq!(halves["opened"].as_array().unwrap().len(), 2);
    assert_eq!((&halves["opened"][0]["share"], &halves["opened"][1]["share"]), (&json!(0.25), &json!(0.25)));
    assert_eq!(open().await, 2, "a preview is no change");
    let uneven = json!({"split": {"shard": zero, "at": "34028236692093846346337460743176821145"}});
    let mut previewed = uneven.clone();
    previewed["preview"] = true.into();
    let (preview, done) = (reshard(previewed).await.json(), reshard(uneven).await.json());
    assert_eq!((&preview["opened"], open().await), (&done["opened"], 3));
    assert!((done["opened"][0]["share"].as_f64().unwrap() - 0.1).abs() < 1e-9, "{done}");
    let (left, right) = (&done["opened"][0]["shard"], &done["opened"][1]["shard"]);
    let merged = reshard(json!({"merge": {"shard": left, "adjacent": right}})).await.json();
    assert_eq!((&merged["opened"][0]["share"], open().await), (&json!(0.5), 2));

    for (body, status, code) in [
        (json!({"split": {"shard": zero}}), StatusCode::BAD_REQUEST, "invalid_parameter"),
        (json!({"split": {"shard": one, "at": "5"}, "preview": true}), StatusCode::BAD_REQUEST, "invalid_parameter"),
        (json!({"split": {"shard": "shardId-000000000099"}}), StatusCode::NOT_FOUND, "shard_not_found"),
        (json!({"split": {"shard": "shard-x"}}), StatusCode::BAD_REQUEST, "invalid_parameter"),
        (json!({"merge": {"shard": one, "adjacent": one}}), StatusCode::BAD_REQUEST, "invalid_parameter"),
        (json!({"preview": true}), StatusCode::BAD_REQUEST, "invalid_parameter"),
        (json!({"split": {"shard": one}, "dry_run": true}), StatusCode::BAD_REQUEST, "invalid_parameter"),
    ] {
        let answer = reshard(body.clone()).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{body}");
    }
    assert_eq!(server.post("/v1/streams/t/reshard", r#"{"preview":true}"#).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn records_have_one_shape_whether_read_or_followed() {
    let server = Server::start().await;
    server.kinesis("CreateStream", r#"{"StreamName":"s","ShardCount":1}"#).await;
    for data in ["eyJuIjoxfQ==", "cGxhaW4=", "/wA="] {
        let record = format!(r#"{{"StreamName":"s","PartitionKey":"k","Data":"{data}"}}"#);
        server.kinesis("PutRecord", &record).await;
    }
    let page = server.get("/v1/streams/s/records").await.json();
    let records = page["records"].as_array().unwrap();
    let data: Vec<_> =
        records.iter().map(|record| [&record["data"]["n"], &record["text"], &record["base64"]]).collect();
    let (one, plain, bytes) = (json!(1), json!("plain"), json!("/wA="));
    assert_eq!(
        data,
        [
            [&one, &Value::Null, &Value::Null],
            [&Value::Null, &plain, &Value::Null],
            [&Value::Null, &Value::Null, &bytes]
        ]
    );
    let tail = server.get("/v1/streams/s/tail?limit=3").await;
    let lines: Vec<Value> =
        tail.body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines[0]["following"]["stream"], "s");
    assert_eq!(&lines[1..], records);
    for (path, status, code) in [
        ("/v1/streams/no/records", StatusCode::NOT_FOUND, "stream_not_found"),
        ("/v1/streams/no/tail", StatusCode::NOT_FOUND, "stream_not_found"),
        ("/v1/streams/s/records?shard=shardId-000000000009", StatusCode::NOT_FOUND, "shard_not_found"),
        ("/v1/streams/s/tail?position=HERE", StatusCode::BAD_REQUEST, "invalid_parameter"),
        ("/v1/streams/s/records?filter=n", StatusCode::BAD_REQUEST, "invalid_parameter"),
        ("/v1/doctor", StatusCode::NOT_FOUND, "not_found"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{path}");
    }
}

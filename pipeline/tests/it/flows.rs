//! Queries and deliveries that are created, paused, altered and dropped while the server runs, and outlive kills.

use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::rest::{answer, get};
use crate::server::{Server, eventually, folder_with, gallop};

/// A row for each second and key of `in`, in `out`.
const SQL: &str = r#"CREATE OR REPLACE STREAM "in" ("k" VARCHAR(8), "v" BIGINT);
CREATE OR REPLACE STREAM "out" ("k" VARCHAR(8), "n" BIGINT);
CREATE OR REPLACE PUMP "p" AS INSERT INTO "out"
SELECT STREAM "k", COUNT(*) AS "n" FROM "in" GROUP BY FLOOR("in".ROWTIME TO SECOND), "k";
"#;
const TABLE: &str = "[tables.T]\npartition_key = \"k\"\n[queries.fixed]\nsql = \"fixed.sql\"\n";

/// The same for another pair of streams.
fn sql(source: &str, output: &str) -> String {
    SQL.replace("\"out\"", &format!("\"{output}\"")).replace("\"in\"", &format!("\"{source}\""))
}

/// Status and JSON of a request with a body; null where the answer has none.
async fn ask(method: Method, url: &str, body: &Value) -> (StatusCode, Value) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder().method(method).uri(url).body(Full::new(body)).expect("a request");
    let response = client.request(request).await.expect("the server answers");
    let status = response.status();
    let bytes = response.into_body().collect().await.expect("a whole answer").to_bytes();
    (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") })
}

async fn create_stream(server: &Server, name: &str) {
    server.kinesis().create_stream().stream_name(name).shard_count(1).send().await.expect("created");
}

async fn put(server: &Server, key: &str) {
    let data = Blob::new(json!({"k": key, "v": 1}).to_string());
    server.kinesis().put_record().stream_name("in").partition_key(key).data(data).send().await.expect("taken");
}

/// Waits until a query has written so many rows.
async fn rows(server: &Server, query: &str, at_least: u64) -> Value {
    let url = format!("{}/v1/queries/{query}", server.url);
    eventually("rows are written", async || {
        let (status, body) = answer(&url).await;
        let report: Value = serde_json::from_slice(&body).expect("JSON");
        (status.is_success() && at_least <= report["rows"].as_u64().expect("a count")).then_some(report)
    })
    .await
}

async fn state(server: &Server, path: &str) -> String {
    get(&format!("{}/v1/{path}", server.url)).await["state"].as_str().expect("a state").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_of_rest_outlives_a_kill_and_is_paused_altered_and_dropped() {
    let (_folder, data) = folder_with(&[]);
    let server = Server::start(&data);
    create_stream(&server, "in").await;
    let queries = format!("{}/v1/queries", server.url);
    // What cannot run is rejected before anything is kept, with its place.
    let wrong = json!({"name": "q", "sql": SQL.replace("COUNT(*)", "COUNTS(*)")});
    let (status, refused) = ask(Method::POST, &queries, &wrong).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refused}");
    assert_eq!(refused["error"]["line"], 4, "{refused}");
    let (status, missing) = ask(Method::POST, &queries, &json!({"name": "q", "sql": sql("nowhere", "out")})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(missing["error"]["message"].as_str().expect("text").contains("stream `nowhere` does not exist"));
    let (status, created) = ask(Method::POST, &queries, &json!({"name": "q", "sql": SQL})).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    assert_eq!(created["queries"][0]["origin"], "run_time");
    let (status, _) = ask(Method::POST, &queries, &json!({"name": "q", "sql": SQL})).await;
    assert_eq!(status, StatusCode::CONFLICT, "the name is taken");
    put(&server, "a").await;
    rows(&server, "q", 1).await;

    server.kill();
    let server = Server::start(&data);
    let query = format!("{}/v1/queries/q", server.url);
    put(&server, "b").await;
    rows(&server, "q", 2).await;

    let (status, paused) = ask(Method::POST, &format!("{query}/pause"), &Value::Null).await;
    assert_eq!((status, &paused["queries"][0]["state"]), (StatusCode::OK, &json!("paused")));
    put(&server, "c").await;
    server.kill();
    let server = Server::start(&data);
    let query = format!("{}/v1/queries/q", server.url);
    assert_eq!(state(&server, "queries/q").await, "paused", "a pause outlives a kill");
    let reasons = get(&query).await["reasons"].clone();
    assert_eq!(reasons[0]["code"], "query_paused");
    ask(Method::POST, &format!("{query}/resume"), &Value::Null).await;
    rows(&server, "q", 3).await;

    // Other SQL does not fit what the query keeps.
    let other = SQL.replace("COUNT(*)", "SUM(\"v\")");
    let (status, refused) = ask(Method::PATCH, &query, &json!({"sql": other})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let difference = &refused["error"]["differences"][0];
    assert_eq!(difference["part"], "sql");
    assert!(difference["wanted"].as_str().expect("text").starts_with("line 4: SELECT STREAM"), "{difference}");
    // A comment does.
    let commented = format!("-- counts\n{SQL}");
    let (status, altered) = ask(Method::PATCH, &query, &json!({"sql": commented})).await;
    assert_eq!(status, StatusCode::OK, "{altered}");
    assert!(get(&query).await["spec"]["sql"].as_str().expect("text").starts_with("-- counts"));
    let (status, altered) = ask(Method::PATCH, &query, &json!({"sql": other, "restart": true})).await;
    assert_eq!(status, StatusCode::OK, "{altered}");
    // It begins anew, at the oldest record: all three are counted again.
    let report = eventually("it has read all again", async || {
        let report = get(&query).await;
        (report["records"] == 3 && report["rows"] == 3).then_some(report)
    })
    .await;
    assert_eq!(report["restarts"], 0, "{report}");

    let (status, _) = ask(Method::DELETE, &query, &Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(answer(&query).await.0, StatusCode::NOT_FOUND);
    server.kill();
    let server = Server::start(&data);
    assert_eq!(get(&format!("{}/v1/queries", server.url)).await["queries"], json!([]));
    assert!(get(&format!("{}/v1/streams", server.url)).await.to_string().contains("\"out\""), "its output stays");
    // A query of the same name begins without the old one's progress, and takes its output along when it goes.
    let queries = format!("{}/v1/queries", server.url);
    let (status, created) = ask(Method::POST, &queries, &json!({"name": "q", "sql": SQL})).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    rows(&server, "q", 3).await;
    // Not while another query reads it.
    let (status, created) = ask(Method::POST, &queries, &json!({"name": "reader", "sql": sql("out", "more")})).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let (status, refused) = ask(Method::DELETE, &format!("{queries}/q?output=delete"), &Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    assert!(refused["error"]["message"].as_str().expect("text").contains("also used by query `reader`"), "{refused}");
    let (status, _) = ask(Method::DELETE, &format!("{queries}/reader"), &Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = ask(Method::DELETE, &format!("{queries}/q?output=delete"), &Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(!get(&format!("{}/v1/streams", server.url)).await.to_string().contains("\"out\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flows_of_the_settings_are_paused_at_run_time_and_changed_in_the_file_only() {
    let fixed = sql("in", "fixed-out");
    let (_folder, data) = folder_with(&[("gallop.toml", TABLE), ("fixed.sql", &fixed)]);
    let server = Server::start(&data);
    let query = format!("{}/v1/queries/fixed", server.url);
    for (method, body) in [(Method::PATCH, json!({"start": "latest"})), (Method::DELETE, Value::Null)] {
        let (status, refused) = ask(method, &query, &body).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(refused["error"]["message"].as_str().expect("text").contains("settings file"), "{refused}");
    }
    let (status, _) = ask(Method::POST, &format!("{query}/pause"), &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    server.kill();
    let server = Server::start(&data);
    assert_eq!(state(&server, "queries/fixed").await, "paused");
    let resume = format!("{}/v1/queries/fixed/resume", server.url);
    ask(Method::POST, &resume, &Value::Null).await;
    put(&server, "a").await;
    rows(&server, "fixed", 1).await;
}

/// What a command prints on standard error, and whether it succeeds.
fn run(server: &Server, line: &str) -> (bool, String) {
    let output = gallop().args(line.split(' ')).args(["--endpoint", &server.url, "--output", "table"]).output();
    let output = output.expect("the binary starts");
    (output.status.success(), String::from_utf8(output.stderr).expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_and_deliveries_come_and_go_from_the_command_line() {
    let (_folder, data) = folder_with(&[("gallop.toml", "[tables.T]\npartition_key = \"k\"\n"), ("q.sql", SQL)]);
    let server = Server::start(&data);
    create_stream(&server, "in").await;
    let file = data.join("q.sql").display().to_string();
    let done = |line: &str, said: &str| {
        let (succeeded, text) = run(&server, line);
        assert!(succeeded && text.contains(said), "{line}: {text}");
    };
    done(&format!("query create q {file}"), "query `q` is created and running");
    done("delivery create d --source out --table T", "delivery `d` is created and running");
    done("delivery create raw --source in --archive --interval-seconds 1", "delivery `raw` is created");
    put(&server, "a").await;
    rows(&server, "q", 1).await;
    eventually("the row is in the table", async || {
        let (_, body) = answer(&format!("{}/v1/tables/T/items/a", server.url)).await;
        String::from_utf8_lossy(&body).contains("\"n\":1").then_some(())
    })
    .await;
    done("query pause q", "query `q` is paused");
    done("query resume q", "query `q` is running again");
    done("delivery pause d", "delivery `d` is paused");
    assert_eq!(state(&server, "deliveries/d").await, "paused");
    done("delivery resume d", "delivery `d` is running again");
    let (succeeded, text) = run(&server, "delivery alter d --archive");
    assert!(!succeeded && text.contains("destination is `table T`, not `archive`"), "{text}");
    assert!(text.contains("--restart"), "{text}");
    done("delivery alter d --table T --start latest --restart", "starts again");
    let (succeeded, text) = run(&server, "delivery create raw2 --source in --archive");
    assert!(!succeeded && text.contains("delivery `raw` archives stream `in` already"), "{text}");
    for folder in ["errors", "conflicts", ".tmp"] {
        create_stream(&server, folder).await;
        let (succeeded, text) = run(&server, &format!("delivery create reserved --source {folder} --archive"));
        assert!(!succeeded && text.contains(&format!("uses a folder `{folder}` itself")), "{text}");
    }
    std::fs::write(data.join("q.sql"), SQL.replace("COUNT(*)", "COUNTS(*)")).expect("written");
    let (succeeded, text) = run(&server, &format!("query alter q --sql {file}"));
    assert!(!succeeded && text.contains("line 4"), "{text}");
    done("delivery drop d", "delivery `d` is dropped");
    done("delivery drop raw", "dropped");
    done("query drop q --delete-output", "deleted");
    let (succeeded, text) = run(&server, "query drop q");
    assert!(!succeeded && text.contains("query `q` does not exist"), "{text}");
}

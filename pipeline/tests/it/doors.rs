//! One set of policies, tried at every door that gives out records of a stream: all give the same
//! verdict.

use std::fmt::Write as _;

use aws_sdk_kinesis::config::Credentials;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::server::{Server, folder_with};

const STREAMS: &str = "\
[streams.open]\nshards = 1\n[streams.secret]\nshards = 1\n[streams.out]\nshards = 1\n\
[tables.T]\npartition_key = \"k\"\n[dashboard]\nfleet = \"secret\"\n";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/";
const PARTNERS: &str = "111122223333";

/// Effect, actions, resources.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

const ALL: Rule = ("allow", &["kinesis:*", "gallop:*"], &["*"]);
const SECRET: &[&str] = &["arn:aws:kinesis:*:*:stream/secret"];

/// A principal, and whether `open` and `secret` are open to it.
struct Principal {
    name: &'static str,
    account: Option<&'static str>,
    rules: &'static [Rule],
    open: bool,
    secret: bool,
    /// The Kinesis API knows nothing of actions of Gallop, nor of another that would do the same.
    secret_by_kinesis: bool,
}

const fn at_home(name: &'static str, rules: &'static [Rule], open: bool, secret: bool) -> Principal {
    Principal { name, account: None, rules, open, secret, secret_by_kinesis: secret }
}

const PRINCIPALS: &[Principal] = &[
    at_home("all", &[ALL], true, true),
    at_home("one", &[("allow", &["kinesis:*", "gallop:*"], &["arn:aws:kinesis:*:*:stream/o*"])], true, false),
    at_home("without-all", &[ALL, ("deny", &["*"], SECRET)], true, false),
    at_home("without-kinesis", &[ALL, ("deny", &["kinesis:*"], SECRET)], true, false),
    at_home("without-get", &[ALL, ("deny", &["kinesis:GetRecords"], SECRET)], true, false),
    at_home("without-iterators", &[ALL, ("deny", &["kinesis:GetShardIterator"], SECRET)], true, false),
    Principal {
        secret_by_kinesis: true,
        ..at_home("without-records", &[ALL, ("deny", &["gallop:Records"], SECRET)], true, false)
    },
    Principal {
        secret_by_kinesis: true,
        ..at_home("without-subscriptions", &[ALL, ("deny", &["kinesis:SubscribeToShard"], SECRET)], true, false)
    },
    // The policies of streams name these.
    at_home("shut-out", &[ALL], true, false),
    at_home("let-in", &[], true, false),
    Principal { account: Some(PARTNERS), ..at_home("partner", &[ALL], true, false) },
    at_home("nobody", &[], false, false),
];

/// The policies that the streams have.
fn policy_of(stream: &str) -> Value {
    let user = |name: &str| json!({"AWS": format!("arn:aws:iam::000000000000:user/{name}")});
    let statement = |effect: &str, action: Value, principal: Value| json!({"Effect": effect, "Action": action, "Resource": format!("{ARN}{stream}"), "Principal": principal});
    let everything = json!(["kinesis:*", "gallop:*"]);
    let statements = if stream == "secret" {
        vec![statement("Deny", json!("kinesis:GetRecords"), user("shut-out"))]
    } else {
        vec![
            statement("Allow", everything.clone(), user("let-in")),
            statement("Allow", everything, json!({"AWS": PARTNERS})),
        ]
    };
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn token(name: &str) -> String {
    format!("bearer-token-of-{name}")
}

fn secret(name: &str) -> String {
    format!("secret-access-key-of-{name}")
}

fn key(name: &str) -> String {
    format!("AKID{}", name.to_uppercase().replace('-', ""))
}

/// The section of a principal in a settings file.
fn section(name: &str, account: Option<&str>, rules: &[Rule]) -> String {
    let (key, secret, token) = (key(name), secret(name), token(name));
    let mut text =
        format!("[credentials.{name}]\naccess_key_id = \"{key}\"\nsecret = \"{secret}\"\ntoken = \"{token}\"\n");
    if let Some(account) = account {
        writeln!(text, "account_id = \"{account}\"").expect("text takes text");
    }
    for (effect, actions, resources) in rules {
        writeln!(
            text,
            "[[credentials.{name}.policy]]\neffect = \"{effect}\"\nactions = {actions:?}\nresources = {resources:?}"
        )
        .expect("text takes text");
    }
    text
}

/// A server with these principals, and `admin` who may all; a record in each stream; policies of
/// streams.
async fn server(sections: &[String]) -> (tempfile::TempDir, Server) {
    let admin = section("admin", None, &[("allow", &["*"], &["*"])]);
    let settings = format!("{STREAMS}{admin}{}", sections.concat());
    let (keep, data) = folder_with(&[("gallop.toml", &settings)]);
    let server = Server::start(&data);
    let admin = client(&server, "admin");
    for stream in ["open", "secret", "out"] {
        let data = Blob::new(json!({"k": stream, "v": 1}).to_string());
        admin.put_record().stream_name(stream).partition_key("k").data(data).send().await.expect("taken");
        let policy = policy_of(stream).to_string();
        let put = admin.put_resource_policy().resource_arn(format!("{ARN}{stream}")).policy(policy);
        put.send().await.expect("a policy");
    }
    (keep, server)
}

fn client(server: &Server, name: &str) -> aws_sdk_kinesis::Client {
    let keys = Credentials::new(key(name), secret(name), None, None, "test");
    aws_sdk_kinesis::Client::from_conf(server.kinesis().config().to_builder().credentials_provider(keys).build())
}

async fn send(server: &Server, name: &str, method: Method, path: &str, body: &Value) -> Response<Incoming> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder().method(method).uri(format!("{}{path}", server.url));
    let request = request.header("authorization", format!("Bearer {}", token(name)));
    client.request(request.body(Full::new(body)).expect("a request")).await.expect("the server answers")
}

async fn text(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let bytes = response.into_body().collect().await.expect("a whole answer").to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

/// The body of an answer, or nothing if it is the refusal of `action` on `stream`.
async fn may(who: &str, action: &str, stream: &str, response: Response<Incoming>) -> Option<String> {
    let (status, body) = text(response).await;
    if status.is_success() {
        return Some(body);
    }
    assert_eq!(status, StatusCode::FORBIDDEN, "{who}: {action} on {stream}: {body}");
    let refused: Value = serde_json::from_str(&body).expect("JSON");
    let error = &refused["error"];
    assert_eq!(error["code"], "access_denied", "{who}: {body}");
    let message = error["message"].as_str().expect("text");
    let performs = format!("user/{who} is not authorized to perform: gallop:{action} on resource: ");
    let resource = if who == "nobody" { "" } else { &format!("{ARN}{stream} ") };
    assert!(message.contains(&format!("{performs}{resource}")), "{who}: {message}");
    None
}

/// A door: what reads `stream` for `who` answers whether it was let in.
struct Doors<'a> {
    server: &'a Server,
    who: &'a str,
}

impl Doors<'_> {
    async fn get(&self, action: &str, stream: &str, path: &str) -> Option<String> {
        let response = send(self.server, self.who, Method::GET, path, &Value::Null).await;
        may(self.who, action, stream, response).await
    }

    async fn by_kinesis(&self, stream: &str) -> bool {
        let (client, arn) = (client(self.server, self.who), format!("{ARN}{stream}"));
        let begin = client.get_shard_iterator().stream_arn(&arn).shard_id("shardId-000000000000");
        let refused = match begin.shard_iterator_type("TRIM_HORIZON".into()).send().await {
            Ok(begun) => match client
                .get_records()
                .stream_arn(arn)
                .shard_iterator(begun.shard_iterator.unwrap_or_default())
                .send()
                .await
            {
                Ok(read) => {
                    assert_eq!(read.records.len(), 1);
                    return true;
                }
                Err(refused) => refused.code().map(str::to_owned),
            },
            Err(refused) => refused.code().map(str::to_owned),
        };
        assert_eq!(refused.as_deref(), Some("AccessDeniedException"), "{}: {stream}", self.who);
        false
    }

    async fn by_records(&self, stream: &str) -> bool {
        self.get("Records", stream, &format!("/v1/streams/{stream}/records")).await.is_some()
    }

    async fn by_tail(&self, stream: &str) -> bool {
        let path = format!("/v1/streams/{stream}/tail?position=TRIM_HORIZON&limit=1");
        self.get("Records", stream, &path).await.is_some()
    }

    async fn by_sql(&self, stream: &str, sql: &str) -> bool {
        let body = json!({"sql": sql.replace('?', stream)});
        let response = send(self.server, self.who, Method::POST, "/v1/sql", &body).await;
        may(self.who, "Sql", stream, response).await.is_some()
    }

    async fn by_table_list(&self, stream: &str) -> bool {
        let body = json!({"sql": "SHOW TABLES"});
        let response = send(self.server, self.who, Method::POST, "/v1/sql", &body).await;
        may(self.who, "Sql", stream, response).await.is_some_and(|tables| tables.contains(&format!("\"{stream}\"")))
    }

    /// Listens until the feed tells of `open`, which it tells together with all others.
    async fn by_feed(&self, stream: &str) -> bool {
        let response = send(self.server, self.who, Method::GET, "/v1/live?topics=streams", &Value::Null).await;
        if !response.status().is_success() {
            return may(self.who, "Live", stream, response).await.is_some();
        }
        let (mut body, mut heard) = (response.into_body(), String::new());
        loop {
            let events = heard.split_terminator("\n\n").filter(|event| event.contains("event: streams\n"));
            if let Some(event) = events.last().filter(|event| event.contains("\"name\":\"open\"")) {
                return event.contains(&format!("\"name\":\"{stream}\""));
            }
            let frame = body.frame().await.expect("the feed goes on").expect("bytes");
            heard.push_str(&String::from_utf8_lossy(frame.data_ref().expect("no trailers")));
        }
    }

    async fn change(&self, action: &str, stream: &str, method: Method, path: &str, body: Value) -> bool {
        let response = send(self.server, self.who, method, path, &body).await;
        may(self.who, action, stream, response).await.is_some()
    }

    async fn clear(&self, path: &str) {
        let (status, body) = text(send(self.server, "admin", Method::DELETE, path, &Value::Null).await).await;
        assert!(status.is_success() || status == StatusCode::NOT_FOUND, "{}: {path}: {body}", self.who);
    }

    async fn by_new_delivery(&self, stream: &str) -> bool {
        let body = json!({"name": "d", "source": stream, "destination": {"archive": {}}});
        let created = self.change("CreateDelivery", stream, Method::POST, "/v1/deliveries", body).await;
        self.clear("/v1/deliveries/d").await;
        created
    }

    async fn by_altered_delivery(&self, stream: &str) -> bool {
        let body = json!({"name": "d", "source": "out", "destination": {"archive": {}}});
        let (status, body) = text(send(self.server, "admin", Method::POST, "/v1/deliveries", &body).await).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let body = json!({"source": stream, "restart": true});
        let altered = self.change("AlterDelivery", stream, Method::PATCH, "/v1/deliveries/d", body).await;
        self.clear("/v1/deliveries/d").await;
        altered
    }

    async fn by_new_query(&self, stream: &str) -> bool {
        let body = json!({"name": "q", "sql": pump(stream)});
        let created = self.change("CreateQuery", stream, Method::POST, "/v1/queries", body).await;
        self.clear("/v1/queries/q").await;
        created
    }

    async fn by_renamed_source(&self, stream: &str) -> bool {
        let body = json!({"name": "q", "sql": pump("in"), "streams": {"in": stream}});
        let created = self.change("CreateQuery", stream, Method::POST, "/v1/queries", body).await;
        self.clear("/v1/queries/q").await;
        created
    }
}

fn pump(source: &str) -> String {
    format!(
        r#"CREATE OR REPLACE STREAM "{source}" ("k" VARCHAR(8), "v" BIGINT);
CREATE OR REPLACE STREAM "out" ("k" VARCHAR(8), "n" BIGINT);
CREATE OR REPLACE PUMP "p" AS INSERT INTO "out"
SELECT STREAM "k", COUNT(*) AS "n" FROM "{source}" GROUP BY FLOOR("{source}".ROWTIME TO SECOND), "k";
"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_gives_the_same_verdict() {
    let sections: Vec<String> =
        PRINCIPALS.iter().map(|principal| section(principal.name, principal.account, principal.rules)).collect();
    let (_keep, server) = server(&sections).await;
    for principal in PRINCIPALS {
        let doors = Doors { server: &server, who: principal.name };
        for (stream, expected, by_kinesis) in
            [("open", principal.open, principal.open), ("secret", principal.secret, principal.secret_by_kinesis)]
        {
            let verdicts = [
                ("GetRecords", doors.by_kinesis(stream).await == by_kinesis),
                ("records", doors.by_records(stream).await == expected),
                ("tail", doors.by_tail(stream).await == expected),
                ("SELECT", doors.by_sql(stream, "SELECT * FROM ?").await == expected),
                ("part", doors.by_sql(stream, "WITH p AS (SELECT 1 FROM \"?\") SELECT * FROM p").await == expected),
                ("EXPLAIN", doors.by_sql(stream, "EXPLAIN SELECT * FROM ?").await == expected),
                ("DESCRIBE", doors.by_sql(stream, "DESCRIBE ?").await == expected),
                ("SHOW TABLES", doors.by_table_list(stream).await == expected),
                ("feed", doors.by_feed(stream).await == expected),
                ("new delivery", doors.by_new_delivery(stream).await == expected),
                ("altered delivery", doors.by_altered_delivery(stream).await == expected),
                ("new query", doors.by_new_query(stream).await == expected),
                ("renamed source", doors.by_renamed_source(stream).await == expected),
            ];
            for (door, as_expected) in verdicts {
                assert!(as_expected, "{} is judged wrongly at {door} of {stream}", principal.name);
            }
        }
        // The map's readings are those of `secret`.
        let response = send(&server, principal.name, Method::GET, "/v1/live?topics=fleet", &Value::Null).await;
        if principal.secret {
            assert_eq!(response.status(), StatusCode::OK);
        } else {
            assert_eq!(may(principal.name, "Live", "secret", response).await, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_is_allowed_and_denied_stream_by_stream() {
    const OPEN: &[&str] = &["arn:aws:kinesis:*:*:stream/open"];
    const OUT: &[&str] = &["arn:aws:kinesis:*:*:stream/out"];
    let sections = [
        section("asks-one", None, &[("allow", &["gallop:Sql"], OPEN)]),
        section("asks-but-one", None, &[ALL, ("deny", &["gallop:Sql"], SECRET)]),
        section("asks-nothing", None, &[ALL, ("deny", &["gallop:Sql"], &["*"])]),
        section("moves-one", None, &[("allow", &["gallop:CreateDelivery", "gallop:CreateQuery"], OPEN)]),
        section("writes-not", None, &[ALL, ("deny", &["kinesis:PutRecord", "kinesis:DeleteStream"], OUT)]),
        section("keeps-shards", None, &[ALL, ("deny", &["kinesis:SplitShard"], OPEN)]),
    ];
    let (_keep, server) = server(&sections).await;
    let doors = |who| Doors { server: &server, who };
    let select = "SELECT * FROM ?";
    for (who, open, secret) in [("asks-one", true, false), ("asks-but-one", true, false)] {
        assert_eq!(doors(who).by_sql("open", select).await, open, "{who}");
        assert_eq!(doors(who).by_sql("secret", select).await, secret, "{who}");
        assert_eq!(doors(who).by_sql("secret", "SELECT * FROM open, ?").await, secret, "{who}");
    }
    assert!(!doors("asks-one").by_records("open").await, "another action");
    assert!(doors("asks-but-one").by_records("secret").await, "another action");
    // Not even about no stream.
    for who in ["asks-nothing", "moves-one"] {
        let body = json!({"sql": "SELECT 1"});
        let (status, refused) = text(send(&server, who, Method::POST, "/v1/sql", &body).await).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{who}: {refused}");
        assert!(refused.contains("gallop:Sql on resource: * "), "{refused}");
    }
    assert!(doors("moves-one").by_new_delivery("open").await);
    assert!(!doors("moves-one").by_new_delivery("secret").await);
    // What a flow writes is asked for, too.
    let into_table = json!({"name": "t", "source": "open", "destination": {"table": "T"}});
    let (status, refused) = text(send(&server, "moves-one", Method::POST, "/v1/deliveries", &into_table).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{refused}");
    assert!(refused.contains("arn:aws:gallop:us-east-1:000000000000:table/T"), "{refused}");
    for who in ["moves-one", "writes-not"] {
        let body = json!({"name": "q", "sql": pump("open")});
        let response = send(&server, who, Method::POST, "/v1/queries", &body).await;
        assert_eq!(may(who, "CreateQuery", "out", response).await, None, "{who}");
    }
    let created = json!({"name": "q", "sql": pump("open")});
    let (status, body) = text(send(&server, "admin", Method::POST, "/v1/queries", &created).await).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let response = send(&server, "writes-not", Method::DELETE, "/v1/queries/q?output=delete", &Value::Null).await;
    assert_eq!(may("writes-not", "DropQuery", "out", response).await, None);
    let split = json!({"split": {"shard": "shardId-000000000000"}, "preview": true});
    for (stream, may_split) in [("open", false), ("out", true)] {
        let path = format!("/v1/streams/{stream}/reshard");
        let response = send(&server, "keeps-shards", Method::POST, &path, &split).await;
        assert_eq!(may("keeps-shards", "Reshard", stream, response).await.is_some(), may_split, "{stream}");
    }
}

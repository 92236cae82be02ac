//! What clients see of a server that knows its credentials.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::primitives::Blob;
use gateway::auth::access::Access;
use gateway::auth::credential::Credential;
use gateway::auth::policy::{Effect, Policy, Statement};
use gateway::auth::secret::Secret;
use http::{Request, StatusCode};
use model::stream::settings::StreamSettings;
use model::stream::store::StreamOptions;
use model::table::store::{KeyAttribute, KeyType, TableSchema};
use serde_json::json;

use crate::server::{Answer, Server};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "a-token-for-readers";

fn statement(effect: Effect, actions: &[&str], resources: &[&str]) -> Statement {
    Statement {
        effect,
        actions: actions.iter().map(|text| text.parse().unwrap()).collect(),
        resources: resources.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn credential(name: &str, statements: Vec<Statement>) -> Credential {
    Credential::new(name, name.to_uppercase(), Secret::new(SECRET), Policy::new(statements))
}

/// `ADMIN` may all, `WRITER` put to streams `rides*`, `LISTER` list streams, `READER` read tables with a token.
async fn server() -> Server {
    let rides = ["arn:aws:kinesis:*:*:stream/rides*"];
    let reader = vec![
        statement(Effect::Allow, &["gallop:*"], &["*"]),
        statement(Effect::Deny, &["gallop:Scan", "gallop:Sql"], &["arn:aws:gallop:*:*:table/secret", "*"]),
        statement(Effect::Deny, &["*"], &["arn:aws:kinesis:*:*:stream/secret"]),
    ];
    let credentials = vec![
        credential("admin", vec![statement(Effect::Allow, &["*"], &["*"])]),
        credential("writer", vec![statement(Effect::Allow, &["kinesis:Put*"], &rides)]),
        credential("lister", vec![statement(Effect::Allow, &["kinesis:ListStreams"], &["*"])]),
        Credential { bearer_token: Some(Secret::new(TOKEN)), ..credential("reader", reader) },
        Credential {
            account_id: Some("111122223333".to_owned()),
            ..credential("partner", vec![statement(Effect::Allow, &["kinesis:*"], &["*"])])
        },
        Credential { session_token: Some(Secret::new("a-session-token-of-sorts")), ..credential("guest", Vec::new()) },
    ];
    Server::guarded(Access::only(credentials).unwrap()).await
}

fn client(server: &Server, key: &str, secret: &str, token: Option<&str>) -> Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, secret, token.map(str::to_owned), None, "test"))
        .endpoint_url(format!("http://{}", server.address))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(aws_sdk_kinesis::config::retry::RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

#[tokio::test]
async fn a_principal_does_what_its_policy_allows_and_no_more() {
    let server = server().await;
    let [admin, writer] = ["ADMIN", "WRITER"].map(|key| client(&server, key, SECRET, None));
    for stream in ["rides", "trips"] {
        admin.create_stream().stream_name(stream).shard_count(1).send().await.unwrap();
    }
    let put = |client: &Client, stream: &str| {
        client.put_record().stream_name(stream).partition_key("k").data(Blob::new("x")).send()
    };
    put(&writer, "rides").await.unwrap();
    let denied = put(&writer, "trips").await.unwrap_err().into_service_error();
    assert!(denied.is_access_denied_exception(), "{denied:?}");
    assert_eq!(
        denied.message(),
        Some(
            "User: arn:aws:iam::000000000000:user/writer is not authorized to perform: kinesis:PutRecord on resource: \
             arn:aws:kinesis:us-east-1:000000000000:stream/trips because no identity-based policy allows the \
             kinesis:PutRecord action"
        )
    );
    // Whether a stream is there is not told to those who may not ask.
    assert!(put(&writer, "nothing").await.unwrap_err().into_service_error().is_access_denied_exception());
    assert!(put(&writer, "rides-of-nobody").await.unwrap_err().into_service_error().is_resource_not_found_exception());
    let read = writer.get_shard_iterator().stream_name("rides").shard_id("shardId-000000000000");
    let read = read.shard_iterator_type("LATEST".into()).send().await.unwrap_err().into_service_error();
    assert!(read.is_access_denied_exception());
    client(&server, "LISTER", SECRET, None).list_streams().send().await.unwrap();
}

#[tokio::test]
async fn strangers_are_refused_by_name() {
    let server = server().await;
    for (key, secret, token, expected) in [
        ("ADMIN", "not the secret of admin", None, "InvalidSignatureException"),
        ("NOBODY", SECRET, None, "UnrecognizedClientException"),
        ("ADMIN", SECRET, Some("a token that is not theirs"), "UnrecognizedClientException"),
        ("GUEST", SECRET, None, "UnrecognizedClientException"),
        ("GUEST", SECRET, Some("a-session-token-of-sorts"), "AccessDeniedException"),
    ] {
        let refused = client(&server, key, secret, token).list_streams().send().await.unwrap_err();
        assert_eq!(refused.code(), Some(expected), "{key}");
    }
    let unsigned = server.kinesis("ListStreams", "{}").await;
    assert_eq!(unsigned.status, StatusCode::BAD_REQUEST);
    assert_eq!(unsigned.json()["__type"], "MissingAuthenticationTokenException");
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_streams_own_policy_lets_others_in_and_keeps_them_out() {
    let server = server().await;
    let [admin, lister] = ["ADMIN", "LISTER"].map(|key| client(&server, key, SECRET, None));
    admin.create_stream().stream_name("rides").shard_count(1).send().await.unwrap();
    let describe = |client: &Client| client.describe_stream_summary().stream_name("rides").send();
    assert!(describe(&lister).await.unwrap_err().into_service_error().is_access_denied_exception());
    let policy = |effect: &str, user: &str| {
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": effect, "Action": "kinesis:Describe*", "Resource": "*",
            "Principal": {"AWS": format!("arn:aws:iam::000000000000:user/{user}")},
        }]})
    };
    for (effect, user, lister_may, admin_may) in
        [("Allow", "lister", true, true), ("Deny", "admin", false, false), ("Allow", "writer", false, true)]
    {
        let streams = &server.state.streams;
        let name = "rides".parse().unwrap();
        let before = streams.describe(&name).await.unwrap().settings.clone();
        let policy = Some(policy(effect, user).to_string());
        streams.alter(&name, &before, StreamSettings { policy, ..before.clone() }).await.unwrap();
        assert_eq!(describe(&lister).await.is_ok(), lister_may, "{effect} {user}");
        assert_eq!(describe(&admin).await.is_ok(), admin_may, "{effect} {user}");
    }
}

/// However a request names a consumer, policies are asked about its ARN, and the consumer's own is heard.
#[tokio::test]
async fn a_consumer_is_the_same_by_name_and_by_arn() {
    let all = || statement(Effect::Allow, &["kinesis:*"], &["*"]);
    let consumers = ["arn:aws:kinesis:*:*:stream/rides/consumer/mine:*"];
    let credentials = vec![
        credential("admin", vec![all()]),
        credential("hindered", vec![all(), statement(Effect::Deny, &["kinesis:*StreamConsumer"], &consumers)]),
        credential("owner", vec![statement(Effect::Allow, &["kinesis:DescribeStreamConsumer"], &consumers)]),
        credential("guest", Vec::new()),
    ];
    let server = Server::guarded(Access::only(credentials).unwrap()).await;
    let [admin, hindered, owner, guest] =
        ["ADMIN", "HINDERED", "OWNER", "GUEST"].map(|key| client(&server, key, SECRET, None));
    admin.create_stream().stream_name("rides").shard_count(1).send().await.unwrap();
    let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/rides";
    let mut arns = Vec::new();
    for name in ["mine", "yours"] {
        let registered = admin.register_stream_consumer().stream_arn(stream).consumer_name(name).send().await.unwrap();
        arns.push(registered.consumer.unwrap().consumer_arn);
    }
    let may = async |client: &Client, name: &str, arn: &str| {
        let by_name = client.describe_stream_consumer().stream_arn(stream).consumer_name(name).send().await;
        let by_arn = client.describe_stream_consumer().consumer_arn(arn).send().await;
        assert_eq!(by_name.is_ok(), by_arn.is_ok(), "{name}");
        by_name.is_ok()
    };
    for (client, mine, yours) in [(&hindered, false, true), (&owner, true, false), (&guest, false, false)] {
        assert_eq!(may(client, "mine", &arns[0]).await, mine);
        assert_eq!(may(client, "yours", &arns[1]).await, yours);
    }
    let policy = json!({"Statement": {"Effect": "Allow", "Action": "kinesis:DescribeStreamConsumer", "Resource": "*",
        "Principal": {"AWS": "arn:aws:iam::000000000000:user/guest"}}});
    admin.put_resource_policy().resource_arn(&arns[0]).policy(policy.to_string()).send().await.unwrap();
    assert!(may(&guest, "mine", &arns[0]).await);
    assert!(!may(&guest, "yours", &arns[1]).await);
    let taken_off = hindered.deregister_stream_consumer().stream_arn(stream).consumer_name("mine").send().await;
    assert!(taken_off.unwrap_err().into_service_error().code() == Some("AccessDeniedException"));
    // Whether it is there is not told to those who may not ask.
    let unknown = guest.describe_stream_consumer().stream_arn(stream).consumer_name("theirs").send().await;
    assert!(unknown.unwrap_err().into_service_error().code() == Some("AccessDeniedException"));
}

/// Somebody of another account needs both permissions, and names the stream by its ARN as with AWS.
#[tokio::test]
async fn other_accounts_come_in_where_the_streams_policy_lets_them() {
    let server = server().await;
    let [admin, partner] = ["ADMIN", "PARTNER"].map(|key| client(&server, key, SECRET, None));
    admin.create_stream().stream_name("rides").shard_count(1).send().await.unwrap();
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/rides";
    let put = || partner.put_record().stream_arn(arn).partition_key("k").data(Blob::new("x")).send();
    let denied = put().await.unwrap_err().into_service_error();
    let who = "User: arn:aws:iam::111122223333:user/partner is not authorized to perform: kinesis:PutRecord";
    let why = "because no resource-based policy allows the kinesis:PutRecord action";
    let message = denied.message().unwrap();
    assert!(message.starts_with(who) && message.ends_with(why), "{message}");
    let set = async |effect: &str, action: &str, principal: &str| {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "kinesis:PutRecord", "Resource": arn, "Principal": {"AWS": "111122223333"}},
            {"Effect": effect, "Action": action, "Resource": arn, "Principal": {"AWS": principal}},
        ]});
        let set = admin.put_resource_policy().resource_arn(arn).policy(policy.to_string()).send().await;
        set.map(drop).map_err(|refused| refused.into_service_error().to_string())
    };
    set("Deny", "kinesis:PutRecords", "111122223333").await.unwrap();
    put().await.unwrap();
    let shards = partner.list_shards().stream_arn(arn).send().await.unwrap_err().into_service_error();
    assert!(shards.is_access_denied_exception(), "{shards:?}");
    set("Deny", "kinesis:Put*", "arn:aws:iam::111122223333:user/partner").await.unwrap();
    assert!(put().await.unwrap_err().into_service_error().is_access_denied_exception());
    let refused = set("Allow", "kinesis:*", "arn:aws:iam::111122223333:role/reader").await.unwrap_err();
    assert!(refused.contains("this server has no roles"), "{refused}");
    // Nothing but streams can be shared.
    assert_eq!(partner.list_streams().send().await.unwrap_err().code(), Some("AccessDeniedException"));
}

async fn get(server: &Server, path: &str, authorization: &str) -> Answer {
    let request = Request::get(format!("http://{}{path}", server.address)).header("authorization", authorization);
    server.send(request.body(String::new()).unwrap()).await
}

#[tokio::test]
async fn the_rest_api_takes_bearer_tokens() {
    let server = server().await;
    let key = KeyAttribute { name: "Name".to_owned(), key_type: KeyType::String };
    let schema = TableSchema { name: "rides".parse().unwrap(), partition_key: key, sort_key: None };
    server.state.tables.create(schema).await.unwrap();
    let token = format!("Bearer {TOKEN}");
    for (path, authorization, status, code) in [
        ("/v1/tables", "", StatusCode::UNAUTHORIZED, "unauthenticated"),
        ("/v1/tables", "Bearer another-token-altogether", StatusCode::UNAUTHORIZED, "unauthenticated"),
        ("/v1/tables", "Basic YTpi", StatusCode::UNAUTHORIZED, "unauthenticated"),
        ("/v1/tables/rides/items", &token, StatusCode::FORBIDDEN, "access_denied"),
    ] {
        let answer = get(&server, path, authorization).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)), "{path} {authorization}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == StatusCode::UNAUTHORIZED);
    }
    let sql = Request::post(format!("http://{}/v1/sql", server.address)).header("authorization", &token);
    let sql = server.send(sql.body(r#"{"sql":"rows"}"#.to_owned()).unwrap()).await;
    assert_eq!(sql.status, StatusCode::FORBIDDEN);
    assert_eq!(get(&server, "/v1/tables", &token).await.json()["tables"][0]["name"], "rides");
    assert_eq!(get(&server, "/v1/tables/rides", &token).await.status, StatusCode::OK);
}

/// A statement about one stream holds on REST as it does on the Kinesis API.
#[tokio::test]
async fn the_rest_api_keeps_a_denied_stream_closed() {
    let server = server().await;
    let admin = client(&server, "ADMIN", SECRET, None);
    for stream in ["rides", "secret"] {
        admin.create_stream().stream_name(stream).shard_count(1).send().await.unwrap();
    }
    let token = format!("Bearer {TOKEN}");
    for (stream, status) in [("rides", StatusCode::OK), ("secret", StatusCode::FORBIDDEN)] {
        let records = get(&server, &format!("/v1/streams/{stream}/records"), &token).await;
        assert_eq!(records.status, status, "{stream}");
        let reshard = format!("http://{}/v1/streams/{stream}/reshard", server.address);
        let reshard = Request::post(reshard).header("authorization", &token);
        let body = r#"{"split":{"shard":"shardId-000000000000"}}"#.to_owned();
        let resharded = server.send(reshard.body(body).unwrap()).await;
        assert_eq!(resharded.status == StatusCode::FORBIDDEN, status == StatusCode::FORBIDDEN, "{stream}");
    }
    let tail = get(&server, "/v1/streams/secret/tail", &token).await;
    assert_eq!(tail.status, StatusCode::FORBIDDEN);
}

/// What the policy of a stream says holds on REST as on the Kinesis API.
#[tokio::test]
async fn a_streams_own_policy_holds_on_rest() {
    let all = || statement(Effect::Allow, &["gallop:*"], &["*"]);
    let with_token = |name: &str, statements| Credential {
        bearer_token: Some(Secret::new(format!("bearer-token-of-{name}"))),
        ..credential(name, statements)
    };
    let partner = Credential { account_id: Some("111122223333".to_owned()), ..with_token("partner", vec![all()]) };
    let credentials = vec![with_token("analyst", vec![all()]), with_token("guest", Vec::new()), partner];
    let server = Server::guarded(Access::only(credentials).unwrap()).await;
    let (name, streams) = ("rides".parse().unwrap(), &server.state.streams);
    streams.create(&name, StreamOptions::default()).await.unwrap();
    let policy = |effect: &str, action: &str, principal: &str| {
        let statement = json!({"Effect": effect, "Action": action, "Resource": "*", "Principal": {"AWS": principal}});
        json!({ "Statement": statement }).to_string()
    };
    let user = |name: &str| format!("arn:aws:iam::000000000000:user/{name}");
    for (policy, analyst, guest, partner) in [
        (None, true, false, false),
        (Some(policy("Allow", "gallop:*", &user("guest"))), true, true, false),
        (Some(policy("Allow", "gallop:*", "111122223333")), true, false, true),
        (Some(policy("Allow", "kinesis:*", "111122223333")), true, false, false),
        (Some(policy("Deny", "kinesis:GetRecords", &user("analyst"))), false, false, false),
        (Some(policy("Deny", "kinesis:PutRecord", &user("analyst"))), true, false, false),
        // One that another version kept: closed to all.
        (Some("not a policy".to_owned()), false, false, false),
    ] {
        let before = streams.describe(&name).await.unwrap().settings.clone();
        streams.alter(&name, &before, StreamSettings { policy: policy.clone(), ..before.clone() }).await.unwrap();
        for (who, may) in [("analyst", analyst), ("guest", guest), ("partner", partner)] {
            let token = format!("Bearer bearer-token-of-{who}");
            let records = get(&server, "/v1/streams/rides/records", &token).await.status;
            let sql = Request::post(format!("http://{}/v1/sql", server.address)).header("authorization", &token);
            let sql = server.send(sql.body(r#"{"sql":"rows of rides"}"#.to_owned()).unwrap()).await.status;
            let expected = if may { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!((records, sql), (expected, expected), "{who}: {policy:?}");
        }
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a signature tells the time of this machine")]
async fn the_rest_api_takes_signatures_of_its_own_service() {
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    let server = server().await;
    let send = |service: &'static str, body: &'static str, sent: &'static str| {
        let uri = format!("http://{}/v1/sql", server.address);
        let mut request = Request::post(&uri).header("host", server.address.to_string()).body(sent.to_owned()).unwrap();
        let identity = Credentials::new("ADMIN", SECRET, None, None, "test").into();
        let parameters = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(std::time::SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let host = server.address.to_string();
        let headers = [("host", host.as_str())].into_iter();
        let signable = SignableRequest::new("POST", uri, headers, SignableBody::Bytes(body.as_bytes())).unwrap();
        sign(signable, &parameters).unwrap().into_parts().0.apply_to_request_http1x(&mut request);
        server.send(request)
    };
    let rows = r#"{"sql":"rows"}"#;
    assert_eq!(send("gallop", rows, rows).await.body, "{\"n\":1}\n{\"n\":2}\n");
    assert_eq!(send("kinesis", rows, rows).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(send("gallop", rows, r#"{"sql":"ROWS"}"#).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_described_route_asks_who_calls() {
    let server = server().await;
    let document = server.get("/v1/openapi.json").await.json();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let uri = format!("http://{}{}", server.address, path.replace(['{', '}'], ""));
            let request = http::Request::builder().method(method.to_uppercase().as_str()).uri(uri);
            let answer = server.send(request.body(String::new()).unwrap()).await;
            let open = ["/healthz", "/readyz"].contains(&path.as_str());
            assert_eq!(answer.status != http::StatusCode::UNAUTHORIZED, open, "{method} {path}: {}", answer.status);
            asked += usize::from(!open);
        }
    }
    assert!(asked >= 20, "{asked} routes");
}

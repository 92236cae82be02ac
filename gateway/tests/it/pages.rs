//! What a page in the user's browser may not: reach this server across origins, or under a name made to point at it.

use gateway::state::GatewayOptions;
use http::{Method, Request};

use crate::server::Server;

/// A request as a browser sends it, where a page of `origin` calls `host`.
fn forged(server: &Server, path: &str, host: &str, origin: Option<&str>) -> Request<String> {
    let method = if path.ends_with("tables") { Method::GET } else { Method::POST };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", server.address))
        .header("host", host)
        .header("sec-fetch-site", if origin.is_some() { "cross-site" } else { "same-origin" })
        .header("x-amz-target", "Kinesis_20131202.CreateStream");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let body = if path == "/" { r#"{"StreamName":"forged","ShardCount":1}"# } else { r#"{"sql":"rows"}"# };
    request.body(body.to_owned()).unwrap()
}

#[tokio::test]
async fn no_forged_request_is_served() {
    let origins = vec!["https://app.example".to_owned()];
    let options = GatewayOptions { hosts: vec!["gallop.example".to_owned()], origins, ..GatewayOptions::default() };
    let server = Server::with(options).await;
    let here = server.address.to_string();
    let mut refused = 0;
    for path in ["/", "/v1/sql", "/v1/tables"] {
        // Another page, however it is named.
        for origin in [
            "http://evil.example",
            "https://evil.example:4567",
            "null",
            "",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "http://0.0.0.0:4567",
            "http://2130706433",
            "http://app.example",
            "https://app.example.evil.example",
            "http://[::ffff:10.0.0.6]",
        ] {
            let answer = server.send(forged(&server, path, &here, Some(origin))).await;
            assert!(answer.status.is_client_error(), "{path} {origin}: {}", answer.status);
            assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{path} {origin}");
            refused += 1;
        }
        // The same page, under a name that was made to point here.
        for host in ["evil.example", "evil.example:4567", "localhost.evil.example:80", "0.0.0.0:4567", "10.0.0.6"] {
            for origin in [None, Some(format!("http://{host}"))] {
                let answer = server.send(forged(&server, path, host, origin.as_deref())).await;
                assert!(answer.status.is_client_error(), "{path} {host}: {}", answer.status);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 66);
    let streams = server.kinesis("ListStreams", "{}").await.json();
    assert_eq!(streams["StreamNames"].as_array().map(Vec::len), Some(0), "{streams}");
}

#[tokio::test]
async fn pages_of_this_server_and_clients_that_are_no_browsers_are_served() {
    let options = GatewayOptions { hosts: vec!["gallop.example".to_owned()], ..GatewayOptions::default() };
    let server = Server::with(options).await;
    for host in ["localhost:4567", "127.0.0.1", "[::1]:4567", "GALLOP.example", "app.localhost"] {
        for origin in [None, Some(format!("http://{host}"))] {
            let answer = server.send(forged(&server, "/v1/tables", host, origin.as_deref())).await;
            assert!(answer.status.is_success(), "{host}: {}", answer.status);
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        }
    }
    // A container calls its neighbour by a name that no setting has.
    let request = Request::post(format!("http://{}/", server.address)).header("host", "kinesis.internal");
    let request = request.header("x-amz-target", "Kinesis_20131202.ListStreams").body("{}".to_owned()).unwrap();
    assert!(server.send(request).await.status.is_success());
}

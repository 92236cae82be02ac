//! The REST API as the server describes it: kept as `docs/openapi.json`, and as a page for people made from that.

use std::fmt::Write;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::book::page::clone_root;
use crate::reference::{cell, hold};
use crate::rest::get;
use crate::server::{Server, folder_with};

/// What the page begins with.
const HEAD: &str = "# REST API\n\nThis page is generated from [openapi.json](../openapi.json), which a server also returns at `/v1/openapi.json`. The Kinesis API at `POST /` has a page of \
    its own: [COMPATIBILITY.md](../COMPATIBILITY.md).\n";

/// The operations: path, method, description.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn page(document: &Value) -> String {
    let mut page = HEAD.to_owned();
    for (path, method, operation) in operations(document) {
        write!(page, "\n## {} {path}\n\n{}\n", method.to_uppercase(), text(&operation["summary"]))
            .expect("text takes text");
        if operation["description"].is_string() {
            write!(page, "\n{}\n", text(&operation["description"])).expect("text takes text");
        }
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let rows = parameters.map(|parameter| {
            let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
            (format!("`{name}` ({place})"), kind(&parameter["schema"]), text(&parameter["description"]).to_owned())
        });
        table("parameter", rows.collect(), &mut page);
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        table("member of the body", members(document, body), &mut page);
        page.push_str("\n| status | answer |\n| --- | --- |\n");
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let content = response["content"].as_object().into_iter().flatten().next();
            let shape = content.map(|(media, content)| match kind(&content["schema"]) {
                kind if media == "application/json" => kind,
                _ => format!("`{media}`"),
            });
            let said = [cell(text(&response["description"])), shape.unwrap_or_default()];
            let said: Vec<_> = said.into_iter().filter(|part| !part.is_empty()).collect();
            writeln!(page, "| {status} | {} |", said.join(" ")).expect("text takes text");
        }
    }
    page.push_str("\n# Shapes\n");
    for (name, shape) in document["components"]["schemas"].as_object().expect("shapes") {
        write!(page, "\n## {name}\n").expect("text takes text");
        if shape["description"].is_string() {
            write!(page, "\n{}\n", text(&shape["description"])).expect("text takes text");
        }
        match members(document, shape) {
            rows if rows.is_empty() => write!(page, "\n{}\n", kind(shape)).expect("text takes text"),
            rows => table("member", rows, &mut page),
        }
    }
    page
}

/// A table of what has a name and a type.
fn table(of: &str, rows: Vec<(String, String, String)>, page: &mut String) {
    if rows.is_empty() {
        return;
    }
    write!(page, "\n| {of} | type | meaning |\n| --- | --- | --- |\n").expect("text takes text");
    for (name, kind, meaning) in rows {
        writeln!(page, "| {name} | {kind} | {} |", cell(&meaning)).expect("text takes text");
    }
}

/// The members of an object, with those of the shapes that it is made of.
fn members(document: &Value, shape: &Value) -> Vec<(String, String, String)> {
    if let Some(name) = text(&shape["$ref"]).strip_prefix("#/components/schemas/") {
        return members(document, &document["components"]["schemas"][name]);
    }
    let of_parts = shape["allOf"].as_array().into_iter().flatten().flat_map(|part| members(document, part));
    let required: Vec<&str> = shape["required"].as_array().into_iter().flatten().map(text).collect();
    let own = shape["properties"].as_object().into_iter().flatten().map(|(name, member)| {
        let needed = if required.contains(&name.as_str()) { "" } else { ", optional" };
        (format!("`{name}`"), format!("{}{needed}", kind(member)), text(&member["description"]).to_owned())
    });
    of_parts.chain(own).collect()
}

/// A type in a word or a link.
fn kind(shape: &Value) -> String {
    if let Some(name) = text(&shape["$ref"]).strip_prefix("#/components/schemas/") {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(kinds) = shape[choice].as_array() {
            return kinds.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(values) = shape["enum"].as_array() {
        return values.iter().map(|value| format!("`{}`", text(value))).collect::<Vec<_>>().join(", ");
    }
    match &shape["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&shape["items"])),
        Value::String(name) if name == "object" && shape["properties"].is_object() => {
            let members = shape["properties"].as_object().expect("looked at").iter();
            let members: Vec<_> = members.map(|(name, member)| format!("`{name}`: {}", kind(member))).collect();
            format!("object of {}", members.join(", "))
        }
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

#[tokio::test]
async fn the_rest_api_is_what_the_server_describes() {
    let (_keep, data) = folder_with(&[]);
    let server = Server::start(&data);
    let document = get(&format!("{}/v1/openapi.json", server.url)).await;
    hold("openapi.json", &format!("{:#}\n", document));
    hold("reference/rest.md", &page(&document));
    let silent: Vec<_> =
        operations(&document).filter(|(_, _, operation)| text(&operation["summary"]).is_empty()).collect();
    assert!(silent.is_empty(), "without a summary: {silent:?}");
}

/// Each is there, and asks for a permission of its own where credentials are configured.
#[tokio::test]
async fn what_is_described_is_there_and_behind_a_permission() {
    let settings = r#"
        [credentials.nobody]
        access_key_id = "AKIDNOBODY"
        secret = "a secret that nobody uses"
        token = "the-token-of-nobody"
    "#;
    let (_keep, data) = folder_with(&[("gallop.toml", settings)]);
    let server = Server::start(&data);
    let document = get(&format!("{}/v1/openapi.json", server.url)).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut asked = 0;
    for (path, method, operation) in operations(&document) {
        if operation["security"] == serde_json::json!([{}]) {
            continue;
        }
        let url = format!("{}{}", server.url, path.replace(['{', '}'], ""));
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let request =
            Request::builder().method(&method).uri(&url).header("authorization", "Bearer the-token-of-nobody");
        let answer =
            client.request(request.body(Full::default()).expect("a request")).await.expect("the server answers");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(
            status == 403 && body.contains("gallop:") && !body.contains("gallop:Unknown"),
            "{method} {path}: {status} {body}"
        );
        asked += 1;
    }
    assert!(asked >= 15, "{asked} operations");
}

/// Routes of the API are given to the router together with what they say of themselves.
#[test]
fn no_route_goes_without_a_description() {
    for file in ["gateway/src/router.rs", "dashboard/src/routes.rs"] {
        let source = std::fs::read_to_string(clone_root().join(file)).expect("sources are text");
        let code: String = source.split("#[cfg(test)]").next().expect("there is code").split_whitespace().collect();
        let silent: Vec<&str> =
            code.split(".route(\"/v1").skip(1).filter(|rest| !rest.starts_with("/openapi.json\"")).collect();
        assert!(
            silent.is_empty(),
            "{file}: use `.routes(routes!(handler))` with `#[utoipa::path]` on it, not `.route(\"/v1..\"`"
        );
    }
}

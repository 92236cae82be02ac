//! A server's REST API, for commands that change or show what it does.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde_json::Value;

use crate::failure::{Failure, Kind};
use crate::server::authorization::Authorization;
use crate::server::http_client::{Call, HttpClient};

/// The service's name in signatures.
const SERVICE: &str = "gallop";

/// Asks a server.
pub struct RestClient {
    http: HttpClient,
}

impl RestClient {
    /// Asks the server at `endpoint`, an `http://` or `https://` URL.
    pub fn new(endpoint: &str, authorization: Authorization) -> anyhow::Result<Self> {
        Ok(RestClient { http: HttpClient::new(endpoint, authorization)? })
    }

    /// The server.
    pub fn endpoint(&self) -> &str {
        self.http.endpoint()
    }

    /// The status and the text of what stands at a path.
    pub async fn text(&self, path: &str) -> anyhow::Result<(StatusCode, String)> {
        let (status, bytes) = self.http.call(call(Method::GET, path, Bytes::new())).await?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The answer to a request; null where it has no body.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let (status, bytes) = self.http.call(call(method, path, body)).await?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let answer: Value = serde_json::from_slice(&bytes).map_err(|_| self.http.foreign(status))?;
        if answer.get("error").is_some_and(Value::is_object) || !status.is_success() {
            return Err(failure_of(status, &answer).into());
        }
        Ok(answer)
    }

    /// The answer to a GET.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// The text that a GET answers with when it succeeds.
    pub async fn page(&self, path: &str) -> anyhow::Result<String> {
        let (status, text) = self.text(path).await?;
        if status.is_success() {
            return Ok(text);
        }
        let answer: Value = serde_json::from_str(&text).map_err(|_| self.http.foreign(status))?;
        Err(failure_of(status, &answer).into())
    }

    /// The answer to a GET that goes on and on.
    pub async fn follow(&self, path: &str) -> anyhow::Result<Response<Incoming>> {
        let response = self.http.open(call(Method::GET, path, Bytes::new())).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let bytes = self.http.whole(body).await?;
        let answer: Value = serde_json::from_slice(&bytes).map_err(|_| self.http.foreign(head.status))?;
        Err(failure_of(head.status, &answer).into())
    }
}

fn call(method: Method, path: &str, body: Bytes) -> Call<'_> {
    Call { service: SERVICE, method, path, headers: &[("content-type", "application/json")], body }
}

/// A failure in the words of the server, and what to do about it where that is plain.
pub fn failure_of(status: StatusCode, answer: &Value) -> Failure {
    let kind = Kind::of(status);
    let said = answer.pointer("/error/message").and_then(Value::as_str);
    let failure =
        Failure::new(kind, said.map_or_else(|| format!("the server answered with status {status}"), str::to_owned));
    let failure = failure.coded(answer.pointer("/error/code").and_then(Value::as_str).unwrap_or_default());
    // Where in a query, and what to write instead.
    let number = |part: &str| answer.pointer(&format!("/error/{part}")).and_then(Value::as_u64);
    let failure = match (number("line"), number("column")) {
        (Some(line), Some(column)) => failure.why(format!("line {line}, column {column} of the query")),
        _ => failure,
    };
    let failure = match answer.pointer("/error/suggestion").and_then(Value::as_str) {
        Some(suggestion) => failure.fix(suggestion),
        None => failure,
    };
    match kind {
        Kind::Refused if status == StatusCode::UNAUTHORIZED => {
            failure.why("this server requires credentials, and it does not know these").fix(
                "use --token or GALLOP_TOKEN, or sign with keys that the server knows: --profile or the AWS variables",
            )
        }
        Kind::Refused => failure
            .why("the policy of this credential does not allow it")
            .fix("use another credential, or allow the action in the server's settings"),
        Kind::Unreachable => {
            failure.why("the server answers, but cannot do it now").fix("try again, and see `gallop top`")
        }
        _ => failure,
    }
}

/// A segment of a path, with everything but unreserved characters written as `%XX`.
pub fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

/// A path with a query of those parameters that have a value.
pub fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", segment((*value)?))));
    let query: Vec<String> = given.collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_what_people_write() {
        assert_eq!(segment("a b/ü-1.2_~"), "a%20b%2F%C3%BC-1.2_~");
        assert_eq!(with_query("/v1", &[("a", Some("1 2")), ("b", None)]), "/v1?a=1%202");
        assert_eq!(with_query("/v1", &[("b", None)]), "/v1");
    }
}

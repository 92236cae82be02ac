//! A server's Kinesis API, call by call, in JSON: what `gallop stream` is made of.

use bytes::Bytes;
use hyper::Method;
use model::text::nearest::nearest;
use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::server::authorization::Authorization;
use crate::server::http_client::{Call, HttpClient};

/// The service's name in signatures.
const SERVICE: &str = "kinesis";
/// Names that are told when none of them is near to what was written.
const NAMES_TOLD_MAX: usize = 5;
/// Pages of a list that are read; a page has up to a hundred streams, or a thousand shards.
const PAGES_MAX: usize = 1_000;

/// Asks a server.
pub struct KinesisClient {
    http: HttpClient,
}

impl KinesisClient {
    /// Asks the server at `endpoint`, an `http://` or `https://` URL.
    pub fn new(endpoint: &str, authorization: Authorization) -> anyhow::Result<Self> {
        Ok(KinesisClient { http: HttpClient::new(endpoint, authorization)? })
    }

    /// The server.
    pub fn endpoint(&self) -> &str {
        self.http.endpoint()
    }

    /// The output of an operation; null where it has none.
    pub async fn call(&self, operation: &str, input: &Value) -> anyhow::Result<Value> {
        let target = format!("Kinesis_20131202.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let body = Bytes::from(input.to_string());
        let call = Call { service: SERVICE, method: Method::POST, path: "/", headers: &headers, body };
        let (status, bytes) = self.http.call(call).await?;
        if status.is_success() && bytes.is_empty() {
            return Ok(Value::Null);
        }
        let answer: Value = serde_json::from_slice(&bytes).map_err(|_| self.http.foreign(status))?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(failure_of(&answer).unwrap_or_else(|| self.http.foreign(status)).into())
    }

    /// The output of an operation on a stream. A stream that is not there is told with the name that was meant.
    pub async fn on(&self, stream: &str, operation: &str, mut input: Value) -> anyhow::Result<Value> {
        input["StreamName"] = stream.into();
        match self.call(operation, &input).await {
            Err(error) if is_missing_stream(&error) => Err(self.no_stream(stream).await.into()),
            ended => ended,
        }
    }

    /// Elements of `list` of all pages of an operation.
    pub async fn pages(&self, stream: &str, operation: &str, list: &str) -> anyhow::Result<Vec<Value>> {
        let (mut found, mut input) = (Vec::new(), json!({}));
        for _ in 0..PAGES_MAX {
            let mut page = match input.get("NextToken") {
                Some(_) => self.call(operation, &input).await?,
                None => self.on(stream, operation, input).await?,
            };
            if let Some(Value::Array(elements)) = page.get_mut(list).map(Value::take) {
                found.extend(elements);
            }
            match page.get("NextToken").and_then(Value::as_str) {
                Some(token) => input = json!({ "NextToken": token }),
                None => break,
            }
        }
        Ok(found)
    }

    /// There is no such stream; perhaps another one was meant.
    pub async fn no_stream(&self, name: &str) -> Failure {
        let names = self.names().await.unwrap_or_default();
        no_such("stream", name, &names, "gallop stream list", "gallop stream create NAME")
    }

    /// The names of all streams.
    async fn names(&self) -> anyhow::Result<Vec<String>> {
        let (mut names, mut input) = (Vec::new(), json!({}));
        for _ in 0..PAGES_MAX {
            let page = self.call("ListStreams", &input).await?;
            let listed = page["StreamNames"].as_array().into_iter().flatten();
            names.extend(listed.filter_map(Value::as_str).map(str::to_owned));
            match names.last().filter(|_| page["HasMoreStreams"] == true) {
                Some(last) => input = json!({ "ExclusiveStartStreamName": last }),
                None => break,
            }
        }
        Ok(names)
    }
}

/// There is no `what` of that name; perhaps another one was meant.
pub fn no_such(what: &str, name: &str, names: &[String], list: &str, make: &str) -> Failure {
    let failure = Failure::new(Kind::NotFound, format!("{what} `{name}` does not exist"));
    match nearest(name, names.iter().map(String::as_str)) {
        Some(meant) => failure
            .why(format!("the server has no {what} of that name"))
            .fix(format!("did you mean `{meant}`? List all: {list}")),
        None if names.is_empty() => failure.why("the server has none yet").fix(make.to_owned()),
        None => {
            let told = names.iter().take(NAMES_TOLD_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let more = if names.len() > NAMES_TOLD_MAX { ", .." } else { "" };
            failure.why(format!("the server has {told}{more}")).fix(format!("use one of them; list all: {list}"))
        }
    }
}

/// Whether an error says that the stream, and not one of its shards or consumers, is not there.
fn is_missing_stream(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| {
        failure.code() == "ResourceNotFoundException"
            && failure.what().starts_with("Stream ")
            && failure.what().ends_with(" not found.")
    })
}

/// An error of the Kinesis API: its own words, its kind, and what to do about it where that is plain.
fn failure_of(answer: &Value) -> Option<Failure> {
    let name = answer.get("__type")?.as_str()?.rsplit('#').next()?;
    let message = answer.get("message").or_else(|| answer.get("Message")).and_then(Value::as_str).unwrap_or(name);
    // What was signed instead is for who writes a client.
    let message = message.split("\n\n").next().unwrap_or(message);
    let (kind, fix) = match name {
        "ResourceNotFoundException" => (Kind::NotFound, "list the streams: gallop stream list"),
        "ResourceInUseException" => {
            (Kind::Conflict, "choose another name, or see what it is: gallop stream describe NAME")
        }
        "LimitExceededException" => (Kind::Limit, "ask for less, or raise the limit in the server's settings"),
        "ProvisionedThroughputExceededException" | "ThrottlingException" => (Kind::Limit, "slow down and try again"),
        "AccessDeniedException" => (Kind::Refused, "use another credential, or allow the action in its policy"),
        "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "IncompleteSignatureException"
        | "IncompleteSignature"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException" => (
            Kind::Refused,
            "sign with keys that the server knows: use --profile or the AWS variables; tokens do not work here",
        ),
        "ValidationException" | "InvalidArgumentException" | "SerializationException" | "UnknownOperationException" => {
            (Kind::Usage, "see the command's --help")
        }
        "ServiceUnavailable" => (Kind::Unreachable, "try again, and see `gallop top`"),
        _ => (Kind::Failed, "look at the server's log"),
    };
    Some(Failure::new(kind, message).why(format!("the server answered {name}")).fix(fix).coded(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_near_are_suggested() {
        let names = ["unicorns".to_owned(), "rides".to_owned()];
        let told = |name: &str, names: &[String]| no_such("stream", name, names, "LIST", "MAKE").to_string();
        assert!(told("unicornz", &names).contains("did you mean `unicorns`? List all: LIST"));
        assert!(told("RIDES", &names).contains("did you mean `rides`"));
        assert!(told("wholly-else", &names).contains("the server has `unicorns`, `rides`"));
        assert!(told("a", &[]).contains("fix: MAKE"));
    }
}

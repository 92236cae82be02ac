//! `GET /v1/streams/{stream}/tail`: records as they come, decoded and filtered, a JSON object a line, until the caller goes.
//!
//! ```text
//! {"following": {"stream": .., "shards": n}}                       once, when the place to begin is known
//! {"shard", "sequence_number", "sub", "arrived_at", "partition_key", "data" | "text" | "base64"}
//! {"skipped": n, "shard"}      retention took records before they were read
//! {"ended": shard}             its children follow
//! {"error": {"code", "message"}}                                   the last line, if it comes to that
//! (an empty line)              nothing happened for a while
//! ```
//!
//! All shards at once, children after their parents. It reads when the connection takes more: whoever is slow holds up nobody
//! and costs no memory. It spends no quota of the shards.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::aggregate::{UserRecord, user_records};
use model::stream::checkpoint::{Position, Positions};
use model::stream::consumer::{ShardBatch, StreamReader};
use model::stream::sequence_number::PrintedSequenceNumber;
use model::stream::shard::ShardMap;
use model::stream::store::{StartingPosition, StreamError};
use model::text::record_filter::{CONDITIONS_MAX, Condition};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::hub::Hub;
use crate::routes::refuse;

/// The most connections at a time.
const CONNECTIONS_MAX: usize = 64;
/// An empty line comes when nothing else has for so long: so both sides learn that the other is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Tails {
    hub: Arc<Hub>,
    room: Arc<Semaphore>,
}

impl Tails {
    /// Nobody follows yet.
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Tails { hub, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Wanted {
    from: From,
    conditions: Vec<Condition>,
    /// Ends after so many records.
    limit: Option<u64>,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    /// All shards.
    Everywhere(StartingPosition),
    /// The shard of a record, and what comes of it.
    Record(PrintedSequenceNumber, bool),
}

impl Wanted {
    /// Reads parameters. Error: what is wrong with them.
    fn read(parameters: &[(String, String)]) -> Result<Wanted, String> {
        let (mut position, mut value, mut conditions, mut limit) = ("LATEST", "", Vec::new(), None);
        for (name, text) in parameters {
            match name.as_str() {
                "position" => position = text,
                "value" => value = text,
                "filter" if conditions.len() == CONDITIONS_MAX => {
                    return Err(format!("more than {CONDITIONS_MAX} filters"));
                }
                "filter" => conditions.push(text.parse::<Condition>().map_err(|wrong| wrong.to_string())?),
                "limit" => {
                    let number = text.parse().ok().filter(|limit| *limit > 0);
                    limit = Some(number.ok_or_else(|| format!("`limit` is `{text}`, not a number from 1"))?);
                }
                other => {
                    return Err(format!(
                        "query parameter `{other}` is not known; position, value, filter and limit are"
                    ));
                }
            }
        }
        let number = || value.parse::<PrintedSequenceNumber>().map_err(|wrong| wrong.to_string());
        let from = match position {
            "LATEST" => From::Everywhere(StartingPosition::Latest),
            "TRIM_HORIZON" => From::Everywhere(StartingPosition::TrimHorizon),
            "AT_TIMESTAMP" => {
                let millis = value.parse().map_err(|_| format!("`{value}` is not a number of milliseconds"))?;
                From::Everywhere(StartingPosition::AtTime(Timestamp::from_millis(millis)))
            }
            "AT_SEQUENCE_NUMBER" => From::Record(number()?, false),
            "AFTER_SEQUENCE_NUMBER" => From::Record(number()?, true),
            other => {
                return Err(format!(
                    "position `{other}` is not known; LATEST, TRIM_HORIZON, AT_TIMESTAMP, AT_SEQUENCE_NUMBER and \
                     AFTER_SEQUENCE_NUMBER are"
                ));
            }
        };
        Ok(Wanted { from, conditions, limit })
    }
}

/// A connection.
struct Tail {
    hub: Arc<Hub>,
    reader: StreamReader,
    shards: ShardMap,
    wanted: Wanted,
    /// Said first.
    greeting: Option<Bytes>,
    ended: bool,
    _room: OwnedSemaphorePermit,
}

/// Follows a stream: records as they come, decoded and filtered, a JSON object a line.
///
/// An empty line comes when nothing happens; `{"error"}` is the last line, if it comes to that. It spends no quota of the shards.
#[utoipa::path(get, path = "/v1/streams/{stream}/tail", tag = "streams", params(
    ("stream" = String, Path, description = "The stream."),
    ("position" = Option<String>, Query, description = "Where to begin, as with GetShardIterator; `LATEST` where nothing is said."),
    ("value" = Option<String>, Query, description = "A sequence number, or milliseconds since 1970."),
    ("filter" = Option<Vec<String>>, Query, description = "A condition on the data; may be given more than once, and all must hold."),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Ends after so many records."),
), responses(
    (status = 200, description = "Lines until the client goes.", body = String, content_type = "application/x-ndjson"),
    (status = 404, description = "No such stream.", body = Object),
))]
pub(crate) async fn tail(
    State(tails): State<Tails>,
    Path(stream): Path<String>,
    parameters: Result<Query<Vec<(String, String)>>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let invalid = |why: String| refuse(StatusCode::BAD_REQUEST, "invalid_parameter", why);
    let wanted = match parameters.map_err(|wrong| wrong.body_text()).and_then(|Query(all)| Wanted::read(&all)) {
        Ok(wanted) => wanted,
        Err(wrong) => return invalid(wrong),
    };
    let stream = match StreamName::new(&stream) {
        Ok(stream) => stream,
        Err(wrong) => return invalid(wrong.to_string()),
    };
    let Ok(room) = Arc::clone(&tails.room).try_acquire_owned() else {
        let message = format!("{CONNECTIONS_MAX} streams are followed already; end one, or try again later");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "too_many_tails", message);
    };
    match Tail::open(tails.hub, stream, wanted, room).await {
        Ok(tail) => {
            let lines = stream::unfold(tail, |mut tail| async move {
                let lines = tail.next().await?;
                Some((Ok::<_, Infallible>(lines), tail))
            });
            let mut response = Response::new(Body::from_stream(lines));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
        Err(error) => {
            let (status, code) = code_of(&error);
            refuse(status, code, error.to_string()).into_response()
        }
    }
}

fn code_of(error: &StreamError) -> (StatusCode, &'static str) {
    match error {
        StreamError::NotFound(_) => (StatusCode::NOT_FOUND, "stream_not_found"),
        StreamError::ShardNotFound { .. } => (StatusCode::NOT_FOUND, "shard_not_found"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

impl Tail {
    async fn open(
        hub: Arc<Hub>,
        stream: StreamName,
        wanted: Wanted,
        room: OwnedSemaphorePermit,
    ) -> Result<Tail, StreamError> {
        let store = Arc::clone(&hub.options().streams);
        let shards = store.describe(&stream).await?.shards.clone();
        let (positions, start) = match wanted.from {
            From::Everywhere(start) => (Positions::new(), start),
            From::Record(number, after) => {
                let place = number.sequence_number;
                let place = if after { StartingPosition::After(place) } else { StartingPosition::At(place) };
                let next = store.locate(&stream, number.shard, place).await?;
                (BTreeMap::from([(number.shard, Position::at(next))]), StartingPosition::TrimHorizon)
            }
        };
        let reader = StreamReader::open(store, stream.clone(), positions, start).await?;
        let following = json!({"following": {"stream": stream, "shards": reader.active().count()}});
        let greeting = Some(Bytes::from(format!("{following}\n")));
        Ok(Tail { hub, reader, shards, wanted, greeting, ended: false, _room: room })
    }

    /// The next lines; none once enough was said or the server stops.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        let stop = self.hub.options().stop.clone();
        while !self.ended && self.wanted.limit != Some(0) {
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                batch = self.reader.next() => batch,
                () = tokio::time::sleep(SILENCE_MAX) => return Some(Bytes::from_static(b"\n")),
            };
            let lines = batch.map(|batch| self.lines(&batch)).unwrap_or_else(|error| {
                self.ended = true;
                let error = json!({"error": {"code": code_of(&error).1, "message": error.to_string()}});
                format!("{error}\n").into_bytes()
            });
            if !lines.is_empty() {
                return Some(lines.into());
            }
        }
        None
    }

    fn lines(&mut self, batch: &ShardBatch) -> Vec<u8> {
        let mut lines = Vec::new();
        if batch.skipped > 0 {
            push(&mut lines, &json!({"skipped": batch.skipped, "shard": batch.shard.to_string()}));
        }
        if !batch.records.is_empty() {
            if self.shards.get(batch.shard).is_none() {
                self.shards = batch.stream.shards.clone();
            }
            let created_at = self.shards.get(batch.shard).map_or(Timestamp::default(), |shard| shard.created_at);
            let sensor = batch.stream.sensor();
            for record in &batch.records {
                let number =
                    PrintedSequenceNumber::new(batch.shard, created_at, record.sequence_number, record.arrived_at);
                let number = number.to_string();
                // Parts that belong to another shard come again there.
                for user in user_records(record, batch.owned, sensor).filter(|user| !user.misplaced) {
                    self.push_user(&mut lines, batch, &number, &user);
                }
            }
        }
        if batch.position.finished {
            push(&mut lines, &json!({"ended": batch.shard.to_string()}));
        }
        lines
    }

    /// Adds a line for each JSON value in a record, or one for bytes that are none.
    fn push_user(&mut self, lines: &mut Vec<u8>, batch: &ShardBatch, number: &str, user: &UserRecord<'_>) {
        let values = serde_json::Deserializer::from_slice(&user.data).into_iter::<&RawValue>();
        let values: Vec<&RawValue> = values.collect::<Result<_, _>>().unwrap_or_default();
        let head = |kind: &str, value: &str| {
            let (shard, at) = (batch.shard, user.record.arrived_at);
            let sub = user.sub_sequence_number.map_or("null".to_owned(), |sub| sub.to_string());
            let key = Value::from(user.partition_key);
            format!(
                "{{\"shard\":\"{shard}\",\"sequence_number\":\"{number}\",\"sub\":{sub},\"arrived_at\":\"{at}\",\
                 \"partition_key\":{key},\"{kind}\":{value}}}\n"
            )
        };
        if values.is_empty() {
            if self.wanted.conditions.is_empty() && self.spend() {
                let line = match std::str::from_utf8(&user.data) {
                    Ok(text) => head("text", &Value::from(text).to_string()),
                    Err(_) => head("base64", &format!("\"{}\"", base64_simd::STANDARD.encode_to_string(&user.data))),
                };
                lines.extend_from_slice(line.as_bytes());
            }
            return;
        }
        for value in values {
            if self.wants(value) && self.spend() {
                // A line break inside a value is white space.
                let text = value.get();
                let line = match text.contains(['\n', '\r']) {
                    true => head("data", &text.replace(['\n', '\r'], " ")),
                    false => head("data", text),
                };
                lines.extend_from_slice(line.as_bytes());
            }
        }
    }

    fn wants(&self, value: &RawValue) -> bool {
        let conditions = &self.wanted.conditions;
        conditions.is_empty()
            || serde_json::from_str::<Map<String, Value>>(value.get())
                .is_ok_and(|object| conditions.iter().all(|condition| condition.is_met_by(&object)))
    }

    /// Whether one more record may be told.
    fn spend(&mut self) -> bool {
        match &mut self.wanted.limit {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

fn push(lines: &mut Vec<u8>, line: &Value) {
    lines.extend_from_slice(line.to_string().as_bytes());
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::stream::hash_key::PartitionKey;
    use model::stream::record::PutEntry;
    use model::stream::shard::{Reshard, ShardId};
    use model::stream::store::{StreamOptions, StreamStore};
    use model::testing::clock::ManualClock;
    use model::testing::memory_store::MemoryStore;
    use tokio_util::sync::CancellationToken;

    use crate::assets::Assets;
    use crate::options::DashboardOptions;

    const STREAM: &str = "s";

    fn stream() -> StreamName {
        StreamName::new(STREAM).expect("a name")
    }

    async fn tails() -> (Tails, Arc<MemoryStore>, CancellationToken) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        let (store, stop) = (Arc::new(MemoryStore::new(clock.clone())), CancellationToken::new());
        store.create(&stream(), StreamOptions { shards: 2, ..StreamOptions::default() }).await.expect("created");
        let options = DashboardOptions {
            streams: store.clone(),
            clock,
            assets: Assets::Packed,
            fleet: stream(),
            flows: Vec::new(),
            checkpoints_are_at_hand: true,
            stop: stop.clone(),
        };
        (Tails::new(Hub::new(options)), store, stop)
    }

    async fn put(store: &MemoryStore, key: &str, data: &str) {
        let entry = PutEntry::new(PartitionKey::new(key.to_owned()).expect("short"), data.to_owned());
        store.append(&stream(), vec![entry]).await.expect("taken");
    }

    async fn follow(tails: &Tails, parameters: &[(&str, &str)]) -> Tail {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let wanted = Wanted::read(&parameters).expect("they read");
        let room = Arc::clone(&tails.room).try_acquire_owned().expect("room");
        let mut tail = Tail::open(Arc::clone(&tails.hub), stream(), wanted, room).await.expect("the stream is there");
        assert_eq!(lines(&mut tail, 1).await[0]["following"]["stream"], STREAM);
        tail
    }

    async fn lines(tail: &mut Tail, count: usize) -> Vec<Value> {
        let mut found = Vec::new();
        while found.len() < count {
            let Some(chunk) = tail.next().await else { break };
            found.extend(
                serde_json::Deserializer::from_slice(&chunk).into_iter::<Value>().map(|line| line.expect("JSON")),
            );
        }
        found
    }

    #[tokio::test]
    async fn all_shards_are_followed_decoded_and_filtered() {
        let (tails, store, stop) = tails().await;
        put(&store, "a", r#"{"n": 1}"#).await;
        let mut newest = follow(&tails, &[]).await;
        for (key, data) in [("b", "{\"n\": 2,\n \"m\": 1}"), ("c", "plain"), ("d", "{\"n\": 3}\n{\"n\": 4}")] {
            put(&store, key, data).await;
        }
        let mut found = lines(&mut newest, 4).await;
        found.sort_by_key(|line| line["partition_key"].to_string());
        let data: Vec<String> =
            found.iter().map(|line| line.get("data").unwrap_or(&line["text"]).to_string()).collect();
        assert_eq!(data, [r#"{"n":2,"m":1}"#, r#""plain""#, r#"{"n":3}"#, r#"{"n":4}"#]);
        let number = found[0]["sequence_number"].as_str().expect("text").to_owned();

        let old = [("position", "TRIM_HORIZON"), ("filter", "n>=1"), ("filter", "n!=3"), ("limit", "3")];
        let mut all: Vec<i64> = lines(&mut follow(&tails, &old).await, 9)
            .await
            .iter()
            .filter_map(|line| line["data"]["n"].as_i64())
            .collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 4], "the limit ends it");

        let at = [("position", "AT_SEQUENCE_NUMBER"), ("value", number.as_str()), ("limit", "1")];
        assert_eq!(lines(&mut follow(&tails, &at).await, 9).await[0]["partition_key"], "b");
        stop.cancel();
        assert!(newest.next().await.is_none());
    }

    #[tokio::test]
    async fn children_come_after_their_parents() {
        let (tails, store, _stop) = tails().await;
        for n in 0..20 {
            put(&store, &format!("k{n}"), &format!("{{\"n\": {n}}}")).await;
        }
        let change = Reshard::Merge { shard: ShardId(0), adjacent: ShardId(1) };
        store.reshard(&stream(), change).await.expect("merged");
        put(&store, "k", r#"{"n": 20}"#).await;
        let found = lines(&mut follow(&tails, &[("position", "TRIM_HORIZON")]).await, 23).await;
        assert_eq!(found.iter().filter(|line| line.get("ended").is_some()).count(), 2);
        assert_eq!(found.last().expect("some")["data"]["n"], 20);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let wrong =
            [("position", "HERE"), ("limit", "0"), ("filter", "x"), ("form", "x"), ("position", "AT_TIMESTAMP")];
        for (name, value) in wrong {
            assert!(Wanted::read(&[(name.to_owned(), value.to_owned())]).is_err(), "{name}={value}");
        }
        let many = vec![("filter".to_owned(), "a=1".to_owned()); CONDITIONS_MAX + 1];
        assert!(Wanted::read(&many).is_err());
    }
}

//! `GET /v1/streams/{stream}/tail`: records as they arrive, filtered, one JSON object a line, until the client goes.
//!
//! ```text
//! {"following": {"stream": .., "shards": n}}     once, when the place to begin is known
//! {"shard", "sequence_number", ..}               a record (see `record.rs`); a line for each JSON value in its data
//! {"expired": n, "shard"}                        records expired before they were read
//! {"lost": n, "shard"}                           so many records at most were lost to damage
//! {"ended": shard}                               a shard was split or merged; its children follow
//! {"error": {"code", "message"}}                 the last line, after an error
//! (an empty line)                                nothing happened for a while
//! ```
//!
//! All shards are followed at once, children after their parents. The next lines are made when the connection takes
//! more, so a slow client delays nobody and costs no memory. It spends no quota of the shards.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode, Uri};
use model::clock::Timestamp;
use model::name::StreamName;
use model::stream::access::{AccessError, Readable};
use model::stream::aggregate::{UserRecord, user_records};
use model::stream::checkpoint::Positions;
use model::stream::consumer::{ShardBatch, StreamReader};
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::shard::ShardMap;
use model::stream::store::{StreamError, StreamStore};
use model::text::json_object::RecordText;
use model::text::record_filter::{CONDITIONS_MAX, Condition};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::rest::error::{ErrorBody, RestError};
use crate::rest::parameters::Parameters;
use crate::rest::permission::{self, Asker};
use crate::rest::position::Start;
use crate::rest::record::{Place, RecordView, values};

/// The most connections at a time.
const CONNECTIONS_MAX: usize = 64;
/// After so long without another line comes an empty one: so both sides notice that the other is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How long a permission is good for: a policy that changes ends connections after this.
const PERMITTED_MAX: Duration = Duration::from_secs(5);

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Tails {
    streams: Arc<dyn StreamStore>,
    /// Cancelled when the server stops.
    stop: CancellationToken,
    room: Arc<Semaphore>,
}

impl Tails {
    /// No connection yet.
    pub(crate) fn new(streams: Arc<dyn StreamStore>, stop: CancellationToken) -> Self {
        Tails { streams, stop, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

/// What is asked for.
#[derive(Debug)]
struct Wanted {
    start: Start,
    conditions: Vec<Condition>,
    /// Ends after so many records.
    limit: Option<u64>,
}

impl Wanted {
    fn read(uri: &Uri) -> Result<Wanted, RestError> {
        let known = ["position", "value", "filter", "limit"];
        let parameters = Parameters::read_with(uri, &known, Some("filter"))?;
        let filters: Vec<&str> = parameters.all("filter").collect();
        if filters.len() > CONDITIONS_MAX {
            return Err(RestError::invalid(format!("there are {} filters, over {CONDITIONS_MAX}", filters.len())));
        }
        let conditions = filters
            .into_iter()
            .map(|filter| filter.parse::<Condition>().map_err(|wrong| RestError::invalid(wrong.to_string())));
        let limit = parameters.get("limit").map(|text| {
            let limit = text.parse().ok().filter(|limit| *limit > 0);
            limit.ok_or_else(|| RestError::invalid(format!("`limit` is `{text}`, not a number from 1")))
        });
        Ok(Wanted {
            start: Start::read(&parameters)?,
            conditions: conditions.collect::<Result<_, _>>()?,
            limit: limit.transpose()?,
        })
    }
}

/// Follows a stream: records as they arrive, decoded and filtered, a JSON object a line.
///
/// An empty line is sent when nothing happens. `{"error"}` is the last line after an error. The call does
/// not use the shards' quotas.
#[utoipa::path(get, path = "/v1/streams/{stream}/tail", tag = "streams", params(
    ("stream" = String, Path, description = "The stream."),
    ("position" = Option<String>, Query, description = "Where to start, as in GetShardIterator; `TRIM_HORIZON` by default."),
    ("value" = Option<String>, Query, description = "A sequence number, or milliseconds since 1970."),
    ("filter" = Option<Vec<String>>, Query, description = "A condition on the data. May be repeated; all must hold."),
    ("limit" = Option<u64>, Query, minimum = 1, description = "Stop after this many records."),
), responses(
    (status = 200, description = "Lines until the client disconnects; a record is as in a page of records.", body = String, content_type = "application/x-ndjson"),
    (status = 404, description = "No such stream or shard.", body = ErrorBody),
    (status = 503, description = "Too many streams are followed.", body = ErrorBody),
))]
pub(crate) async fn tail(
    State(tails): State<Tails>,
    Extension(asker): Extension<Asker>,
    Path(stream): Path<String>,
    uri: Uri,
) -> Result<Response, RestError> {
    let wanted = Wanted::read(&uri)?;
    let stream = StreamName::new(&stream).map_err(|wrong| RestError::invalid(wrong.to_string()))?;
    let room = Arc::clone(&tails.room).try_acquire_owned().map_err(|_| {
        let message = format!("{CONNECTIONS_MAX} streams are followed already: end one, or try again later");
        RestError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_tails", message)
    })?;
    let tail = Tail::open(&tails, permission::readable(asker), stream, wanted, room).await?;
    let lines = stream::unfold(tail, |mut tail| async move {
        let lines = tail.next().await?;
        Some((Ok::<_, Infallible>(lines), tail))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A connection.
struct Tail {
    stop: CancellationToken,
    stream: StreamName,
    readable: Readable,
    permitted_at: Instant,
    reader: StreamReader,
    shards: ShardMap,
    wanted: Wanted,
    /// Said first.
    greeting: Option<Bytes>,
    ended: bool,
    _room: OwnedSemaphorePermit,
}

impl Tail {
    async fn open(
        tails: &Tails,
        readable: Readable,
        stream: StreamName,
        wanted: Wanted,
        room: OwnedSemaphorePermit,
    ) -> Result<Tail, StreamError> {
        let (store, stop) = (Arc::clone(&tails.streams), tails.stop.clone());
        let shards = store.describe(&stream).await?.shards.clone();
        let reader = match wanted.start {
            Start::Everywhere(start) => {
                StreamReader::open(Arc::clone(&store), stream.clone(), Positions::new(), start).await?
            }
            // The shard of the record, and those that come of it.
            Start::Record(number, position) => {
                let next = store.locate(&stream, number.shard, position).await?;
                StreamReader::follow(Arc::clone(&store), stream.clone(), number.shard, next).await?
            }
        };
        let following = json!({"following": {"stream": stream, "shards": reader.active().count()}});
        let greeting = Some(Bytes::from(format!("{following}\n")));
        Ok(Tail {
            stop,
            stream,
            readable,
            permitted_at: Instant::now(),
            reader,
            shards,
            wanted,
            greeting,
            ended: false,
            _room: room,
        })
    }

    /// The next lines; none once enough was said or the server stops.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        while !self.ended && self.wanted.limit != Some(0) {
            let batch = tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                batch = self.reader.next() => batch,
                () = tokio::time::sleep(SILENCE_MAX) => return Some(Bytes::from_static(b"\n")),
            };
            if let Err(refused) = self.permit().await {
                self.ended = true;
                return Some(RestError::from(refused).into_line().into());
            }
            let lines = batch.map(|batch| self.lines(&batch)).unwrap_or_else(|error| {
                self.ended = true;
                RestError::from(error).into_line().into_bytes()
            });
            if !lines.is_empty() {
                return Some(lines.into());
            }
        }
        None
    }

    /// Asks again whether the stream may be read, if that was not answered lately.
    async fn permit(&mut self) -> Result<(), AccessError> {
        if PERMITTED_MAX <= self.permitted_at.elapsed() {
            self.readable.check(self.stream.as_str()).await?;
            self.permitted_at = Instant::now();
        }
        Ok(())
    }

    fn lines(&mut self, batch: &ShardBatch) -> Vec<u8> {
        let mut lines = Vec::new();
        if batch.expired > 0 {
            push(&mut lines, &json!({"expired": batch.expired, "shard": batch.shard.to_string()}));
        }
        if batch.lost > 0 {
            push(&mut lines, &json!({"lost": batch.lost, "shard": batch.shard.to_string()}));
        }
        if !batch.records.is_empty() {
            if self.shards.get(batch.shard).is_none() {
                self.shards = batch.stream.shards.clone();
            }
            let created_at = self.shards.get(batch.shard).map_or(Timestamp::default(), |shard| shard.created_at);
            let sensor = batch.stream.sensor();
            let shard = batch.shard.to_string();
            for record in &batch.records {
                let number =
                    PrintedSequenceNumber::new(batch.shard, created_at, record.sequence_number, record.arrived_at);
                let number = number.to_string();
                let place = Place { shard: &shard, sequence_number: &number };
                // Parts that belong to another shard come again there.
                for user in user_records(record, batch.owned, sensor).filter(|user| !user.misplaced) {
                    self.push_user(&mut lines, place, &user);
                }
            }
        }
        if batch.position.finished {
            push(&mut lines, &json!({"ended": batch.shard.to_string()}));
        }
        lines
    }

    /// Adds a line for each JSON value in a record, or one for other bytes.
    fn push_user(&mut self, lines: &mut Vec<u8>, place: Place<'_>, user: &UserRecord<'_>) {
        let text = RecordText::of(&user.data).ok();
        let values = values(&text);
        if values.is_empty() && self.wanted.conditions.is_empty() && self.spend() {
            push(lines, &RecordView::plain(place, user, usize::MAX));
        }
        for value in values {
            if self.wants(value) && self.spend() {
                push(lines, &RecordView::json(place, user, value));
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

fn push(lines: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *lines, line).expect("text and numbers are JSON");
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::stream::access::StreamAccess;
    use model::stream::hash_key::PartitionKey;
    use model::stream::record::PutEntry;
    use model::stream::shard::{Reshard, ShardId};
    use model::stream::store::StreamOptions;
    use model::testing::clock::ManualClock;
    use model::testing::memory_store::MemoryStore;

    const STREAM: &str = "s";

    fn stream() -> StreamName {
        StreamName::new(STREAM).expect("a name")
    }

    async fn tails() -> (Tails, Arc<MemoryStore>, CancellationToken) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        let (store, stop) = (Arc::new(MemoryStore::new(clock.clone())), CancellationToken::new());
        store.create(&stream(), StreamOptions { shards: 2, ..StreamOptions::default() }).await.expect("created");
        (Tails::new(store.clone(), stop.clone()), store, stop)
    }

    async fn put(store: &MemoryStore, key: &str, data: &str) {
        let entry = PutEntry::new(PartitionKey::new(key.to_owned()).expect("short"), data.to_owned());
        store.append(&stream(), vec![entry]).await.expect("taken");
    }

    fn wanted(parameters: &[(&str, &str)]) -> Result<Wanted, RestError> {
        let encoded = |value: &str| value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let query: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        Wanted::read(&format!("/?{}", query.join("&")).parse().expect("a path"))
    }

    async fn follow(tails: &Tails, parameters: &[(&str, &str)]) -> Tail {
        let wanted = wanted(parameters).expect("they read");
        let room = Arc::clone(&tails.room).try_acquire_owned().expect("room");
        follow_as(tails, Readable::Everything, wanted, room).await
    }

    async fn follow_as(tails: &Tails, readable: Readable, wanted: Wanted, room: OwnedSemaphorePermit) -> Tail {
        let mut tail = Tail::open(tails, readable, stream(), wanted, room).await.expect("the stream is there");
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
        let mut newest = follow(&tails, &[("position", "LATEST")]).await;
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

    /// Somebody who may read, or may not any more.
    struct Reader(std::sync::atomic::AtomicBool);

    #[async_trait::async_trait]
    impl StreamAccess for Reader {
        async fn check(&self, stream: &str) -> Result<(), AccessError> {
            let may = self.0.load(std::sync::atomic::Ordering::Relaxed);
            may.then_some(()).ok_or_else(|| AccessError::Denied(format!("not `{stream}`")))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_closed_ends_what_follows_it() {
        let (tails, store, _stop) = tails().await;
        let reader = Arc::new(Reader(true.into()));
        let room = Arc::clone(&tails.room).try_acquire_owned().expect("room");
        let latest = wanted(&[("position", "LATEST")]).expect("they read");
        let mut tail = follow_as(&tails, Readable::Only(Arc::clone(&reader) as _), latest, room).await;
        for n in 0..2 {
            put(&store, "a", &format!("{{\"n\": {n}}}")).await;
            assert_eq!(lines(&mut tail, 1).await[0]["data"]["n"], n);
            tokio::time::sleep(PERMITTED_MAX).await;
        }
        reader.0.store(false, std::sync::atomic::Ordering::Relaxed);
        put(&store, "a", r#"{"n": 2}"#).await;
        let last = tokio::time::timeout(PERMITTED_MAX, lines(&mut tail, 9)).await.expect("it ends");
        assert_eq!((last.len(), &last[0]["error"]["code"]), (1, &json!("access_denied")), "{last:?}");
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
            assert!(wanted(&[(name, value)]).is_err(), "{name}={value}");
        }
        assert!(wanted(&[("filter", "a=1"); CONDITIONS_MAX + 1]).is_err());
    }
}

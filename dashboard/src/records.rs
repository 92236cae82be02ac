//! `GET /v1/streams/{stream}/records`: what the viewer shows, filtered here, and cut to what a page can take.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use model::clock::Timestamp;
use model::datagram::sensor_stream::SensorStream;
use model::name::StreamName;
use model::stream::aggregate::user_records;
use model::stream::record::Record;
use model::stream::sequence_number::{PrintedSequenceNumber, SequenceNumber};
use model::stream::shard::{Shard, ShardId};
use model::stream::store::{ReadLimit, StartingPosition, StreamDescription, StreamError, StreamStore};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::hub::Hub;
use crate::routes::refuse;

/// The most records of an answer.
const RECORDS_MAX: usize = 500;
/// Records of an answer when no limit is named.
const RECORDS_DEFAULT: usize = 100;
/// The most records of a shard that one request looks at in search of those it wants.
const LOOKED_AT_MAX: usize = 20_000;
/// Records and bytes of one read.
const READ_RECORDS: usize = 2_000;
const READ_BYTES: usize = 4 << 20;
/// The most bytes of a record's data in an answer.
const DATA_BYTES_MAX: usize = 16 << 10;
/// The most shards of one request.
const SHARDS_MAX: usize = 64;

/// What is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// One shard; all open ones without it.
    shard: Option<String>,
    /// Where to begin, as with GetShardIterator.
    position: Option<String>,
    /// A sequence number, or milliseconds since 1970.
    value: Option<String>,
    /// Where the answer before ended.
    cursor: Option<String>,
    /// Text that data or partition key must have in them.
    contains: Option<String>,
    /// The most records.
    limit: Option<usize>,
}

/// Why not.
enum Refusal {
    Invalid(String),
    Stream(StreamError),
}

impl From<StreamError> for Refusal {
    fn from(error: StreamError) -> Self {
        Refusal::Stream(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Invalid(why) => refuse(StatusCode::BAD_REQUEST, "invalid_parameter", why),
            Refusal::Stream(error) => {
                let (status, code) = match &error {
                    StreamError::NotFound(_) => (StatusCode::NOT_FOUND, "stream_not_found"),
                    StreamError::ShardNotFound { .. } => (StatusCode::NOT_FOUND, "shard_not_found"),
                    _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                };
                refuse(status, code, error.to_string())
            }
        }
    }
}

/// Where to read on, by shard.
type Places = BTreeMap<ShardId, SequenceNumber>;

/// Reads records of a stream in order of their arrival, filtered.
#[utoipa::path(get, path = "/v1/streams/{stream}/records", tag = "streams", params(
    ("stream" = String, Path, description = "The stream."),
    Wanted,
), responses(
    (status = 200, description = "`records`, the `cursor` that goes on behind them, and whether that is the `at_tip`.", body = Object),
    (status = 404, description = "No such stream or shard.", body = Object),
))]
pub(crate) async fn records(
    State(hub): State<Arc<Hub>>,
    Path(stream): Path<String>,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let wanted = match wanted {
        Ok(Query(wanted)) => wanted,
        Err(wrong) => return refuse(StatusCode::BAD_REQUEST, "invalid_parameter", wrong.body_text()),
    };
    answer(&*hub.options().streams, &stream, &wanted)
        .await
        .map_or_else(IntoResponse::into_response, IntoResponse::into_response)
}

async fn answer(store: &dyn StreamStore, stream: &str, wanted: &Wanted) -> Result<Json<Value>, Refusal> {
    let stream = StreamName::new(stream).map_err(|wrong| Refusal::Invalid(wrong.to_string()))?;
    let limit = wanted.limit.unwrap_or(RECORDS_DEFAULT);
    if !(1..=RECORDS_MAX).contains(&limit) {
        return Err(Refusal::Invalid(format!("`limit` is {limit}, not a number from 1 to {RECORDS_MAX}")));
    }
    let description = store.describe(&stream).await?;
    let mut places = match &wanted.cursor {
        Some(cursor) => read_cursor(cursor)?,
        None => begin(store, &description, wanted).await?,
    };
    let needle = wanted.contains.as_deref().unwrap_or_default().to_lowercase();
    let (mut rows, mut at_tip, mut looked_at) = (Vec::new(), true, 0);
    let sensor = description.settings.sensor.as_ref();
    let share = limit.div_ceil(places.len().max(1));
    for (id, next) in &mut places {
        let Some(shard) = description.shards.get(*id) else { continue };
        let look = Look { store, stream: &stream, shard, needle: &needle, sensor, limit: share };
        let found = look.from(*next).await?;
        *next = found.next;
        at_tip &= found.at_tip;
        looked_at += found.looked_at;
        rows.extend(found.rows);
    }
    rows.sort_by_key(|(arrived_at, _)| *arrived_at);
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(Json(json!({"records": rows, "cursor": write_cursor(&places), "at_tip": at_tip, "looked_at": looked_at})))
}

/// The places that a position names.
async fn begin(store: &dyn StreamStore, description: &StreamDescription, wanted: &Wanted) -> Result<Places, Refusal> {
    let invalid = |text: String| Refusal::Invalid(text);
    let value = wanted.value.as_deref().unwrap_or_default();
    let number = || value.parse::<PrintedSequenceNumber>().map_err(|wrong| Refusal::Invalid(wrong.to_string()));
    let mut only = wanted
        .shard
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|wrong: model::stream::shard::InvalidShardId| invalid(wrong.to_string()))?;
    let position = match wanted.position.as_deref().unwrap_or("TRIM_HORIZON") {
        "TRIM_HORIZON" => StartingPosition::TrimHorizon,
        "LATEST" => StartingPosition::Latest,
        "AT_TIMESTAMP" => {
            let millis = value.parse().map_err(|_| invalid(format!("`{value}` is not a number of milliseconds")))?;
            StartingPosition::AtTime(Timestamp::from_millis(millis))
        }
        "AT_SEQUENCE_NUMBER" => {
            only = Some(number()?.shard);
            StartingPosition::At(number()?.sequence_number)
        }
        "AFTER_SEQUENCE_NUMBER" => {
            only = Some(number()?.shard);
            StartingPosition::After(number()?.sequence_number)
        }
        other => {
            return Err(invalid(format!(
                "position `{other}` is not known; TRIM_HORIZON, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER and \
                 AFTER_SEQUENCE_NUMBER are"
            )));
        }
    };
    let shards: Vec<ShardId> = match only {
        Some(shard) => vec![shard],
        None => description.shards.open().map(|shard| shard.id).take(SHARDS_MAX).collect(),
    };
    let mut places = Places::new();
    for shard in shards {
        places.insert(shard, store.locate(&description.name, shard, position).await?);
    }
    Ok(places)
}

/// A search through one shard.
struct Look<'a> {
    store: &'a dyn StreamStore,
    stream: &'a StreamName,
    shard: &'a Shard,
    needle: &'a str,
    sensor: Option<&'a SensorStream>,
    limit: usize,
}

/// What a search found.
struct Found {
    rows: Vec<(Timestamp, Value)>,
    next: SequenceNumber,
    at_tip: bool,
    looked_at: usize,
}

impl Look<'_> {
    async fn from(&self, from: SequenceNumber) -> Result<Found, StreamError> {
        let mut found = Found { rows: Vec::new(), next: from, at_tip: false, looked_at: 0 };
        while found.rows.len() < self.limit && found.looked_at < LOOKED_AT_MAX {
            // Without a filter no more is read than is shown.
            let records_max = if self.needle.is_empty() { self.limit - found.rows.len() } else { READ_RECORDS };
            let limit = ReadLimit { records_max, bytes_max: READ_BYTES, wait: false };
            let batch = match self.store.read(self.stream, self.shard.id, found.next, limit).await {
                Err(StreamError::Trimmed { oldest, .. }) => {
                    found.next = oldest;
                    continue;
                }
                read => read?,
            };
            let ended = batch.records.is_empty() || batch.end_of_shard;
            for record in &batch.records {
                if found.rows.len() >= self.limit {
                    return Ok(found);
                }
                found.looked_at += 1;
                found.next = record.sequence_number.next();
                found.rows.extend(self.rows(record).map(|row| (record.arrived_at, row)));
            }
            if ended || batch.next == batch.tip {
                found.next = batch.next;
                found.at_tip = true;
                return Ok(found);
            }
        }
        Ok(found)
    }

    fn rows<'r>(&'r self, record: &'r Record) -> impl Iterator<Item = Value> + 'r {
        let printed =
            PrintedSequenceNumber::new(self.shard.id, self.shard.created_at, record.sequence_number, record.arrived_at);
        user_records(record, self.shard.range, self.sensor).filter_map(move |user| {
            let text = std::str::from_utf8(&user.data).ok();
            let wanted = self.needle.is_empty()
                || user.partition_key.to_lowercase().contains(self.needle)
                || text.is_some_and(|text| text.to_lowercase().contains(self.needle));
            wanted.then(|| {
                let shown = match text {
                    Some(text) => text[..text.floor_char_boundary(DATA_BYTES_MAX)].to_owned(),
                    None => hex(&user.data[..user.data.len().min(DATA_BYTES_MAX / 3)]),
                };
                json!({
                    "shard": self.shard.id.to_string(),
                    "sequence_number": printed.to_string(),
                    "sub": user.sub_sequence_number,
                    "arrived_at": record.arrived_at.as_millis(),
                    "partition_key": user.partition_key,
                    "data": shown,
                    "text": text.is_some(),
                    "bytes": user.data.len(),
                })
            })
        })
    }
}

/// Bytes as people read them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// `SHARD:NUMBER,…`.
fn write_cursor(places: &Places) -> String {
    places.iter().map(|(shard, next)| format!("{}:{}", shard.0, next.0)).collect::<Vec<_>>().join(",")
}

fn read_cursor(text: &str) -> Result<Places, Refusal> {
    let place = |part: &str| {
        let (shard, next) = part.split_once(':')?;
        Some((ShardId(shard.parse().ok()?), SequenceNumber(next.parse().ok()?)))
    };
    let places: Option<Places> = text.split(',').take(SHARDS_MAX).map(place).collect();
    places.ok_or_else(|| Refusal::Invalid(format!("`cursor` is `{text}`, not one that an answer gave")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::stream::hash_key::PartitionKey;
    use model::stream::record::PutEntry;
    use model::stream::store::StreamOptions;
    use model::testing::clock::ManualClock;
    use model::testing::memory_store::MemoryStore;

    async fn store() -> MemoryStore {
        let store = MemoryStore::new(Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000))));
        let stream = StreamName::new("s").expect("a name");
        store.create(&stream, StreamOptions { shards: 2, ..StreamOptions::default() }).await.expect("created");
        for n in 0..50 {
            let key = PartitionKey::new(format!("key-{n}")).expect("short");
            let data = if n == 7 { Bytes::from_static(b"\xff\x00") } else { Bytes::from(format!("<b>record {n}</b>")) };
            store.append(&stream, vec![PutEntry::new(key, data)]).await.expect("taken");
        }
        store
    }

    fn wanted(limit: usize, cursor: Option<String>) -> Wanted {
        Wanted { limit: Some(limit), cursor, ..Wanted::default() }
    }

    async fn ask(store: &MemoryStore, wanted: &Wanted) -> Value {
        let Ok(Json(answer)) = answer(store, "s", wanted).await else { panic!("refused: {wanted:?}") };
        answer
    }

    #[tokio::test]
    async fn pages_hold_every_record_once() {
        let (store, mut keys, mut cursor) = (store().await, Vec::new(), None);
        loop {
            let page = ask(&store, &wanted(6, cursor)).await;
            keys.extend(
                page["records"].as_array().expect("records").iter().map(|row| row["partition_key"].to_string()),
            );
            cursor = page["cursor"].as_str().map(str::to_owned);
            if page["at_tip"] == true {
                break;
            }
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 50);
    }

    #[tokio::test]
    async fn filters_look_at_data_and_keys() {
        let store = store().await;
        let only = |contains: &str| Wanted { contains: Some(contains.to_owned()), ..wanted(10, None) };
        let found = ask(&store, &only("RECORD 33")).await;
        assert_eq!((found["records"].as_array().expect("one").len(), &found["looked_at"]), (1, &json!(50)));
        assert_eq!(found["records"][0]["data"], "<b>record 33</b>");
        let binary = ask(&store, &only("key-7")).await;
        assert_eq!((&binary["records"][0]["text"], &binary["records"][0]["data"]), (&json!(false), &json!("ff 00")));
        let number = binary["records"][0]["sequence_number"].as_str().expect("text").to_owned();
        let at = Wanted { position: Some("AT_SEQUENCE_NUMBER".into()), value: Some(number), ..wanted(1, None) };
        assert_eq!(ask(&store, &at).await["records"][0]["partition_key"], "key-7");
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused() {
        let store = store().await;
        for wrong in [
            wanted(0, None),
            wanted(501, None),
            wanted(1, Some("x".into())),
            Wanted { position: Some("HERE".into()), ..Wanted::default() },
            Wanted { position: Some("AT_TIMESTAMP".into()), value: Some("noon".into()), ..Wanted::default() },
            Wanted { position: Some("AT_SEQUENCE_NUMBER".into()), ..Wanted::default() },
            Wanted { shard: Some("shard-1".into()), ..Wanted::default() },
        ] {
            assert!(matches!(answer(&store, "s", &wrong).await, Err(Refusal::Invalid(_))), "{wrong:?}");
        }
        assert!(matches!(answer(&store, "t", &Wanted::default()).await, Err(Refusal::Stream(_))));
    }
}

//! `GET /v1/streams/{stream}/records`: records of a stream, filtered, a page at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::Uri;
use model::clock::Timestamp;
use model::datagram::sensor_stream::SensorStream;
use model::name::StreamName;
use model::stream::aggregate::{UserRecord, user_records};
use model::stream::printed_sequence_number::PrintedSequenceNumber;
use model::stream::record::Record;
use model::stream::sequence_number::SequenceNumber;
use model::stream::shard::{InvalidShardId, Shard, ShardId};
use model::stream::store::{ReadLimit, StreamDescription, StreamError, StreamStore};
use model::text::json_object::RecordText;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::rest::error::{ErrorBody, RestError};
use crate::rest::parameters::Parameters;
use crate::rest::position::Start;
use crate::rest::record::{Place, RecordView, values};
use crate::state::GatewayState;

/// The most records of an answer.
const RECORDS_MAX: usize = 500;
/// Records of an answer if no limit is given.
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
#[derive(Debug)]
struct Wanted {
    start: Start,
    shard: Option<ShardId>,
    /// Where the page before ended.
    cursor: Option<Places>,
    /// In lower case; empty for all records.
    contains: String,
    /// Whether JSON is shown as text.
    as_text: bool,
    /// The most bytes of a record's data.
    data_bytes_max: usize,
    limit: usize,
}

/// Where to read on, by shard.
type Places = BTreeMap<ShardId, SequenceNumber>;

/// A page of records. Records are written as they are found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordPage {
    /// In order of arrival.
    #[schema(value_type = Vec<RecordView<'static>>)]
    records: Vec<Box<RawValue>>,
    /// The parameter `cursor` of the next page.
    cursor: String,
    /// Whether there are no more records at the moment.
    at_tip: bool,
    /// How many records were looked at.
    looked_at: usize,
}

impl Wanted {
    fn read(uri: &Uri) -> Result<Wanted, RestError> {
        let parameters =
            Parameters::read(uri, &["position", "value", "shard", "cursor", "contains", "as", "limit", "whole"])?;
        let shard = parameters.get("shard").map(str::parse).transpose();
        let as_text = match parameters.get("as") {
            None | Some("json") => false,
            Some("text") => true,
            Some(other) => return Err(RestError::invalid(format!("`as` is `{other}`, not `json` or `text`"))),
        };
        let start = Start::read(&parameters)?;
        let whole = match parameters.get("whole") {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(RestError::invalid(format!("`whole` is `{other}`, not `true` or `false`"))),
        };
        let limit = parameters.limit(RECORDS_MAX, if whole { 1 } else { RECORDS_DEFAULT })?;
        if whole && (limit != 1 || parameters.get("cursor").is_some() || !matches!(start, Start::Record(..))) {
            let message = "`whole` shows one record: give its sequence number (`position=AT_SEQUENCE_NUMBER`), and \
                           neither a `cursor` nor another `limit` than 1";
            return Err(RestError::invalid(message.to_owned()));
        }
        Ok(Wanted {
            start,
            shard: shard.map_err(|wrong: InvalidShardId| RestError::invalid(wrong.to_string()))?,
            cursor: parameters.get("cursor").map(read_cursor).transpose()?,
            contains: parameters.get("contains").unwrap_or_default().to_lowercase(),
            as_text,
            data_bytes_max: if whole { usize::MAX } else { DATA_BYTES_MAX },
            limit,
        })
    }
}

/// Reads records of a stream in order of their arrival, filtered.
///
/// Data over 16 KiB is cut, and then is text; one record alone is shown whole, whatever its size.
/// Reading here spends no quota of the shards.
#[utoipa::path(get, path = "/v1/streams/{stream}/records", tag = "streams", params(
    ("stream" = String, Path, description = "The stream."),
    ("position" = Option<String>, Query, description = "Where to start, as in GetShardIterator; `TRIM_HORIZON` by default."),
    ("value" = Option<String>, Query, description = "A sequence number, or milliseconds since 1970."),
    ("shard" = Option<String>, Query, description = "One shard; all open ones by default."),
    ("cursor" = Option<String>, Query, description = "`cursor` of the page before."),
    ("contains" = Option<String>, Query, description = "Text that the data or the partition key must contain."),
    ("as" = Option<String>, Query, description = "`json`, the default, or `text`, which shows JSON as text too."),
    ("whole" = Option<bool>, Query, description = "`true` shows one record whole: with `position=AT_SEQUENCE_NUMBER`."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 500, description = "Maximum number of records; 100 by default."),
), responses(
    (status = 200, body = RecordPage),
    (status = 404, description = "No such stream or shard.", body = ErrorBody),
))]
pub(crate) async fn records(
    State(state): State<Arc<GatewayState>>,
    Path(stream): Path<String>,
    uri: Uri,
) -> Result<Json<RecordPage>, RestError> {
    let wanted = Wanted::read(&uri)?;
    let stream = StreamName::new(&stream).map_err(|wrong| RestError::invalid(wrong.to_string()))?;
    page(&*state.browse, &stream, wanted).await.map(Json)
}

async fn page(store: &dyn StreamStore, stream: &StreamName, wanted: Wanted) -> Result<RecordPage, RestError> {
    let description = store.describe(stream).await?;
    let mut places = match wanted.cursor {
        Some(places) => places,
        None => begin(store, &description, wanted.start, wanted.shard).await?,
    };
    let (mut rows, mut at_tip, mut looked_at) = (Vec::new(), true, 0);
    let sensor = description.settings.sensor.as_ref();
    let limit = wanted.limit.div_ceil(places.len().max(1));
    let (needle, as_text, data_bytes_max) = (wanted.contains.as_str(), wanted.as_text, wanted.data_bytes_max);
    for (id, next) in &mut places {
        let Some(shard) = description.shards.get(*id) else { continue };
        let look = Look { store, stream, shard, needle, as_text, data_bytes_max, sensor, limit };
        let found = look.from(*next).await?;
        *next = found.next;
        at_tip &= found.at_tip;
        looked_at += found.looked_at;
        rows.extend(found.rows);
    }
    rows.sort_by_key(|(arrived_at, _)| *arrived_at);
    let records = rows.into_iter().map(|(_, row)| row).collect();
    Ok(RecordPage { records, cursor: write_cursor(&places), at_tip, looked_at })
}

/// The places that a position names.
async fn begin(
    store: &dyn StreamStore,
    description: &StreamDescription,
    start: Start,
    shard: Option<ShardId>,
) -> Result<Places, StreamError> {
    let (only, position) = match start {
        Start::Everywhere(position) => (shard, position),
        Start::Record(number, position) => (Some(number.shard), position),
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
    as_text: bool,
    data_bytes_max: usize,
    sensor: Option<&'a SensorStream>,
    limit: usize,
}

/// What a search found.
struct Found {
    rows: Vec<(Timestamp, Box<RawValue>)>,
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
                found.rows.extend(self.rows(record).into_iter().map(|row| (record.arrived_at, row)));
            }
            if ended || batch.next == batch.tip {
                found.next = batch.next;
                found.at_tip = true;
                return Ok(found);
            }
        }
        Ok(found)
    }

    fn rows(&self, record: &Record) -> Vec<Box<RawValue>> {
        let number =
            PrintedSequenceNumber::new(self.shard.id, self.shard.created_at, record.sequence_number, record.arrived_at);
        let (shard, number) = (self.shard.id.to_string(), number.to_string());
        let place = Place { shard: &shard, sequence_number: &number };
        let users = user_records(record, self.shard.range, self.sensor).filter(|user| self.wants(user));
        users.map(|user| self.row(place, &user)).collect()
    }

    fn wants(&self, user: &UserRecord<'_>) -> bool {
        self.needle.is_empty()
            || user.partition_key.to_lowercase().contains(self.needle)
            || std::str::from_utf8(&user.data).is_ok_and(|text| text.to_lowercase().contains(self.needle))
    }

    fn row(&self, place: Place<'_>, user: &UserRecord<'_>) -> Box<RawValue> {
        let as_json = !self.as_text && user.data.len() <= self.data_bytes_max;
        let text = if as_json { RecordText::of(&user.data).ok() } else { None };
        let text = text.filter(|text| text.bytes().len() <= self.data_bytes_max);
        let values = values(&text);
        let view = match values[..] {
            [value] => RecordView::json(place, user, value),
            _ => RecordView::plain(place, user, self.data_bytes_max),
        };
        serde_json::value::to_raw_value(&view).expect("text and numbers are JSON")
    }
}

/// `SHARD:NUMBER,…`.
fn write_cursor(places: &Places) -> String {
    places.iter().map(|(shard, next)| format!("{}:{}", shard.0, next.0)).collect::<Vec<_>>().join(",")
}

fn read_cursor(text: &str) -> Result<Places, RestError> {
    let place = |part: &str| {
        let (shard, next) = part.split_once(':')?;
        Some((ShardId(shard.parse().ok()?), SequenceNumber(next.parse().ok()?)))
    };
    let places: Option<Places> = text.split(',').take(SHARDS_MAX).map(place).collect();
    places.ok_or_else(|| RestError::invalid(format!("`cursor` is `{text}`, which no answer has returned")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::StatusCode;
    use model::stream::hash_key::PartitionKey;
    use model::stream::record::PutEntry;
    use model::stream::store::StreamOptions;
    use model::testing::clock::ManualClock;
    use model::testing::memory_store::MemoryStore;
    use serde_json::{Value, json};

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

    async fn answer(store: &MemoryStore, stream: &str, query: &str) -> Result<Value, RestError> {
        let uri = format!("/?{query}").parse().expect("a path");
        let stream = StreamName::new(stream).expect("a name");
        let page = page(store, &stream, Wanted::read(&uri)?).await?;
        Ok(serde_json::to_value(page).expect("JSON"))
    }

    async fn ask(store: &MemoryStore, query: &str) -> Value {
        answer(store, "s", query).await.unwrap_or_else(|refused| panic!("{query}: {refused:?}"))
    }

    #[tokio::test]
    async fn pages_hold_every_record_once() {
        let (store, mut keys, mut cursor) = (store().await, Vec::new(), String::new());
        loop {
            let page = ask(&store, &format!("limit=6{cursor}")).await;
            keys.extend(
                page["records"].as_array().expect("records").iter().map(|row| row["partition_key"].to_string()),
            );
            cursor = format!("&cursor={}", page["cursor"].as_str().expect("text"));
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
        let found = ask(&store, "limit=10&contains=RECORD+33").await;
        assert_eq!((found["records"].as_array().expect("one").len(), &found["looked_at"]), (1, &json!(50)));
        assert_eq!(found["records"][0]["text"], "<b>record 33</b>");
        let binary = ask(&store, "limit=10&contains=key-7").await;
        assert_eq!((&binary["records"][0]["base64"], &binary["records"][0]["bytes"]), (&json!("/wA="), &json!(2)));
        let number = binary["records"][0]["sequence_number"].as_str().expect("text").to_owned();
        let at = format!("limit=1&position=AT_SEQUENCE_NUMBER&value={number}");
        assert_eq!(ask(&store, &at).await["records"][0]["partition_key"], "key-7");
    }

    #[tokio::test]
    async fn data_is_json_text_or_the_beginning_of_text() {
        let store = store().await;
        let stream = StreamName::new("s").expect("a name");
        let long = format!("[\"{}\"]", "x".repeat(DATA_BYTES_MAX));
        for (key, data) in
            [("json", "{\"n\":\n12345678901234567890}".to_owned()), ("two", "1 2".to_owned()), ("long", long)]
        {
            let key = PartitionKey::new(key.to_owned()).expect("short");
            store.append(&stream, vec![PutEntry::new(key, data)]).await.expect("taken");
        }
        let one = async |query: &str| ask(&store, query).await["records"][0].take();
        let record = one("contains=json").await;
        assert_eq!((&record["data"]["n"], record.get("text")), (&json!(12_345_678_901_234_567_890_u64), None));
        assert_eq!(record["arrived_at"], "2023-11-14T22:13:20.000Z");
        assert_eq!(one("contains=json&as=text").await["text"], "{\"n\":\n12345678901234567890}");
        assert_eq!(one("contains=two").await["text"], "1 2");
        let record = one("contains=long").await;
        assert_eq!((record["text"].as_str().map(str::len), &record["cut"]), (Some(DATA_BYTES_MAX), &json!(true)));
        assert_eq!(record["bytes"], DATA_BYTES_MAX + 4);
        let number = record["sequence_number"].as_str().expect("text");
        let whole = format!("position=AT_SEQUENCE_NUMBER&value={number}&whole=true");
        let record = one(&format!("{whole}&as=text")).await;
        assert_eq!((record["text"].as_str().map(str::len), record.get("cut")), (Some(DATA_BYTES_MAX + 4), None));
        assert_eq!(one(&whole).await["data"][0].as_str().map(str::len), Some(DATA_BYTES_MAX));
        assert_eq!(ask(&store, &whole).await["records"].as_array().map(Vec::len), Some(1));
        for wrong in ["&limit=2", "&cursor=0:0", "&whole=true"] {
            assert_eq!(
                answer(&store, "s", &format!("{whole}{wrong}")).await.expect_err(wrong).status(),
                StatusCode::BAD_REQUEST
            );
        }
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused() {
        let store = store().await;
        for wrong in [
            "limit=0",
            "limit=501",
            "cursor=x",
            "position=HERE",
            "position=AT_TIMESTAMP&value=noon",
            "position=AT_SEQUENCE_NUMBER",
            "shard=shard-1",
            "as=hex",
            "whole=true",
            "whole=yes",
            "form=x",
        ] {
            assert_eq!(answer(&store, "s", wrong).await.expect_err(wrong).status(), StatusCode::BAD_REQUEST);
        }
        assert_eq!(answer(&store, "t", "").await.expect_err("no stream").status(), StatusCode::NOT_FOUND);
    }
}

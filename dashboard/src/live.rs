//! `GET /v1/live?topics=fleet,windows,streams`: what happens now, as server-sent events; one connection a page.
//!
//! A page that reads slowly gets no queue: when it is ready for more it gets the newest frame, or everything if it has
//! missed one. `Last-Event-ID` says which frame a page has; one that missed nothing goes on from there.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use model::stream::access::{AccessError, Readable};
use serde_json::json;
use tokio::sync::watch;

use crate::hub::{Events, Frame, Hub, Watcher};
use crate::view::Viewer;

/// The most connections at a time.
const CONNECTIONS_MAX: usize = 256;

/// What a page wants to hear of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Topics {
    fleet: bool,
    windows: bool,
    streams: bool,
}

impl Topics {
    /// Reads `topics=…`. Error: what is not known.
    fn read(query: &str) -> Result<Topics, String> {
        let mut topics = Topics::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let list = parameter
                .strip_prefix("topics=")
                .ok_or_else(|| format!("unknown query parameter `{parameter}`; use topics"))?;
            for topic in list.split(',').flat_map(|part| part.split("%2C")) {
                match topic {
                    "fleet" => topics.fleet = true,
                    "windows" => topics.windows = true,
                    "streams" => topics.streams = true,
                    other => return Err(format!("unknown topic `{other}`; use fleet, windows or streams")),
                }
            }
        }
        if topics == Topics::default() {
            return Err("name the topics, as in topics=fleet,windows,streams".to_owned());
        }
        Ok(topics)
    }

    /// Whether the fleet is all that is wanted.
    fn only_fleet(self) -> bool {
        self == Topics { fleet: true, ..Topics::default() }
    }

    /// The events of those topics, one after the other.
    fn text(self, events: &Events) -> Bytes {
        let wanted = [
            (true, &events.clock),
            (self.fleet, &events.fleet),
            (self.windows, &events.windows),
            (self.streams, &events.streams),
        ];
        let wanted: Vec<&Bytes> =
            wanted.into_iter().filter(|(wanted, _)| *wanted).filter_map(|(_, event)| event.as_ref()).collect();
        match wanted[..] {
            [only] => only.clone(),
            _ => wanted.iter().flat_map(|event| event.iter().copied()).collect::<Vec<u8>>().into(),
        }
    }
}

/// A connection.
struct Connection {
    hub: Arc<Hub>,
    topics: Topics,
    viewer: Viewer,
    frames: watch::Receiver<Arc<Frame>>,
    /// The number of the frame that the page has.
    has: Option<u64>,
    _watcher: Watcher,
}

/// The feed of the dashboard's own page, as server-sent events. It may change with the page.
///
/// Events are named after topics. The first event of a topic holds everything, later ones what
/// changed. A slow reader misses frames, but never the newest values. Streams that the caller may
/// not read are left out, with the queries and deliveries that use them.
#[utoipa::path(get, path = "/v1/live", tag = "dashboard", params(
    ("topics" = String, Query, description = "Topics: `fleet`, `windows`, `streams`, separated by commas."),
), responses(
    (status = 200, description = "Events until the client disconnects or the server stops.", body = String, content_type = "text/event-stream"),
    (status = 403, description = "The caller may not read the stream of the only topic, `fleet`.", body = String, content_type = "application/json"),
    (status = 503, description = "Too many pages are open.", body = String, content_type = "text/plain"),
))]
pub(crate) async fn live(
    State(hub): State<Arc<Hub>>,
    Extension(readable): Extension<Readable>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let topics = match Topics::read(uri.query().unwrap_or_default()) {
        Ok(topics) => topics,
        Err(wrong) => return (StatusCode::BAD_REQUEST, wrong).into_response(),
    };
    if topics.only_fleet()
        && let Err(refused) = readable.check(hub.options().fleet.as_str()).await
    {
        return refusal(&refused);
    }
    let Some((watcher, mut frames)) = hub.watch(CONNECTIONS_MAX) else {
        let message = format!("{CONNECTIONS_MAX} pages are already open; close one, or try again later");
        let retry = [(RETRY_AFTER, HeaderValue::from_static("5"))];
        return (StatusCode::SERVICE_UNAVAILABLE, retry, message).into_response();
    };
    let has = headers.get("last-event-id").and_then(|id| frame_number(id.to_str().ok()?, hub.instance()));
    frames.mark_changed();
    let connection = Connection { hub, topics, viewer: Viewer::new(readable), frames, has, _watcher: watcher };
    let events = stream::unfold(connection, |mut connection| async move {
        let text = connection.next().await?;
        Some((Ok::<_, Infallible>(text), connection))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Connection {
    /// The next text to send; none once the server stops.
    async fn next(&mut self) -> Option<Bytes> {
        let stop = self.hub.options().stop.clone();
        loop {
            stop.run_until_cancelled(self.frames.changed()).await?.ok()?;
            let frame = Arc::clone(&self.frames.borrow_and_update());
            let text = if self.viewer.is_unlimited() { self.shared(&frame) } else { self.own(&frame).await };
            self.has = Some(frame.number);
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    /// What this page lacks, in the words that all have.
    fn shared(&self, frame: &Frame) -> Bytes {
        match self.has {
            Some(has) if has == frame.number => Bytes::new(),
            Some(has) if has + 1 == frame.number => self.topics.text(&frame.events),
            _ => self.topics.text(&self.hub.everything(frame)),
        }
    }

    /// What this page lacks of what its caller may see: everything, where that is not the same any
    /// more.
    async fn own(&mut self, frame: &Frame) -> Bytes {
        // What there is to see changes with what is told once a second.
        let looks = frame.is_whole() || self.has.is_none();
        let is_new = looks && self.viewer.look(self.hub.streams()).await;
        let (view, hub) = (self.viewer.view(), &self.hub);
        match self.has.filter(|_| !is_new) {
            Some(has) if has == frame.number => Bytes::new(),
            Some(has) if has + 1 == frame.number => self.topics.text(&hub.changes_in(view, frame)),
            _ => self.topics.text(&hub.everything_in(view, frame)),
        }
    }
}

/// As the REST API says it.
fn refusal(refused: &AccessError) -> Response {
    let (status, code) = match refused {
        AccessError::Denied(_) => (StatusCode::FORBIDDEN, "access_denied"),
        AccessError::Unknown(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    };
    (status, Json(json!({"error": {"code": code, "message": refused.to_string()}}))).into_response()
}

/// The frame that `INSTANCE-NUMBER` names, if it is one of this process.
fn frame_number(id: &str, instance: &str) -> Option<u64> {
    let (of, number) = id.split_once('-')?;
    (of == instance).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeMap;
    use std::time::Duration;

    use async_trait::async_trait;
    use axum::body::BodyDataStream;
    use futures::StreamExt;
    use model::clock::Timestamp;
    use model::name::StreamName;
    use model::stream::access::StreamAccess;
    use model::stream::hash_key::PartitionKey;
    use model::stream::record::PutEntry;
    use model::stream::store::{StreamOptions, StreamStore};
    use model::testing::clock::ManualClock;
    use model::testing::memory_store::MemoryStore;
    use serde_json::Value;
    use tokio_util::sync::CancellationToken;

    use crate::assets::Assets;
    use crate::operations::known_flows::{KnownFlows, failing_query};
    use crate::options::DashboardOptions;

    /// A stream of readings, a stream of rows, and a hub over both.
    struct World {
        store: Arc<MemoryStore>,
        hub: Arc<Hub>,
        stop: CancellationToken,
    }

    fn name(name: &str) -> StreamName {
        StreamName::new(name).expect("a name")
    }

    impl World {
        async fn new() -> World {
            let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
            let store = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
            for stream in ["rides", "sums"] {
                let shards = StreamOptions { shards: 2, ..StreamOptions::default() };
                store.create(&name(stream), shards).await.expect("created");
            }
            let stop = CancellationToken::new();
            let hub = Hub::new(DashboardOptions {
                streams: Arc::clone(&store) as _,
                clock,
                assets: Assets::Packed,
                fleet: name("rides"),
                flows: Arc::new(KnownFlows(vec![failing_query("per-minute", &name("rides"), &name("sums"))])),
                stop: stop.clone(),
            });
            tokio::spawn(Arc::clone(&hub).run());
            World { store, hub, stop }
        }

        async fn put(&self, stream: &str, key: &str, data: String) {
            let entry = PutEntry::new(PartitionKey::new(key.to_owned()).expect("short"), data);
            self.store.append(&name(stream), vec![entry]).await.expect("taken").results[0].as_ref().expect("taken");
        }

        async fn ride(&self, unicorn: &str, latitude: f64) {
            let reading =
                format!(r#"{{"Name":"{unicorn}","Latitude":{latitude},"Longitude":-73.9,"HealthPoints":150}}"#);
            self.put("rides", unicorn, reading).await;
        }

        async fn page(&self, last: Option<&str>) -> Page {
            self.page_of(Readable::Everything, last).await
        }

        async fn page_of(&self, readable: Readable, last: Option<&str>) -> Page {
            let mut headers = HeaderMap::new();
            if let Some(last) = last {
                headers.insert("last-event-id", last.parse().expect("plain"));
            }
            let uri = Uri::from_static("/v1/live?topics=fleet,windows,streams");
            let response = live(State(Arc::clone(&self.hub)), Extension(readable), uri, headers).await;
            assert_eq!(response.status(), StatusCode::OK);
            Page {
                body: response.into_body().into_data_stream(),
                fleet: BTreeMap::new(),
                last: String::new(),
                frames: 0,
            }
        }
    }

    /// How long a page listens in vain, by the clock of the test.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// What a page knows.
    struct Page {
        body: BodyDataStream,
        fleet: BTreeMap<String, f64>,
        last: String,
        frames: usize,
    }

    impl Page {
        /// Listens until `topic` says something that holds; not for ever.
        async fn until(&mut self, topic: &str, holds: impl Fn(&Page, &Value) -> bool) -> Value {
            let heard = tokio::time::timeout(PATIENCE, self.listen(topic, holds)).await;
            heard.unwrap_or_else(|_| panic!("`{topic}` does not say it within {PATIENCE:?}"))
        }

        async fn listen(&mut self, topic: &str, holds: impl Fn(&Page, &Value) -> bool) -> Value {
            loop {
                let text = self.body.next().await.expect("the server goes on").expect("bodies do not fail");
                self.frames += 1;
                let text = String::from_utf8(text.to_vec()).expect("text");
                let mut found = None;
                for event in text.split_terminator("\n\n") {
                    let line = |field: &str| event.lines().find_map(|line| line.strip_prefix(field)).expect("a field");
                    self.last = line("id: ").to_owned();
                    let data: Value = serde_json::from_str(line("data: ")).expect("JSON");
                    if line("event: ") == "fleet" {
                        self.take(&data);
                    }
                    if line("event: ") == topic && holds(self, &data) {
                        found = Some(data);
                    }
                }
                if let Some(found) = found {
                    return found;
                }
            }
        }

        fn take(&mut self, data: &Value) {
            if data["all"] == true {
                self.fleet.clear();
            }
            for row in data["unicorns"].as_array().expect("rows") {
                self.fleet.insert(row[0].as_str().expect("a name").to_owned(), row[1].as_f64().expect("degrees"));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_hears_what_is_there_and_what_changes() {
        let world = World::new().await;
        world.ride("Shadowfax", 40.1).await;
        world
            .put("sums", "Shadowfax", r#"{"Name":"Shadowfax","At":"2023-11-14 22:13:00.000","Distance":30}"#.to_owned())
            .await;
        let mut page = world.page(None).await;
        page.until("fleet", |page, _| page.fleet.len() == 1).await;
        world.ride("Arion", 40.2).await;
        world.ride("Shadowfax", 40.3).await;
        page.until("fleet", |page, _| page.fleet.len() == 2 && page.fleet["Shadowfax"] == 40.3).await;
        let mut page = world.page(None).await;
        let windows = page.until("windows", |_, data| data["queries"][0]["ends"][0]["rows"] == 1).await;
        assert_eq!(windows["queries"][0]["ends"][0]["end"], 1_700_000_000_000_i64 - 20_000);
        let streams = page.until("streams", |_, data| data["streams"][0]["name"] == "rides").await;
        assert_eq!(streams["streams"][0]["shards"].as_array().expect("shards").len(), 2);
        let flow = &streams["flows"][0];
        assert_eq!((&flow["kind"], &flow["last_error"]["message"]), (&"query".into(), &"no room".into()));
        assert_eq!(flow["state"], "failed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_sleeps_has_no_queue_and_misses_nothing() {
        let world = World::new().await;
        let mut awake = world.page(None).await;
        let mut asleep = world.page(None).await;
        asleep.until("clock", |_, _| true).await;
        let before = asleep.frames;
        for step in 0..200 {
            world.ride("Shadowfax", 40.0 + f64::from(step) / 1000.0).await;
            world.ride(&format!("u{step}"), 1.0).await;
            awake.until("fleet", |page, _| page.fleet.len() == step as usize + 2).await;
        }
        asleep.until("fleet", |page, _| page.fleet.len() == 201 && page.fleet["Shadowfax"] == 40.199).await;
        assert!(asleep.frames - before <= 2, "{} frames had waited", asleep.frames - before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_comes_back_goes_on_where_it_was() {
        let world = World::new().await;
        world.ride("Shadowfax", 40.1).await;
        let mut page = world.page(None).await;
        page.until("fleet", |page, _| page.fleet.len() == 1).await;
        let other = Page { fleet: page.fleet.clone(), ..world.page(Some("another-5")).await };
        let mut other = other;
        let all = other.until("fleet", |_, _| true).await;
        assert_eq!(all["all"], true, "another process' frames are not ours");
        world.stop.cancel();
        while page.body.next().await.is_some() {}
        drop(page);
        assert_eq!(frame_number("x", world.hub.instance()), None);
    }

    /// Somebody who may read these streams, for now.
    struct Reader(std::sync::Mutex<Vec<&'static str>>);

    #[async_trait]
    impl StreamAccess for Reader {
        async fn check(&self, stream: &str) -> Result<(), AccessError> {
            let readable = self.0.lock().expect("no holder panics").contains(&stream);
            readable.then_some(()).ok_or_else(|| AccessError::Denied(format!("not `{stream}`")))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_hears_nothing_of_streams_that_its_caller_may_not_read() {
        let world = World::new().await;
        world.ride("Shadowfax", 40.1).await;
        let row = r#"{"Name":"Shadowfax","At":"2023-11-14 22:13:00.000","Distance":30}"#;
        world.put("sums", "Shadowfax", row.to_owned()).await;
        let mut all = world.page(None).await;
        all.until("windows", |page, data| page.fleet.len() == 1 && data["queries"][0]["ends"][0]["rows"] == 1).await;

        let reader = Arc::new(Reader(std::sync::Mutex::new(vec!["sums"])));
        let readable = Readable::Only(Arc::clone(&reader) as _);
        let mut page = world.page_of(readable.clone(), None).await;
        let streams = page.until("streams", |_, data| data["streams"][0]["name"] == "sums").await;
        assert_eq!(streams["streams"].as_array().expect("rows").len(), 1, "{streams}");
        assert!(!streams.to_string().contains("rides") && !streams.to_string().contains("no room"), "{streams}");
        for _ in 0..3 {
            world.ride("Arion", 40.2).await;
            let windows = page.until("windows", |_, _| true).await;
            assert_eq!((&windows["queries"], &windows["seconds"]), (&json!([]), &json!([])), "{windows}");
            assert!(page.fleet.is_empty());
        }
        let only_fleet = Uri::from_static("/v1/live?topics=fleet");
        let refused = live(State(Arc::clone(&world.hub)), Extension(readable), only_fleet, HeaderMap::new()).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);

        // A policy that changes holds for open pages, too.
        reader.0.lock().expect("no holder panics").push("rides");
        let windows = page.until("windows", |page, data| page.fleet.len() == 2 && data["queries"] != json!([])).await;
        assert_eq!(windows["queries"][0]["ends"][0]["rows"], 1, "all of it comes at once: {windows}");
        reader.0.lock().expect("no holder panics").clear();
        let streams = page.until("streams", |_, data| data["streams"] == json!([])).await;
        assert_eq!((&streams["flows"], &streams["fleet"]), (&json!([]), &json!("")));
        let before = page.fleet["Arion"];
        world.ride("Arion", 41.0).await;
        page.until("clock", |_, _| true).await;
        page.until("clock", |_, _| true).await;
        assert_eq!(page.fleet["Arion"], before);
    }

    #[test]
    fn topics_are_named_and_others_refused() {
        let all = Topics { fleet: true, windows: true, streams: true };
        assert_eq!(Topics::read("topics=fleet,windows,streams"), Ok(all));
        assert_eq!(Topics::read("topics=fleet%2Cwindows&topics=streams"), Ok(all));
        for wrong in ["", "topics=", "topics=fleets", "topic=fleet", "topics=fleet&x=1"] {
            assert!(Topics::read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(frame_number("abc-17", "abc"), Some(17));
        assert_eq!(frame_number("abd-17", "abc"), None);
        assert_eq!(frame_number("17", "abc"), None);
    }
}

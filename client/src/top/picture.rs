//! A snapshot as lines of text. A pure function, so tests need no terminal.

use serde_json::Value;

use super::snapshot::{PortRow, ServerRow, Snapshot, StreamRow};
use crate::output::row_printer::printable;

/// A line, and how it stands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) weight: Weight,
}

/// How a line stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// A heading.
    Heading,
    /// Something is wrong.
    Alarm,
    /// Figures.
    Plain,
}

/// Space for names.
const NAME_WIDTH: usize = 22;

/// The lines, none wider than `width`, at most `height`.
pub(crate) fn lines(
    snapshot: &Snapshot,
    endpoint: &str,
    failure: Option<&str>,
    width: usize,
    height: usize,
) -> Vec<Line> {
    let mut picture = Picture { width, lines: Vec::new() };
    picture.add(Weight::Heading, format!("gallop top  {endpoint}  q quits"));
    if let Some(failure) = failure {
        picture.add(Weight::Alarm, failure.to_owned());
    }
    picture.server(&snapshot.server);
    picture.streams(&snapshot.streams);
    picture.queries(&snapshot.queries);
    picture.deliveries(&snapshot.deliveries);
    picture.ports(&snapshot.ports);
    picture.fit(height)
}

/// The lines so far.
struct Picture {
    width: usize,
    lines: Vec<Line>,
}

impl Picture {
    fn add(&mut self, weight: Weight, text: String) {
        let text: String = printable(&text).chars().take(self.width).collect();
        self.lines.push(Line { text, weight });
    }

    fn server(&mut self, server: &ServerRow) {
        let full = server.disk_bytes > 0.0 && server.disk_available_bytes < server.disk_bytes / 20.0;
        let text = format!(
            "{:.2} cores  {} memory  {}/s requests  {}/s errors  {}/s written  {} of {} free on the disk",
            server.cores,
            bytes(server.memory_bytes),
            count(server.requests_per_second),
            count(server.errors_per_second),
            bytes(server.written_bytes_per_second),
            bytes(server.disk_available_bytes),
            bytes(server.disk_bytes),
        );
        self.add(if full || server.errors_per_second > 0.0 { Weight::Alarm } else { Weight::Plain }, text);
    }

    fn streams(&mut self, streams: &[StreamRow]) {
        if !streams.is_empty() {
            let head = ["shards", "records/s", "bytes/s", "read/s", "throttled/s", "behind", "age"];
            self.add(Weight::Heading, row("STREAM", &head));
        }
        for stream in streams {
            let alarm = stream.error.is_some() || stream.throttled_per_second > 0.0;
            let figures = [
                stream.shards.to_string(),
                count(stream.records_per_second),
                bytes(stream.bytes_per_second),
                count(stream.read_records_per_second),
                count(stream.throttled_per_second),
                count(stream.behind as f64),
                age(Some(stream.iterator_age_millis)),
            ];
            self.add(if alarm { Weight::Alarm } else { Weight::Plain }, row(&stream.name, &figures));
            if let Some(error) = &stream.error {
                self.add(Weight::Alarm, format!("  {error}"));
            }
        }
    }

    fn queries(&mut self, queries: &[Value]) {
        if !queries.is_empty() {
            let head = ["records/s", "rows", "behind", "watermark", "windows", "left out", "expired"];
            self.add(Weight::Heading, row("QUERY", &head));
        }
        for query in queries {
            let figures = [
                count(number(query, "records_per_second")),
                count(number(query, "rows")),
                query["behind"].as_f64().map_or("-".to_owned(), count),
                age(query["watermark_lag_millis"].as_u64()),
                count(number(query, "open_windows")),
                count(number(query, "left_out")),
                count(number(query, "expired")),
            ];
            self.flow(query, &figures);
        }
    }

    fn deliveries(&mut self, deliveries: &[Value]) {
        if !deliveries.is_empty() {
            let head = ["records/s", "records", "behind", "lag", "retries", "dead", "expired"];
            self.add(Weight::Heading, row("DELIVERY", &head));
        }
        for delivery in deliveries {
            let figures = [
                count(number(delivery, "records_per_second")),
                count(number(delivery, "records")),
                delivery["behind"].as_f64().map_or("-".to_owned(), count),
                age(delivery["lag_millis"].as_u64()),
                count(number(delivery, "retries")),
                count(number(delivery, "dead_letters")),
                count(number(delivery, "expired")),
            ];
            self.flow(delivery, &figures);
        }
    }

    /// A query or a delivery, and what is wrong with it.
    fn flow(&mut self, of: &Value, figures: &[String]) {
        let (name, state) = (of["name"].as_str().unwrap_or_default(), of["state"].as_str().unwrap_or("running"));
        let working = matches!(state, "running" | "starting");
        // An error from before it worked again is not shown.
        let error = of["last_error"]["message"].as_str().filter(|_| !working);
        self.add(if working { Weight::Plain } else { Weight::Alarm }, row(name, figures));
        if !working {
            self.add(Weight::Alarm, format!("  is {}", state.replace('_', " ")));
        }
        if let Some(error) = error {
            self.add(Weight::Alarm, format!("  {error}"));
        }
    }

    fn ports(&mut self, ports: &[PortRow]) {
        if !ports.is_empty() {
            self.add(Weight::Heading, row("SENSOR PORT", &["datagrams/s", "records/s", "rejected/s", "waiting"]));
        }
        for port in ports {
            let figures = [
                count(port.received_per_second),
                count(port.stored_records_per_second),
                count(port.rejected_per_second),
                count(port.waiting),
            ];
            self.add(Weight::Plain, row(&format!("{} {}", port.port, port.stream), &figures));
        }
    }

    /// The first `height` lines; the last one says how many are missing.
    fn fit(mut self, height: usize) -> Vec<Line> {
        if self.lines.len() > height {
            let more = self.lines.len() - height.saturating_sub(1);
            self.lines.truncate(height.saturating_sub(1));
            self.add(Weight::Plain, format!("{more} more lines"));
        }
        self.lines
    }
}

fn number(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or(0.0)
}

/// A name and figures in columns.
fn row(name: &str, figures: &[impl AsRef<str>]) -> String {
    let mut text: String = name.chars().take(NAME_WIDTH).collect();
    text.push_str(&" ".repeat(NAME_WIDTH - text.chars().count()));
    for figure in figures {
        text.push_str(&format!("{:>12}", figure.as_ref()));
    }
    text
}

/// `0`, `12.3`, `4.5 k`, `6.7 M`.
fn count(number: f64) -> String {
    match number {
        n if n < 1e3 && n.fract() == 0.0 => format!("{n:.0}"),
        n if n < 1e3 => format!("{n:.1}"),
        n if n < 1e6 => format!("{:.1} k", n / 1e3),
        n if n < 1e9 => format!("{:.1} M", n / 1e6),
        n => format!("{:.1} G", n / 1e9),
    }
}

/// `0 B`, `12 kB`, `3.4 MB`.
fn bytes(number: f64) -> String {
    match number {
        n if n < 1e3 => format!("{n:.0} B"),
        n if n < 1e6 => format!("{:.0} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// `-`, `12 ms`, `3.4 s`, `5 min`.
fn age(millis: Option<u64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 1000 => format!("{millis} ms"),
        Some(millis) if millis < 120_000 => format!("{:.1} s", millis as f64 / 1000.0),
        Some(millis) => format!("{} min", millis / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            seconds: 1.0,
            server: ServerRow {
                cores: 0.25,
                memory_bytes: 5.2e7,
                requests_per_second: 12.0,
                errors_per_second: 0.0,
                written_bytes_per_second: 2.5e6,
                disk_bytes: 1e11,
                disk_available_bytes: 5e10,
            },
            streams: vec![StreamRow {
                name: "wildrydes".into(),
                shards: 2,
                records_per_second: 1234.0,
                bytes_per_second: 250_000.0,
                read_records_per_second: 20.5,
                throttled_per_second: 0.0,
                iterator_age_millis: 1500,
                behind: 3,
                failures: 0.0,
                error: None,
            }],
            queries: vec![json!({"name": "per-minute", "running": true, "records_per_second": 20.0, "rows": 40,
                "behind": 3, "watermark_lag_millis": 12, "open_windows": 1, "left_out": 0, "expired": 0})],
            deliveries: vec![
                json!({"name": "to-table", "running": false, "state": "failed", "records": 5, "behind": null, "lag_millis": 0,
                "last_error": {"message": "no \u{1b}room"}}),
            ],
            ports: vec![PortRow {
                port: 9000,
                stream: "plant".into(),
                received_per_second: 5e6,
                stored_records_per_second: 0.0,
                rejected_per_second: 0.0,
                waiting: 0.0,
            }],
        }
    }

    #[test]
    fn all_figures_stand_in_columns_and_troubles_stand_out() {
        let drawn = lines(&snapshot(), "http://h", None, 120, 50);
        let text: Vec<&str> = drawn.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(text[0], "gallop top  http://h  q quits");
        assert_eq!(
            text[1],
            "0.25 cores  52.0 MB memory  12/s requests  0/s errors  2.5 MB/s written  50.0 GB of 100.0 GB free on the disk"
        );
        assert_eq!(
            text[3],
            "wildrydes                        2       1.2 k      250 kB        20.5           0           3       1.5 s"
        );
        assert!(text[5].starts_with("per-minute") && text[5].contains("12 ms"), "{}", text[5]);
        assert_eq!(text[8..10], ["  is failed", "  no \\u{1b}room"]);
        assert!(drawn[7..10].iter().all(|line| line.weight == Weight::Alarm));
        assert!(text[11].starts_with("9000 plant") && text[11].contains("5.0 M"));
    }

    #[test]
    fn nothing_is_wider_or_higher_than_the_terminal() {
        let drawn = lines(&snapshot(), "http://h", Some("no server answers"), 30, 6);
        assert_eq!(drawn.len(), 6);
        assert!(drawn.iter().all(|line| line.text.chars().count() <= 30), "{drawn:?}");
        assert_eq!((drawn[1].weight, &*drawn[5].text), (Weight::Alarm, "8 more lines"));
    }
}

//! Windows of every kind hold the rows that plain words say they hold: over files in any order, and over streams that are
//! read in any pieces, with restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use analytics::continuous::bounded::{BoundedOptions, run};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::rig::{Rig, settle};

/// Where the tests' time begins: a whole minute.
const BEGIN: i64 = 1_600_000_020_000;

/// A kind of window, with lengths in milliseconds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Tumble { size: i64, offset: i64 },
    Hop { slide: i64, size: i64 },
    Cumulate { step: i64, size: i64 },
    Session { gap: i64 },
}

impl Kind {
    fn sql(self) -> String {
        let interval = |millis: i64| {
            let sign = if millis < 0 { "-" } else { "" };
            format!("INTERVAL '{sign}{}.{:03}' SECOND", millis.abs() / 1000, millis.abs() % 1000)
        };
        let call = match self {
            Kind::Tumble { size, offset } => {
                format!("TUMBLE(TABLE s, DESCRIPTOR(t), {}, {})", interval(size), interval(offset))
            }
            Kind::Hop { slide, size } => {
                format!("HOP(TABLE s, DESCRIPTOR(t), {}, {})", interval(slide), interval(size))
            }
            Kind::Cumulate { step, size } => {
                format!("CUMULATE(TABLE s, DESCRIPTOR(t), {}, {})", interval(step), interval(size))
            }
            Kind::Session { gap } => format!("SESSION(TABLE s PARTITION BY k, DESCRIPTOR(t), {})", interval(gap)),
        };
        format!(
            "SELECT k, window_start, window_end, COUNT(*), SUM(v) FROM TABLE({call}) GROUP BY k, window_start, window_end;"
        )
    }

    /// The windows that hold a moment, where the clock cuts them.
    fn windows_of(self, at: i64) -> Vec<(i64, i64)> {
        match self {
            Kind::Tumble { size, offset } => {
                let start = at - (at - offset).rem_euclid(size);
                vec![(start, start + size)]
            }
            Kind::Hop { slide, size } => {
                let last = at - at.rem_euclid(slide);
                let starts = (0..).map(|n| last - n * slide).take_while(|start| at < start + size);
                starts.map(|start| (start, start + size)).collect()
            }
            Kind::Cumulate { step, size } => {
                let start = at - at.rem_euclid(size);
                let ends = (1..=size / step).map(|n| start + n * step);
                ends.filter(|end| at < *end).map(|end| (start, end)).collect()
            }
            Kind::Session { .. } => Vec::new(),
        }
    }
}

type Row = (i64, u8, i64);
type Results = BTreeMap<(i64, i64, u8), (i64, i64)>;

/// The rows of all windows that hold any of these.
fn expected(kind: Kind, rows: &[Row]) -> Results {
    let mut results = Results::new();
    let mut add = |window: (i64, i64), key: u8, value: i64| {
        let (count, sum) = results.entry((window.0, window.1, key)).or_default();
        *count += 1;
        *sum += value;
    };
    let Kind::Session { gap } = kind else {
        for (at, key, value) in rows {
            kind.windows_of(*at).into_iter().for_each(|window| add(window, *key, *value));
        }
        return results;
    };
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|(at, key, _)| (*key, *at));
    for session in sorted.chunk_by(|one, next| one.1 == next.1 && next.0 - one.0 < gap) {
        let window = (session[0].0, session[session.len() - 1].0 + gap);
        session.iter().for_each(|(_, key, value)| add(window, *key, *value));
    }
    results
}

/// A row as a line of JSON.
fn line(at: i64, key: u8, value: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap().strftime("%Y-%m-%d %H:%M:%S%.3f");
    format!("{{\"t\":\"{at}\",\"k\":{key},\"v\":{value}}}\n")
}

fn millis(text: &str) -> i64 {
    let civil: jiff::civil::DateTime = text.parse().unwrap();
    civil.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond()
}

fn results<'a>(lines: impl IntoIterator<Item = &'a str>) -> Results {
    let mut results = Results::new();
    for line in lines {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let window = (millis(row["s"].as_str().unwrap()), millis(row["e"].as_str().unwrap()));
        let key = (window.0, window.1, row["k"].as_u64().unwrap() as u8);
        let values = (row["n"].as_i64().unwrap(), row["total"].as_i64().unwrap());
        assert!(results.insert(key, values).is_none(), "{line} comes twice");
    }
    results
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (1..5000_i64, -9000..9000_i64).prop_map(|(size, offset)| Kind::Tumble { size, offset }),
        (100..4000_i64, 1..6000_i64).prop_map(|(slide, size)| Kind::Hop { slide, size }),
        (200..2000_i64, 1..6_i64).prop_map(|(step, n)| Kind::Cumulate { step, size: step * n }),
        (1..3000_i64).prop_map(|gap| Kind::Session { gap }),
    ]
}

const TABLES: &str = "CREATE TABLE s (k INT, v INT, __time) WITH ('connector'='kinesis', 'stream'='in');
    CREATE TABLE o (k INT, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, total BIGINT)
    WITH ('connector'='kinesis', 'stream'='out'); INSERT INTO o ";

fn by_column(delay_millis: i64) -> String {
    let watermark = format!("t TIMESTAMP(3), WATERMARK FOR t AS t - INTERVAL '0.{delay_millis:03}' SECOND");
    TABLES.replace("__time", &watermark)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn files_in_any_order_within_the_delay_give_the_windows_of_all_rows(
        kind in kinds(), rows in prop::collection::vec((0..20_000_i64, 0..3_u8, -50..50_i64), 1..80), shuffle in 0..999_i64,
    ) {
        let mut rows = rows;
        rows.iter_mut().for_each(|row| row.0 += BEGIN);
        // Each row is moved by less than the delay.
        let mut random = StdRng::seed_from_u64(shuffle as u64);
        let mut moved: Vec<(i64, Row)> = rows.iter().map(|row| (row.0 + random.random_range(0..=shuffle), *row)).collect();
        moved.sort_by_key(|(place, _)| *place);
        let lines: String = moved.iter().map(|(_, (at, k, v))| line(*at, *k, *v)).collect();
        let sql = by_column(shuffle) + &kind.sql();
        let mut output = Vec::new();
        let report = run(&sql, lines.as_bytes(), &mut output, BoundedOptions::default()).unwrap();
        prop_assert_eq!((report.late, report.left_out), (0, 0));
        let output = String::from_utf8(output).unwrap();
        prop_assert_eq!(results(output.lines()), expected(kind, &rows));
    }

    #[test]
    fn rows_that_are_late_are_counted_and_the_others_give_their_windows(
        kind in kinds(), rows in prop::collection::vec((0..20_000_i64, 0..3_u8, -50..50_i64), 1..60), delay in 0..999_i64,
    ) {
        let rows: Vec<Row> = rows.into_iter().map(|(at, k, v)| (BEGIN + at, k, v)).collect();
        let mut newest = i64::MIN;
        let mut on_time = Vec::new();
        for (at, k, v) in &rows {
            let ends = kind.windows_of(*at).into_iter().map(|(_, end)| end);
            if ends.max().is_none_or(|end| newest < end) {
                // Windows that were over do not get it any more.
                on_time.push(((*at, *k, *v), newest));
            }
            newest = newest.max(at - delay);
        }
        let lines: String = rows.iter().map(|(at, k, v)| line(*at, *k, *v)).collect();
        let mut output = Vec::new();
        let report = run(&(by_column(delay) + &kind.sql()), lines.as_bytes(), &mut output, BoundedOptions::default()).unwrap();
        let output = String::from_utf8(output).unwrap();
        let found = results(output.lines());
        if let Kind::Session { .. } = kind {
            let counted: i64 = found.values().map(|(count, _)| count).sum();
            prop_assert_eq!(counted as u64 + report.late, rows.len() as u64);
            return Ok(());
        }
        let mut wanted = Results::new();
        for ((at, k, v), closed_until) in &on_time {
            for (start, end) in kind.windows_of(*at).into_iter().filter(|(_, end)| closed_until < end) {
                let (count, sum) = wanted.entry((start, end, *k)).or_default();
                *count += 1;
                *sum += v;
            }
        }
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(report.late, (rows.len() - on_time.len()) as u64);
    }
}

/// A row, and what it sees: how many rows, and their sum.
type Seen = (i64, u8, i64, i64, i64);

/// What each row of its key sees of the rows of the last `range` milliseconds, in order of time.
fn slid(rows: &[Row], range: i64, peers: bool) -> Vec<Seen> {
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|(at, _, _)| *at);
    let sees = |place: usize| {
        let (at, key, value) = sorted[place];
        let is_seen = |(other, row): &(usize, &Row)| {
            row.1 == key && at - range <= row.0 && (*other <= place || (peers && row.0 == at))
        };
        let values: Vec<i64> = sorted.iter().enumerate().filter(is_seen).map(|(_, row)| row.2).collect();
        (at, key, value, values.len() as i64, values.iter().sum())
    };
    (0..sorted.len()).map(sees).collect()
}

/// The same of the last rows, so many before it.
fn slid_rows(rows: &[Row], before: usize) -> Vec<Seen> {
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|(at, _, _)| *at);
    let sees = |place: usize| {
        let (at, key, value) = sorted[place];
        let values = sorted[..=place].iter().rev().filter(|row| row.1 == key).take(before + 1).map(|row| row.2);
        let values: Vec<i64> = values.collect();
        (at, key, value, values.len() as i64, values.iter().sum())
    };
    (0..sorted.len()).map(sees).collect()
}

fn seen<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Seen> {
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| row[name].as_i64().unwrap();
        (millis(row["at"].as_str().unwrap()), number("k") as u8, number("v"), number("n"), number("total"))
    };
    lines.into_iter().map(row).collect()
}

/// A query with a sliding window over rows of a stream, by arrival.
fn aws_sliding(frame: &str) -> String {
    format!(
        "CREATE STREAM \"in\" (\"k\" INTEGER, \"v\" INTEGER);
         CREATE PUMP p AS INSERT INTO \"out\" SELECT STREAM ROWTIME AS \"at\", \"k\", \"v\", COUNT(*) OVER w AS \"n\",
         SUM(\"v\") OVER w AS \"total\" FROM \"in\" WINDOW w AS (PARTITION BY \"k\" {frame});"
    )
}

#[tokio::test]
async fn sliding_windows_of_streams_see_the_rows_before_through_restarts() {
    for seed in 0..10_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut rig = Rig::new(&aws_sliding("RANGE INTERVAL '1.5' SECOND PRECEDING")).await;
        let rows = put_randomly(&mut rig, &mut random, false).await;
        let found = rig.rows().await;
        assert_eq!(seen(found.iter().map(String::as_str)), slid(&rows, 1500, false), "seed {seed}");
        let mut rig = Rig::new(&aws_sliding("ROWS 3 PRECEDING")).await;
        let rows = put_randomly(&mut rig, &mut random, false).await;
        let found = rig.rows().await;
        assert_eq!(seen(found.iter().map(String::as_str)), slid_rows(&rows, 3), "seed {seed}");
    }
}

#[test]
fn sliding_windows_of_files_see_all_rows_of_their_time() {
    for seed in 0..100_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let range = random.random_range(0..3000_i64);
        // Each row comes less than a second after rows that happened later.
        let mut moved: Vec<(i64, Row)> = (0..80)
            .map(|_| {
                let at = BEGIN + random.random_range(0..400_i64) * 20;
                (at + random.random_range(0..1000), (at, random.random_range(0..3), random.random_range(-50..50)))
            })
            .collect();
        moved.sort_by_key(|(place, _)| *place);
        let rows: Vec<Row> = moved.into_iter().map(|(_, row)| row).collect();
        let lines: String = rows.iter().map(|(at, k, v)| line(*at, *k, *v)).collect();
        let sql = format!(
            "CREATE TABLE s (k INT, v INT, t TIMESTAMP(3), WATERMARK FOR t AS t - INTERVAL '1' SECOND)
             WITH ('connector'='kinesis', 'stream'='in');
             CREATE TABLE o (`at` TIMESTAMP(3), k INT, v INT, n BIGINT, total BIGINT) WITH ('connector'='kinesis', 'stream'='out');
             INSERT INTO o SELECT t, k, v, COUNT(*) OVER w, SUM(v) OVER w FROM s
             WINDOW w AS (PARTITION BY k ORDER BY t RANGE BETWEEN INTERVAL '{}.{:03}' SECOND PRECEDING AND CURRENT ROW);",
            range / 1000,
            range % 1000,
        );
        let mut output = Vec::new();
        let report = run(&sql, lines.as_bytes(), &mut output, BoundedOptions::default()).unwrap();
        assert_eq!((report.late, report.left_out), (0, 0), "seed {seed}");
        let output = String::from_utf8(output).unwrap();
        assert_eq!(seen(output.lines()), slid(&rows, range, true), "seed {seed}");
    }
}

/// Puts random rows, with restarts in between; the rows that were put, with their times.
async fn put_randomly(rig: &mut Rig, random: &mut StdRng, own_time: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for _ in 0..60 {
        let (key, value) = (random.random_range(0..3_u8), random.random_range(-50..50_i64));
        let now = rig.now();
        let at = if own_time { now - random.random_range(0..900) } else { now };
        rig.put(&[line(at, key, value).trim_end()]).await;
        rows.push((at, key, value));
        if random.random_range(0..3) == 0 {
            rig.clock.advance(Duration::from_millis(random.random_range(0..2000)));
            settle().await;
        }
        if random.random_range(0..12) == 0 {
            rig.restart().await;
        }
    }
    rows
}

#[tokio::test]
async fn streams_give_the_windows_of_all_rows_through_restarts() {
    let kinds = [
        Kind::Tumble { size: 1000, offset: 300 },
        Kind::Hop { slide: 700, size: 2000 },
        Kind::Cumulate { step: 500, size: 2000 },
        Kind::Session { gap: 900 },
    ];
    for (seed, kind) in kinds.into_iter().cycle().take(16).enumerate() {
        for own_time in [false, true] {
            let mut random = StdRng::seed_from_u64(seed as u64);
            let sql = match own_time {
                true => by_column(900),
                false => TABLES.replace("__time", "t AS PROCTIME()"),
            };
            let mut rig = Rig::new(&(sql + &kind.sql())).await;
            let rows = put_randomly(&mut rig, &mut random, own_time).await;
            rig.clock.advance(Duration::from_secs(20));
            settle().await;
            let found = rig.rows().await;
            let found = results(found.iter().map(String::as_str));
            assert_eq!(found, expected(kind, &rows), "seed {seed}, {kind:?}, own time {own_time}");
            assert_eq!(rig.status().left_out, 0, "seed {seed}, {kind:?}, own time {own_time}");
        }
    }
}

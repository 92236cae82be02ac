//! What continuous queries found: their rows, folded by the end of the window over all groups, for
//! charts.

use std::collections::BTreeMap;

use model::clock::Timestamp;
use model::name::StreamName;
use serde_json::{Map, Value, json};

use crate::view::View;

/// Windows of a query that are kept.
const ENDS_MAX: usize = 120;
/// Numeric columns of a query that are kept.
const COLUMNS_MAX: usize = 16;

/// The queries of this server with their last windows.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    queries: Vec<QueryWindows>,
}

#[derive(Debug)]
struct QueryWindows {
    name: String,
    source: StreamName,
    output: StreamName,
    /// No record of the source will arrive before this.
    complete_until: Option<Timestamp>,
    ends: BTreeMap<i64, End>,
}

#[derive(Debug, Default)]
struct End {
    changed: u64,
    rows: u64,
    columns: BTreeMap<String, Fold>,
}

#[derive(Debug, Clone, Copy)]
struct Fold {
    sum: f64,
    min: f64,
    max: f64,
}

impl Windows {
    /// No windows yet, of queries by name, source and output.
    pub(crate) fn of<'a>(queries: impl Iterator<Item = (&'a str, &'a StreamName, &'a StreamName)>) -> Self {
        let queries = queries.map(|(name, source, output)| QueryWindows {
            name: name.to_owned(),
            source: source.clone(),
            output: output.clone(),
            complete_until: None,
            ends: BTreeMap::new(),
        });
        Windows { queries: queries.collect() }
    }

    /// Takes a row of an output stream as change number `change`. A row without a time is in no
    /// window.
    pub(crate) fn take(&mut self, output: &StreamName, row: &[u8], change: u64) {
        let Ok(row) = serde_json::from_slice::<Map<String, Value>>(row) else { return };
        let Some(end) = row.values().find_map(|value| value.as_str().and_then(time)) else { return };
        for query in self.queries.iter_mut().filter(|query| query.output == *output) {
            query.ends.entry(end).or_default().take(&row, change);
            while query.ends.len() > ENDS_MAX {
                query.ends.pop_first();
            }
        }
    }

    /// Notes how far time is complete in a source.
    pub(crate) fn complete(&mut self, source: &StreamName, until: Timestamp) {
        for query in self.queries.iter_mut().filter(|query| query.source == *source) {
            query.complete_until = Some(until);
        }
    }

    /// The streams that the queries read and write.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().flat_map(|query| [query.source.as_str(), query.output.as_str()])
    }

    /// The queries in `view` with the windows that changed after number `since`. A query is in view
    /// with its source and its output.
    pub(crate) fn changes(&self, since: u64, view: &View) -> Value {
        let is_seen = |query: &&QueryWindows| view.sees(query.source.as_str()) && view.sees(query.output.as_str());
        self.queries.iter().filter(is_seen).map(|query| query.to_json(since)).collect()
    }
}

impl QueryWindows {
    fn to_json(&self, since: u64) -> Value {
        let changed = self.ends.iter().filter(|(_, end)| end.changed > since);
        let ends: Vec<Value> = changed.map(|(at, end)| end.to_json(*at)).collect();
        json!({
            "name": self.name,
            "source": self.source,
            "output": self.output,
            "complete_until": self.complete_until.map(Timestamp::as_millis),
            "ends": ends,
        })
    }
}

impl End {
    fn take(&mut self, row: &Map<String, Value>, change: u64) {
        self.changed = change;
        self.rows += 1;
        for (name, value) in row {
            let Some(value) = value.as_f64() else { continue };
            if let Some(fold) = self.columns.get_mut(name) {
                *fold = Fold { sum: fold.sum + value, min: fold.min.min(value), max: fold.max.max(value) };
            } else if self.columns.len() < COLUMNS_MAX {
                self.columns.insert(name.clone(), Fold { sum: value, min: value, max: value });
            }
        }
    }

    fn to_json(&self, at: i64) -> Value {
        let columns: Map<String, Value> =
            self.columns.iter().map(|(name, fold)| (name.clone(), json!([fold.sum, fold.min, fold.max]))).collect();
        json!({"end": at, "rows": self.rows, "columns": columns})
    }
}

/// Milliseconds of `yyyy-MM-dd HH:mm:ss[.SSS]` in UTC.
fn time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let shaped = matches!(bytes.len(), 19..=29)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b' ' | b'T')
        && bytes[13] == b':'
        && bytes[16] == b':';
    if !shaped {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    let millis = match bytes.get(19) {
        None => 0,
        Some(b'.') => number(20, 23)?,
        Some(_) => return None,
    };
    fits.then(|| (((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis)
}

/// Days since 1970-01-01, counted in eras of 400 years from March on.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_other_text_is_not() {
        assert_eq!(time("2018-03-18 03:20:00.123"), Some(1_521_343_200_123));
        assert_eq!(time("1970-01-01T00:00:00"), Some(0));
        assert_eq!(time("2024-02-29 23:59:59.999"), Some(1_709_251_199_999));
        for other in ["", "Shadowfax", "2018-13-18 03:20:00.123", "2018-03-18 03:20:00Z", "2018-03-18é03:20:00.1"] {
            assert_eq!(time(other), None, "{other}");
        }
    }

    #[test]
    fn rows_fold_by_window_and_the_oldest_go() {
        let stream = |name: &str| StreamName::new(name).expect("a name");
        let (source, output) = (stream("in"), stream("out"));
        let mut windows = Windows::of([("q", &source, &output)].into_iter());
        for (minute, name) in [(0, "a"), (0, "b"), (1, "a")] {
            let row = format!(r#"{{"Name":"{name}","At":"2018-03-18 03:2{minute}:00.000","Distance":30,"Text":"x"}}"#);
            windows.take(&output, row.as_bytes(), minute + 1);
        }
        windows.take(&output, b"not a row", 9);
        windows.take(&source, br#"{"At":"2018-03-18 03:20:00.000","Distance":30}"#, 9);
        windows.complete(&source, Timestamp::from_millis(7));
        let all = windows.changes(0, &View::Everything);
        assert_eq!(all[0]["ends"].as_array().expect("two").len(), 2);
        assert_eq!(all[0]["ends"][0]["rows"], 2);
        assert_eq!(all[0]["ends"][0]["columns"], json!({"Distance": [60.0, 30.0, 30.0]}));
        assert_eq!(all[0]["complete_until"], 7);
        assert_eq!(windows.changes(1, &View::Everything)[0]["ends"].as_array().expect("one").len(), 1);
        for n in 0..1000 {
            let row = format!(r#"{{"At":"2018-03-18 {:02}:{:02}:00"}}"#, n / 60, n % 60);
            windows.take(&output, row.as_bytes(), 10);
        }
        assert_eq!(windows.queries[0].ends.len(), ENDS_MAX);
    }
}

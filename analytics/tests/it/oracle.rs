//! The same rows as DataFusion's own `GROUP BY date_bin(..)` over all records at once.

use std::sync::Arc;

use analytics::continuous::bounded::{BoundedOptions, run};
use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use datafusion::arrow::datatypes::{Float64Type, Int64Type};
use datafusion::prelude::SessionContext;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What a query says, and plain SQL for the same: an average of integers is an integer.
const AGGREGATES: [(&str, &str); 9] = [
    ("count(*)", "count(*)"),
    ("sum(\"v\")", "sum(\"v\")"),
    ("min(\"v\")", "min(\"v\")"),
    ("max(\"v\")", "max(\"v\")"),
    ("avg(\"v\")", "sum(\"v\") / count(\"v\")"),
    ("avg(CAST(\"v\" AS DOUBLE))", "avg(\"v\")"),
    ("stddev(\"v\")", "stddev(\"v\")"),
    ("median(\"v\")", "median(\"v\")"),
    ("count(DISTINCT \"v\")", "count(DISTINCT \"v\")"),
];

#[tokio::test]
async fn windowed_results_are_those_of_plain_sql() {
    let (windowed, plain) = (AGGREGATES.map(|pair| pair.0).join(", "), AGGREGATES.map(|pair| pair.1).join(", "));
    for seed in 0..4_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let rows: Vec<(i64, String, i64)> = (0..20_000_i64)
            .map(|i| (1_600_000_000_000 + i * 7, format!("k{}", random.random_range(0..5)), random.random_range(-9..9)))
            .collect();
        let lines: String =
            rows.iter().map(|(at, k, v)| format!("{{\"at\":{at},\"k\":\"{k}\",\"v\":{v}}}\n")).collect();
        let sql = format!(
            "CREATE PUMP p AS INSERT INTO o SELECT STREAM ROWTIME AS e, \"k\", {windowed} FROM s
             GROUP BY STEP(s.ROWTIME BY INTERVAL '10' SECOND), \"k\";"
        );
        let mut output = Vec::new();
        let options = BoundedOptions { time_field: Some("at".into()), ..BoundedOptions::default() };
        run(&sql, lines.as_bytes(), &mut output, options).unwrap();
        let found: Vec<Vec<f64>> = String::from_utf8(output).unwrap().lines().map(numbers).collect();

        let batch = RecordBatch::try_from_iter([
            ("at", Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|r| r.0))) as _),
            ("k", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.1.clone()))) as _),
            ("v", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2))) as _),
        ])
        .unwrap();
        let context = SessionContext::new();
        context.register_batch("s", batch).unwrap();
        let sql = format!(
            "SELECT {plain} FROM s GROUP BY date_bin(INTERVAL '10 seconds', \"at\"), \"k\"
             ORDER BY date_bin(INTERVAL '10 seconds', \"at\"), \"k\""
        );
        let mut expected = Vec::new();
        for batch in context.sql(&sql).await.unwrap().collect().await.unwrap() {
            for row in 0..batch.num_rows() {
                let number = |c: usize| match batch.column(c).as_primitive_opt::<Int64Type>() {
                    Some(integers) => integers.value(row) as f64,
                    None => batch.column(c).as_primitive::<Float64Type>().value(row),
                };
                expected.push((0..batch.num_columns()).map(number).collect::<Vec<f64>>());
            }
        }
        assert_eq!(found.len(), expected.len(), "seed {seed}");
        for (found, expected) in found.iter().zip(&expected) {
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(near && found.len() == expected.len(), "seed {seed}: {found:?} is not {expected:?}");
        }
    }
}

fn numbers(line: &str) -> Vec<f64> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
    object.values().skip(2).map(|value| value.as_f64().unwrap()).collect()
}

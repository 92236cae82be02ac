use std::collections::BTreeMap;

use datafusion::arrow::array::{Float64Array, Int32Array, Int64Array, TimestampMillisecondArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;

use super::value::TIMESTAMP;
use super::*;

/// Rows `(at, key, value)` as a table `t` in batches of three.
fn session_with(rows: &[(i64, i32, i64)]) -> SessionContext {
    let fields = [("at", TIMESTAMP), ("k", DataType::Int32), ("v", DataType::Int64), ("d", DataType::Float64)];
    let schema = Arc::new(Schema::new(fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()));
    let batch = |rows: &[(i64, i32, i64)]| {
        let at: TimestampMillisecondArray = rows.iter().map(|row| Some(row.0)).collect();
        let keys: Int32Array = rows.iter().map(|row| Some(row.1)).collect();
        let values: Int64Array = rows.iter().map(|row| Some(row.2)).collect();
        let doubles: Float64Array = rows.iter().map(|row| Some(row.2 as f64)).collect();
        let columns = vec![Arc::new(at) as _, Arc::new(keys) as _, Arc::new(values) as _, Arc::new(doubles) as _];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let context = session();
    let table = MemTable::try_new(Arc::clone(&schema), vec![rows.chunks(3).map(batch).collect()]).unwrap();
    context.register_table("t", Arc::new(table)).unwrap();
    context
}

#[test]
fn averages_and_deviations() {
    let context = session_with(&[(0, 1, 29), (1, 1, 32), (2, 2, 2), (3, 2, 9), (4, 3, -7), (5, 3, -8)]);
    let check = |select: &str, expected: &[&str]| {
        let found = rows(&context, &format!("SELECT {select} FROM t GROUP BY k ORDER BY k"));
        assert_eq!(found, Ok(expected.iter().map(|text| (*text).to_owned()).collect()), "{select}");
    };
    check("avg(v)", &["30", "5", "-7"]);
    check("avg(DISTINCT v)", &["30", "5", "-7"]);
    check("avg(d)", &["30.5", "5.5", "-7.5"]);
    check("arrow_typeof(avg(k))", &["Int32"; 3]);
    check("arrow_typeof(avg(aws_cast_decimal(v, 5, 2)))", &["Decimal128(9, 6)"; 3]);
    check("var_pop(d)", &["2.25", "12.25", "0.25"]);
    check("std_dev(d) = stddev_samp(d)", &["true"; 3]);
    check("every(v > 5)", &["true", "false", "false"]);
    check("bool_or(v > 5)", &["true", "true", "false"]);
    let alone = |select: &str| rows(&context, &format!("SELECT {select} FROM t WHERE v = 29")).unwrap();
    assert_eq!(alone("stddev_samp(d)"), ["NULL"]);
    assert_eq!(alone("stddev_pop(d)"), ["0.0"]);
    let none = rows(&context, "SELECT avg(v) FROM t WHERE v = 0").unwrap();
    assert_eq!(none, ["NULL"]);
    let refused = rows(&context, "SELECT avg(at) FROM t").unwrap_err();
    assert!(refused.contains("AVG takes numbers, but its argument is TIMESTAMP"), "{refused}");
}

#[test]
fn a_window_slides() {
    let context = session_with(&[(0, 1, 29), (1, 1, 32), (2, 1, 2), (3, 1, 9)]);
    let sql = "SELECT avg(v) OVER (ORDER BY at ROWS 1 PRECEDING) FROM t ORDER BY at";
    assert_eq!(rows(&context, sql), Ok(["29", "30", "17", "5"].map(str::to_owned).to_vec()));
}

fn table() -> impl Strategy<Value = Vec<(i64, i32, i64)>> {
    let value = prop_oneof![-100..100_i64, any::<i64>(), Just(i64::MAX), Just(i64::MIN)];
    prop::collection::vec((0..100_000_i64, 0..3_i32, value), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_integer_average_is_exact(table in table()) {
        let mut groups: BTreeMap<i32, (i128, i128)> = BTreeMap::new();
        for (_, key, value) in &table {
            let group = groups.entry(*key).or_default();
            *group = (group.0 + i128::from(*value), group.1 + 1);
        }
        let expected: Vec<String> = groups.values().map(|(sum, count)| (sum / count).to_string()).collect();
        let found = rows(&session_with(&table), "SELECT avg(v) FROM t GROUP BY k ORDER BY k");
        prop_assert_eq!(found, Ok(expected));
    }

    #[test]
    fn a_decaying_average_is_what_its_formula_says(
        table in prop::collection::vec((0..60_000_i64, 0..1_i32, -100..100_i64), 1..20),
    ) {
        let latest = table.iter().map(|row| row.0).max().unwrap_or(0);
        let weight = |at: i64| (-((latest - at) as f64) / 10_000.0).exp2();
        let weighted: f64 = table.iter().map(|row| row.2 as f64 * weight(row.0)).sum();
        let weights: f64 = table.iter().map(|row| weight(row.0)).sum();
        let found = rows(&session_with(&table), "SELECT aws_exp_avg(v, aws_interval('10', 'SECOND'), at) FROM t").unwrap();
        let found: f64 = found[0].parse().unwrap();
        prop_assert!((found - weighted / weights).abs() < 1e-6, "{} is not {}", found, weighted / weights);
    }
}

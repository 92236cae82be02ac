use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionConfig;
use proptest::prelude::*;

use super::*;

/// A session with a table of rows `(at, key, value)`, in batches of three.
fn session(rows: &[(i64, i64, i64)]) -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3).with_batch_size(4));
    check_integers(&context);
    let schema =
        Arc::new(Schema::new(["at", "key", "value"].map(|name| Field::new(name, DataType::Int64, true)).to_vec()));
    let column = |rows: &[(i64, i64, i64)], of: fn(&(i64, i64, i64)) -> i64| -> Arc<Int64Array> {
        Arc::new(rows.iter().map(of).collect::<Vec<_>>().into())
    };
    let batches: Vec<RecordBatch> = rows
        .chunks(3)
        .map(|rows| {
            let columns = [column(rows, |row| row.0), column(rows, |row| row.1), column(rows, |row| row.2)];
            RecordBatch::try_new(Arc::clone(&schema), columns.map(|column| column as _).to_vec()).expect("it fits")
        })
        .collect();
    let table = MemTable::try_new(schema, vec![batches]).expect("a table");
    context.register_table("t", Arc::new(table)).expect("registered");
    context
}

/// All values of the first columns, or what the query fails with.
fn ask(context: &SessionContext, sql: &str, columns: usize) -> Result<Vec<Vec<Option<i64>>>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let batches =
        runtime.block_on(async { context.sql(sql).await?.collect().await }).map_err(|error| error.to_string())?;
    let rows = batches.iter().flat_map(|batch| {
        let arrays: Vec<_> =
            (0..columns).map(|column| batch.column(column).as_primitive::<Int64Type>().clone()).collect();
        (0..batch.num_rows()).map(move |row| arrays.iter().map(|array| array.iter().nth(row).flatten()).collect())
    });
    Ok(rows.collect())
}

fn extreme() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, 2, 1 << 32, i64::MAX - 1, i64::MAX]),
        1 => any::<i64>(),
        2 => -100..100_i64,
    ]
}

/// Compares totals that may not fit with what was answered.
fn compare(answer: Result<Vec<Vec<Option<i64>>>, String>, expected: &BTreeMap<i64, i128>) -> Result<(), TestCaseError> {
    let fits = expected.values().all(|total| i64::try_from(*total).is_ok());
    match answer {
        Ok(rows) => {
            let found: BTreeMap<i64, i128> =
                rows.iter().map(|row| (row[0].expect("a key"), i128::from(row[1].expect("a total")))).collect();
            prop_assert_eq!(&found, expected);
        }
        Err(error) => prop_assert!(!fits && error.contains("64 bits cannot hold"), "{error}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn operators_give_the_result_or_an_error(left in extreme(), right in extreme(), operator in 0..4_usize) {
        let sql = ["key + value", "key - value", "key * value", "-value + 0 * key"][operator];
        let exact = match operator {
            0 => i128::from(left) + i128::from(right),
            1 => i128::from(left) - i128::from(right),
            2 => i128::from(left) * i128::from(right),
            _ => -i128::from(right),
        };
        let context = session(&[(0, left, right)]);
        for query in [
            format!("SELECT {sql} FROM t"),
            format!("SELECT key FROM t WHERE {sql} = {sql}"),
            format!("SELECT MAX({sql}) FROM t GROUP BY {sql} ORDER BY {sql}"),
        ] {
            match ask(&context, &query, 1) {
                Ok(rows) if query.contains("WHERE") => prop_assert_eq!(rows.len(), 1),
                Ok(rows) => prop_assert_eq!(rows[0][0].map(i128::from), Some(exact)),
                Err(error) => {
                    prop_assert!(i64::try_from(exact).is_err(), "{} is refused: {}", exact, error);
                    prop_assert!(error.contains("verflow"), "{error}");
                }
            }
        }
    }

    #[test]
    fn sums_are_exact_in_any_order(rows in prop::collection::vec((0..4_i64, extreme()), 1..30)) {
        let rows: Vec<_> = (0..).zip(&rows).map(|(at, (key, value))| (at, *key, *value)).collect();
        let context = session(&rows);
        let (mut sums, mut distinct) = (BTreeMap::new(), BTreeMap::<i64, BTreeSet<i64>>::new());
        for (_, key, value) in &rows {
            *sums.entry(*key).or_default() += i128::from(*value);
            distinct.entry(*key).or_default().insert(*value);
        }
        let distinct = distinct.into_iter().map(|(key, of)| (key, of.into_iter().map(i128::from).sum())).collect();
        let total = BTreeMap::from([(0, sums.values().sum())]);
        compare(ask(&context, "SELECT key, SUM(value) FROM t GROUP BY key", 2), &sums)?;
        compare(ask(&context, "SELECT key, SUM(value) FILTER (WHERE at >= 0) FROM t GROUP BY key", 2), &sums)?;
        compare(ask(&context, "SELECT key, SUM(DISTINCT value), COUNT(value) FROM t GROUP BY key", 2), &distinct)?;
        compare(ask(&context, "SELECT 0, SUM(value) FROM t", 2), &total)?;
        let sliding = (0..).zip(&rows).map(|(at, _)| {
            let before = rows.iter().filter(|row| (at - 2..=at).contains(&row.0));
            (at, before.map(|row| i128::from(row.2)).sum())
        });
        let sql = "SELECT at, SUM(value) OVER (ORDER BY at ROWS 2 PRECEDING) FROM t";
        compare(ask(&context, sql, 2), &sliding.collect())?;
    }
}

#[test]
fn columns_keep_their_names_and_sums_of_nothing_are_null() {
    let context = session(&[(0, 1, 2)]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let sql = "SELECT key + value, -value, SUM(key * 2), 1 + 1 AS two FROM t GROUP BY key, value";
    let frame = runtime.block_on(context.sql(sql)).expect("planned");
    let names: Vec<_> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["t.key + t.value", "(- t.value)", "sum(t.key * Int64(2))", "two"]);
    for sql in ["SELECT SUM(value) FROM t WHERE key > 1", "SELECT SUM(DISTINCT value) FROM t WHERE key > 1"] {
        assert_eq!(ask(&context, sql, 1), Ok(vec![vec![None]]), "{sql}");
    }
}

#[test]
fn a_sum_of_decimals_is_exact_or_an_error() {
    const HUGE: &str = "CAST('90000000000000000000000000000000000000' AS DECIMAL(38, 0))";
    const SUM: &str = "CAST('92233720368547758070' AS DECIMAL(38, 18))";
    let rows = |count: i64| session(&(0..count).map(|at| (at, 1, i64::MAX)).collect::<Vec<_>>());
    let value = "CAST(value AS DECIMAL(38, 18))";
    for grouped in ["", " GROUP BY key"] {
        let is_exact = format!("SELECT CASE WHEN SUM({value}) = {SUM} THEN 1 ELSE 0 END AS n FROM t{grouped}");
        assert_eq!(ask(&rows(10), &is_exact, 1), Ok(vec![vec![Some(1)]]));
        let error = ask(&rows(12), &format!("SELECT SUM({value}) FROM t{grouped}"), 1).unwrap_err();
        assert!(
            error.contains("is 110680464442257309684.0") && error.contains("DECIMAL(38, 18) cannot hold"),
            "{error}"
        );
        let error = ask(&rows(2), &format!("SELECT SUM({HUGE}) FROM t{grouped}"), 1).unwrap_err();
        assert!(error.contains("more than 38 digits"), "{error}");
    }
}

//! Streams of sensor datagrams and files of columns as tables.

use std::sync::Arc;

use analytics::adhoc::limits::AdhocLimits;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Int16Array, ListArray, StringArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::record_batch::RecordBatch;
use model::datagram::sensor_stream::SensorStream;
use model::name::StreamName;
use model::stream::shard::ShardId;
use model::stream::store::{StreamOptions, StreamStore};
use model::testing::datagrams::{Engine, engine_datagram, engine_stream};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::fixture::{World, check, check_error, limits};

fn parquet_of(columns: Vec<(&str, ArrayRef)>, row_group_rows: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group_rows)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("into memory");
    writer.write(&batch).expect("into memory");
    writer.into_inner().expect("into memory")
}

async fn sensor_stream(world: &World, name: &str, sensor: SensorStream) -> StreamName {
    let stream = StreamName::new(name).expect("a valid name");
    let options = StreamOptions { sensor: Some(sensor), ..StreamOptions::default() };
    world.store.create(&stream, options).await.expect("create");
    stream
}

fn engine(rpm: u16, site: &'static str) -> Engine {
    Engine { rpm, total: u64::MAX, heat: 1.5, site }
}

#[tokio::test]
async fn a_tail_of_datagrams_is_columns() {
    let world = World::new();
    let stream = sensor_stream(&world, "plant", engine_stream()).await;
    world.put(&stream, "17", engine_datagram(17, 5, &[engine(500, "east"), engine(501, "west")])).await;
    world.put(&stream, "17", "{\"rpm\":1}").await;
    world.put(&stream, "18", engine_datagram(18, 0, &[engine(502, "east")])).await;
    let engine = world.engine();
    let columns = "SELECT source, epoch, seq, time, rpm, total, heat, site FROM plant ORDER BY rpm LIMIT 1";
    let row = r#"{"source":17,"epoch":1,"seq":5,"time":"2023-11-14T22:13:20.000000001Z","rpm":500,"total":18446744073709551615,"heat":1.5,"site":"east"}"#;
    check(&engine, columns, &[row]).await;
    check(&engine, "SELECT MAX(arrived_at) AS at FROM plant", &[r#"{"at":"2026-11-01T02:26:40Z"}"#]).await;
    let sums = "SELECT site, COUNT(*) AS n, SUM(rpm) AS rpm FROM plant GROUP BY site ORDER BY site";
    check(&engine, sums, &[r#"{"site":"east","n":2,"rpm":1002}"#, r#"{"site":"west","n":1,"rpm":501}"#]).await;
    check(&engine, "SELECT COUNT(*) AS n FROM plant WHERE SOURCE = 18", &[r#"{"n":1}"#]).await;
    let types = "DESCRIBE plant";
    check(
        &engine,
        types,
        &[
            r#"{"column_name":"arrived_at","data_type":"TIMESTAMP WITH TIME ZONE"}"#,
            r#"{"column_name":"source","data_type":"BIGINT"}"#,
            r#"{"column_name":"epoch","data_type":"BIGINT"}"#,
            r#"{"column_name":"seq","data_type":"BIGINT UNSIGNED"}"#,
            r#"{"column_name":"time","data_type":"TIMESTAMP WITH TIME ZONE"}"#,
            r#"{"column_name":"rpm","data_type":"BIGINT"}"#,
            r#"{"column_name":"total","data_type":"BIGINT UNSIGNED"}"#,
            r#"{"column_name":"heat","data_type":"DOUBLE"}"#,
            r#"{"column_name":"site","data_type":"VARCHAR"}"#,
        ],
    )
    .await;
}

#[tokio::test]
async fn a_stream_of_datagrams_has_its_columns_before_the_first_one_comes() {
    let world = World::new();
    sensor_stream(&world, "plant", engine_stream()).await;
    let engine = world.engine();
    check(&engine, "SELECT source, rpm, site FROM plant", &[]).await;
    check(&engine, "SELECT COUNT(*) AS n, SUM(rpm) AS rpm FROM plant", &[r#"{"n":0,"rpm":null}"#]).await;
    let missing = "line 1, column 8: column `speed` does not exist; the columns are `arrived_at`, `epoch`, `heat`, `rpm`, \
                   `seq`, `site`, `source`, `time`, `total`";
    check_error(&engine, "SELECT speed FROM plant", missing).await;
}

#[tokio::test]
async fn archived_columns_and_the_tail_behind_them_are_one_table() {
    let world = World::new();
    let stream = sensor_stream(&world, "plant", engine_stream()).await;
    for number in 0..6_u16 {
        world.put(&stream, "17", engine_datagram(17, u64::from(number), &[engine(number, "east")])).await;
    }
    // The first four as an archive has them.
    let times = TimestampNanosecondArray::from(vec![1_700_000_000_000_000_001; 4]).with_timezone("UTC");
    let arrived_at = TimestampMillisecondArray::from(vec![1_793_500_000_000; 4]).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("arrived_at", Arc::new(arrived_at)),
        ("source", Arc::new(datafusion::arrow::array::UInt32Array::from(vec![17; 4]))),
        ("seq", Arc::new(UInt64Array::from(vec![0, 1, 2, 3]))),
        ("time", Arc::new(times)),
        ("rpm", Arc::new(datafusion::arrow::array::UInt16Array::from(vec![0, 1, 2, 3]))),
        ("heat", Arc::new(Float32Array::from(vec![1.5; 4]))),
    ];
    let (first, last) = (0, 3);
    let name = format!("plant/dt=2026-11-01/hour=03/{}-{first:020}-{last:020}.parquet", ShardId(0));
    world.file(&name, &parquet_of(columns, 3));
    let sums = "SELECT COUNT(*) AS n, SUM(rpm) AS rpm, SUM(heat) AS heat, MIN(seq) AS first, MAX(seq) AS last, COUNT(site) AS sites FROM plant";
    let expected = [r#"{"n":6,"rpm":15,"heat":9.0,"first":0,"last":5,"sites":2}"#];
    check(&world.engine(), sums, &expected).await;
    check(&world.engine_over_objects(), sums, &expected).await;
    check(&world.archive_engine(), "SELECT COUNT(*) AS n, SUM(rpm) AS rpm FROM plant", &[r#"{"n":4,"rpm":6}"#]).await;
    check(&world.engine(), "SELECT COUNT(*) AS n FROM plant", &[r#"{"n":6}"#]).await;
}

#[tokio::test]
async fn files_of_columns_that_others_wrote_are_tables_too() {
    let world = World::new();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("name", Arc::new(StringArray::from(vec![Some("a"), None]))),
        ("ok", Arc::new(BooleanArray::from(vec![true, false]))),
        ("n", Arc::new(Int16Array::from(vec![Some(-1), None]))),
        ("day", Arc::new(Date32Array::from(vec![0, 1]))),
    ];
    // No ending says what it is.
    world.file("rides/part-0", &parquet_of(columns, 10));
    world.file("rides/more.json", b"{\"name\":\"b\",\"n\":2.5}\n");
    let all = "SELECT name, ok, n, day FROM rides ORDER BY n NULLS LAST";
    let expected = [
        r#"{"name":"a","ok":true,"n":-1.0,"day":"1970-01-01T00:00:00Z"}"#,
        r#"{"name":"b","ok":null,"n":2.5,"day":null}"#,
        r#"{"name":null,"ok":false,"n":null,"day":"1970-01-02T00:00:00Z"}"#,
    ];
    check(&world.archive_engine(), all, &expected).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_by_name() {
    let world = World::new();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)])]);
    world.file("nested/a.parquet", &parquet_of(vec![("items", Arc::new(list))], 10));
    let error = check_nested(&world).await;
    assert!(error.contains("column `items` of `nested/a.parquet` is List"), "{error}");
    let whole = parquet_of(vec![("n", Arc::new(Int16Array::from(vec![1])))], 10);
    world.file("torn/a.parquet", &whole[..whole.len() - 3]);
    let engine = world.engine_with(AdhocLimits { ..limits() });
    let torn = engine_error(&engine, "SELECT * FROM torn").await;
    assert!(torn.starts_with("reading `torn/a.parquet`, which should be a Parquet file"), "{torn}");
    world.file("gone/a.parquet", b"PAR1");
    let gone = engine_error(&engine, "SELECT * FROM gone").await;
    assert!(gone.starts_with("reading `gone/a.parquet`"), "{gone}");
}

async fn check_nested(world: &World) -> String {
    engine_error(&world.archive_engine(), "SELECT * FROM nested").await
}

async fn engine_error(engine: &analytics::adhoc::engine::AdhocEngine, sql: &str) -> String {
    crate::fixture::lines(engine, sql).await.expect_err(sql).to_string()
}

#[tokio::test]
async fn a_value_that_its_column_cannot_hold_is_no_silent_null() {
    let world = World::new();
    let big: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    world.file("mixed/a.parquet", &parquet_of(vec![("n", big)], 10));
    world.file("mixed/b.json", b"{\"n\":1}\n");
    let message = "reading column `n` as Int64: Cast error: Can't cast value 18446744073709551615 to type Int64";
    check_error(&world.archive_engine(), "SELECT n FROM mixed", message).await;
}

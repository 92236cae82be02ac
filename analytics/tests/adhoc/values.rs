//! What JSON becomes in columns, and columns in JSON.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use model::stream::shard::ShardId;
use parquet::arrow::ArrowWriter;

use crate::fixture::{Packing, World, check, lines};

#[tokio::test(flavor = "multi_thread")]
async fn columns_widen_over_objects_and_tail() {
    let world = World::new();
    world.file("s/a.json", b"{\"n\":1,\"mixed\":1}\n{\"n\":2}\n");
    world.file("s/b.json", b"{\"n\":0.5,\"mixed\":\"one\"}");
    let stream = world.stream("s", 1).await;
    world.put(&stream, "k", r#"{"late":true,"mixed":{"a": [1]}}"#).await;
    let engine = world.engine();
    check(
        &engine,
        "DESCRIBE s",
        &[
            r#"{"column_name":"n","data_type":"DOUBLE"}"#,
            r#"{"column_name":"mixed","data_type":"VARCHAR"}"#,
            r#"{"column_name":"late","data_type":"BOOLEAN"}"#,
        ],
    )
    .await;
    check(&engine, "SELECT count(n) AS n, sum(n) AS s, count(late) AS l FROM s", &[r#"{"n":3,"s":3.5,"l":1}"#]).await;
    check(
        &engine,
        "SELECT mixed FROM s ORDER BY mixed",
        &[r#"{"mixed":"1"}"#, r#"{"mixed":"one"}"#, r#"{"mixed":"{\"a\": [1]}"}"#, r#"{"mixed":null}"#],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_have_every_column_in_order_and_exact_numbers() {
    let world = World::new();
    world.file("s/a.json", "{\"z\":9007199254740993,\"a\":null,\"Ü\":\"é\\n\\\"\"}\n\n{\"b\":0.1}\n".as_bytes());
    let engine = world.archive_engine();
    check(
        &engine,
        "SELECT * FROM s ORDER BY z",
        &[r#"{"z":9007199254740993,"a":null,"Ü":"é\n\"","b":null}"#, r#"{"z":null,"a":null,"Ü":null,"b":0.1}"#],
    )
    .await;
    check(&engine, "SELECT CAST('2018-03-18T03:20:00Z' AS TIMESTAMP) AS at", &[r#"{"at":"2018-03-18T03:20:00"}"#])
        .await;
}

/// Records of a stream `s`, of which the first ones are archived, in a format of lines.
async fn check_ids(archived: usize, records: &[&str], column_type: &str, queries: &[(&str, &[&str])]) {
    let world = World::new();
    let stream = world.stream("s", 1).await;
    for record in records {
        world.put(&stream, "k", (*record).to_owned()).await;
    }
    let taken = world.records(&stream, ShardId(0), None, records.len()).await;
    world.archive(&stream, ShardId(0), &taken[..archived], Packing::Plain);
    let engine = world.engine();
    let column = format!(r#"{{"column_name":"id","data_type":"{column_type}"}}"#);
    check(&engine, "DESCRIBE s", &[&column]).await;
    for (sql, rows) in queries {
        check(&engine, sql, rows).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_stay_what_they_are_beside_fractions() {
    let records = [r#"{"id":9007199254740993}"#, r#"{"id":9007199254740992}"#, r#"{"id":1.5}"#, r#"{"id":-20}"#];
    let ids = [r#"{"id":-20}"#, r#"{"id":1.5}"#, r#"{"id":9007199254740992}"#, r#"{"id":9007199254740993}"#];
    for archived in [0, 1, 2, 4] {
        let queries: [(&str, &[&str]); 6] = [
            ("SELECT id FROM s ORDER BY id", &ids),
            ("SELECT id FROM s WHERE id = 9007199254740993", &ids[3..]),
            ("SELECT id FROM s WHERE id = 1.5", &ids[1..2]),
            ("SELECT COUNT(DISTINCT id) AS n FROM s", &[r#"{"n":4}"#]),
            ("SELECT id FROM (SELECT id, COUNT(*) AS n FROM s GROUP BY id) ORDER BY id", &ids),
            ("SELECT MAX(id) AS id FROM s WHERE id < 9007199254740993", &ids[2..3]),
        ];
        check_ids(archived, &records, "DECIMAL(38, 1)", &queries).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_beyond_64_bits_are_exact_or_text() {
    for archived in [0, 1, 3] {
        let records = [r#"{"id":18446744073709551616}"#, r#"{"id":-9223372036854775809}"#, r#"{"id":7}"#];
        let ids = [r#"{"id":-9223372036854775809}"#, r#"{"id":7}"#, r#"{"id":18446744073709551616}"#];
        check_ids(archived, &records, "DECIMAL(38, 0)", &[("SELECT id FROM s ORDER BY id", &ids)]).await;
        let long = "123456789012345678901234567890123456789";
        let records = [format!(r#"{{"id":{long}}}"#), r#"{"id":1.50}"#.to_owned(), r#"{"id":null}"#.to_owned()];
        let ids = [r#"{"id":"1.50"}"#, &format!(r#"{{"id":"{long}"}}"#), r#"{"id":null}"#];
        let records = [records[0].as_str(), &records[1], &records[2]];
        check_ids(archived, &records, "VARCHAR", &[("SELECT id FROM s ORDER BY id NULLS LAST", &ids)]).await;
    }
}

/// A Parquet file of one column.
fn parquet(name: &str, values: ArrayRef) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter([(name, values)]).expect("one column");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("into memory");
    writer.write(&batch).expect("into memory");
    writer.into_inner().expect("into memory")
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_of_parquet_stay_what_they_are_beside_fractions() {
    let world = World::new();
    world.file("s/a.parquet", &parquet("id", Arc::new(Int64Array::from(vec![9_007_199_254_740_993, 3]))));
    world.file("s/b.json", b"{\"id\":1.5}\n");
    let ids = [r#"{"id":1.5}"#, r#"{"id":3}"#, r#"{"id":9007199254740993}"#];
    check(&world.archive_engine(), "SELECT id FROM s ORDER BY id", &ids).await;
    check(&world.archive_engine(), "SELECT id FROM s WHERE id = 9007199254740993", &ids[2..]).await;
    let world = World::new();
    world.file("s/a.parquet", &parquet("id", Arc::new(Int64Array::from(vec![-7, 3]))));
    world.file("s/b.parquet", &parquet("id", Arc::new(Float64Array::from(vec![0.5]))));
    check(&world.archive_engine(), "SELECT SUM(id) AS n FROM s", &[r#"{"n":-3.5}"#]).await;
    world.file("s/c.parquet", &parquet("id", Arc::new(Int64Array::from(vec![i64::MAX]))));
    let ids = [r#"{"id":"-7"}"#, r#"{"id":"0.5"}"#, r#"{"id":"3"}"#, r#"{"id":"9223372036854775807"}"#];
    check(&world.archive_engine(), "SELECT id FROM s ORDER BY id", &ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_object_of_a_record_is_a_row() {
    let world = World::new();
    let stream = world.stream("s", 1).await;
    let packed = Packing::Gzip.pack(b"\xef\xbb\xbf{\"n\":32}\r\n{\"n\":64}\r\n");
    let records: [&[u8]; 8] = [
        b"{\"n\":1}\n{\"n\":2}",
        b"{\"n\":4}{\"n\":8}\r\n",
        b"\xef\xbb\xbf{\"n\":16}",
        &packed,
        b"",
        b" \r\n",
        b"{\"n\":1000} [2000]",
        &packed[..packed.len() - 9],
    ];
    for record in records {
        world.put(&stream, "k", record.to_vec()).await;
    }
    let taken = world.records(&stream, ShardId(0), None, records.len()).await;
    let rows: &[&str] = &[r#"{"rows":7,"sum":127}"#];
    check(&world.engine(), "SELECT COUNT(*) AS rows, SUM(n) AS sum FROM s", rows).await;
    world.archive(&stream, ShardId(0), &taken, Packing::Zstd);
    check(&world.engine(), "SELECT COUNT(*) AS rows, SUM(n) AS sum FROM s", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_may_have_any_packing_any_name_and_any_depth() {
    let world = World::new();
    for (i, packing) in Packing::ALL.into_iter().enumerate() {
        world.file(&format!("s/2026/11/01/03/s-1-2026-11-01-03-20-0{i}-uuid"), &packing.pack(b"{\"i\":1}\n{\"i\":2}"));
        world.file(&format!("s/x.{}", packing.suffix()), &packing.pack(b"{\"i\":3}{\"i\":4}\n"));
    }
    let twice = [Packing::Gzip.pack(b"{\"i\":5}\n"), Packing::Gzip.pack(b"{\"i\":6}\n")].concat();
    world.file("s/twice.gz", &twice);
    world.file("s/_SUCCESS", b"no JSON");
    world.file(".tmp/7-3", b"no JSON");
    world.file("errors/s/x.json", b"{\"no\":\"table\"}");
    let engine = world.archive_engine();
    check(&engine, "SELECT count(*) AS n, sum(i) AS s FROM s", &[r#"{"n":14,"s":41}"#]).await;
    check(&engine, "SHOW TABLES", &[r#"{"table_name":"s"}"#]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_named_as_a_folder_of_the_archive_has_only_its_own_records() {
    let world = World::new();
    for name in ["errors", "conflicts", ".tmp"] {
        world.file(&format!("{name}/s/dt=2026-11-01/hour=03/x.json"), b"{\"of\":\"another\"}");
        let stream = world.stream(name, 1).await;
        world.put(&stream, "k", r#"{"own":1}"#).await;
    }
    for engine in [world.engine(), world.engine_over_objects()] {
        for name in ["errors", "conflicts", ".tmp"] {
            check(&engine, &format!("SELECT count(*) AS n, sum(own) AS own FROM \"{name}\""), &[r#"{"n":1,"own":1}"#])
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_an_error_that_names_the_place() {
    let world = World::new();
    world.file("s/a.json", b"{\"i\":1}\n{\"i\":\n");
    let error = lines(&world.archive_engine(), "SELECT count(*) FROM s").await.expect_err("damaged");
    assert!(error.message.starts_with("line 2 of `s/a.json` is not JSON"), "{error}");
    let world = World::new();
    let packed = Packing::Gzip.pack(b"{\"i\":1}\n");
    world.file("s/a.json.gz", &packed[..packed.len() - 4]);
    let error = lines(&world.archive_engine(), "SELECT count(*) FROM s").await.expect_err("cut off");
    assert!(error.message.starts_with("reading `s/a.json.gz`"), "{error}");
}

//! What JSON becomes in columns, and columns in JSON.

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

//! Sensor datagrams to archive and table: columns, in files that are the same each time they are written.

use bytes::Bytes;
use model::archive::store::Archive;
use model::flow::destination::SensorFormat;
use model::name::TableName;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use model::stream::sequence_number::SequenceNumber;
use model::stream::settings::StreamSettings;
use model::stream::shard::ShardId;
use model::stream::store::{ReadLimit, StreamStore};
use model::table::store::{ItemKey, KeyAttribute, KeyType, KeyValue, TableSchema, TableStore};
use model::testing::datagrams::{Engine, engine_datagram, engine_stream};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sinks::delivery::options::DeliveryOptions;
use sinks::object::parquet::{pack, same_rows};

use crate::world::World;

fn options() -> DeliveryOptions {
    DeliveryOptions { seed: Some(1), ..DeliveryOptions::for_archive() }
}

fn engine(rpm: u16) -> Engine {
    Engine { rpm, total: u64::MAX - u64::from(rpm), heat: 0.5, site: "east" }
}

async fn sensor_world() -> World {
    let world = World::new(1, 1).await;
    let from = world.store.describe(&world.stream).await.unwrap().settings.clone();
    let to = StreamSettings { sensor: Some(engine_stream()), ..from.clone() };
    world.store.alter(&world.stream, &from, to).await.unwrap();
    world
}

async fn put(world: &World, key: &str, data: impl Into<Bytes>) {
    let entry = PutEntry::new(PartitionKey::new(key.to_owned()).unwrap(), data);
    assert!(world.store.append(&world.stream, vec![entry]).await.unwrap().results[0].is_ok());
}

/// Rows of a file as text: one a line, columns separated by blanks.
fn rows(file: Bytes) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut lines = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let show = arrow::util::display::ArrayFormatter::try_new;
        let options = arrow::util::display::FormatOptions::new();
        let columns: Vec<_> = batch.columns().iter().map(|column| show(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" "));
        }
    }
    lines
}

#[tokio::test]
async fn datagrams_become_rows_of_parquet_and_what_is_none_a_dead_letter() {
    let world = sensor_world().await;
    put(&world, "17", engine_datagram(17, 5, &[engine(500), engine(501)])).await;
    put(&world, "17", "{\"n\":1}").await;
    put(&world, "18", engine_datagram(18, 0, &[engine(502)])).await;
    let delivery = world.to_archive(options());
    let status = delivery.status();
    world.run_to_the_end(delivery).await;
    let names: Vec<String> =
        world.archive.list("").await.unwrap().into_iter().map(|object| object.name.as_str().to_owned()).collect();
    let stem = "wildrydes/dt=2026-11-01/hour=03/shardId-000000000000-00000000000000000000-00000000000000000002";
    assert_eq!(names, [format!("errors/{stem}.json.zst"), format!("{stem}.parquet")]);
    assert_eq!(world.dead_letters().await, ["{\"n\":1}"]);
    let name = model::archive::store::ObjectName::new(format!("{stem}.parquet")).unwrap();
    let measured = "2023-11-14T22:13:20.000000001Z";
    let at = "2026-11-01T03:59:59Z";
    let expected = [
        format!("{at} 17 1 5 {measured} 500 18446744073709551115 0.5 east"),
        format!("{at} 17 1 6 {measured} 501 18446744073709551114 0.5 east"),
        format!("{at} 18 1 0 {measured} 502 18446744073709551113 0.5 east"),
    ];
    assert_eq!(rows(world.archive.get(&name, None).await.unwrap()), expected);
    assert_eq!((status.get().delivered_records, status.get().dead_letters), (3, 1));
}

#[tokio::test]
async fn lines_are_written_where_they_are_asked_for() {
    let world = sensor_world().await;
    put(&world, "17", engine_datagram(17, 5, &[engine(500), engine(501)])).await;
    world.run_to_the_end(world.to_archive(DeliveryOptions { sensor_format: SensorFormat::Json, ..options() })).await;
    let lines = world.lines("wildrydes/").await;
    assert_eq!(lines.len(), 2);
    assert!(
        lines[1].starts_with(r#"{"source":17,"epoch":1,"seq":6,"time":"2023-11-14T22:13:20.000000001Z","rpm":501,"#)
    );
}

#[tokio::test]
async fn the_same_records_make_the_same_file() {
    let world = sensor_world().await;
    for source in 0..300_u64 {
        let records: Vec<Engine> = (0..50).map(|rpm| engine(rpm * 7 + source as u16)).collect();
        put(&world, &source.to_string(), engine_datagram(source as u32, source * 50, &records)).await;
    }
    let all = ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX, wait: false };
    let records = world.store.read(&world.stream, ShardId(0), SequenceNumber::FIRST, all).await.unwrap().records;
    let packed = pack(&engine_stream(), &records).unwrap();
    assert_eq!((packed.rows, packed.unfit.len()), (15_000, 0));
    assert_eq!(pack(&engine_stream(), &records).unwrap().file, packed.file);
    assert!(packed.file.len() * 4 < 15_000 * 18, "{} bytes", packed.file.len());
    let fewer = pack(&engine_stream(), &records[1..]).unwrap();
    assert!(same_rows(&packed.file, &packed.file) && !same_rows(&packed.file, &fewer.file));
    assert!(!same_rows(&packed.file, b"no file of columns"));
    assert!(pack(&engine_stream(), &[]).unwrap().file.is_empty());
}

#[tokio::test]
async fn a_table_takes_each_sensor_record_as_an_item() {
    let world = sensor_world().await;
    let partition_key = KeyAttribute { name: "site".into(), key_type: KeyType::String };
    let table = TableName::new("engines").unwrap();
    let schema = TableSchema { name: table.clone(), partition_key, sort_key: None };
    world.tables.create(schema).await.unwrap();
    let world = World { table: table.clone(), ..world };
    let at = |rpm, site| Engine { site, total: 1, ..engine(rpm) };
    put(&world, "17", engine_datagram(17, 5, &[at(500, "east"), at(501, "west"), at(502, "east")])).await;
    world.run_to_the_end(world.to_table(DeliveryOptions { seed: Some(1), ..DeliveryOptions::for_table() })).await;
    let key = |site: &str| ItemKey { partition: KeyValue::String(site.into()), sort: None };
    for (site, rpm) in [("east", "502"), ("west", "501")] {
        let item = world.tables.get(&table, &key(site)).await.unwrap().expect("an item");
        assert_eq!(item.item["rpm"].to_string(), rpm, "{site}");
    }
}

//! Tables in DynamoDB keep what every table promises, and do step by random step what the ones in memory do.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::clock::{Clock, Timestamp};
use model::name::TableName;
use model::table::json::read_item;
use model::table::number::Number;
use model::table::store::{
    ItemKey, KeyAttribute, KeyType, KeyValue, Order, PutCondition, Query, TableError, TableSchema, TableStore,
    VersionedItem,
};
use model::testing::clock::ManualClock;
use model::testing::conformance;
use model::testing::memory_table::MemoryTables;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use sinks::table::dynamodb::{DynamoOptions, DynamoTableOptions, DynamoTables};

use crate::world::{dynamodb, dynamodb_url, tables_at};

fn name(name: &str) -> TableName {
    TableName::new(name).unwrap()
}

fn schema(table: &str, sort_type: KeyType) -> TableSchema {
    TableSchema {
        name: name(table),
        partition_key: KeyAttribute { name: "name".into(), key_type: KeyType::String },
        sort_key: Some(KeyAttribute { name: "at".into(), key_type: sort_type }),
    }
}

fn with(table: &str, particular: DynamoTableOptions) -> DynamoOptions {
    DynamoOptions { tables: BTreeMap::from([(name(table), particular)]), ..tables_at(dynamodb_url()) }
}

fn item(at: impl Into<serde_json::Value>, value: serde_json::Value, version: u64) -> VersionedItem {
    let at = at.into();
    let item = json!({"name": "a", "at": at, "value": value}).to_string();
    VersionedItem { item: read_item(item.as_bytes()).unwrap(), version }
}

fn all(limit: usize) -> Query {
    let partition = KeyValue::String("a".to_owned());
    Query { partition, from: None, to: None, order: Order::Asc, limit, after: None }
}

#[tokio::test]
async fn keeps_the_promises_of_tables() {
    conformance::table_store(&dynamodb().await).await;
}

#[tokio::test]
async fn does_what_the_one_in_memory_does() {
    for seed in 0..3 {
        let random = &mut SmallRng::seed_from_u64(seed);
        let (memory, real) = (MemoryTables::default(), dynamodb().await);
        let schema = schema("table", KeyType::Number);
        let table = &schema.name;
        memory.create(schema.clone()).await.unwrap();
        real.create(schema.clone()).await.unwrap();
        for step in 0..150 {
            let at = format!("seed {seed}, step {step}");
            match random.random_range(0..20) {
                0..6 => {
                    let items: Vec<_> = (0..random.random_range(0..6)).map(|_| random_item(random)).collect();
                    memory.put(table, items.clone()).await.unwrap();
                    real.put(table, items).await.unwrap();
                }
                6..8 => {
                    let item = random_item(random);
                    let version = random.random_range(0..5);
                    let condition =
                        if random.random() { PutCondition::Absent } else { PutCondition::VersionIs(version) };
                    let expected = memory.put_if(table, item.clone(), condition).await.unwrap();
                    assert_eq!(real.put_if(table, item, condition).await.unwrap(), expected, "{at}");
                }
                8 => {
                    let keys = vec![random_key(random), random_key(random)];
                    memory.delete(table, keys.clone()).await.unwrap();
                    real.delete(table, keys).await.unwrap();
                }
                9..13 => {
                    let key = random_key(random);
                    let expected = memory.get(table, &key).await.unwrap();
                    assert_eq!(real.get(table, &key).await.unwrap(), expected, "{at}");
                }
                _ => {
                    let query = random_query(random);
                    let expected = memory.query(table, query.clone()).await.unwrap();
                    let found = real.query(table, query.clone()).await;
                    let found = found.unwrap_or_else(|error| panic!("{at}: {query:?}: {error:?}"));
                    assert_eq!(found, expected, "{at}: {query:?}");
                }
            }
        }
    }
}

fn partition(random: &mut SmallRng) -> String {
    ["a", "a\0", "é"][random.random_range(0..3)].to_owned()
}

fn sort(random: &mut SmallRng) -> f64 {
    [-3.5, -1.0, 0.0, 1e-9, 2.0, 10.0, 1e20][random.random_range(0..7)]
}

fn number(value: f64) -> KeyValue {
    KeyValue::Number(Number::from(&serde_json::Number::from_f64(value).unwrap()))
}

fn random_key(random: &mut SmallRng) -> ItemKey {
    ItemKey { partition: KeyValue::String(partition(random)), sort: Some(number(sort(random))) }
}

fn random_item(random: &mut SmallRng) -> VersionedItem {
    let item = json!({"at": sort(random), "value": random.random::<f64>(), "name": partition(random), "none": null});
    VersionedItem { item: read_item(item.to_string().as_bytes()).unwrap(), version: random.random_range(0..5) }
}

fn random_query(random: &mut SmallRng) -> Query {
    let partition = KeyValue::String(partition(random));
    let mut bound = || random.random::<bool>().then(|| number(sort(random)));
    let (from, to) = (bound(), bound());
    let after = bound().map(|sort| ItemKey { partition: partition.clone(), sort: Some(sort) });
    let order = if random.random() { Order::Asc } else { Order::Desc };
    Query { partition, from, to, order, limit: random.random_range(1..5), after }
}

#[tokio::test]
async fn final_rows_go_in_batches_and_pages_go_over_answers_of_a_megabyte() {
    let particular = DynamoTableOptions { final_rows: true, ttl_attribute: None };
    let tables = DynamoTables::open(Arc::new(model::clock::SystemClock), with("final", particular)).await;
    let schema = schema("final", KeyType::Number);
    tables.create(schema.clone()).await.unwrap();
    // 60 times 30 KB: three batches, and more than one answer holds.
    let padding = "x".repeat(30_000);
    let items: Vec<_> = (0..60).map(|at| item(at, json!([at, padding]), 1)).collect();
    let twice = items.iter().chain(&items[..5]).cloned().collect();
    tables.put(&schema.name, twice).await.unwrap();
    let page = tables.query(&schema.name, all(59)).await.unwrap();
    assert_eq!((page.items.len(), page.next.is_some()), (59, true));
    let rest = tables.query(&schema.name, Query { after: page.next, ..all(59) }).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    let found: Vec<_> = page.items.into_iter().chain(rest.items).collect();
    assert!(found.iter().zip(&items).all(|(found, put)| *found == put.item));
    let keys = items.iter().map(|item| schema.key_of(&item.item).unwrap()).collect();
    tables.delete(&schema.name, keys).await.unwrap();
    assert!(tables.scan(&schema.name, None, 100).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn expired_items_are_not_found_even_before_they_are_removed() {
    let now = 1_793_505_599;
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(now * 1000)));
    let particular = DynamoTableOptions { final_rows: false, ttl_attribute: Some("value".to_owned()) };
    let options = with("ttl", particular.clone());
    let tables = DynamoTables::open(clock.clone() as Arc<dyn Clock>, options.clone()).await;
    let schema = schema("ttl", KeyType::String);
    tables.create(schema.clone()).await.unwrap();
    tables.create(schema.clone()).await.unwrap();
    let items = vec![item("1", json!(now), 1), item("2", json!(now + 10), 1), item("3", json!("never"), 1)];
    tables.put(&schema.name, items).await.unwrap();
    for (seconds, there) in [(0, 2), (10, 1)] {
        clock.advance(std::time::Duration::from_secs(seconds));
        assert_eq!(tables.query(&schema.name, all(10)).await.unwrap().items.len(), there);
        let page = tables.query(&schema.name, all(1)).await.unwrap();
        assert_eq!((page.items.len(), page.next.is_some()), (1, there > 1));
    }
    let gone = ItemKey { partition: KeyValue::String("a".to_owned()), sort: Some(KeyValue::String("1".to_owned())) };
    assert_eq!(tables.get(&schema.name, &gone).await.unwrap(), None);
    // Another attribute would need the first to be given up: that is for people to decide.
    let by_at = DynamoTableOptions { ttl_attribute: Some("at".to_owned()), ..particular };
    let other = DynamoOptions { tables: BTreeMap::from([(name("ttl"), by_at)]), ..options };
    let error = DynamoTables::open(clock, other).await.create(schema).await.unwrap_err();
    assert!(
        matches!(&error, TableError::Backend { source, .. } if source.to_string().contains("`value`")),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_kept_refuses_the_whole_batch() {
    let tables = dynamodb().await;
    let schema = schema("refused", KeyType::String);
    tables.create(schema.clone()).await.unwrap();
    let batch = vec![item("1", json!(1), 1), item("2", json!(1e300), 1)];
    let error = tables.put(&schema.name, batch).await.unwrap_err();
    assert!(error.to_string().contains("`value`"), "{error}");
    assert!(tables.scan(&schema.name, None, 10).await.unwrap().items.is_empty());
    let nobody = DynamoTables::open(Arc::new(model::clock::SystemClock), tables_at("http://127.0.0.1:1")).await;
    let error = nobody.list().await.unwrap_err();
    assert!(matches!(error, TableError::Unavailable { .. }), "{error:?}");
}

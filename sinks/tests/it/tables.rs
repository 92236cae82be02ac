//! The embedded table against the one in memory, step by random step, with the file closed and opened in between.

use model::name::TableName;
use model::table::json::read_item;
use model::table::number::Number;
use model::table::store::{
    ItemKey, KeyAttribute, KeyType, KeyValue, Order, PutCondition, Query, TableSchema, TableStore, VersionedItem,
};
use model::testing::memory_table::MemoryTables;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use sinks::table::embedded::store::EmbeddedTables;

const SEEDS: u64 = 4;
const STEPS: usize = 250;

fn partition(random: &mut SmallRng) -> String {
    ["a", "a\0", "b", "é"][random.random_range(0..4)].to_owned()
}

fn sort(random: &mut SmallRng) -> f64 {
    [-3.5, -1.0, 0.0, 1e-9, 2.0, 10.0, 1e20][random.random_range(0..7)]
}

fn number(value: f64) -> KeyValue {
    KeyValue::Number(Number::from(&serde_json::Number::from_f64(value).unwrap()))
}

fn key(random: &mut SmallRng) -> ItemKey {
    ItemKey { partition: KeyValue::String(partition(random)), sort: Some(number(sort(random))) }
}

fn item(random: &mut SmallRng) -> VersionedItem {
    let item = json!({"at": sort(random), "value": random.random::<f64>(), "name": partition(random)});
    VersionedItem { item: read_item(item.to_string().as_bytes()).unwrap(), version: random.random_range(0..5) }
}

fn query(random: &mut SmallRng) -> Query {
    let partition = partition(random);
    let bound = |random: &mut SmallRng| random.random::<bool>().then(|| number(sort(random)));
    let after = random.random::<bool>().then(|| number(sort(random)));
    Query {
        from: bound(random),
        to: bound(random),
        order: if random.random() { Order::Asc } else { Order::Desc },
        limit: random.random_range(1..5),
        after: after.map(|sort| ItemKey { partition: KeyValue::String(partition.clone()), sort: Some(sort) }),
        partition: KeyValue::String(partition),
    }
}

#[tokio::test]
async fn the_embedded_table_does_what_the_one_in_memory_does() {
    for seed in 0..SEEDS {
        let mut random = SmallRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tables.redb");
        let memory = MemoryTables::default();
        let mut embedded = EmbeddedTables::open(&path).unwrap();
        let table = TableName::new("t").unwrap();
        let schema = TableSchema {
            name: table.clone(),
            partition_key: KeyAttribute { name: "name".into(), key_type: KeyType::String },
            sort_key: Some(KeyAttribute { name: "at".into(), key_type: KeyType::Number }),
        };
        memory.create(schema.clone()).await.unwrap();
        embedded.create(schema).await.unwrap();
        for step in 0..STEPS {
            match random.random_range(0..20) {
                0..5 => {
                    let items: Vec<_> = (0..random.random_range(0..6)).map(|_| item(&mut random)).collect();
                    memory.put(&table, items.clone()).await.unwrap();
                    embedded.put(&table, items).await.unwrap();
                }
                5..7 => {
                    let item = item(&mut random);
                    let condition = if random.random() {
                        PutCondition::Absent
                    } else {
                        PutCondition::VersionIs(random.random_range(0..5))
                    };
                    let expected = memory.put_if(&table, item.clone(), condition).await.unwrap();
                    let found = embedded.put_if(&table, item, condition).await.unwrap();
                    assert_eq!(found, expected, "seed {seed}, step {step}");
                }
                7 => {
                    let keys = vec![key(&mut random), key(&mut random)];
                    memory.delete(&table, keys.clone()).await.unwrap();
                    embedded.delete(&table, keys).await.unwrap();
                }
                8 => {
                    drop(embedded);
                    embedded = EmbeddedTables::open(&path).unwrap();
                }
                9..13 => {
                    let key = key(&mut random);
                    let expected = memory.get(&table, &key).await.unwrap();
                    assert_eq!(embedded.get(&table, &key).await.unwrap(), expected, "seed {seed}, step {step}");
                }
                _ => {
                    let query = query(&mut random);
                    let expected = memory.query(&table, query.clone()).await.unwrap();
                    let found = embedded.query(&table, query.clone()).await.unwrap();
                    assert_eq!(found, expected, "seed {seed}, step {step}: {query:?}");
                }
            }
        }
    }
}

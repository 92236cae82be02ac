//! Stream to table: upserts by key, dead letters for what is no item.

use model::table::store::{ItemKey, KeyValue, TableStore};
use serde_json::json;
use sinks::delivery::options::DeliveryOptions;

use crate::world::World;

#[tokio::test]
async fn the_last_record_of_a_key_stays_and_bad_ones_hold_up_nobody() {
    let world = World::new(1, 2).await;
    world
        .put(&[
            ("Shadowfax", r#"{"Name":"Shadowfax","n":1}"#),
            ("Rocinante", r#"{"Name":"Rocinante","n":2,"none":null}"#),
            ("Rocinante", "no JSON"),
            ("Shadowfax", r#"{"n":3}"#),
            ("Shadowfax", r#"{"Name":7}"#),
            ("Shadowfax", r#"{"Name":"Shadowfax","n":4}"#),
        ])
        .await;
    let delivery = world.to_table(DeliveryOptions { seed: Some(1), ..DeliveryOptions::for_table() });
    let status = delivery.status();
    world.run_to_the_end(delivery).await;
    let row = |name: &str| ItemKey { partition: KeyValue::String(name.to_owned()), sort: None };
    let get = async |name| world.tables.get(&world.table, &row(name)).await.unwrap().unwrap();
    assert_eq!(json!(get("Shadowfax").await.item), json!({"Name": "Shadowfax", "n": 4}));
    assert_eq!(json!(get("Rocinante").await.item), json!({"Name": "Rocinante", "n": 2, "none": null}));
    let mut letters = world.dead_letters().await;
    letters.sort();
    assert_eq!(letters, ["no JSON", r#"{"Name":7}"#, r#"{"n":3}"#]);
    assert!(world.objects("").await.keys().all(|name| name.starts_with("errors/keep/dt=2026-11-01/hour=03/shardId-")));
    let status = status.get();
    assert_eq!((status.delivered_records, status.dead_letters, status.last_error), (3, 3, None));
}

#[tokio::test]
async fn of_an_aggregate_too_the_last_record_of_a_key_stays() {
    let world = World::new(1, 1).await;
    world
        .put_packed(&[
            ("a", r#"{"Name":"a","n":1}"#),
            ("b", r#"{"Name":"b","n":2}"#),
            ("a", r#"{"n":3}"#),
            ("a", r#"{"Name":"a","n":4}"#),
        ])
        .await;
    let delivery = world.to_table(DeliveryOptions { seed: Some(1), ..DeliveryOptions::for_table() });
    let status = delivery.status();
    world.run_to_the_end(delivery).await;
    let rows = world.tables.scan(&world.table, None, 10).await.unwrap().items;
    assert_eq!(json!(rows), json!([{"Name": "a", "n": 4}, {"Name": "b", "n": 2}]));
    assert_eq!(world.dead_letters().await, [r#"{"n":3}"#]);
    assert_eq!((status.get().delivered_records, status.get().dead_letters), (3, 1));
}

#[tokio::test]
async fn each_object_of_a_record_is_an_item_or_the_record_a_dead_letter() {
    let world = World::new(1, 1).await;
    let broken = r#"{"Name":"d","n":5}{"n":6}"#;
    world
        .put(&[("k", "{\"Name\":\"a\",\"n\":1}\n{\"Name\":\"b\",\"n\":2}{\"Name\":\"a\",\"n\":3}"), ("k", broken)])
        .await;
    let delivery = world.to_table(DeliveryOptions { seed: Some(1), ..DeliveryOptions::for_table() });
    let status = delivery.status();
    world.run_to_the_end(delivery).await;
    let rows = world.tables.scan(&world.table, None, 10).await.unwrap().items;
    assert_eq!(json!(rows), json!([{"Name": "a", "n": 3}, {"Name": "b", "n": 2}]));
    assert_eq!(world.dead_letters().await, [broken]);
    assert_eq!((status.get().delivered_records, status.get().dead_letters), (1, 1));
}

#[tokio::test]
async fn a_table_that_is_missing_is_waited_for() {
    let world = World::new(1, 1).await;
    let schema = world.tables.describe(&world.table).await.unwrap();
    world.tables.drop_table(&world.table).await.unwrap();
    world.put(&[("a", r#"{"Name":"a"}"#)]).await;
    let delivery = world.to_table(DeliveryOptions::for_table());
    let status = delivery.status();
    let later = async {
        world.settle().await;
        world.advance_millis(1000);
        world.settle().await;
        assert!(status.get().last_error.unwrap().message.contains("does not exist"));
        world.tables.create(schema).await.unwrap();
    };
    tokio::join!(world.run_to_the_end(delivery), later);
    assert_eq!(world.tables.scan(&world.table, None, 10).await.unwrap().items.len(), 1);
}

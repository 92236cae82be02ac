//! What every [`TableStore`] promises.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::name::TableName;
use crate::table::number::Number;
use crate::table::page::PAGE_BYTES_MAX;
use crate::table::store::{
    ItemKey, KeyAttribute, KeyType, KeyValue, Order, PutCondition, Query, TableError, TableSchema, TableStore,
    VersionedItem,
};
use crate::table::value::{AttributeValue, Item, NonEmptySet, size_bytes};

fn schema(name: &str, sort_type: Option<KeyType>) -> TableSchema {
    TableSchema {
        name: TableName::new(name).expect("a valid name"),
        partition_key: KeyAttribute { name: "Name".into(), key_type: KeyType::String },
        sort_key: sort_type.map(|key_type| KeyAttribute { name: "At".into(), key_type }),
    }
}

fn item(value: Value) -> Item {
    match value.into() {
        AttributeValue::Map(item) => item,
        other => panic!("{other} is not an object"),
    }
}

fn row(name: &str, at: impl Into<Value>, version: u64, value: impl Into<Value>) -> VersionedItem {
    let (at, value) = (at.into(), value.into());
    VersionedItem { item: item(json!({"Name": name, "At": at, "Value": value})), version }
}

fn text(text: &str) -> KeyValue {
    KeyValue::String(text.to_owned())
}

fn key(name: &str, at: &str) -> ItemKey {
    ItemKey { partition: text(name), sort: Some(text(at)) }
}

fn all_of(name: &str) -> Query {
    Query { partition: text(name), from: None, to: None, order: Order::Asc, limit: 100, after: None }
}

fn values(items: &[Item]) -> Vec<Value> {
    items.iter().map(|item| json(&item["Value"])).collect()
}

fn json(value: &AttributeValue) -> Value {
    serde_json::to_value(value).expect("a value is JSON")
}

/// Runs the suite on a store without tables.
pub async fn table_store(tables: &dyn TableStore) {
    tables_are_created_once(tables).await;
    the_higher_version_stays(tables).await;
    conditional_puts_hold_their_condition(tables).await;
    ranges_and_pages(tables).await;
    pages_are_bounded_in_bytes(tables).await;
    numbers_sort_by_value(tables).await;
    numbers_are_exact(tables).await;
    every_kind_of_value_comes_back(tables).await;
    binary_keys_order_as_bytes(tables).await;
    odd_keys_do_not_mix(tables).await;
    bad_items_change_nothing(tables).await;
    deletes_and_drops(tables).await;
}

async fn tables_are_created_once(tables: &dyn TableStore) {
    let schema_a = schema("created", Some(KeyType::String));
    tables.create(schema_a.clone()).await.expect("create");
    tables.create(schema_a.clone()).await.expect("create the same again");
    let other_keys = tables.create(schema("created", None)).await;
    assert!(matches!(other_keys, Err(TableError::Exists(_))), "{other_keys:?}");
    assert_eq!(tables.describe(&schema_a.name).await.expect("describe"), schema_a);
    let missing = tables.describe(&TableName::new("missing").expect("valid")).await;
    assert!(matches!(missing, Err(TableError::NotFound(_))), "{missing:?}");
    assert!(tables.list().await.expect("list").contains(&schema_a));
}

async fn the_higher_version_stays(tables: &dyn TableStore) {
    let schema = schema("versions", Some(KeyType::String));
    tables.create(schema.clone()).await.expect("create");
    for (version, value) in [(5, "five"), (3, "three"), (7, "seven"), (7, "seven again"), (6, "six")] {
        tables.put(&schema.name, vec![row("a", "1", version, value)]).await.expect("put");
    }
    let there = tables.get(&schema.name, &key("a", "1")).await.expect("get").expect("there");
    assert_eq!((there.version, json(&there.item["Value"])), (7, json!("seven again")));
    // One batch may name a key twice.
    tables.put(&schema.name, vec![row("a", "2", 9, "new"), row("a", "2", 8, "old")]).await.expect("put");
    let there = tables.get(&schema.name, &key("a", "2")).await.expect("get").expect("there");
    assert_eq!(json(&there.item["Value"]), "new");
}

async fn conditional_puts_hold_their_condition(tables: &dyn TableStore) {
    let schema = schema("conditions", Some(KeyType::String));
    tables.create(schema.clone()).await.expect("create");
    let put_if = |version, condition| tables.put_if(&schema.name, row("a", "1", version, version), condition);
    assert!(!put_if(1, PutCondition::VersionIs(1)).await.expect("put_if"));
    assert!(put_if(4, PutCondition::Absent).await.expect("put_if"));
    assert!(!put_if(5, PutCondition::Absent).await.expect("put_if"));
    assert!(!put_if(5, PutCondition::VersionIs(3)).await.expect("put_if"));
    assert!(put_if(2, PutCondition::VersionIs(4)).await.expect("a condition that holds writes any version"));
    assert_eq!(tables.get(&schema.name, &key("a", "1")).await.expect("get").expect("there").version, 2);
}

async fn ranges_and_pages(tables: &dyn TableStore) {
    let schema = schema("ranges", Some(KeyType::String));
    tables.create(schema.clone()).await.expect("create");
    let rows = (0..10).flat_map(|i| [row("a", format!("{i}"), 1, i), row("b", format!("{i}"), 1, i + 100)]);
    tables.put(&schema.name, rows.collect()).await.expect("put");
    let run = |query| async { tables.query(&schema.name, query).await.expect("query") };

    let page = run(Query { from: Some(text("3")), to: Some(text("5")), ..all_of("a") }).await;
    assert_eq!((values(&page.items), page.next), (vec![json!(3), json!(4), json!(5)], None));
    let page = run(Query { order: Order::Desc, limit: 2, ..all_of("b") }).await;
    assert_eq!(values(&page.items), [json!(109), json!(108)]);
    let page = run(Query { order: Order::Desc, limit: 2, after: page.next, ..all_of("b") }).await;
    assert_eq!(values(&page.items), [json!(107), json!(106)]);
    let page = run(Query { limit: 10, ..all_of("a") }).await;
    assert_eq!((page.items.len(), page.next), (10, None), "a full last page has no next one");
    assert!(run(all_of("nobody")).await.items.is_empty());

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = tables.scan(&schema.name, after, 7).await.expect("scan");
        assert!(page.items.len() <= 7);
        seen.extend(values(&page.items));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    seen.sort_by_key(Value::as_i64);
    assert_eq!(seen, (0..10).chain(100..110).map(|i| json!(i)).collect::<Vec<_>>());
}

async fn pages_are_bounded_in_bytes(tables: &dyn TableStore) {
    const ITEMS: usize = 30;
    let schema = schema("large", Some(KeyType::String));
    tables.create(schema.clone()).await.expect("create");
    for index in 0..ITEMS {
        let large = "x".repeat(300 << 10);
        tables.put(&schema.name, vec![row("a", format!("{index:02}"), 1, large)]).await.expect("put");
    }
    let (mut scanned, mut after, mut pages) = (0, None, 0);
    loop {
        let page = tables.scan(&schema.name, after, 1000).await.expect("scan");
        let bytes: usize = page.items.iter().map(size_bytes).sum();
        assert!(bytes < PAGE_BYTES_MAX + (400 << 10), "{bytes} bytes");
        (scanned, pages) = (scanned + page.items.len(), pages + 1);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(scanned, ITEMS);
    assert!(pages >= 3, "{pages} pages");
}

async fn numbers_sort_by_value(tables: &dyn TableStore) {
    let schema = schema("numbers", Some(KeyType::Number));
    tables.create(schema.clone()).await.expect("create");
    let sorted = [json!(-1e9), json!(-10), json!(-2.5), json!(0), json!(0.001), json!(2), json!(10), json!(1.5e100)];
    let mut rows: Vec<_> = sorted.iter().enumerate().map(|(i, at)| row("a", at.clone(), 1, i)).collect();
    rows.reverse();
    tables.put(&schema.name, rows).await.expect("put");
    let page = tables.query(&schema.name, all_of("a")).await.expect("query");
    assert_eq!(page.items.iter().map(|item| json(&item["At"])).collect::<Vec<_>>(), sorted);
    let from = Some(KeyValue::Number(number("2")));
    let page = tables.query(&schema.name, Query { from, ..all_of("a") }).await.expect("query");
    assert_eq!(values(&page.items), [json!(5), json!(6), json!(7)]);
}

fn number(text: &str) -> Number {
    Number::parse(text).expect("a number")
}

async fn numbers_are_exact(tables: &dyn TableStore) {
    let schema = schema("exact", Some(KeyType::Number));
    tables.create(schema.clone()).await.expect("create");
    let rising = [
        "-12345678901234567890123456789012345678",
        "-12345678901234567890123456789012345677",
        "-0.1",
        "-0.0999999999999999999999999999",
        "0",
        "1e-100",
        "0.1",
        "0.10000000000000000000000000000000000001",
        "9007199254740992",
        "9007199254740992.5",
        "9007199254740993",
        "1234567890123456789012345678.9",
        "99999999999999999999999999999999999999e80",
    ];
    let of = |text: &str| {
        let mut item = item(json!({"Name": "a"}));
        item.insert("At".to_owned(), AttributeValue::Number(number(text)));
        item.insert("Value".to_owned(), AttributeValue::List(vec![AttributeValue::Number(number(text))]));
        VersionedItem { item, version: 1 }
    };
    tables.put(&schema.name, rising.iter().rev().map(|text| of(text)).collect()).await.expect("put");
    let page = tables.query(&schema.name, all_of("a")).await.expect("query");
    let found: Vec<Item> = rising.iter().map(|text| of(text).item).collect();
    assert_eq!(page.items, found);
    let sort = |text: &str| Some(KeyValue::Number(number(text)));
    let (from, to) = (sort("0.10000000000000000000000000000000000001"), sort("9007199254740992.5"));
    let page = tables.query(&schema.name, Query { from, to, ..all_of("a") }).await.expect("query");
    assert_eq!(page.items, found[7..10]);
    let one = ItemKey { partition: text("a"), sort: sort("9007199254740992.50") };
    tables.delete(&schema.name, vec![one.clone()]).await.expect("delete");
    assert_eq!(tables.get(&schema.name, &one).await.expect("get"), None, "a key is a value, however it is written");
    assert_eq!(tables.query(&schema.name, all_of("a")).await.expect("query").items.len(), rising.len() - 1);
}

async fn every_kind_of_value_comes_back(tables: &dyn TableStore) {
    let schema = schema("kinds", None);
    tables.create(schema.clone()).await.expect("create");
    let bytes = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let number_set = NonEmptySet::new([number("2"), number("1.50"), number("1.5"), number("-3e20")]);
    let binary_set = NonEmptySet::new([bytes(&[0xff, 0]), bytes(b"a")]);
    let kinds = [
        AttributeValue::Null,
        AttributeValue::Bool(true),
        AttributeValue::String(String::new()),
        AttributeValue::String("é\0\u{10ffff}".to_owned()),
        json!(175.0).into(),
        AttributeValue::Number(number("-0.00000000012345678901234567890123456789")),
        AttributeValue::Binary(bytes(&[])),
        AttributeValue::Binary(bytes(&[0, 255, 128])),
        AttributeValue::List(Vec::new()),
        AttributeValue::Map(Item::new()),
        AttributeValue::StringSet(NonEmptySet::new(["b".to_owned(), "a".to_owned()]).expect("two")),
        AttributeValue::NumberSet(number_set.expect("three")),
        AttributeValue::BinarySet(binary_set.expect("two")),
    ];
    let mut whole = item(json!({"Name": "a"}));
    for (index, value) in kinds.iter().enumerate() {
        whole.insert(format!("Kind{}", kinds.len() - index), value.clone());
    }
    whole.insert("List".to_owned(), AttributeValue::List(kinds.to_vec()));
    let inner = [("z".to_owned(), AttributeValue::List(kinds.to_vec())), ("b".to_owned(), kinds[10].clone())];
    whole.insert("Map".to_owned(), AttributeValue::Map(Item::from_iter(inner)));
    let versioned = VersionedItem { item: whole, version: u64::MAX };
    tables.put(&schema.name, vec![versioned.clone()]).await.expect("put");
    let key = ItemKey { partition: text("a"), sort: None };
    let back = tables.get(&schema.name, &key).await.expect("get").expect("there");
    assert_eq!(back, versioned);
    let shown = |versioned: &VersionedItem| serde_json::to_string(&versioned.item).expect("JSON");
    assert_eq!(shown(&back), shown(&versioned), "order and spelling are kept too");
}

async fn binary_keys_order_as_bytes(tables: &dyn TableStore) {
    let mut schema = schema("bytes", Some(KeyType::Binary));
    schema.partition_key.key_type = KeyType::Binary;
    tables.create(schema.clone()).await.expect("create");
    assert_eq!(tables.describe(&schema.name).await.expect("describe"), schema);
    let names: [&'static [u8]; 8] = [&[0], &[0, 0], &[0, 1], &[0, 0xff], &[1], b"a", &[0xff], &[0xff, 0]];
    let row = |name: &'static [u8], at: &'static [u8]| {
        let key = |bytes| AttributeValue::Binary(Bytes::from_static(bytes));
        let item = Item::from_iter([("Name".to_owned(), key(name)), ("At".to_owned(), key(at))]);
        VersionedItem { item, version: 1 }
    };
    let rows = names.iter().rev().flat_map(|name| names.iter().map(move |at| row(name, at)));
    tables.put(&schema.name, rows.collect()).await.expect("put");
    for name in names {
        let partition = KeyValue::Binary(Bytes::from_static(name));
        let page = tables.query(&schema.name, Query { partition, ..all_of("") }).await.expect("query");
        assert_eq!(page.items, names.map(|at| row(name, at).item));
    }
    let empty = VersionedItem { item: row(b"", b"a").item, version: 1 };
    let refused = tables.put(&schema.name, vec![empty]).await;
    assert!(matches!(refused, Err(TableError::InvalidItem { .. })), "{refused:?}");
    let page = tables.scan(&schema.name, None, 100).await.expect("scan");
    assert_eq!(page.items.len(), names.len() * names.len());
}

async fn odd_keys_do_not_mix(tables: &dyn TableStore) {
    let schema = schema("odd", Some(KeyType::String));
    tables.create(schema.clone()).await.expect("create");
    let names = ["a", "a\0", "a\0b", "a\u{1}", "é", "a/b", " ", "\u{10ffff}"];
    let rows = names.iter().flat_map(|name| names.iter().map(move |at| row(name, *at, 1, format!("{name}|{at}"))));
    tables.put(&schema.name, rows.collect()).await.expect("put");
    for name in names {
        let page = tables.query(&schema.name, all_of(name)).await.expect("query");
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        assert_eq!(values(&page.items), sorted.iter().map(|at| json!(format!("{name}|{at}"))).collect::<Vec<_>>());
    }
}

async fn bad_items_change_nothing(tables: &dyn TableStore) {
    let schema = schema("bad", Some(KeyType::String));
    tables.create(schema.clone()).await.expect("create");
    for bad in [json!({"Name": "a"}), json!({"Name": 1, "At": "x"}), json!({"Name": "", "At": "x"}), json!({})] {
        let batch = vec![row("a", "1", 1, 1), VersionedItem { item: item(bad.clone()), version: 1 }];
        let refused = tables.put(&schema.name, batch).await;
        assert!(matches!(refused, Err(TableError::InvalidItem { .. })), "{bad}: {refused:?}");
    }
    assert!(tables.query(&schema.name, all_of("a")).await.expect("query").items.is_empty(), "a batch is all or none");
}

async fn deletes_and_drops(tables: &dyn TableStore) {
    let schema = schema("deleted", None);
    tables.create(schema.clone()).await.expect("create");
    let whole = |name: &str| ItemKey { partition: text(name), sort: None };
    let rows = ["a", "b"].map(|name| VersionedItem { item: item(json!({"Name": name, "Note": null})), version: 1 });
    tables.put(&schema.name, rows.to_vec()).await.expect("put");
    tables.delete(&schema.name, vec![whole("a"), whole("missing")]).await.expect("delete");
    assert_eq!(tables.get(&schema.name, &whole("a")).await.expect("get"), None);
    let kept = tables.get(&schema.name, &whole("b")).await.expect("get").expect("there");
    assert_eq!(kept.item, item(json!({"Name": "b", "Note": null})), "nulls and attribute order are kept");
    tables.drop_table(&schema.name).await.expect("drop");
    assert!(matches!(tables.get(&schema.name, &whole("b")).await, Err(TableError::NotFound(_))));
    tables.create(schema.clone()).await.expect("create again");
    assert_eq!(tables.get(&schema.name, &whole("b")).await.expect("get"), None, "a new table is empty");
}

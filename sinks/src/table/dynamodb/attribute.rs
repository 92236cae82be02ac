//! Items as DynamoDB keeps them: typed attributes, our own two beside them, and what it would not keep.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as Attribute;
use bytes::Bytes;
use model::clock::Timestamp;
use model::name::TableName;
use model::table::number::Number;
use model::table::store::{ItemKey, KeyAttribute, KeyValue, TableError, TableSchema, VersionedItem};
use model::table::value::{AttributeValue, Item, NonEmptySet};
use serde_json::Value;

use super::shape::{reshape_item, shape_of_item};

/// Holds an item's version.
pub(super) const VERSION: &str = "_gallop_version";
/// Holds what [`super::shape`] says of an item.
pub(super) const SHAPE: &str = "_gallop_shape";

/// Powers of ten that a number may begin at.
const NUMBER_MAGNITUDES: std::ops::RangeInclusive<i64> = -130..=125;
/// The largest item, names included.
const ITEM_BYTES_MAX: usize = 400 << 10;
/// How deep lists and maps may stand in each other.
const NESTING_MAX: usize = 32;
/// The longest partition key.
const PARTITION_KEY_BYTES_MAX: usize = 2048;
/// The longest sort key.
const SORT_KEY_BYTES_MAX: usize = 1024;

/// Attributes by name.
pub(super) type Attributes = HashMap<String, Attribute>;

/// An item as it is kept. Error: [`TableError::InvalidItem`] that names what cannot be.
pub(super) fn encode(schema: &TableSchema, versioned: &VersionedItem) -> Result<Attributes, TableError> {
    let invalid = |reason| TableError::InvalidItem { table: schema.name.clone(), reason };
    let key = schema.key_of(&versioned.item)?;
    check_key(&key).map_err(invalid)?;
    let mut attributes = Attributes::with_capacity(versioned.item.len() + 2);
    let mut bytes = 0;
    for (name, value) in &versioned.item {
        if name == VERSION || name == SHAPE {
            return Err(invalid(format!("attribute `{name}` is reserved")));
        }
        bytes += name.len();
        let attribute = attribute_of(name, value, NESTING_MAX, &mut bytes).map_err(invalid)?;
        attributes.insert(name.clone(), attribute);
    }
    if let Some(shape) = shape_of_item(&versioned.item) {
        let shape = shape.to_string();
        bytes += SHAPE.len() + shape.len();
        attributes.insert(SHAPE.to_owned(), Attribute::S(shape));
    }
    let version = versioned.version.to_string();
    bytes += VERSION.len() + version.len();
    attributes.insert(VERSION.to_owned(), Attribute::N(version));
    if bytes > ITEM_BYTES_MAX {
        return Err(invalid(format!("it has {bytes} bytes; DynamoDB keeps {ITEM_BYTES_MAX}")));
    }
    Ok(attributes)
}

fn check_key(key: &ItemKey) -> Result<(), String> {
    let fits = |bytes: usize, bytes_max: usize| match bytes <= bytes_max {
        true => Ok(()),
        false => Err(format!("a key of {bytes} bytes is longer than {bytes_max}")),
    };
    let check = |value: &KeyValue, bytes_max: usize| match value {
        KeyValue::String(text) => fits(text.len(), bytes_max),
        KeyValue::Binary(bytes) => fits(bytes.len(), bytes_max),
        KeyValue::Number(_) => Ok(()),
    };
    check(&key.partition, PARTITION_KEY_BYTES_MAX)?;
    key.sort.as_ref().map_or(Ok(()), |sort| check(sort, SORT_KEY_BYTES_MAX))
}

fn attribute_of(name: &str, value: &AttributeValue, nesting: usize, bytes: &mut usize) -> Result<Attribute, String> {
    if name.is_empty() {
        return Err("an attribute has an empty name".to_owned());
    }
    let deeper = || nesting.checked_sub(1).ok_or_else(|| format!("`{name}` is nested deeper than {NESTING_MAX}"));
    let number = |number: &Number| number_text(number).map_err(|reason| format!("`{name}` is {number}: {reason}"));
    let mut counted = |text: String| {
        *bytes += text.len();
        text
    };
    Ok(match value {
        AttributeValue::Null => {
            *bytes += 1;
            Attribute::Null(true)
        }
        AttributeValue::Bool(value) => {
            *bytes += 1;
            Attribute::Bool(*value)
        }
        AttributeValue::Number(value) => Attribute::N(counted(number(value)?)),
        AttributeValue::String(text) => Attribute::S(counted(text.clone())),
        AttributeValue::Binary(binary) => {
            *bytes += binary.len();
            Attribute::B(blob(binary))
        }
        AttributeValue::List(values) => {
            *bytes += 3 + values.len();
            let nesting = deeper()?;
            let each = values.iter().map(|value| attribute_of(name, value, nesting, bytes));
            Attribute::L(each.collect::<Result<_, _>>()?)
        }
        AttributeValue::Map(item) => {
            let nesting = deeper()?;
            *bytes += 3;
            let mut map = HashMap::with_capacity(item.len());
            for (name, value) in item {
                *bytes += 1 + name.len();
                map.insert(name.clone(), attribute_of(name, value, nesting, bytes)?);
            }
            Attribute::M(map)
        }
        AttributeValue::StringSet(texts) => Attribute::Ss(texts.iter().cloned().map(counted).collect()),
        AttributeValue::NumberSet(numbers) => {
            Attribute::Ns(numbers.iter().map(|value| number(value).map(&mut counted)).collect::<Result<_, _>>()?)
        }
        AttributeValue::BinarySet(set) => {
            *bytes += set.iter().map(Bytes::len).sum::<usize>();
            Attribute::Bs(set.iter().map(blob).collect())
        }
    })
}

fn blob(bytes: &Bytes) -> Blob {
    Blob::new(bytes.to_vec())
}

/// A number as DynamoDB reads it, in full.
fn number_text(number: &Number) -> Result<String, String> {
    let decimal = number.decimal();
    if !decimal.digits().is_empty() && !NUMBER_MAGNITUDES.contains(&decimal.magnitude()) {
        return Err("DynamoDB keeps numbers from 1E-130 to 9.9E+125".to_owned());
    }
    Ok(decimal.to_string().replace('e', "E"))
}

/// A key value. Error: [`TableError::InvalidKey`].
pub(super) fn key_attribute(
    table: &TableName,
    attribute: &KeyAttribute,
    value: &KeyValue,
) -> Result<Attribute, TableError> {
    match value {
        KeyValue::String(text) => Ok(Attribute::S(text.clone())),
        KeyValue::Binary(bytes) => Ok(Attribute::B(blob(bytes))),
        KeyValue::Number(number) => number_text(number).map(Attribute::N).map_err(|reason| {
            let reason = format!("`{}` is {number}: {reason}", attribute.name);
            TableError::InvalidKey { table: table.clone(), reason }
        }),
    }
}

/// A whole key that fits the table's. Error: [`TableError::InvalidKey`].
pub(super) fn key_attributes(schema: &TableSchema, key: &ItemKey) -> Result<Attributes, TableError> {
    let partition = key_attribute(&schema.name, &schema.partition_key, &key.partition)?;
    let mut attributes = Attributes::from([(schema.partition_key.name.clone(), partition)]);
    if let (Some(attribute), Some(sort)) = (&schema.sort_key, &key.sort) {
        attributes.insert(attribute.name.clone(), key_attribute(&schema.name, attribute, sort)?);
    }
    Ok(attributes)
}

/// DynamoDB removes expired items within days, so they are passed over here.
pub(super) fn is_expired(item: &Attributes, ttl_attribute: Option<&str>, now: Timestamp) -> bool {
    let Some(Attribute::N(second)) = ttl_attribute.and_then(|name| item.get(name)) else { return false };
    Number::parse(second).is_ok_and(|second| second <= Number::from(now.as_millis() / 1000))
}

/// No item has an empty key, and DynamoDB does not want to be asked for one.
pub(super) fn is_nowhere(key: &ItemKey) -> bool {
    key.partition.is_empty() || key.sort.as_ref().is_some_and(KeyValue::is_empty)
}

/// An item as it was put. Error: [`TableError::Backend`] when it holds what no item can.
pub(super) fn decode(table: &TableName, mut attributes: Attributes) -> Result<VersionedItem, TableError> {
    let version = match attributes.remove(VERSION) {
        Some(Attribute::N(text)) => text.parse().unwrap_or(0),
        // Put by somebody else.
        _ => 0,
    };
    let shape = match attributes.remove(SHAPE) {
        Some(Attribute::S(text)) => serde_json::from_str(&text).unwrap_or(Value::Null),
        _ => Value::Null,
    };
    let mut item = item_of(attributes).map_err(|reason| TableError::Backend {
        table: table.clone(),
        doing: "reading an item".to_owned(),
        source: reason.into(),
    })?;
    reshape_item(&mut item, &shape);
    Ok(VersionedItem { item, version })
}

/// Attributes in order of their names.
fn item_of(attributes: Attributes) -> Result<Item, String> {
    let mut attributes: Vec<(String, Attribute)> = attributes.into_iter().collect();
    attributes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    attributes.into_iter().map(|(name, value)| value_of(&name, value).map(|value| (name, value))).collect()
}

fn value_of(name: &str, attribute: Attribute) -> Result<AttributeValue, String> {
    let number = |text: String| Number::parse(&text).map_err(|error| format!("`{name}`: {error}"));
    let empty = || format!("`{name}` is an empty set");
    Ok(match attribute {
        Attribute::Null(_) => AttributeValue::Null,
        Attribute::Bool(value) => AttributeValue::Bool(value),
        Attribute::S(text) => AttributeValue::String(text),
        Attribute::N(text) => AttributeValue::Number(number(text)?),
        Attribute::B(blob) => AttributeValue::Binary(blob.into_inner().into()),
        Attribute::L(values) => {
            AttributeValue::List(values.into_iter().map(|value| value_of(name, value)).collect::<Result<_, _>>()?)
        }
        Attribute::M(map) => AttributeValue::Map(item_of(map)?),
        Attribute::Ss(texts) => AttributeValue::StringSet(NonEmptySet::new(texts).ok_or_else(empty)?),
        Attribute::Ns(texts) => {
            let numbers = texts.into_iter().map(number).collect::<Result<Vec<_>, _>>()?;
            AttributeValue::NumberSet(NonEmptySet::new(numbers).ok_or_else(empty)?)
        }
        Attribute::Bs(blobs) => {
            let members = blobs.into_iter().map(|blob| Bytes::from(blob.into_inner()));
            AttributeValue::BinarySet(NonEmptySet::new(members).ok_or_else(empty)?)
        }
        _ => return Err(format!("`{name}` is of a kind that this version does not know")),
    })
}

#[cfg(test)]
mod tests {
    use model::table::store::KeyType;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn schema() -> TableSchema {
        let partition_key = KeyAttribute { name: "Name".into(), key_type: KeyType::String };
        TableSchema { name: TableName::new("table").unwrap(), partition_key, sort_key: None }
    }

    fn versioned(value: Value) -> VersionedItem {
        let mut item = Item::from_iter([("Name".to_owned(), json!("a").into())]);
        item.insert("Value".to_owned(), value.into());
        VersionedItem { item, version: u64::MAX }
    }

    fn refused(value: Value) -> String {
        encode(&schema(), &versioned(value)).unwrap_err().to_string()
    }

    #[test]
    fn what_dynamodb_cannot_keep_is_refused_by_name() {
        assert!(refused(json!(1.5e300)).contains(": DynamoDB keeps numbers from"));
        assert!(refused(json!({"deep": 1e-200})).contains("`deep` is 1e-200"));
        assert!(refused(json!({"": 1})).contains("empty name"));
        assert!(refused(json!("x".repeat(ITEM_BYTES_MAX))).contains("bytes; DynamoDB keeps 409600"));
        let nested = (0..33).fold(json!(1), |inner, _| json!([inner]));
        assert!(refused(nested).contains("nested deeper than 32"));
        let mut reserved = versioned(json!(1));
        reserved.item.insert(VERSION.to_owned(), json!(1).into());
        assert!(encode(&schema(), &reserved).unwrap_err().to_string().contains("reserved"));
        let mut long = versioned(json!(1));
        long.item["Name"] = json!("x".repeat(2049)).into();
        assert!(encode(&schema(), &long).unwrap_err().to_string().contains("longer than 2048"));
    }

    #[test]
    fn items_of_others_are_read_where_they_can_be() {
        let table = schema().name;
        let number = |text: &str| Attributes::from([("n".to_owned(), Attribute::N(text.to_owned()))]);
        let read = |text: &str| decode(&table, number(text)).unwrap().item["n"].to_string();
        assert_eq!(read("1E2"), "100");
        assert_eq!(read("0.5"), "0.5");
        assert_eq!(read("1234567890123456789012345678"), "1234567890123456789012345678");
        assert_eq!(decode(&table, number("0.5")).unwrap().version, 0);
        let long = decode(&table, number(&"7".repeat(39))).unwrap_err();
        assert!(matches!(&long, TableError::Backend { source, .. } if source.to_string().contains("`n`")), "{long:?}");
        let set = |members: &[&str]| Attribute::Ss(members.iter().map(ToString::to_string).collect());
        let back = decode(&table, Attributes::from([("s".to_owned(), set(&["b", "a"]))])).unwrap();
        assert_eq!(back.item["s"].to_string(), r#"["a","b"]"#);
        assert!(decode(&table, Attributes::from([("s".to_owned(), set(&[]))])).is_err());
        // Somebody changed a number and left the shape as it was.
        let mut changed = encode(&schema(), &versioned(json!(175.0))).unwrap();
        changed.insert("Value".to_owned(), Attribute::N("3".to_owned()));
        assert_eq!(decode(&table, changed).unwrap().item["Value"].to_string(), "3");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let number = any::<f64>().prop_filter("in range", |f| *f == 0.0 || (1e-100..1e100).contains(&f.abs()));
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1000i32..1000).prop_map(|whole| Value::from(f64::from(whole))),
            Just(json!(-0.0)),
            number.prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".{1,4}", inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn items_come_back_as_they_were_to_the_last_byte(value in any_value()) {
            let item = versioned(value);
            let back = decode(&schema().name, encode(&schema(), &item).unwrap()).unwrap();
            prop_assert_eq!(serde_json::to_string(&back.item).unwrap(), serde_json::to_string(&item.item).unwrap());
            prop_assert_eq!(back.version, item.version);
        }
    }
}

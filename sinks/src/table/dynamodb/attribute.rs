//! Items as DynamoDB keeps them: typed attributes, our own two beside them, and what it would not keep.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use model::name::TableName;
use model::table::store::{Item, ItemKey, KeyAttribute, KeyValue, TableError, TableSchema, VersionedItem};
use serde_json::Value;

use super::shape::{reshape, shape_of};
use crate::table::decimal::Decimal;

/// Holds an item's version.
pub(super) const VERSION: &str = "_gallop_version";
/// Holds what [`super::shape`] says of an item.
pub(super) const SHAPE: &str = "_gallop_shape";

/// Digits that a number keeps.
const NUMBER_DIGITS_MAX: usize = 38;
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
pub(super) type Attributes = HashMap<String, AttributeValue>;

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
    if let Some(shape) = shape_of(&Value::Object(versioned.item.clone())) {
        let shape = shape.to_string();
        bytes += SHAPE.len() + shape.len();
        attributes.insert(SHAPE.to_owned(), AttributeValue::S(shape));
    }
    let version = versioned.version.to_string();
    bytes += VERSION.len() + version.len();
    attributes.insert(VERSION.to_owned(), AttributeValue::N(version));
    if bytes > ITEM_BYTES_MAX {
        return Err(invalid(format!("it has {bytes} bytes; DynamoDB keeps {ITEM_BYTES_MAX}")));
    }
    Ok(attributes)
}

fn check_key(key: &ItemKey) -> Result<(), String> {
    let check = |value: &KeyValue, bytes_max: usize| match value {
        KeyValue::String(text) if text.len() > bytes_max => {
            Err(format!("a key of {} bytes is longer than {bytes_max}", text.len()))
        }
        _ => Ok(()),
    };
    check(&key.partition, PARTITION_KEY_BYTES_MAX)?;
    key.sort.as_ref().map_or(Ok(()), |sort| check(sort, SORT_KEY_BYTES_MAX))
}

fn attribute_of(name: &str, value: &Value, nesting: usize, bytes: &mut usize) -> Result<AttributeValue, String> {
    if name.is_empty() {
        return Err("an attribute has an empty name".to_owned());
    }
    let deeper = || nesting.checked_sub(1).ok_or_else(|| format!("`{name}` is nested deeper than {NESTING_MAX}"));
    Ok(match value {
        Value::Null => {
            *bytes += 1;
            AttributeValue::Null(true)
        }
        Value::Bool(value) => {
            *bytes += 1;
            AttributeValue::Bool(*value)
        }
        Value::Number(number) => {
            let text = number_text(number).map_err(|reason| format!("`{name}` is {number}: {reason}"))?;
            *bytes += text.len();
            AttributeValue::N(text)
        }
        Value::String(text) => {
            *bytes += text.len();
            AttributeValue::S(text.clone())
        }
        Value::Array(values) => {
            *bytes += 3 + values.len();
            let nesting = deeper()?;
            let each = values.iter().map(|value| attribute_of(name, value, nesting, bytes));
            AttributeValue::L(each.collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let nesting = deeper()?;
            *bytes += 3;
            let mut map = HashMap::with_capacity(object.len());
            for (name, value) in object {
                *bytes += 1 + name.len();
                map.insert(name.clone(), attribute_of(name, value, nesting, bytes)?);
            }
            AttributeValue::M(map)
        }
    })
}

/// A number as DynamoDB reads it, in full.
fn number_text(number: &serde_json::Number) -> Result<String, String> {
    let decimal = Decimal::of(number);
    if decimal.digits() > NUMBER_DIGITS_MAX {
        return Err(format!("DynamoDB keeps {NUMBER_DIGITS_MAX} digits"));
    }
    if decimal.digits() > 0 && !NUMBER_MAGNITUDES.contains(&decimal.magnitude()) {
        return Err("DynamoDB keeps numbers from 1E-130 to 9.9E+125".to_owned());
    }
    Ok(decimal.to_string())
}

/// A key value. Error: [`TableError::InvalidKey`].
pub(super) fn key_attribute(
    table: &TableName,
    attribute: &KeyAttribute,
    value: &KeyValue,
) -> Result<AttributeValue, TableError> {
    match value {
        KeyValue::String(text) => Ok(AttributeValue::S(text.clone())),
        KeyValue::Number(number) => number_text(number).map(AttributeValue::N).map_err(|reason| {
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

/// An item as it was put. Error: [`TableError::Backend`] when somebody else put what an item of ours cannot hold.
pub(super) fn decode(table: &TableName, mut attributes: Attributes) -> Result<VersionedItem, TableError> {
    let version = match attributes.remove(VERSION) {
        Some(AttributeValue::N(text)) => text.parse().unwrap_or(0),
        // Put by somebody else.
        _ => 0,
    };
    let shape = match attributes.remove(SHAPE) {
        Some(AttributeValue::S(text)) => serde_json::from_str(&text).unwrap_or(Value::Null),
        _ => Value::Null,
    };
    let mut names: Vec<String> = attributes.keys().cloned().collect();
    names.sort_unstable();
    let mut item = Item::new();
    for name in names {
        let attribute = attributes.remove(&name).expect("it is one of its names");
        let value = value_of(&name, attribute).map_err(|reason| TableError::Backend {
            table: table.clone(),
            doing: "reading an item".to_owned(),
            source: reason.into(),
        })?;
        item.insert(name, value);
    }
    let mut item = Value::Object(item);
    reshape(&mut item, &shape);
    match item {
        Value::Object(item) => Ok(VersionedItem { item, version }),
        _ => unreachable!("it was made an object above"),
    }
}

fn value_of(name: &str, attribute: AttributeValue) -> Result<Value, String> {
    Ok(match attribute {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(value) => Value::Bool(value),
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::N(text) => {
            let number = Decimal::parse(&text).and_then(|decimal| decimal.to_number());
            Value::Number(number.ok_or_else(|| format!("number {text} of `{name}` has more digits than can be read"))?)
        }
        AttributeValue::L(values) => {
            Value::Array(values.into_iter().map(|value| value_of(name, value)).collect::<Result<_, _>>()?)
        }
        AttributeValue::M(map) => {
            let mut fields: Vec<(String, AttributeValue)> = map.into_iter().collect();
            fields.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            let fields = fields.into_iter().map(|(name, value)| value_of(&name, value).map(|value| (name, value)));
            Value::Object(fields.collect::<Result<_, _>>()?)
        }
        _ => return Err(format!("`{name}` is binary or a set, which items here cannot hold")),
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
        let mut item = Item::from_iter([("Name".to_owned(), "a".into())]);
        item.insert("Value".to_owned(), value);
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
        reserved.item.insert(VERSION.to_owned(), json!(1));
        assert!(encode(&schema(), &reserved).unwrap_err().to_string().contains("reserved"));
        let mut long = versioned(json!(1));
        long.item["Name"] = json!("x".repeat(2049));
        assert!(encode(&schema(), &long).unwrap_err().to_string().contains("longer than 2048"));
    }

    #[test]
    fn items_of_others_are_read_where_they_can_be() {
        let table = schema().name;
        let number = |text: &str| Attributes::from([("n".to_owned(), AttributeValue::N(text.to_owned()))]);
        assert_eq!(decode(&table, number("1E2")).unwrap().item["n"], json!(100));
        assert_eq!(
            decode(&table, number("0.5")).unwrap(),
            VersionedItem { item: json!({"n": 0.5}).as_object().unwrap().clone(), version: 0 }
        );
        let long = decode(&table, number("1234567890123456789012345678")).unwrap_err();
        assert!(matches!(&long, TableError::Backend { source, .. } if source.to_string().contains("`n`")), "{long:?}");
        let set = Attributes::from([("s".to_owned(), AttributeValue::Ss(vec!["a".to_owned()]))]);
        assert!(decode(&table, set).is_err());
        // Somebody changed a number and left the shape as it was.
        let mut changed = encode(&schema(), &versioned(json!(175.0))).unwrap();
        changed.insert("Value".to_owned(), AttributeValue::N("3".to_owned()));
        assert_eq!(decode(&table, changed).unwrap().item["Value"], json!(3));
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

//! What DynamoDB forgets of an item: the order of its attributes, and how its numbers were written.
//!
//! ```text
//! item    {"Name": "Shadowfax", "Distance": 175.0, "Health": 171}
//! kept    Name S  Distance N 175  Health N 171   _gallop_shape S {"Name":0,"Distance":"175.0","Health":0}
//! ```
//!
//! `0` stands for a value that comes back by itself. A shape that is lost, or does not fit because somebody else
//! changed the item, costs order and spelling only, never a value.

use model::table::number::Number;
use model::table::value::{AttributeValue, Item};
use serde_json::Value;

/// The shape of an item; none when it comes back by itself.
pub(super) fn shape_of_item(item: &Item) -> Option<Value> {
    let shapes: Vec<(&String, Option<Value>)> = item.iter().map(|(name, value)| (name, shape_of(value))).collect();
    let needed = !shapes.is_sorted_by_key(|(name, _)| *name) || shapes.iter().any(|(_, shape)| shape.is_some());
    needed.then(|| Value::Object(shapes.into_iter().map(|(name, shape)| (name.clone(), or_zero(shape))).collect()))
}

/// The shape of a value; none when it comes back by itself. Members of sets have no order, and no spelling.
fn shape_of(value: &AttributeValue) -> Option<Value> {
    match value {
        AttributeValue::Map(item) => shape_of_item(item),
        AttributeValue::List(values) => {
            let shapes: Vec<Option<Value>> = values.iter().map(shape_of).collect();
            let needed = shapes.iter().any(Option::is_some);
            needed.then(|| Value::Array(shapes.into_iter().map(or_zero).collect()))
        }
        AttributeValue::Number(number) => {
            let by_itself = Number::parse(number.as_str()).is_ok_and(|back| back.as_str() == number.as_str());
            (!by_itself).then(|| Value::String(number.to_string()))
        }
        _ => None,
    }
}

fn or_zero(shape: Option<Value>) -> Value {
    shape.unwrap_or_else(|| 0.into())
}

/// Gives an item that came back its shape again.
pub(super) fn reshape_item(item: &mut Item, shape: &Value) {
    let Value::Object(shapes) = shape else { return };
    let mut unordered = std::mem::take(item);
    for (name, shape) in shapes {
        if let Some(mut value) = unordered.shift_remove(name) {
            reshape(&mut value, shape);
            item.insert(name.clone(), value);
        }
    }
    item.extend(unordered);
}

fn reshape(value: &mut AttributeValue, shape: &Value) {
    match (value, shape) {
        (AttributeValue::Map(item), shape) => reshape_item(item, shape),
        (AttributeValue::List(values), Value::Array(shapes)) => {
            for (value, shape) in values.iter_mut().zip(shapes) {
                reshape(value, shape);
            }
        }
        (AttributeValue::Number(number), Value::String(text)) => {
            if let Ok(written) = Number::written(text)
                && written == *number
            {
                *number = written;
            }
        }
        _ => {}
    }
}

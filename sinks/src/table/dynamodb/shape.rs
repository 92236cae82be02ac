//! What DynamoDB forgets of an item: the order of its attributes, and how its numbers were written.
//!
//! ```text
//! item    {"Name": "Shadowfax", "Distance": 175.0, "Health": 171}
//! kept    Name S  Distance N 175  Health N 171   _gallop_shape S {"Name":0,"Distance":"175.0","Health":0}
//! ```
//!
//! `0` stands for a value that comes back by itself. A shape that is lost, or does not fit because somebody else
//! changed the item, costs order and spelling only, never a value.

use serde_json::{Map, Value};

use crate::table::decimal::Decimal;

/// The shape of a value; none when the value comes back by itself.
pub(super) fn shape_of(value: &Value) -> Option<Value> {
    match value {
        Value::Object(object) => shape_of_object(object),
        Value::Array(values) => {
            let shapes: Vec<Option<Value>> = values.iter().map(shape_of).collect();
            let needed = shapes.iter().any(Option::is_some);
            needed.then(|| Value::Array(shapes.into_iter().map(or_zero).collect()))
        }
        Value::Number(number) => {
            let by_itself = Decimal::of(number).to_number();
            (by_itself.as_ref() != Some(number)).then(|| Value::String(number.to_string()))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

fn shape_of_object(object: &Map<String, Value>) -> Option<Value> {
    let shapes: Vec<(&String, Option<Value>)> = object.iter().map(|(name, value)| (name, shape_of(value))).collect();
    let needed = !shapes.is_sorted_by_key(|(name, _)| *name) || shapes.iter().any(|(_, shape)| shape.is_some());
    needed.then(|| Value::Object(shapes.into_iter().map(|(name, shape)| (name.clone(), or_zero(shape))).collect()))
}

fn or_zero(shape: Option<Value>) -> Value {
    shape.unwrap_or_else(|| 0.into())
}

/// Gives a value that came back its shape again.
pub(super) fn reshape(value: &mut Value, shape: &Value) {
    match (value, shape) {
        (Value::Object(object), Value::Object(shapes)) => {
            let mut unordered = std::mem::take(object);
            for (name, shape) in shapes {
                if let Some(mut value) = unordered.shift_remove(name) {
                    reshape(&mut value, shape);
                    object.insert(name.clone(), value);
                }
            }
            object.extend(unordered);
        }
        (Value::Array(values), Value::Array(shapes)) => {
            for (value, shape) in values.iter_mut().zip(shapes) {
                reshape(value, shape);
            }
        }
        (Value::Number(number), Value::String(text)) => {
            if let Ok(written) = text.parse::<serde_json::Number>()
                && Decimal::of(&written) == Decimal::of(number)
            {
                *number = written;
            }
        }
        _ => {}
    }
}

//! Conditions on the fields of a record's JSON, such as `Name=Rocinante` or `HealthPoints<50`.
//!
//! They are for looking at streams; queries have SQL.
//!
//! ```text
//! FIELD OP VALUE      OP is one of  =  !=  <  <=  >  >=  ~ (has this text in it, whatever the case)
//! ```
//!
//! Numbers are compared as numbers, everything else as text. A missing field matches only `!=`.
//! Dots lead into objects, as in `place.zone=3`, unless a field has that name itself.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

/// Conditions of one look, at most.
pub const CONDITIONS_MAX: usize = 16;

/// How a field and a value must stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Below,
    UpTo,
    Above,
    From,
    Contains,
}

/// The longer ones first, so that `<=` is not taken for `<`.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::IsNot),
    ("<=", Operator::UpTo),
    (">=", Operator::From),
    ("=", Operator::Is),
    ("<", Operator::Below),
    (">", Operator::Above),
    ("~", Operator::Contains),
];

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    field: String,
    operator: Operator,
    value: String,
    number: Option<f64>,
}

/// Text that is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a condition like Name=Rocinante: write a field, one of = != < <= > >= ~, and a value")]
pub struct InvalidCondition {
    /// What was given.
    pub text: String,
}

impl FromStr for Condition {
    type Err = InvalidCondition;

    fn from_str(text: &str) -> Result<Self, InvalidCondition> {
        let invalid = || InvalidCondition { text: text.to_owned() };
        let at = text.find(['!', '<', '>', '=', '~']).ok_or_else(invalid)?;
        let (field, rest) = (text[..at].trim(), &text[at..]);
        let (sign, operator) = OPERATORS.into_iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(invalid)?;
        if field.is_empty() {
            return Err(invalid());
        }
        let value = rest[sign.len()..].trim().to_owned();
        let number = value.parse().ok().filter(|number: &f64| number.is_finite());
        Ok(Condition { text: text.to_owned(), field: field.to_owned(), operator, value, number })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    /// Whether an object meets it.
    pub fn is_met_by(&self, object: &Map<String, Value>) -> bool {
        let Some(found) = self.find(object) else { return self.operator == Operator::IsNot };
        let text = match found {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let order = match (found.as_f64(), self.number) {
            (Some(found), Some(number)) => found.partial_cmp(&number),
            _ => Some(text.as_str().cmp(&self.value)),
        };
        match self.operator {
            Operator::Is => order == Some(Ordering::Equal),
            Operator::IsNot => order != Some(Ordering::Equal),
            Operator::Below => order == Some(Ordering::Less),
            Operator::UpTo => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Operator::Above => order == Some(Ordering::Greater),
            Operator::From => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Operator::Contains => text.to_lowercase().contains(&self.value.to_lowercase()),
        }
    }

    fn find<'a>(&self, object: &'a Map<String, Value>) -> Option<&'a Value> {
        object.get(&self.field).or_else(|| {
            let (first, rest) = self.field.split_once('.')?;
            rest.split('.').try_fold(object.get(first)?, |within, name| within.get(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(condition: &str, object: Value, met: bool) {
        let condition: Condition = condition.parse().expect("a condition");
        assert_eq!(condition.is_met_by(object.as_object().expect("an object")), met, "{condition} {object}");
    }

    #[test]
    fn fields_are_compared_as_people_mean_it() {
        let unicorn =
            || serde_json::json!({"Name": "Rocinante", "HealthPoints": 9, "at": {"zone": 3}, "a.b": true, "x": null});
        check("Name=Rocinante", unicorn(), true);
        check("Name = rocinante", unicorn(), false);
        check("Name~CIN", unicorn(), true);
        check("Name!=Rocinante", unicorn(), false);
        check("HealthPoints<50", unicorn(), true);
        check("HealthPoints<9", unicorn(), false);
        check("HealthPoints<=9.0", unicorn(), true);
        check("HealthPoints>8", unicorn(), true);
        check("HealthPoints>=10", unicorn(), false);
        check("Name>Bucephalus", unicorn(), true);
        check("at.zone=3", unicorn(), true);
        check("at.zone.x=3", unicorn(), false);
        check("a.b=true", unicorn(), true);
        check("x=null", unicorn(), true);
        check("missing=1", unicorn(), false);
        check("missing!=1", unicorn(), true);
        check("Name=a=b", serde_json::json!({"Name": "a=b"}), true);
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for wrong in ["", "Name", "=x", " < 3", "!x", "Name!x"] {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
        }
    }
}

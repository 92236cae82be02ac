//! The fields of a record that a query's columns name, read in one pass and borrowed from the record.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::rows::key::Key;

/// A value of a record.
#[derive(Debug, Clone)]
pub(crate) enum Field<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    Text(Cow<'a, str>),
    /// An array or an object.
    Nested(Value),
}

impl fmt::Display for Field<'_> {
    /// As JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Null => f.write_str("null"),
            Field::Boolean(value) => value.fmt(f),
            Field::Number(number) => number.fmt(f),
            Field::Text(text) => Value::from(text.as_ref()).fmt(f),
            Field::Nested(value) => value.fmt(f),
        }
    }
}

/// One value per wanted name, in their order; none where an object has no such field.
pub(crate) type Fields<'a> = Vec<Option<Field<'a>>>;

/// Which fields are read. A field is found by its exact name, or else by the first that differs in case only.
#[derive(Debug, Clone)]
pub(crate) struct FieldNames {
    wanted: Vec<Wanted>,
}

#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    any_case: bool,
}

/// How well a field that was found bears its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    No,
    InOtherCase,
    Exactly,
}

impl FieldNames {
    /// Fields of these names.
    pub(crate) fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> FieldNames {
        let wanted = |name: &str| Wanted { name: name.to_owned(), any_case: true };
        FieldNames { wanted: names.into_iter().map(wanted).collect() }
    }

    /// One more field, by its exact name only. Returns its place in [`Fields`].
    pub(crate) fn add_exactly(&mut self, name: &str) -> usize {
        self.wanted.push(Wanted { name: name.to_owned(), any_case: false });
        self.wanted.len() - 1
    }

    /// The wanted fields of every object in a record: usually one; blanks between and after are fine. All of the record
    /// is checked, also what is not wanted. Error: what is no JSON, and a record without any object.
    pub(crate) fn read<'a>(&self, data: &'a [u8]) -> serde_json::Result<Vec<Fields<'a>>> {
        let mut documents = serde_json::Deserializer::from_slice(data);
        let mut objects = Vec::with_capacity(1);
        loop {
            objects.push(self.deserialize(&mut documents)?);
            if documents.end().is_ok() {
                return Ok(objects);
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for &FieldNames {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &FieldNames {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields<'de>, A::Error> {
        let mut fields: Fields<'de> = vec![None; self.wanted.len()];
        let mut found = vec![Found::No; self.wanted.len()];
        while let Some(name) = entries.next_key::<Key<'de>>()? {
            let value: Field<'de> = entries.next_value()?;
            for (i, wanted) in self.wanted.iter().enumerate() {
                let fit = wanted.fit(&name.0);
                // The last of several fields of one name counts, as everywhere in JSON.
                if fit == Found::Exactly || (fit == Found::InOtherCase && found[i] == Found::No) {
                    fields[i] = Some(value.clone());
                    found[i] = fit;
                }
            }
        }
        Ok(fields)
    }
}

impl Wanted {
    fn fit(&self, name: &str) -> Found {
        if name.len() != self.name.len() {
            Found::No
        } else if *name == *self.name {
            Found::Exactly
        } else if self.any_case && name.eq_ignore_ascii_case(&self.name) {
            Found::InOtherCase
        } else {
            Found::No
        }
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Field<'de>, E> {
        Ok(Field::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Field<'de>, E> {
        Ok(Field::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Field<'de>, E> {
        Ok(Field::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Field<'de>, E> {
        Number::from_f64(value).map(Field::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Field<'de>, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(elements)).map(Field::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Field<'de>, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(entries)).map(Field::Nested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str], data: &str) -> Option<Vec<String>> {
        let mut names = FieldNames::new(names.iter().copied());
        names.add_exactly("at");
        let show = |field: &Option<Field<'_>>| field.as_ref().map_or("-".to_owned(), Field::to_string);
        let objects = names.read(data.as_bytes()).ok()?;
        Some(objects.iter().map(|fields| fields.iter().map(show).collect::<Vec<_>>().join(" ")).collect())
    }

    #[test]
    fn fields_are_found_by_exact_name_and_else_by_the_first_in_another_case() {
        let text = |objects: &[&str]| Some(objects.iter().map(|object| (*object).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["Name", "b"], r#"{"NAME":1,"name":2,"B":"x","AT":3}"#), text(&[r#"1 "x" -"#]));
        assert_eq!(read(&["Name", "b"], r#"{"NAME":1,"Name":2,"name":3,"Name":4,"at":5}"#), text(&["4 - 5"]));
        assert_eq!(read(&["a", "A"], r#"{"a":[1,{"b":null}]}"#), text(&[r#"[1,{"b":null}] [1,{"b":null}] -"#]));
        assert_eq!(read(&["é"], r#"{"\u00e9":"\u00e9"} {"é":true}"#), text(&[r#""é" -"#, "true -"]));
    }

    #[test]
    fn a_record_is_read_to_its_end() {
        for bad in ["", " ", "1", "[]", "{} 1", "{}x", r#"{"other":1e999}"#, r#"{"other":"\ud800"}"#, r#"{"a":1"#] {
            assert_eq!(read(&["a"], bad), None, "{bad}");
        }
    }
}

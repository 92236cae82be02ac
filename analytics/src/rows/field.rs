//! The fields of a record that a query's columns name, read in one pass and borrowed from the record. A number, an
//! array and an object stay as they are written.

use std::borrow::Cow;
use std::fmt;

use model::text::json_object::{check_value, without_mark};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::rows::json_row::text_of;
use crate::rows::key::Key;

/// A value of a record.
#[derive(Debug, Clone)]
pub(crate) enum Field<'a> {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// An array or an object, as it is written.
    Nested(&'a str),
}

impl<'a> Field<'a> {
    /// The value that `raw` is in JSON.
    pub(crate) fn of(raw: &'a str) -> Field<'a> {
        match raw.as_bytes().first() {
            Some(b'n') => Field::Null,
            Some(b't') => Field::Boolean(true),
            Some(b'f') => Field::Boolean(false),
            Some(b'"') => Field::Text(text_of(raw)),
            Some(b'[' | b'{') => Field::Nested(raw),
            _ => Field::Number(raw),
        }
    }
}

impl fmt::Display for Field<'_> {
    /// As JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Null => f.write_str("null"),
            Field::Boolean(value) => value.fmt(f),
            Field::Number(raw) | Field::Nested(raw) => f.write_str(raw),
            Field::Text(text) => serde_json::Value::from(text.as_ref()).fmt(f),
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
        let mut documents = serde_json::Deserializer::from_slice(without_mark(data));
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
            let raw = entries.next_value::<&'de RawValue>()?.get();
            check_value(raw).map_err(A::Error::custom)?;
            for (i, wanted) in self.wanted.iter().enumerate() {
                let fit = wanted.fit(&name.0);
                // The last of several fields of one name counts, as everywhere in JSON.
                if fit == Found::Exactly || (fit == Found::InOtherCase && found[i] == Found::No) {
                    fields[i] = Some(Field::of(raw));
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
    fn values_stay_as_they_are_written() {
        for raw in ["-0", "1.50", "1e400", "123456789012345678901234567890.10", "[ 1, 2.50 ]", r#"{"b" : 1e999}"#] {
            assert_eq!(read(&["a"], &format!(r#"{{"a": {raw} }}"#)), Some(vec![format!("{raw} -")]), "{raw}");
        }
    }

    #[test]
    fn a_record_is_read_to_its_end() {
        for bad in ["", " ", "1", "[]", "{} 1", "{}x", r#"{"other":[1e]}"#, r#"{"other":"\ud800"}"#, r#"{"a":1"#] {
            assert_eq!(read(&["a"], bad), None, "{bad}");
        }
    }
}

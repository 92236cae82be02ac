//! One JSON object as keys and raw values: only what a query uses is parsed further.

use std::borrow::Cow;
use std::fmt;

use model::stream::aggregate::UserRecord;
use model::text::json_object::{RecordText, check_value, without_mark};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::rows::key::Key;

/// Keys in order of appearance; a key may come twice, and then the last one counts.
#[derive(Debug)]
pub(crate) struct JsonRow<'a>(pub(crate) Vec<(Cow<'a, str>, &'a str)>);

impl<'a> JsonRow<'a> {
    /// All objects of a record, checked through and through; at least one.
    pub(crate) fn read_all(data: &'a [u8]) -> serde_json::Result<Vec<JsonRow<'a>>> {
        let rows: Vec<JsonRow<'a>> =
            serde_json::Deserializer::from_slice(without_mark(data)).into_iter().collect::<serde_json::Result<_>>()?;
        rows.iter().flat_map(|row| &row.0).try_for_each(|(_, raw)| check_value(raw))?;
        if rows.is_empty() { Err(serde_json::Error::custom("it is empty")) } else { Ok(rows) }
    }
}

/// What a piece of text turned out to be.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// A row.
    Row(JsonRow<'a>),
    /// JSON, but not an object: no row.
    NotAnObject,
}

/// Calls `each` with every row that a user record is. False where it is none, and the archive will not have it as lines
/// either.
pub(crate) fn each_row<E>(
    user: &UserRecord<'_>,
    mut each: impl FnMut(&JsonRow<'_>) -> Result<(), E>,
) -> Result<bool, E> {
    let Some(text) = RecordText::of(&user.data).ok().filter(|_| !user.misplaced) else { return Ok(false) };
    let Ok(objects) = text.objects() else { return Ok(false) };
    for object in objects {
        if let Ok(row) = serde_json::from_str::<JsonRow<'_>>(object) {
            each(&row)?;
        }
    }
    Ok(true)
}

/// Parses a line: none, one or several JSON values, as other writers put them.
pub(crate) fn parse_line<'a>(line: &'a [u8], mut each: impl FnMut(Parsed<'a>)) -> Result<(), serde_json::Error> {
    let mut rest = without_mark(line).trim_ascii();
    while !rest.is_empty() {
        let consumed = if is_object(rest) {
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<JsonRow<'a>>();
            each(Parsed::Row(values.next().expect("the text is not empty")?));
            values.byte_offset()
        } else {
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
            values.next().expect("the text is not empty")?;
            each(Parsed::NotAnObject);
            values.byte_offset()
        };
        rest = rest[consumed..].trim_ascii_start();
    }
    Ok(())
}

fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b'{')
}

/// The text of a JSON value for a text column: a string's content, anything else as it is written.
pub(crate) fn text_of(raw: &str) -> Cow<'_, str> {
    if !raw.starts_with('"') {
        return Cow::Borrowed(raw);
    }
    let inner = &raw[1..raw.len() - 1];
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    // Half a surrogate pair is JSON but no text: then the escapes stay.
    serde_json::from_str::<String>(raw).map_or(Cow::Borrowed(inner), Cow::Owned)
}

impl<'de> Deserialize<'de> for JsonRow<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor;
        impl<'de> Visitor<'de> for RowVisitor {
            type Value = JsonRow<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonRow<'de>, A::Error> {
                let mut row = Vec::with_capacity(8);
                while let Some(Key(key)) = map.next_key()? {
                    row.push((key, map.next_value::<&'de RawValue>()?.get()));
                }
                Ok(JsonRow(row))
            }
        }
        deserializer.deserialize_map(RowVisitor)
    }
}

//! Tags: the rules they follow, and how they are shown.

use std::collections::BTreeMap;

use model::stream::settings::Tags;
use serde::Serialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;

/// The most tags of one resource.
pub(crate) const TAGS_MAX: usize = 50;
/// The longest key, in characters.
const KEY_LENGTH_MAX: usize = 128;
/// The longest value, in characters.
const VALUE_LENGTH_MAX: usize = 256;
/// Keys that begin so are AWS's own.
const RESERVED: &str = "aws:";

/// A tag as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    key: String,
    value: String,
}

/// Tags as they are shown.
pub(crate) fn shown<'a>(tags: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<Tag> {
    tags.map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

/// Tags of a request, checked.
pub(crate) fn given(tags: &BTreeMap<Text<'_>, Text<'_>>) -> Result<Tags, AwsError> {
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    for (key, value) in tags {
        check_key(key)?;
        if value.chars().count() > VALUE_LENGTH_MAX {
            let constraint = format!("Map value must have length less than or equal to {VALUE_LENGTH_MAX}");
            return Err(AwsError::validation(&format!("'{}'", value.0), "tags", &constraint));
        }
        check_characters(value)?;
    }
    Ok(tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect())
}

/// Keys of a request, checked.
pub(crate) fn given_keys<'a>(keys: &'a [Text<'a>]) -> Result<&'a [Text<'a>], AwsError> {
    if keys.is_empty() || keys.len() > TAGS_MAX {
        let constraint = format!("Member must have length between 1 and {TAGS_MAX}");
        return Err(AwsError::validation("", "tagKeys", &constraint));
    }
    keys.iter().try_for_each(|key| check_key(key))?;
    Ok(keys)
}

/// Adds `more`; keys that are there already get the new value.
pub(crate) fn add(tags: &mut Tags, more: &Tags) -> Result<(), AwsError> {
    tags.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    if tags.len() > TAGS_MAX { Err(too_many()) } else { Ok(()) }
}

/// Removes `keys`; those that are not there are no error.
pub(crate) fn remove(tags: &mut Tags, keys: &[Text<'_>]) {
    for key in keys {
        tags.remove(&**key);
    }
}

fn too_many() -> AwsError {
    AwsError::invalid_argument(format!("A resource cannot have more than {TAGS_MAX} tags associated with it."))
}

fn check_key(key: &str) -> Result<(), AwsError> {
    let length = key.chars().count();
    if length == 0 || length > KEY_LENGTH_MAX {
        let constraint = format!("Map keys must have length between 1 and {KEY_LENGTH_MAX}");
        return Err(AwsError::validation(&format!("'{key}'"), "tags", &constraint));
    }
    if key.get(..RESERVED.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(RESERVED)) {
        return Err(AwsError::invalid_argument(format!("Tag keys that begin with {RESERVED} are reserved.")));
    }
    check_characters(key)
}

fn check_characters(text: &str) -> Result<(), AwsError> {
    let is_valid = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_./=+-@:".contains(c);
    if text.chars().all(is_valid) {
        return Ok(());
    }
    Err(AwsError::invalid_argument(
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . : / = + - @",
    ))
}

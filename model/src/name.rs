//! Names of streams, consumers and tables: checked once, at the border, and carried as types afterwards.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name in characters, as Kinesis allows
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html>).
pub const NAME_LENGTH_MAX: usize = 128;

/// A name that breaks the rule `[a-zA-Z0-9_.-]{1,128}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("name `{name}` is not valid: use 1 to {NAME_LENGTH_MAX} of the characters a-z, A-Z, 0-9, `_`, `.` and `-`")]
pub struct InvalidName {
    /// What was given.
    pub name: String,
}

fn check(name: &str) -> Result<(), InvalidName> {
    let length_fits = !name.is_empty() && name.len() <= NAME_LENGTH_MAX;
    let only_dots = name.bytes().all(|b| b == b'.');
    let characters_fit = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    // Names become folder names: `.` and `..` would leave the folder they are meant for.
    if length_fits && characters_fit && !only_dots { Ok(()) } else { Err(InvalidName { name: name.to_owned() }) }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks the name. Error: [`InvalidName`].
            pub fn new(name: &str) -> Result<Self, InvalidName> {
                check(name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                Self::new(&name).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// Name of a stream; also the name of its folder on disk.
    StreamName
}
name! {
    /// Name of a consumer: a continuous query or a delivery stream.
    ConsumerName
}
name! {
    /// Name of a key-value table.
    TableName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_kinesis() {
        let longest = "x".repeat(NAME_LENGTH_MAX);
        for good in ["wildrydes", "wildrydes-summary", "a.b_C-9", "..a", longest.as_str()] {
            assert!(StreamName::new(good).is_ok(), "{good}");
        }
        let too_long = "x".repeat(NAME_LENGTH_MAX + 1);
        for bad in ["", ".", "..", "a/b", "a b", "é", "a\0", too_long.as_str()] {
            assert!(StreamName::new(bad).is_err(), "{bad}");
        }
    }
}

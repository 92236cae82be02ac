//! How an archived object is written: its layout and, for JSON lines, its compression.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How JSON lines are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Zstandard.
    #[default]
    Zstd,
    /// Gzip.
    Gzip,
    /// Not at all.
    None,
}

/// How an object is written. It prints as the extension of the object's name, and checkpoints keep it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum ObjectFormat {
    /// JSON lines.
    Lines(Compression),
    /// Columns of a Parquet file.
    Parquet,
}

/// Every format.
const FORMATS: [ObjectFormat; 4] = [
    ObjectFormat::Lines(Compression::Zstd),
    ObjectFormat::Lines(Compression::Gzip),
    ObjectFormat::Lines(Compression::None),
    ObjectFormat::Parquet,
];

/// Text that is the extension of no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a format: use `json.zst`, `json.gz`, `json` or `parquet`")]
pub struct InvalidFormat {
    /// What was given.
    pub text: String,
}

impl ObjectFormat {
    /// How names of such objects end.
    pub fn extension(self) -> &'static str {
        match self {
            ObjectFormat::Lines(Compression::Zstd) => "json.zst",
            ObjectFormat::Lines(Compression::Gzip) => "json.gz",
            ObjectFormat::Lines(Compression::None) => "json",
            ObjectFormat::Parquet => "parquet",
        }
    }

    /// How the lines beside objects of this format are compressed: those of dead letters.
    pub fn compression(self) -> Compression {
        match self {
            ObjectFormat::Lines(compression) => compression,
            ObjectFormat::Parquet => Compression::Zstd,
        }
    }
}

impl fmt::Display for ObjectFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for ObjectFormat {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        let found = FORMATS.into_iter().find(|format| format.extension() == text);
        found.ok_or_else(|| InvalidFormat { text: text.to_owned() })
    }
}

impl From<ObjectFormat> for &'static str {
    fn from(format: ObjectFormat) -> &'static str {
        format.extension()
    }
}

impl TryFrom<String> for ObjectFormat {
    type Error = InvalidFormat;

    fn try_from(text: String) -> Result<Self, InvalidFormat> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_read_as_they_print() {
        for format in FORMATS {
            assert_eq!(format.to_string().parse(), Ok(format));
            let kept = serde_json::to_string(&format).expect("a format is text");
            assert_eq!(kept, format!("\"{format}\""));
            assert_eq!(serde_json::from_str::<ObjectFormat>(&kept).expect(&kept), format);
        }
        assert!("csv".parse::<ObjectFormat>().is_err());
    }
}

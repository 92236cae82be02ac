//! How an object is written. The same lines, or rows, always become the same bytes.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};

/// zstd level 1 packs these lines tighter than gzip and several times as fast.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 6;

/// JSON lines, compressed or not, or columns; printed as the end of the object's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Format {
    /// Compressed with zstd.
    #[default]
    #[serde(rename = "json.zst")]
    JsonZstd,
    /// Compressed with gzip.
    #[serde(rename = "json.gz")]
    JsonGzip,
    /// As they are.
    #[serde(rename = "json")]
    Json,
    /// Rows of sensor records as Parquet: [`crate::object::parquet`].
    #[serde(rename = "parquet")]
    Parquet,
}

/// Text that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a format: use `json.zst`, `json.gz`, `json` or `parquet`")]
pub struct InvalidFormat {
    /// What was given.
    pub text: String,
}

impl Format {
    /// How names of such objects end.
    pub fn extension(self) -> &'static str {
        match self {
            Format::JsonZstd => "json.zst",
            Format::JsonGzip => "json.gz",
            Format::Json => "json",
            Format::Parquet => "parquet",
        }
    }

    /// How what is no row is written beside objects of this format: always as lines.
    pub fn of_lines(self) -> Format {
        if self == Format::Parquet { Format::JsonZstd } else { self }
    }

    /// The bytes of an object of lines.
    ///
    /// # Panics
    ///
    /// For [`Format::Parquet`], which holds no lines.
    pub fn encode(self, lines: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Format::Parquet => panic!("a file of columns holds no lines"),
            Format::Json => Ok(lines),
            Format::JsonGzip => {
                // No name, no time, no operating system in the header.
                let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(GZIP_LEVEL));
                gzip.write_all(&lines)?;
                gzip.finish()
            }
            Format::JsonZstd => {
                let mut zstd = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                zstd.include_checksum(true)?;
                zstd.set_pledged_src_size(Some(lines.len() as u64))?;
                zstd.include_contentsize(true)?;
                zstd.write_all(&lines)?;
                zstd.finish()
            }
        }
    }

    /// The lines of an object, at most `bytes_max` of them.
    ///
    /// # Panics
    ///
    /// For [`Format::Parquet`], which holds no lines.
    pub fn decode(self, object: &[u8], bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        let mut reader: Box<dyn Read + '_> = match self {
            Format::Parquet => panic!("a file of columns holds no lines"),
            Format::Json => Box::new(object),
            Format::JsonGzip => Box::new(flate2::read::MultiGzDecoder::new(object)),
            Format::JsonZstd => Box::new(zstd::Decoder::new(object)?),
        };
        let read = reader.by_ref().take(bytes_max.saturating_add(1)).read_to_end(&mut lines)?;
        if read as u64 > bytes_max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes of lines")));
        }
        Ok(lines)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for Format {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        [Format::JsonZstd, Format::JsonGzip, Format::Json, Format::Parquet]
            .into_iter()
            .find(|format| format.extension() == text)
            .ok_or_else(|| InvalidFormat { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_gives_back_the_lines_and_is_the_same_each_time() {
        for format in [Format::JsonZstd, Format::JsonGzip, Format::Json] {
            for lines in [String::new(), "{\"a\":1}\n".into(), "{\"Name\":\"Shadowfax\"}\n".repeat(10_000)] {
                let object = format.encode(lines.clone().into_bytes()).unwrap();
                assert_eq!(format.encode(lines.clone().into_bytes()).unwrap(), object);
                assert_eq!(format.decode(&object, 1 << 20).unwrap(), lines.as_bytes(), "{format}");
                assert_eq!(format.to_string().parse(), Ok(format));
            }
            let object = format.encode(vec![b' '; 100]).unwrap();
            assert!(format.decode(&object, 99).is_err());
        }
        assert_eq!("parquet".parse(), Ok(Format::Parquet));
        assert!("csv".parse::<Format>().is_err());
    }

    #[test]
    fn gzip_headers_hold_no_time_and_a_flipped_bit_is_noticed() {
        let object = Format::JsonGzip.encode(b"{}\n".to_vec()).unwrap();
        assert_eq!(object[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let object = Format::JsonZstd.encode(b"{\"a\":\"bcdefghijklmnopqrstuvwxyz\"}\n".to_vec()).unwrap();
        for byte in 0..object.len() {
            let mut damaged = object.clone();
            damaged[byte] ^= 1;
            let lines = Format::JsonZstd.decode(&damaged, 1 << 20);
            assert!(lines.is_err() || lines.unwrap() == Format::JsonZstd.decode(&object, 1 << 20).unwrap());
        }
    }
}

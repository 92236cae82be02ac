//! Compression of an object's lines. The same lines always become the same bytes.

use std::io::{self, Read, Write};

use flate2::GzBuilder;
use model::archive::format::Compression;

/// zstd level 1 packs these lines tighter than gzip and several times as fast.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 6;

/// The bytes of an object that holds `lines`.
pub fn compress(compression: Compression, lines: Vec<u8>) -> io::Result<Vec<u8>> {
    match compression {
        Compression::None => Ok(lines),
        Compression::Gzip => {
            // No name, no time, no operating system in the header.
            let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            gzip.write_all(&lines)?;
            gzip.finish()
        }
        Compression::Zstd => {
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
pub fn decompress(compression: Compression, object: &[u8], bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    let mut reader: Box<dyn Read + '_> = match compression {
        Compression::None => Box::new(object),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(object)),
        Compression::Zstd => Box::new(zstd::Decoder::new(object)?),
    };
    let read = reader.by_ref().take(bytes_max.saturating_add(1)).read_to_end(&mut lines)?;
    if read as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {bytes_max} bytes of lines")));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_compression_gives_back_the_lines_and_is_the_same_each_time() {
        for compression in [Compression::Zstd, Compression::Gzip, Compression::None] {
            for lines in [String::new(), "{\"a\":1}\n".into(), "{\"Name\":\"Shadowfax\"}\n".repeat(10_000)] {
                let object = compress(compression, lines.clone().into_bytes()).unwrap();
                assert_eq!(compress(compression, lines.clone().into_bytes()).unwrap(), object);
                assert_eq!(decompress(compression, &object, 1 << 20).unwrap(), lines.as_bytes(), "{compression:?}");
            }
            let object = compress(compression, vec![b' '; 100]).unwrap();
            assert!(decompress(compression, &object, 99).is_err());
        }
    }

    #[test]
    fn gzip_headers_hold_no_time_and_a_flipped_bit_is_noticed() {
        let object = compress(Compression::Gzip, b"{}\n".to_vec()).unwrap();
        assert_eq!(object[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let object = compress(Compression::Zstd, b"{\"a\":\"bcdefghijklmnopqrstuvwxyz\"}\n".to_vec()).unwrap();
        for byte in 0..object.len() {
            let mut damaged = object.clone();
            damaged[byte] ^= 1;
            let lines = decompress(Compression::Zstd, &damaged, 1 << 20);
            assert!(lines.is_err() || lines.unwrap() == decompress(Compression::Zstd, &object, 1 << 20).unwrap());
        }
    }
}

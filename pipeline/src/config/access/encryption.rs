//! `[encryption]`: the file with the keys that streams may be encrypted with at rest.
//!
//! ```text
//! # name = 32 bytes in base64, as `openssl rand -base64 32` prints them
//! alias/rides = 3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=
//! ```

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ingest::log::frames::key::{KEY_BYTES, KeyRing, Keys};
use serde::Deserialize;

/// The longest file of keys.
const KEY_FILE_BYTES_MAX: u64 = 256 << 10;
/// The longest name of a key.
const NAME_LENGTH_MAX: usize = 2048;

/// Where the keys are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EncryptionConfig {
    /// The file of keys; relative to the settings file.
    pub(crate) key_file: Option<PathBuf>,
}

impl EncryptionConfig {
    /// The keys, none where there is no file; `folder` is where it is looked for. The file is read
    /// again when a key is wanted that it did not have.
    pub(crate) fn keys(&self, folder: &Path) -> anyhow::Result<KeyRing> {
        let Some(file) = &self.key_file else { return Ok(KeyRing::default()) };
        let file = folder.join(file);
        let source = file.clone();
        let ring = KeyRing::reading(Arc::new(move || read(&source).map_err(|error| format!("{error:#}"))));
        let ring = ring.map_err(anyhow::Error::msg);
        ring.with_context(|| format!("the key file {} cannot be used", file.display()))
    }
}

fn read(file: &Path) -> anyhow::Result<Keys> {
    let mut text = String::new();
    File::open(file)?.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    let fits = text.len() as u64 <= KEY_FILE_BYTES_MAX;
    anyhow::ensure!(fits, "it is over {KEY_FILE_BYTES_MAX} bytes: that is no file of keys");
    parse(&text)
}

/// Keys by name. No error shows what stands in the file, but for names.
fn parse(text: &str) -> anyhow::Result<Keys> {
    let mut keys = Keys::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, key) = line.split_once('=').with_context(|| format!("line {number} is not `name = key`"))?;
        let (name, key) = (name.trim(), key.trim());
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte));
        anyhow::ensure!(
            plain && (1..=NAME_LENGTH_MAX).contains(&name.len()),
            "line {number}: a key's name is of letters, digits, `/`, `_` and `-`, as in `alias/rides`"
        );
        let bytes = base64_simd::STANDARD.decode_to_vec(key).ok().and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.with_context(|| {
            format!("line {number}: key `{name}` is not {KEY_BYTES} bytes in base64, as `openssl rand -base64 32` prints them")
        })?;
        anyhow::ensure!(keys.insert(name.to_owned(), bytes).is_none(), "line {number}: key `{name}` is defined twice");
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=";

    #[test]
    fn keys_are_read_by_name() {
        let keys = parse(&format!("# a comment\n\n alias/one = {KEY}\n0f-1 ={KEY}\r\n")).expect("it reads");
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["0f-1", "alias/one"]);
        assert_eq!(keys["alias/one"][..4], [0xde, 0xad, 0xbe, 0xef]);
        assert!(parse("").expect("no keys").is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_without_the_key() {
        for (text, part) in [
            ("canary".to_owned(), "line 1 is not `name = key`"),
            (format!("a b = {KEY}"), "line 1: a key's name"),
            (format!("= {KEY}"), "line 1: a key's name"),
            ("\none = canary".to_owned(), "line 2: key `one` is not 32 bytes"),
            (format!("one = {}", &KEY[4..]), "line 1: key `one` is not 32 bytes"),
            (format!("one = {KEY}\none = {KEY}"), "line 2: key `one` is defined twice"),
        ] {
            let message = parse(&text).expect_err("refused").to_string();
            assert!(message.contains(part) && !message.contains("canary") && !message.contains(&KEY[4..]), "{message}");
        }
    }
}

//! A file of sources with their keys, for the owner's eyes only.
//!
//! ```text
//! [[source]]
//! id = 17
//! addresses = ["10.1.0.0/16"]                       # where it may send from; anywhere if missing
//! keys = [{ id = 0, key = "000102030405060708090a0b0c0d0e0f" }]
//! ```
//!
//! No error shows what stands in the file, but for numbers of lines and sources.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use ingest::sensor::id_hash::IdHash;
use ingest::sensor::port_rule::SourceRule;
use model::datagram::admin::{ADDRESSES_MAX, RateSpec};
use model::datagram::header::SourceId;
use model::datagram::tag::TagKey;
use model::text::hex::unhex;
use serde::Deserialize;

use crate::config::text::error::line_column;
use crate::sensors::rule;

/// The folder with files of keys, in the data folder.
pub(crate) const KEYS_FOLDER: &str = "sensor-keys";

/// The longest file of keys.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Keys of a source, at most: key ids are a byte.
const KEYS_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    source: Vec<SourceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceEntry {
    id: u32,
    keys: Vec<KeyEntry>,
    #[serde(default)]
    addresses: Vec<String>,
    rate: Option<RateSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: u8,
    key: String,
}

/// The sources of a file `name` in `folder`.
pub(crate) fn read(folder: &Path, name: &str) -> anyhow::Result<HashMap<SourceId, SourceRule, IdHash>> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    ensure!(
        plain && !name.starts_with('.') && (1..=128).contains(&name.len()),
        "`{name}` is not the name of a file of keys: letters, digits, `.`, `_` and `-`, in the folder {}",
        folder.display()
    );
    let file = folder.join(name);
    let read = || {
        let about = fs::metadata(&file)?;
        ensure!(about.is_file(), "it is no file");
        let mode = about.permissions().mode() & 0o777;
        ensure!(mode & 0o077 == 0, "others may read it (mode {mode:o}); chmod 600 {}", file.display());
        ensure!(about.len() <= FILE_BYTES_MAX, "it is over {FILE_BYTES_MAX} bytes: that is no file of keys");
        parse(&fs::read_to_string(&file)?)
    };
    read().with_context(|| format!("the file of keys {} cannot be used", file.display()))
}

fn parse(text: &str) -> anyhow::Result<HashMap<SourceId, SourceRule, IdHash>> {
    let parsed: KeysFile = match toml::from_str(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let (line, column) = error.span().map_or((1, 1), |span| line_column(text, span.start));
            bail!(
                "line {line}, column {column}: it must be [[source]] with id, keys = [{{ id, key }}] and, if wanted, addresses and rate"
            );
        }
    };
    ensure!(!parsed.source.is_empty(), "it defines no source, so nobody could send; add [[source]]");
    let mut sources = HashMap::default();
    for entry in parsed.source {
        let id = entry.id;
        let source = source_of(entry).with_context(|| format!("source {id}"))?;
        ensure!(sources.insert(SourceId(id), source).is_none(), "source {id} is defined twice");
    }
    Ok(sources)
}

fn source_of(entry: SourceEntry) -> anyhow::Result<SourceRule> {
    ensure!((1..=KEYS_MAX).contains(&entry.keys.len()), "it needs 1 to {KEYS_MAX} keys");
    ensure!(entry.addresses.len() <= ADDRESSES_MAX, "it has more than {ADDRESSES_MAX} addresses");
    let mut keys: Vec<(u8, TagKey)> = Vec::new();
    for KeyEntry { id, key } in entry.keys {
        ensure!(keys.iter().all(|(known, _)| *known != id), "key {id} is defined twice");
        let bits = unhex(&key)
            .with_context(|| format!("key {id} is not 32 hexadecimal digits, as `openssl rand -hex 16` prints them"))?;
        keys.push((id, TagKey::new(bits)));
    }
    let addresses = rule::ranges(&entry.addresses).map_err(anyhow::Error::msg)?;
    let rate = entry.rate.map(rule::rate).transpose().map_err(anyhow::Error::msg)?;
    Ok(SourceRule { addresses, keys, rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0eff";

    #[test]
    fn sources_are_read_with_their_keys() {
        let text = format!(
            "[[source]]\nid = 17\nkeys = [{{ id = 3, key = \"{KEY}\" }}]\naddresses = [\"10.0.0.0/8\"]\n[[source]]\nid = 18\nkeys = [{{ id = 0, key = \"{KEY}\" }}]"
        );
        let sources = parse(&text).expect("it reads");
        assert_eq!(sources.len(), 2);
        let bits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
        assert_eq!(sources[&SourceId(17)].keys, [(3, TagKey::new(bits))]);
        assert_eq!(sources[&SourceId(17)].addresses.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_keys() {
        let one = |line: &str| format!("[[source]]\nid = 1\n{line}\n");
        for (text, part) in [
            ("source = []".to_owned(), "defines no source"),
            (one("keys = []"), "source 1: it needs 1 to 256 keys"),
            (one("keys = [{ id = 0, key = \"canary\" }]"), "source 1: key 0 is not 32 hexadecimal digits"),
            (one("keys = \"canary\""), "line 3, column 8: it must be"),
            (
                one(&format!("keys = [{{ id = 0, key = \"{KEY}\" }}, {{ id = 0, key = \"{KEY}\" }}]")),
                "key 0 is defined twice",
            ),
            (one(&format!("keys = [{{ id = 0, key = \"{KEY}\" }}]\naddresses = [\"10.0.0.0/40\"]")), "`10.0.0.0/40`"),
        ] {
            let message = format!("{:#}", parse(&text).expect_err("refused"));
            assert!(message.contains(part) && !message.contains("canary") && !message.contains(KEY), "{message}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("plant.toml");
        fs::write(&file, format!("[[source]]\nid = 1\nkeys = [{{ id = 0, key = \"{KEY}\" }}]")).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
        let message = format!("{:#}", read(folder.path(), "plant.toml").expect_err("refused"));
        assert!(message.contains("others may read it (mode 640); chmod 600"), "{message}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
        assert_eq!(read(folder.path(), "plant.toml").expect("it reads").len(), 1);
        for name in ["../plant.toml", "", ".hidden", "a/b"] {
            assert!(read(folder.path(), name).expect_err("refused").to_string().contains("is not the name"), "{name}");
        }
    }
}

//! What was set at run time, kept over restarts: one small file in the data folder, replaced as a whole.
//!
//! ```text
//! gallop-sensors 1 crc32c=0f1e2d3c
//! { "schemas": [{"id": 7, "fields": [..]}], "ports": {"9000": {"stream": "plant", "schema": 7, ..}} }
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use model::datagram::admin::{PortSpec, SchemaSpec};
use model::datagram::header::SchemaId;
use serde::{Deserialize, Serialize};

/// The file in the data folder.
const FILE: &str = "sensors";

/// Schemas and ports that stand in no settings file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) schemas: Vec<SchemaSpec>,
    pub(super) ports: BTreeMap<u16, PortSpec>,
}

/// The numbers of the schemas that an earlier run kept.
pub(crate) fn schema_ids(data: &Path) -> anyhow::Result<Vec<SchemaId>> {
    Ok(Kept::load(data)?.schemas.iter().map(|schema| schema.id).collect())
}

impl Kept {
    /// What an earlier run kept; nothing where there was none.
    pub(super) fn load(data: &Path) -> anyhow::Result<Kept> {
        let file = data.join(FILE);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            text => text.with_context(|| format!("{} cannot be read", file.display()))?,
        };
        let read = || {
            let (line, json) = text.split_once('\n')?;
            let json = json.strip_suffix('\n')?;
            (first_line(json) == line).then(|| serde_json::from_str(json))?.ok()
        };
        read().with_context(|| format!("{} is damaged; move it away and add the sensor ports again", file.display()))
    }

    /// Replaces the file; durable when this returns, and whole whatever happens.
    pub(super) fn save(&self, data: &Path) -> io::Result<()> {
        let json = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let text = format!("{}\n{json}\n", first_line(&json));
        let new: PathBuf = data.join(format!("{FILE}.new"));
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, data.join(FILE))?;
        File::open(data)?.sync_all()
    }
}

fn first_line(json: &str) -> String {
    format!("gallop-sensors 1 crc32c={:08x}", crc32c::crc32c(json.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_damage_is_told() {
        let data = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Kept::load(data.path()).expect("nothing yet"), Kept::default());
        let text = r#"{"schemas": [{"id": 7, "fields": [{"name": "rpm", "kind": "u16"}, {"name": "at", "kind": {"text": 4}}]}],
            "ports": {"9000": {"stream": "plant", "schema": 7, "policy": "hold", "keys": "plant.toml"}}}"#;
        let kept: Kept = serde_json::from_str(text).expect("it reads");
        kept.save(data.path()).expect("saved");
        kept.save(data.path()).expect("saved over");
        assert_eq!(Kept::load(data.path()).expect("kept"), kept);
        let file = data.path().join(FILE);
        let damaged = fs::read_to_string(&file).expect("text").replace("rpm", "rpn");
        fs::write(&file, damaged).expect("written");
        assert!(Kept::load(data.path()).expect_err("damaged").to_string().contains("is damaged"));
    }
}

//! What was set at run time, kept over restarts: one small file in the data folder, replaced as a
//! whole.
//!
//! ```text
//! gallop-sensors 1 crc32c=0f1e2d3c
//! { "schemas": [{"id": 7, "fields": [..]}], "ports": {"9000": {"stream": "plant", "schema": 7, ..}} }
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use model::datagram::admin::{PortSpec, SchemaSpec};
use model::datagram::header::SchemaId;
use model::disk::{Disk, StdDisk};
use serde::{Deserialize, Serialize};

use crate::kept_file::KeptFile;

/// The file in the data folder.
const FILE: KeptFile =
    KeptFile { name: "sensors", if_damaged: "move it and its copy away and add the sensor ports again" };

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
        FILE.load(&StdDisk, data)
    }

    /// Replaces the file; durable when this returns.
    pub(super) async fn save(&self, data: &Path) -> io::Result<()> {
        let disk: Arc<dyn Disk> = Arc::new(StdDisk);
        FILE.save(&disk, data, self).await
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_is_kept_is_found_again_and_damage_is_told() {
        let data = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Kept::load(data.path()).expect("nothing yet"), Kept::default());
        let text = r#"{"schemas": [{"id": 7, "fields": [{"name": "rpm", "kind": "u16"}, {"name": "at", "kind": {"text": 4}}]}],
            "ports": {"9000": {"stream": "plant", "schema": 7, "policy": "hold", "keys": "plant.toml"}}}"#;
        let kept: Kept = serde_json::from_str(text).expect("it reads");
        kept.save(data.path()).await.expect("saved");
        kept.save(data.path()).await.expect("saved over");
        assert_eq!(Kept::load(data.path()).expect("kept"), kept);
        let damage = |name: &str| {
            let file = data.path().join(name);
            let damaged = fs::read_to_string(&file).expect("text").replace("rpm", "rpn");
            fs::write(&file, damaged).expect("written");
        };
        damage(FILE.name);
        assert_eq!(Kept::load(data.path()).expect("the copy counts"), kept);
        damage(&format!("{}.copy", FILE.name));
        assert!(Kept::load(data.path()).expect_err("damaged").to_string().contains("is damaged"));
    }
}

//! Tables on a disk that is full for a while. It needs root, to mount a small memory as a disk.

use std::path::Path;
use std::process::Command;

use model::name::TableName;
use model::table::json::read_item;
use model::table::store::{KeyAttribute, KeyType, KeyValue, Order, Query, TableSchema, TableStore, VersionedItem};
use serde_json::json;
use sinks::table::embedded::store::EmbeddedTables;

/// A disk that grows as it is told; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(mib: u32) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk(folder)),
            _ => {
                println!("left out: a small disk cannot be mounted on this machine");
                None
            }
        }
    }

    fn grow(&self, mib: u32) {
        let size = format!("remount,size={mib}m");
        let grown = Command::new("mount").args(["-o", &size]).arg(self.path()).output().unwrap();
        assert!(grown.status.success(), "{grown:?}");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The folder below is removed even where this fails.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

fn item(n: u64) -> VersionedItem {
    let item = json!({ "name": "Shadowfax", "at": n, "text": "x".repeat(20_000) });
    VersionedItem { item: read_item(item.to_string().as_bytes()).unwrap(), version: n }
}

#[tokio::test]
async fn a_full_disk_refuses_puts_until_there_is_room() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let path = disk.path().join("tables.redb");
    let tables = EmbeddedTables::open(&path).unwrap();
    let name = TableName::new("t").unwrap();
    let schema = TableSchema {
        name: name.clone(),
        partition_key: KeyAttribute { name: "name".into(), key_type: KeyType::String },
        sort_key: Some(KeyAttribute { name: "at".into(), key_type: KeyType::Number }),
    };
    tables.create(schema).await.unwrap();
    let partition = KeyValue::String("Shadowfax".to_owned());
    let all = Query { partition, from: None, to: None, order: Order::Asc, limit: 10_000, after: None };
    let (mut n, mut kept) = (0, Vec::new());
    for mib in [16, 32, 64] {
        loop {
            n += 1;
            match tables.put(&name, vec![item(n)]).await {
                Ok(()) => kept.push(n),
                Err(_) => break,
            }
            assert!(n < 10_000, "the disk never fills up");
        }
        for _ in 0..3 {
            n += 1;
            tables.put(&name, vec![item(n)]).await.unwrap_err();
        }
        disk.grow(mib);
        n += 1;
        tables.put(&name, vec![item(n)]).await.expect("there is room again, and no restart was needed");
        kept.push(n);
        let (mut found, mut query) = (Vec::new(), all.clone());
        loop {
            let page = tables.query(&name, query).await.unwrap();
            found.extend(page.items.iter().map(|item| item["at"].to_string().parse::<u64>().unwrap()));
            let Some(next) = page.next else { break };
            query = Query { after: Some(next), ..all.clone() };
        }
        assert_eq!(found, kept, "what was refused is not there, all else is");
    }
}

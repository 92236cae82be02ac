//! Single syncs of the tables' file and of the archive that fail as on Linux, the start after them
//! on the same machine, and a power cut later: what was acknowledged is still there.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use model::archive::store::{Archive, ObjectName};
use model::disk::overlay::OverlayDisk;
use model::folders;
use model::name::TableName;
use model::table::json::read_item;
use model::table::store::{KeyAttribute, KeyType, TableSchema, TableStore, VersionedItem};
use model::testing::faulty::{Fault, FaultyDisk, Operation};
use model::testing::power_cut::PowerCutDisk;
use sinks::archive::folder::FolderArchive;
use sinks::table::embedded::store::EmbeddedTables;

/// How many syncs of each kind are made to fail, one in each run.
const SYNCS: u64 = 12;
/// Power cuts tried on what is left.
const CUTS: u64 = 6;

fn table() -> TableName {
    TableName::new("t").unwrap()
}

fn schema() -> TableSchema {
    let partition_key = KeyAttribute { name: "id".into(), key_type: KeyType::Number };
    TableSchema { name: table(), partition_key, sort_key: None }
}

fn item(id: u64, version: u64) -> VersionedItem {
    let json = format!(r#"{{"id":{id},"pad":"{}"}}"#, "x".repeat(500));
    VersionedItem { item: read_item(json.as_bytes()).unwrap(), version }
}

/// The tables' file.
const TABLES: &str = "/data/tables.redb";

fn open_tables(disk: &FaultyDisk) -> Option<EmbeddedTables> {
    EmbeddedTables::open_on(Arc::new(disk.clone()), Path::new(TABLES)).ok()
}

/// Puts items until one fails; the ids of those that were acknowledged.
async fn put_some(tables: &EmbeddedTables, ids: std::ops::Range<u64>) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for id in ids {
        match tables.put(&table(), vec![item(id, id)]).await {
            Ok(()) => acknowledged.push(id),
            Err(_) => break,
        }
    }
    acknowledged
}

async fn check_tables(fault: Fault, closes: bool) {
    let power = PowerCutDisk::default();
    folders::make(&power, Path::new("/data")).unwrap();
    let disk = FaultyDisk::new(power.clone());
    let tables = open_tables(&disk).unwrap();
    tables.create(schema()).await.unwrap();
    let mut acknowledged = put_some(&tables, 0..3).await;
    disk.fail(fault.clone());
    acknowledged.extend(put_some(&tables, 3..9).await);
    if closes {
        drop(tables);
    } else {
        // A process that was killed closes nothing.
        std::mem::forget(tables);
    }
    let tables = match open_tables(&disk) {
        Some(tables) => tables,
        // The fault comes in the recovery; the next start goes on.
        None => open_tables(&disk).unwrap(),
    };
    acknowledged.extend(put_some(&tables, 20..40).await);
    if acknowledged.last() != Some(&39) {
        // The failed sync has come now; it stays failed until a restart.
        let left = open_tables_after(tables, &disk);
        acknowledged.extend(put_some(&left, 40..60).await);
        std::mem::forget(left);
    } else {
        std::mem::forget(tables);
    }
    disk.heal();
    for cut in 0..CUTS {
        let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
        let overlay = OverlayDisk::new(Arc::new(disk.clone()));
        let shown = EmbeddedTables::open_on(Arc::new(overlay.clone()), Path::new(TABLES)).unwrap();
        overlay.seal();
        check_items(&shown, &acknowledged, &format!("{fault:?}, closes {closes}, cut {cut}, read only")).await;
        assert!(put_some(&shown, 60..61).await.is_empty(), "nothing is taken where nothing can be written");
        drop(shown);
        let tables = open_tables(&disk).unwrap_or_else(|| panic!("{fault:?}, cut {cut}: the file does not open"));
        check_items(&tables, &acknowledged, &format!("{fault:?}, closes {closes}, cut {cut}")).await;
    }
}

async fn check_items(tables: &EmbeddedTables, acknowledged: &[u64], about: &str) {
    for id in acknowledged {
        let key = schema().key_of(&item(*id, *id).item).unwrap();
        let found = tables.get(&table(), &key).await.unwrap();
        assert_eq!(found, Some(item(*id, *id)), "{about}, item {id}");
    }
}

fn open_tables_after(tables: EmbeddedTables, disk: &FaultyDisk) -> EmbeddedTables {
    drop(tables);
    open_tables(disk).unwrap()
}

#[tokio::test]
async fn tables_do_not_believe_what_a_failed_sync_left_in_memory() {
    for closes in [true, false] {
        for after in 0..SYNCS {
            check_tables(Fault { after, ..Fault::once(Operation::Sync, "tables") }, closes).await;
        }
        for after in 0..2 {
            check_tables(Fault { after, ..Fault::once(Operation::SyncFolder, "data") }, closes).await;
        }
    }
}

async fn put_objects(archive: &FolderArchive, numbers: std::ops::Range<u64>) -> Vec<ObjectName> {
    let mut acknowledged = Vec::new();
    for number in numbers {
        let name = ObjectName::new(format!("rides/{}/part-{number}", number / 4)).unwrap();
        // Deliveries try the same object again.
        for _ in 0..3 {
            if archive.put_if_absent(&name, Bytes::from(name.to_string())).await.is_ok() {
                acknowledged.push(name);
                break;
            }
        }
    }
    acknowledged
}

#[tokio::test]
async fn an_archive_does_not_believe_what_a_failed_sync_left_in_memory() {
    let syncs = (0..25).map(|after| (Operation::Sync, after));
    let folder_syncs = (0..37).map(|after| (Operation::SyncFolder, after));
    for (operation, after) in syncs.chain(folder_syncs) {
        let fault = Fault { after, ..Fault::once(operation, "archive") };
        let power = PowerCutDisk::default();
        let disk = FaultyDisk::new(power.clone());
        let open = |disk: &FaultyDisk| FolderArchive::open_on(Arc::new(disk.clone()), "/data/archive".into());
        disk.fail(fault.clone());
        let archive = open(&disk).or_else(|_| open(&disk)).unwrap();
        let mut acknowledged = put_objects(&archive, 0..10).await;
        let archive = open(&disk).or_else(|_| open(&disk)).unwrap();
        acknowledged.extend(put_objects(&archive, 5..20).await);
        assert!(acknowledged.len() == 25 && disk.failures() == 1, "{fault:?}: {}", acknowledged.len());
        for cut in 0..CUTS {
            let disk = FaultyDisk::new(PowerCutDisk::with(power.state().after_power_cut(cut)));
            let archive = open(&disk).unwrap();
            for name in &acknowledged {
                let found = archive.get(name, None).await;
                assert_eq!(found.ok().as_deref(), Some(name.as_str().as_bytes()), "{fault:?}, cut {cut}, {name}");
            }
        }
    }
}

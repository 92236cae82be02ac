//! An archive in memory: what the folder is compared with. Nothing survives the process.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use crate::archive::store::{Archive, ArchiveError, ObjectMeta, ObjectName, PutOutcome};

/// Objects held in memory.
#[derive(Debug, Default)]
pub struct MemoryArchive(Mutex<BTreeMap<ObjectName, Bytes>>);

#[async_trait]
impl Archive for MemoryArchive {
    async fn put_if_absent(&self, name: &ObjectName, body: Bytes) -> Result<PutOutcome, ArchiveError> {
        let mut objects = self.0.lock().expect("no holder of the lock panics");
        if objects.contains_key(name) {
            return Ok(PutOutcome::AlreadyThere);
        }
        objects.insert(name.clone(), body);
        Ok(PutOutcome::Created)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, ArchiveError> {
        let objects = self.0.lock().expect("no holder of the lock panics");
        let matching = objects.iter().filter(|(name, _)| name.as_str().starts_with(prefix));
        let meta = |(name, body): (&ObjectName, &Bytes)| ObjectMeta {
            name: name.clone(),
            bytes: body.len() as u64,
            written_at: None,
        };
        Ok(matching.map(meta).collect())
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Bytes, ArchiveError> {
        let objects = self.0.lock().expect("no holder of the lock panics");
        let body = objects.get(name).ok_or_else(|| ArchiveError::NotFound(name.clone()))?;
        match range {
            None => Ok(body.clone()),
            Some(range) if range.start <= range.end && range.end <= body.len() as u64 => {
                Ok(body.slice(range.start as usize..range.end as usize))
            }
            Some(range) => Err(ArchiveError::InvalidRange { name: name.clone(), bytes: body.len() as u64, range }),
        }
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), ArchiveError> {
        self.0.lock().expect("no holder of the lock panics").remove(name);
        Ok(())
    }
}

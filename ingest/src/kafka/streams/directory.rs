//! The streams in service, by name.

use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::name::StreamName;

use crate::kafka::streams::registry::{Entries, Entry};
use crate::kafka::streams::stream::Stream;

type Streams = HashMap<StreamName, Arc<Stream>>;

/// What the registry said when it was last looked at, and what this process has changed since.
#[derive(Default)]
pub(crate) struct Directory(RwLock<Streams>);

impl Directory {
    fn read(&self) -> RwLockReadGuard<'_, Streams> {
        self.0.read().expect("no holder of the lock panics")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Streams> {
        self.0.write().expect("no holder of the lock panics")
    }

    /// Makes the streams in service what the registry says.
    pub(crate) fn take_over(&self, entries: &Entries) {
        let mut streams = self.write();
        streams.retain(|name, stream| {
            let same = entries.get(name).is_some_and(|entry| entry.incarnation == stream.incarnation);
            if !same {
                stream.delete();
            }
            same
        });
        for (name, entry) in entries {
            match streams.get(name) {
                Some(stream) => stream.update(entry),
                None => drop(streams.insert(name.clone(), Arc::new(Stream::new(name, entry)))),
            }
        }
    }

    /// Takes a stream into service, unless it is. One that had the name before is gone: whoever reads it finds that out.
    pub(crate) fn add(&self, name: &StreamName, entry: &Entry) -> Arc<Stream> {
        let mut streams = self.write();
        let known = streams.get(name).filter(|stream| stream.incarnation == entry.incarnation);
        let stream = known.cloned().unwrap_or_else(|| Arc::new(Stream::new(name, entry)));
        if let Some(before) =
            streams.insert(name.clone(), Arc::clone(&stream)).filter(|before| !Arc::ptr_eq(before, &stream))
        {
            before.delete();
        }
        stream
    }

    pub(crate) fn get(&self, name: &StreamName) -> Option<Arc<Stream>> {
        self.read().get(name).cloned()
    }

    /// Takes a stream out of service: it is gone. This may be another value for it than the one that was deleted, for
    /// somebody who asked before the registry knew.
    pub(crate) fn remove(&self, name: &StreamName) {
        if let Some(stream) = self.write().remove(name) {
            stream.delete();
        }
    }

    /// All streams, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Stream>> {
        self.read().values().cloned().collect()
    }

    /// All names, in order.
    pub(crate) fn names(&self) -> Vec<StreamName> {
        let mut names: Vec<StreamName> = self.read().keys().cloned().collect();
        names.sort_unstable();
        names
    }
}

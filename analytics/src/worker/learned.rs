//! The columns that workers have found in objects, for the workers after them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

/// Columns by object, up to a bound. Most objects of a stream have the same columns, which are kept once.
#[derive(Debug)]
pub(crate) struct Learned {
    objects_max: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    columns: HashMap<Arc<str>, Arc<str>>,
    oldest_first: VecDeque<Arc<str>>,
    texts: HashSet<Arc<str>>,
}

impl Learned {
    /// Nothing yet.
    pub(crate) fn new(objects_max: usize) -> Self {
        Learned { objects_max, entries: Mutex::default() }
    }

    /// The columns of each object, as far as they are known.
    pub(crate) fn recall(&self, objects: &[String]) -> Vec<Option<String>> {
        let entries = self.entries.lock().expect("no holder of the lock panics");
        objects.iter().map(|object| entries.columns.get(object.as_str()).map(ToString::to_string)).collect()
    }

    /// Keeps the columns of an object; over the bound the oldest entry goes.
    pub(crate) fn keep(&self, object: &str, columns: &str) {
        let mut entries = self.entries.lock().expect("no holder of the lock panics");
        let entries = &mut *entries;
        let text = match entries.texts.get(columns) {
            Some(text) => Arc::clone(text),
            None => Arc::from(columns),
        };
        entries.texts.insert(Arc::clone(&text));
        let object: Arc<str> = object.into();
        if entries.columns.insert(Arc::clone(&object), text).is_none() {
            entries.oldest_first.push_back(object);
        }
        while self.objects_max < entries.oldest_first.len() {
            let Some(oldest) = entries.oldest_first.pop_front() else { break };
            let text = entries.columns.remove(&oldest);
            // The set has it too.
            if let Some(text) = text.filter(|text| Arc::strong_count(text) == 2) {
                entries.texts.remove(&text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_equal_columns_are_kept_once() {
        let learned = Learned::new(2);
        for (object, columns) in [("a", "x"), ("b", "y"), ("b", "y"), ("c", "y")] {
            learned.keep(object, columns);
        }
        let found = learned.recall(&["a", "b", "c", "d"].map(str::to_owned));
        assert_eq!(found, [None, Some("y".to_owned()), Some("y".to_owned()), None]);
        let entries = learned.entries.lock().unwrap();
        assert_eq!(entries.texts.iter().map(|text| &**text).collect::<Vec<_>>(), ["y"]);
    }
}

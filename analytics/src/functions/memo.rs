//! Patterns that were compiled before. A query's pattern is nearly always the same text, and comes with every batch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::Result;

/// How many compiled patterns a function keeps.
const KEPT_MAX: usize = 32;

/// Patterns that were compiled before, by their text.
pub(super) struct Memo<T> {
    compile: fn(&str) -> Result<T>,
    kept: Mutex<HashMap<String, Arc<T>>>,
}

impl<T> Memo<T> {
    pub(super) fn new(compile: fn(&str) -> Result<T>) -> Memo<T> {
        Memo { compile, kept: Mutex::default() }
    }

    pub(super) fn get(&self, text: &str) -> Result<Arc<T>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = kept.get(text) {
            return Ok(Arc::clone(compiled));
        }
        let compiled = Arc::new((self.compile)(text)?);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(text.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }
}

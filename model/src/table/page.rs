//! A page of items while it is filled: it is bounded in items and in bytes.

use crate::table::store::{ItemKey, Page};
use crate::table::value::{Item, size_bytes};

/// A page ends with the item that takes it to this many bytes, however many items it may have.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

/// Takes items until a page is full.
#[derive(Debug)]
pub struct PageBuilder {
    items: Vec<Item>,
    bytes: usize,
    limit: usize,
    more: bool,
}

impl PageBuilder {
    /// An empty page for at most `limit` items.
    pub fn new(limit: usize) -> Self {
        PageBuilder { items: Vec::new(), bytes: 0, limit, more: false }
    }

    /// How many more items it may have.
    pub fn room(&self) -> usize {
        if PAGE_BYTES_MAX <= self.bytes { 0 } else { self.limit - self.items.len() }
    }

    /// Adds an item, or remembers that there are more if the page is full. Says whether it was
    /// added.
    pub fn push(&mut self, item: Item) -> bool {
        if self.room() == 0 {
            self.more = true;
            return false;
        }
        self.bytes += size_bytes(&item);
        self.items.push(item);
        true
    }

    /// The page. `key_of` gives the key of its last item, from which the next page goes on.
    pub fn finish<E>(self, key_of: impl FnOnce(&Item) -> Result<ItemKey, E>) -> Result<Page, E> {
        let last = self.items.last().filter(|_| self.more);
        let next = last.map(key_of).transpose()?;
        Ok(Page { items: self.items, next })
    }
}

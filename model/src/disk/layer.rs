//! The content of one file of an overlay: pages that differ, before those of the file below.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::disk::DiskFile;

const PAGE_BYTES: u64 = 4096;
/// What all pages together may have.
const ROOM_BYTES_MAX: u64 = 256 << 20;
/// What the pages of a file may have that holds nothing of the one below.
const NEW_FILE_BYTES_MAX: u64 = 1 << 20;

/// What all layers of a disk share.
#[derive(Debug, Default)]
pub(super) struct LayerLimits {
    used: AtomicU64,
    sealed: AtomicBool,
}

impl LayerLimits {
    /// Takes no change from now on.
    pub(super) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// An error if nothing can be changed any more.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.sealed.load(Ordering::Acquire) { Err(read_only()) } else { Ok(()) }
    }

    /// Bytes of all pages.
    #[cfg(test)]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    fn take_page(&self) -> io::Result<()> {
        let used = self.used.fetch_add(PAGE_BYTES, Ordering::AcqRel);
        if used + PAGE_BYTES <= ROOM_BYTES_MAX {
            return Ok(());
        }
        self.give_back(1);
        Err(no_room())
    }

    fn give_back(&self, pages: usize) {
        self.used.fetch_sub(pages as u64 * PAGE_BYTES, Ordering::AcqRel);
    }
}

/// What a read-only file system says.
pub(super) fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the file system is read-only")
}

fn no_room() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "the file system is read-only, and its stand-in in memory is full")
}

type Page = Box<[u8; PAGE_BYTES as usize]>;

/// The content of a file: pages in memory, before those below.
#[derive(Debug)]
pub(super) struct Layer {
    base: Option<Arc<dyn DiskFile>>,
    limits: Arc<LayerLimits>,
    content: RwLock<Content>,
}

#[derive(Debug, Default)]
struct Content {
    length: u64,
    /// Below it, bytes without a page are those of the base.
    base_end: u64,
    pages: BTreeMap<u64, Page>,
}

impl Drop for Layer {
    fn drop(&mut self) {
        let pages = self.content.get_mut().unwrap_or_else(PoisonError::into_inner).pages.len();
        self.limits.give_back(pages);
    }
}

impl Layer {
    pub(super) fn empty(limits: &Arc<LayerLimits>) -> Layer {
        Layer { base: None, limits: Arc::clone(limits), content: RwLock::default() }
    }

    pub(super) fn over(base: Arc<dyn DiskFile>, limits: &Arc<LayerLimits>) -> io::Result<Arc<Layer>> {
        let length = base.len()?;
        let content = Content { length, base_end: length, pages: BTreeMap::new() };
        Ok(Arc::new(Layer { base: Some(base), limits: Arc::clone(limits), content: RwLock::new(content) }))
    }

    pub(super) fn len(&self) -> u64 {
        self.content.read().unwrap_or_else(PoisonError::into_inner).length
    }

    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= content.length);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if content.pages.is_empty()
            && end <= content.base_end
            && let Some(base) = &self.base
        {
            return base.read_at(offset, buffer);
        }
        for part in parts(offset, buffer.len()) {
            let into = &mut buffer[part.from..part.from + part.bytes];
            match content.pages.get(&part.page) {
                Some(page) => into.copy_from_slice(&page[part.within..part.within + part.bytes]),
                None => self.below(&content, part.offset(), into)?,
            }
        }
        Ok(())
    }

    /// Fills `into` with what is below, and zeros behind it.
    fn below(&self, content: &Content, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let there = content.base_end.saturating_sub(offset).min(into.len() as u64);
        let (there, behind) = into.split_at_mut(usize::try_from(there).expect("a part of a page"));
        behind.fill(0);
        match &self.base {
            Some(base) if !there.is_empty() => base.read_at(offset, there),
            _ => Ok(()),
        }
    }

    pub(super) fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        for part in parts(offset, bytes.len()) {
            let new = &bytes[part.from..part.from + part.bytes];
            if !content.pages.contains_key(&part.page) {
                let mut page: Page = Box::new([0; PAGE_BYTES as usize]);
                self.below(&content, part.page * PAGE_BYTES, &mut page[..])?;
                if &page[part.within..part.within + part.bytes] == new {
                    content.length = content.length.max(part.offset() + part.bytes as u64);
                    continue;
                }
                if content.base_end == 0 && content.pages.len() as u64 * PAGE_BYTES >= NEW_FILE_BYTES_MAX {
                    return Err(no_room());
                }
                self.limits.take_page()?;
                content.pages.insert(part.page, page);
            }
            let page = content.pages.get_mut(&part.page).expect("it was there, or has just come");
            page[part.within..part.within + part.bytes].copy_from_slice(new);
            content.length = content.length.max(part.offset() + part.bytes as u64);
        }
        Ok(())
    }

    /// What is cut off reads as zeros if the file grows again.
    pub(super) fn truncate(&self, length: u64) {
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        content.length = length;
        content.base_end = content.base_end.min(length);
        let cut = content.pages.split_off(&length.div_ceil(PAGE_BYTES));
        self.limits.give_back(cut.len());
        if let Some(page) = content.pages.get_mut(&(length / PAGE_BYTES)) {
            page[usize::try_from(length % PAGE_BYTES).expect("within a page")..].fill(0);
        }
    }
}

/// A part of a read or write that lies in one page.
struct Part {
    page: u64,
    /// Where it begins in the page.
    within: usize,
    /// Where it begins in the caller's bytes.
    from: usize,
    bytes: usize,
}

impl Part {
    fn offset(&self) -> u64 {
        self.page * PAGE_BYTES + self.within as u64
    }
}

fn parts(offset: u64, bytes: usize) -> impl Iterator<Item = Part> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = offset + from as u64;
        let within = usize::try_from(at % PAGE_BYTES).expect("within a page");
        let part =
            Part { page: at / PAGE_BYTES, within, from, bytes: (PAGE_BYTES as usize - within).min(bytes - from) };
        from += part.bytes;
        (part.bytes > 0).then_some(part)
    })
}

//! Memory shared with the kernel.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// A mapping, unmapped when it is dropped. Others write to it at any time, so it gives out addresses, not references.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping is plain memory of the process; which thread uses it does not matter.
unsafe impl Send for Mapping {}
// SAFETY: it gives out addresses alone; whoever uses them says why that is sound.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// New memory, zeroed, on a page of its own.
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        Mapping::map(bytes, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE, -1, 0)
    }

    /// Memory of a descriptor, from `offset` on.
    pub(super) fn of(descriptor: BorrowedFd<'_>, offset: i64, bytes: usize) -> io::Result<Self> {
        Mapping::map(bytes, libc::MAP_SHARED | libc::MAP_POPULATE, descriptor.as_raw_fd(), offset)
    }

    fn map(bytes: usize, flags: i32, descriptor: i32, offset: i64) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses a place that is free; nothing that exists is changed.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, descriptor, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("memory was mapped at address 0"))?;
        Ok(Mapping { start, bytes })
    }

    /// Bytes of the mapping.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// The address `offset` bytes from the start, for a value of type `T`.
    ///
    /// # Panics
    ///
    /// If the value would not be inside, or not aligned.
    pub(super) fn at<T>(&self, offset: usize) -> *mut T {
        let end = offset.checked_add(size_of::<T>()).expect("an offset inside of memory");
        assert!(end <= self.bytes, "a value at {offset} is not inside of {} bytes", self.bytes);
        // SAFETY: the offset was just checked to be inside of the mapping.
        let address = unsafe { self.start.as_ptr().add(offset) }.cast::<T>();
        assert!(address.is_aligned(), "a value at {offset} is aligned");
        address
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped by us with this length, and its owner has no more use for addresses in it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

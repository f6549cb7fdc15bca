//! Cache-line aligned memory for weights and scratch, zeroed, of a size fixed at construction.
//!
//! Kernels read whole vectors of 64 bytes, so a buffer is a whole number of cache lines. In this
//! crate's tests every buffer ends at a page that may not be touched: a read or write past the end
//! kills the test instead of passing unseen.

use std::ptr::NonNull;

/// Aligned and padded to this many bytes.
pub const LINE: usize = 64;

/// Plain numbers for which all bits zero is a value and any bits are a value.
///
/// # Safety
/// Implementors have no padding and no invalid bit patterns.
pub unsafe trait Number: Copy + 'static {}
// SAFETY: plain numbers.
unsafe impl Number for u8 {}
// SAFETY: plain numbers.
unsafe impl Number for i8 {}
// SAFETY: plain numbers.
unsafe impl Number for u16 {}
// SAFETY: plain numbers.
unsafe impl Number for u32 {}
// SAFETY: plain numbers.
unsafe impl Number for i32 {}
// SAFETY: plain numbers.
unsafe impl Number for f32 {}

/// `len` numbers, the memory behind them rounded up to whole cache lines.
pub struct Buffer<T: Number> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: a buffer owns its memory alone, as a Vec does.
unsafe impl<T: Number> Send for Buffer<T> {}
// SAFETY: shared references only read.
unsafe impl<T: Number> Sync for Buffer<T> {}

impl<T: Number> Buffer<T> {
    /// Zeroes.
    pub fn new(len: usize) -> Buffer<T> {
        let start = memory::take(Self::bytes_for(len)).cast();
        Buffer { start, len }
    }

    /// A copy of `values`.
    pub fn from(values: &[T]) -> Buffer<T> {
        let mut buffer = Buffer::new(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        Self::bytes_for(self.len)
    }

    fn bytes_for(len: usize) -> usize {
        (len * size_of::<T>()).next_multiple_of(LINE).max(LINE)
    }
}

impl<T: Number> std::ops::Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `start` holds `len` initialised numbers for as long as the buffer lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Number> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `&mut self` is the only way in.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Number> Drop for Buffer<T> {
    fn drop(&mut self) {
        // SAFETY: taken in `new` with the same size and given back once.
        unsafe { memory::give_back(self.start.cast(), self.bytes()) }
    }
}

#[cfg(not(all(test, unix, not(miri))))]
mod memory {
    use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
    use std::ptr::NonNull;

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, super::LINE).expect("a size that fits the address space")
    }

    pub fn take(bytes: usize) -> NonNull<u8> {
        // SAFETY: the size is at least one line, so never zero.
        let start = unsafe { alloc_zeroed(layout(bytes)) };
        NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout(bytes)))
    }

    pub unsafe fn give_back(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller gives back what `take` gave for the same size.
        unsafe { dealloc(start.as_ptr(), layout(bytes)) }
    }
}

#[cfg(all(test, unix, not(miri)))]
mod memory {
    use std::ptr::NonNull;

    const PAGE: usize = 4096;

    pub fn take(bytes: usize) -> NonNull<u8> {
        let room = bytes.next_multiple_of(PAGE);
        // SAFETY: a fresh private mapping; its last page is made untouchable before use.
        unsafe {
            let start = libc::mmap(
                std::ptr::null_mut(),
                room + PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            let guard = start.cast::<u8>().add(room);
            assert_eq!(libc::mprotect(guard.cast(), PAGE, libc::PROT_NONE), 0);
            NonNull::new(guard.sub(bytes)).expect("a mapping is not at address zero")
        }
    }

    pub unsafe fn give_back(start: NonNull<u8>, bytes: usize) {
        let room = bytes.next_multiple_of(PAGE);
        // SAFETY: the mapping began `room` bytes before the guard page.
        let done = unsafe {
            let mapping = start.as_ptr().add(bytes).sub(room);
            libc::munmap(mapping.cast(), room + PAGE)
        };
        assert_eq!(done, 0);
    }
}

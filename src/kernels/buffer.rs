//! Cache-line aligned memory for weights and scratch, zeroed, of a size fixed at construction.
//!
//! Kernels read whole vectors of 64 bytes, so a buffer is a whole number of cache lines. In this
//! crate's tests every buffer ends at a page that may not be touched: a read or write past the end
//! kills the test instead of passing unseen.

use std::ptr::NonNull;
use std::sync::Arc;

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
    /// The chunk that the memory is a part of; none where it is the buffer's own.
    part_of: Option<Arc<Chunk>>,
}

// SAFETY: a buffer owns its memory alone, as a Vec does.
unsafe impl<T: Number> Send for Buffer<T> {}
// SAFETY: shared references only read.
unsafe impl<T: Number> Sync for Buffer<T> {}

impl<T: Number> Buffer<T> {
    /// Zeroes.
    pub fn new(len: usize) -> Buffer<T> {
        let start = memory::take(Self::bytes_for(len)).cast();
        Buffer {
            start,
            len,
            part_of: None,
        }
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
        if self.part_of.is_none() {
            // SAFETY: taken in `new` with the same size and given back once.
            unsafe { memory::give_back(self.start.cast(), self.bytes()) }
        }
    }
}

/// Memory for many buffers that are read one after the other: they lie side by side, in the order
/// in which they are taken, on large pages where the system gives such.
#[derive(Default)]
pub struct Arena {
    chunk: Option<Arc<Chunk>>,
    /// Bytes of it that are taken.
    taken: usize,
}

/// Bytes of a chunk at least; pages that nobody touches cost nothing.
const CHUNK: usize = 32 << 20;

/// Memory of its own, zeroed.
pub struct Chunk {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it only owns the memory; the buffers in it do not overlap.
unsafe impl Send for Chunk {}
// SAFETY: as above.
unsafe impl Sync for Chunk {}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: taken with the same size, and the last buffer in it is gone.
        unsafe { memory::give_back_chunk(self.start, self.bytes) }
    }
}

impl Arena {
    /// Zeroes. In this crate's tests each has a guard page, and so memory of its own.
    pub fn take<T: Number>(&mut self, len: usize) -> Buffer<T> {
        match cfg!(test) {
            true => Buffer::new(len),
            false => self.part(len),
        }
    }

    fn part<T: Number>(&mut self, len: usize) -> Buffer<T> {
        let bytes = Buffer::<T>::bytes_for(len);
        let chunk = match &self.chunk {
            Some(chunk) if chunk.bytes - self.taken >= bytes => Arc::clone(chunk),
            _ => {
                let bytes = bytes.max(CHUNK);
                let start = memory::take_chunk(bytes);
                self.taken = 0;
                Arc::clone(self.chunk.insert(Arc::new(Chunk { start, bytes })))
            }
        };
        // SAFETY: `taken` and the bytes behind it lie within the chunk; it is a multiple of a line.
        let start = unsafe { chunk.start.add(self.taken) }.cast();
        self.taken += bytes;
        Buffer {
            start,
            len,
            part_of: Some(chunk),
        }
    }
}

#[cfg(not(all(test, unix, not(miri))))]
mod memory {
    use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
    use std::ptr::NonNull;

    pub use super::chunks::*;

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

    pub use super::chunks::*;

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

#[cfg(all(unix, not(miri)))]
mod chunks {
    use std::alloc::{Layout, handle_alloc_error};
    use std::ptr::NonNull;

    pub fn take_chunk(bytes: usize) -> NonNull<u8> {
        // SAFETY: a fresh private mapping; the advice changes how fast it is, not what it holds.
        unsafe {
            let start = libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if start == libc::MAP_FAILED {
                let size = Layout::from_size_align(bytes, super::LINE);
                handle_alloc_error(size.expect("a size that fits the address space"));
            }
            // Where the system has no large pages, small ones do.
            #[cfg(target_os = "linux")]
            libc::madvise(start, bytes, libc::MADV_HUGEPAGE);
            NonNull::new(start.cast()).expect("a mapping is not at address zero")
        }
    }

    /// # Safety
    /// What [`take_chunk`] gave for the same size, once.
    pub unsafe fn give_back_chunk(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's promise.
        let done = unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
        debug_assert_eq!(done, 0);
    }
}

#[cfg(not(all(unix, not(miri))))]
mod chunks {
    use std::ptr::NonNull;

    use super::memory;

    pub fn take_chunk(bytes: usize) -> NonNull<u8> {
        memory::take(bytes)
    }

    /// # Safety
    /// What [`take_chunk`] gave for the same size, once.
    pub unsafe fn give_back_chunk(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe { memory::give_back(start, bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "tens of megabytes take it minutes")]
    fn parts_lie_side_by_side_and_outlive_their_arena() {
        let mut arena = Arena::default();
        let mut parts: Vec<Buffer<f32>> = (0..5).map(|len| arena.part(100 * len + 1)).collect();
        let large: Buffer<u8> = arena.part(CHUNK + 1);
        drop(arena);
        for (at, part) in parts.iter_mut().enumerate() {
            assert!(part.iter().all(|x| *x == 0.0));
            assert_eq!(part.as_ptr().align_offset(LINE), 0);
            part.fill(at as f32 + 1.0);
        }
        for (at, part) in parts.iter().enumerate() {
            assert!(part.iter().all(|x| *x == at as f32 + 1.0));
            if let Some(next) = parts.get(at + 1) {
                assert_eq!(
                    part.as_ptr() as usize + part.bytes(),
                    next.as_ptr() as usize
                );
            }
        }
        assert!(large.iter().all(|x| *x == 0));
    }

    #[test]
    #[cfg_attr(miri, ignore = "tens of megabytes take it minutes")]
    fn chunks_are_zeroed_writable_to_their_ends_and_given_back() {
        let bytes = 4 << 20;
        let start = memory::take_chunk(bytes);
        // SAFETY: fresh memory of that size, given back once.
        unsafe {
            let all = std::slice::from_raw_parts_mut(start.as_ptr(), bytes);
            assert!(all.iter().all(|byte| *byte == 0));
            assert_eq!(start.as_ptr().align_offset(LINE), 0);
            all[bytes - 1] = 1;
            memory::give_back_chunk(start, bytes);
        }
    }
}

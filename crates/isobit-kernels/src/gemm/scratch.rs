//! Memory for packed panels: 2 MiB pages, reused by the thread that took it.
//!
//! Nothing here is ever zeroed for the kernels' sake: whoever takes a buffer writes what it reads.

use std::cell::RefCell;
use std::ptr::NonNull;

/// The size of a huge page.
const HUGE: usize = 2 << 20;
/// A thread keeps at most this many bytes for its next call.
const KEEP: usize = 256 << 20;

/// An owned mapping, aligned to 2 MiB and advised to live on huge pages.
#[derive(Debug)]
pub(crate) struct Pages {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; `Pages` is its only owner.
unsafe impl Send for Pages {}
// SAFETY: shared access only hands out the pointer.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps at least `bytes` bytes (rounded up to whole huge pages), zeroed by the kernel.
    pub(crate) fn map(bytes: usize) -> Pages {
        let bytes = bytes.max(1).next_multiple_of(HUGE);
        #[cfg(unix)]
        // SAFETY: an anonymous private mapping with no fixed address; the head and tail that are unmapped again lie
        // inside it and outside the aligned range that is kept.
        unsafe {
            let span = bytes + HUGE;
            let raw = libc::mmap(
                std::ptr::null_mut(),
                span,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if raw == libc::MAP_FAILED {
                std::alloc::handle_alloc_error(std::alloc::Layout::from_size_align_unchecked(bytes, 64));
            }
            let start = raw as usize;
            let base = start.next_multiple_of(HUGE);
            if base > start {
                libc::munmap(raw, base - start);
            }
            let tail = start + span - (base + bytes);
            if tail > 0 {
                libc::munmap((base + bytes) as *mut libc::c_void, tail);
            }
            #[cfg(target_os = "linux")]
            libc::madvise(base as *mut libc::c_void, bytes, libc::MADV_HUGEPAGE);
            Pages { base: NonNull::new_unchecked(base as *mut u8), bytes }
        }
        #[cfg(not(unix))]
        // SAFETY: the layout has a non-zero size and a power-of-two alignment.
        unsafe {
            let layout = std::alloc::Layout::from_size_align_unchecked(bytes, HUGE);
            match NonNull::new(std::alloc::alloc_zeroed(layout)) {
                Some(base) => Pages { base, bytes },
                None => std::alloc::handle_alloc_error(layout),
            }
        }
    }

    /// The first byte, aligned to 2 MiB.
    pub(crate) fn ptr<T>(&self) -> *mut T {
        self.base.as_ptr().cast()
    }

    /// The mapping's size.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        #[cfg(unix)]
        // SAFETY: exactly the range that `map` kept, unmapped once.
        unsafe {
            libc::munmap(self.base.as_ptr().cast(), self.bytes);
        }
        #[cfg(not(unix))]
        // SAFETY: the layout that `map` allocated with.
        unsafe {
            std::alloc::dealloc(self.base.as_ptr(), std::alloc::Layout::from_size_align_unchecked(self.bytes, HUGE));
        }
    }
}

thread_local! {
    static FREE: RefCell<Vec<Pages>> = const { RefCell::new(Vec::new()) };
}

/// A buffer on loan from this thread's store; it goes back when dropped.
pub(crate) struct Scratch {
    pages: Option<Pages>,
    ptr: *mut u8,
}

impl Scratch {
    /// A buffer of at least `count` values of `T`, with unspecified contents.
    pub(crate) fn take<T>(count: usize) -> Scratch {
        let bytes = count * size_of::<T>();
        let found = FREE.with_borrow_mut(|free| {
            let best = (0..free.len()).filter(|&i| free[i].bytes() >= bytes).min_by_key(|&i| free[i].bytes());
            match best {
                Some(i) => Some(free.swap_remove(i)),
                None => {
                    // Too small to be useful again: the next one of this kind is the larger one.
                    free.pop();
                    None
                }
            }
        });
        let pages = found.unwrap_or_else(|| Pages::map(bytes));
        let ptr = pages.ptr();
        Scratch { pages: Some(pages), ptr }
    }

    /// The first value's address, aligned to 2 MiB.
    pub(crate) fn ptr<T>(&self) -> *mut T {
        self.ptr.cast()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(pages) = self.pages.take() {
            // During thread shutdown the store may be gone already; the mapping is then simply unmapped.
            let _ = FREE.try_with(|free| {
                let mut free = free.borrow_mut();
                let kept: usize = free.iter().map(Pages::bytes).sum();
                if kept + pages.bytes() <= KEEP {
                    free.push(pages);
                }
            });
        }
    }
}

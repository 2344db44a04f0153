//! Host memory: buffers on 2 MiB pages, a cache of freed ones by size, statistics, poison.
//!
//! Fresh memory is *not* zeroed. With `ISOBIT_POISON=1` every buffer handed out, fresh or reused, is filled with
//! `0xFF` bytes (NaN in every float dtype, -1 in the integers), so a kernel that reads what it has not written
//! cannot pass a test.

use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Buffers of this many bytes and more are cached when freed.
const CACHED_FROM: usize = 32 << 10;
/// Buffers of this many bytes and more are mapped on huge pages.
const HUGE_FROM: usize = 1 << 20;
const HUGE_PAGE: usize = 2 << 20;
/// Alignment of every other buffer.
const ALIGN: usize = 64;
/// Buffers up to this size live inside the [`Buffer`] itself.
const INLINE: usize = 16;

enum Owner {
    /// The bytes are in `Buffer::inline`.
    Inline,
    /// From [`acquire`], to be given back with its capacity.
    Heap { cap: usize },
    /// Somebody else's memory, kept alive by the box; never written.
    Foreign { _keep: Box<dyn Any + Send + Sync> },
}

#[repr(C, align(16))]
struct InlineBytes(std::cell::UnsafeCell<[u8; INLINE]>);

/// A block of host memory. Shared behind an `Arc`; written only by the kernel that creates it or that holds the only
/// reference to it.
pub struct Buffer {
    ptr: NonNull<u8>,
    len: usize,
    owner: Owner,
    inline: InlineBytes,
    derived: Derived,
}

/// What a backend has derived from a buffer's contents and keeps with it (packed weights): gone when the buffer is
/// dropped or written again, and not kept while somebody outside may write to it ([`Exposed`]).
#[derive(Default)]
pub struct Derived {
    uses: AtomicU32,
    /// How many views there are through which the contents may be changed.
    writers: AtomicU32,
    /// Counts the times at which the contents may have begun or ceased to change.
    version: AtomicU32,
    value: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

impl Derived {
    /// Counts one more use of the contents and says how many there have been before.
    pub fn count_use(&self) -> u32 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// The derived value, if there is one of that type.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.value.lock().clone()?.downcast().ok()
    }

    /// Keeps a derived value in place of another, unless somebody may write to the contents.
    pub fn keep<T: Any + Send + Sync>(&self, value: T) {
        let mut kept = self.value.lock();
        if self.is_settled() {
            *kept = Some(Arc::new(value));
        }
    }

    /// Whether nobody outside may write to the contents.
    pub fn is_settled(&self) -> bool {
        self.writers.load(Ordering::Acquire) == 0
    }

    /// Another number once the contents may have changed under those who hold the buffer.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    fn may_change(&self) {
        let mut kept = self.value.lock();
        self.version.fetch_add(1, Ordering::AcqRel);
        self.uses.store(0, Ordering::Relaxed);
        *kept = None;
    }
}

/// Says, as long as it lives, that somebody outside may write to a buffer.
pub struct Exposed(Arc<Buffer>);

impl Exposed {
    /// From now on the buffer's contents may change.
    pub fn new(buffer: &Arc<Buffer>) -> Exposed {
        buffer.expose();
        Exposed(Arc::clone(buffer))
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        // First forgotten, then counted down: what is kept in between is not.
        self.0.derived.may_change();
        self.0.derived.writers.fetch_sub(1, Ordering::AcqRel);
    }
}

// SAFETY: a buffer is written only while one kernel owns it (it is fresh or uniquely referenced); afterwards it is
// only read.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer of at least `len` bytes, aligned to 64 (16 if it is tiny), contents undefined (poisoned on demand).
    pub fn new(len: usize) -> Result<Buffer> {
        let inline = InlineBytes(std::cell::UnsafeCell::new([if poison() { 0xFF } else { 0 }; INLINE]));
        if len <= INLINE {
            return Ok(Buffer {
                ptr: NonNull::dangling(),
                len,
                owner: Owner::Inline,
                inline,
                derived: Derived::default(),
            });
        }
        let (ptr, cap) = acquire(len)?;
        if poison() {
            // SAFETY: `ptr` owns `cap` bytes.
            unsafe { std::ptr::write_bytes(ptr.as_ptr(), 0xFF, cap) };
        }
        Ok(Buffer { ptr, len, owner: Owner::Heap { cap }, inline, derived: Derived::default() })
    }

    /// A read-only buffer over memory that `keep` keeps alive.
    ///
    /// # Safety
    /// `ptr` must be valid for reads of `len` bytes, and the bytes must not change, as long as `keep` lives.
    pub unsafe fn foreign(ptr: *const u8, len: usize, keep: Box<dyn Any + Send + Sync>) -> Buffer {
        let inline = InlineBytes(std::cell::UnsafeCell::new([0; INLINE]));
        let ptr = NonNull::new(ptr.cast_mut()).unwrap_or(NonNull::dangling());
        Buffer { ptr, len, owner: Owner::Foreign { _keep: keep }, inline, derived: Derived::default() }
    }

    /// Number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a kernel that holds the only reference may overwrite this buffer.
    #[inline]
    pub fn is_writable(&self) -> bool {
        !matches!(self.owner, Owner::Foreign { .. })
    }

    /// What backends have derived from the contents.
    pub fn derived(&self) -> &Derived {
        &self.derived
    }

    /// Says that somebody outside may write to the contents from now on, for good.
    pub fn expose(&self) {
        self.derived.writers.fetch_add(1, Ordering::AcqRel);
        self.derived.may_change();
    }

    /// Forgets what was derived from the contents, which are about to change.
    pub fn forget_derived(&mut self) {
        self.derived = Derived::default();
    }

    /// The first byte.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        match self.owner {
            Owner::Inline => self.inline.0.get() as *const u8,
            _ => self.ptr.as_ptr(),
        }
    }

    /// The first byte, for writing. Writing through it is sound only for the kernel that created the buffer or that
    /// holds its only reference, and only if [`Buffer::is_writable`].
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        match self.owner {
            Owner::Inline => self.inline.0.get() as *mut u8,
            _ => self.ptr.as_ptr(),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Owner::Heap { cap } = self.owner {
            release(self.ptr, cap);
        }
    }
}

static ACTIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CACHED: AtomicUsize = AtomicUsize::new(0);
static CACHE_LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
static CACHE: Mutex<BTreeMap<usize, Vec<usize>>> = Mutex::new(BTreeMap::new());

fn poison() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("ISOBIT_POISON").is_some_and(|v| !v.is_empty() && v != "0"))
}

fn capacity(len: usize) -> usize {
    if len < CACHED_FROM {
        len.next_multiple_of(ALIGN)
    } else if len < HUGE_FROM {
        len.next_multiple_of(4096)
    } else {
        len.next_multiple_of(HUGE_PAGE)
    }
}

fn acquire(len: usize) -> Result<(NonNull<u8>, usize)> {
    let want = capacity(len);
    if want >= CACHED_FROM {
        let mut cache = CACHE.lock();
        // A cached buffer may be larger than asked for, but by an eighth at most.
        let hit = cache.range_mut(want..=want + want / 8).find_map(|(&cap, list)| list.pop().map(|p| (cap, p)));
        if let Some((cap, p)) = hit {
            CACHED.fetch_sub(cap, Ordering::Relaxed);
            count_active(cap);
            if let Some(p) = NonNull::new(p as *mut u8) {
                return Ok((p, cap));
            }
        }
    }
    let ptr = fresh(want).or_else(|| {
        clear_cache();
        fresh(want)
    });
    let ptr = ptr.ok_or_else(|| Error::runtime("memory", format!("could not allocate {want} bytes")))?;
    count_active(want);
    Ok((ptr, want))
}

fn count_active(cap: usize) {
    let now = ACTIVE.fetch_add(cap, Ordering::Relaxed) + cap;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

fn fresh(cap: usize) -> Option<NonNull<u8>> {
    if cap >= HUGE_FROM { map_huge(cap) } else { NonNull::new(malloc(cap)) }
}

fn layout_of(cap: usize) -> Option<std::alloc::Layout> {
    std::alloc::Layout::from_size_align(cap, ALIGN).ok()
}

fn malloc(cap: usize) -> *mut u8 {
    match layout_of(cap) {
        // SAFETY: `cap` is not zero (INLINE < len).
        Some(l) => unsafe { std::alloc::alloc(l) },
        None => std::ptr::null_mut(),
    }
}

#[cfg(unix)]
fn map_huge(cap: usize) -> Option<NonNull<u8>> {
    let span = cap.checked_add(HUGE_PAGE)?;
    // SAFETY: an anonymous private mapping; the unaligned head and tail are unmapped again.
    unsafe {
        let raw = libc::mmap(
            std::ptr::null_mut(),
            span,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if raw == libc::MAP_FAILED {
            return None;
        }
        let base = raw as usize;
        let aligned = base.next_multiple_of(HUGE_PAGE);
        if aligned > base {
            libc::munmap(raw, aligned - base);
        }
        let tail = base + span - (aligned + cap);
        if tail > 0 {
            libc::munmap((aligned + cap) as *mut _, tail);
        }
        #[cfg(target_os = "linux")]
        libc::madvise(aligned as *mut _, cap, libc::MADV_HUGEPAGE);
        NonNull::new(aligned as *mut u8)
    }
}

#[cfg(not(unix))]
fn map_huge(cap: usize) -> Option<NonNull<u8>> {
    NonNull::new(malloc(cap))
}

fn release(ptr: NonNull<u8>, cap: usize) {
    ACTIVE.fetch_sub(cap, Ordering::Relaxed);
    if cap >= CACHED_FROM && CACHED.load(Ordering::Relaxed) + cap <= cache_limit() {
        CACHED.fetch_add(cap, Ordering::Relaxed);
        CACHE.lock().entry(cap).or_default().push(ptr.as_ptr() as usize);
        return;
    }
    give_back(ptr.as_ptr(), cap);
}

fn give_back(ptr: *mut u8, cap: usize) {
    #[cfg(unix)]
    if cap >= HUGE_FROM {
        // SAFETY: mapped by `map_huge` with exactly this size.
        unsafe { libc::munmap(ptr as *mut _, cap) };
        return;
    }
    if let Some(l) = layout_of(cap) {
        // SAFETY: allocated by `malloc` with this layout.
        unsafe { std::alloc::dealloc(ptr, l) };
    }
}

/// Bytes of physical memory.
pub fn physical_memory() -> usize {
    #[cfg(unix)]
    // SAFETY: plain queries.
    unsafe {
        let pages = libc::sysconf(libc::_SC_PHYS_PAGES);
        let size = libc::sysconf(libc::_SC_PAGESIZE);
        if pages > 0 && size > 0 {
            return pages as usize * size as usize;
        }
    }
    4 << 30
}

/// Bytes that can be had now without swapping; all of the memory where the system does not say.
pub fn available_memory() -> usize {
    let said = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? << 10)
    });
    said.unwrap_or_else(physical_memory)
}

/// The most bytes that the cache of freed buffers may hold (an eighth of the memory unless set).
pub fn cache_limit() -> usize {
    match CACHE_LIMIT.load(Ordering::Relaxed) {
        usize::MAX => {
            let limit = physical_memory() / 8;
            CACHE_LIMIT.store(limit, Ordering::Relaxed);
            limit
        }
        n => n,
    }
}

/// Sets [`cache_limit`] and returns the previous one.
pub fn set_cache_limit(bytes: usize) -> usize {
    let old = cache_limit();
    CACHE_LIMIT.store(bytes.min(usize::MAX - 1), Ordering::Relaxed);
    if CACHED.load(Ordering::Relaxed) > bytes {
        clear_cache();
    }
    old
}

/// Gives every cached buffer back to the system.
pub fn clear_cache() {
    let all = std::mem::take(&mut *CACHE.lock());
    for (cap, list) in all {
        for p in list {
            CACHED.fetch_sub(cap, Ordering::Relaxed);
            give_back(p as *mut u8, cap);
        }
    }
}

/// Bytes in buffers that arrays hold (buffers of up to 16 bytes are not counted).
pub fn active_memory() -> usize {
    ACTIVE.load(Ordering::Relaxed)
}

/// The largest [`active_memory`] after an allocation since the start or [`reset_peak_memory`].
pub fn peak_memory() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Starts a new measurement of [`peak_memory`].
pub fn reset_peak_memory() {
    PEAK.store(0, Ordering::Relaxed);
}

/// Bytes in freed buffers kept for reuse.
pub fn cache_memory() -> usize {
    CACHED.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_recycled() {
        for len in [0, 1, 16, 17, 1000, 40_000, 3 << 20] {
            let b = Buffer::new(len).unwrap();
            assert_eq!(b.len(), len);
            assert_eq!(b.as_ptr() as usize % if len <= INLINE { 16 } else { ALIGN }, 0);
            if len >= HUGE_FROM {
                assert_eq!(b.as_ptr() as usize % HUGE_PAGE, 0);
            }
        }
        let p = Buffer::new(5 << 20).unwrap().as_ptr();
        assert_eq!(Buffer::new(5 << 20).unwrap().as_ptr(), p, "a freed buffer of the same size is reused");
    }

    #[test]
    fn nothing_is_kept_while_contents_may_change() {
        let b = Arc::new(Buffer::new(64).unwrap());
        let kept = || b.derived().get::<u8>().map(|v| *v);
        b.derived().keep(1u8);
        assert_eq!((kept(), b.derived().get::<i8>()), (Some(1), None));
        let version = b.derived().version();
        let two = [Exposed::new(&b), Exposed::new(&b)];
        assert_eq!(kept(), None);
        b.derived().keep(2u8);
        let [first, second] = two;
        drop(first);
        b.derived().keep(3u8);
        assert_eq!(kept(), None);
        drop(second);
        assert!(b.derived().version() != version && b.derived().is_settled());
        b.derived().keep(4u8);
        assert_eq!(kept(), Some(4));
        b.expose();
        b.derived().keep(5u8);
        assert_eq!(kept(), None);
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        assert!(Buffer::new(isize::MAX as usize / 2).is_err());
    }
}

//! A mutable slice that the tasks of one [`crate::par::run`] call write at disjoint places.
//!
//! It checks bounds, never overlap: the caller proves that no element is handed out twice at the same time.

use std::marker::PhantomData;

/// A mutable slice shared between tasks that write disjoint parts of it.
pub(crate) struct Disjoint<'a, T> {
    ptr: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: it only hands out elements through `unsafe` functions whose callers promise disjointness.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Shares `s` until the tasks end.
    pub fn new(s: &'a mut [T]) -> Self {
        Disjoint { ptr: s.as_mut_ptr(), len: s.len(), life: PhantomData }
    }

    /// Shares `s` for reading through [`Disjoint::ptr`] only.
    pub fn of_shared(s: &'a [T]) -> Self {
        Disjoint { ptr: s.as_ptr().cast_mut(), len: s.len(), life: PhantomData }
    }

    /// The first element's address.
    #[inline(always)]
    pub fn ptr(&self) -> *mut T {
        self.ptr
    }

    /// The elements `start .. start + len`.
    ///
    /// # Safety
    /// No other live reference may cover any of them.
    #[allow(clippy::mut_from_ref)]
    #[inline]
    pub unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start);
        // SAFETY: in bounds by the check, unaliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.add(start), len) }
    }

    /// Writes one element without a bounds check in release builds.
    ///
    /// # Safety
    /// `i` is in bounds and no other task touches element `i` meanwhile.
    #[inline(always)]
    pub unsafe fn write(&self, i: usize, v: T) {
        debug_assert!(i < self.len);
        // SAFETY: the caller's promise.
        unsafe { self.ptr.add(i).write(v) }
    }
}

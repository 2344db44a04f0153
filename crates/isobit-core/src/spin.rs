//! The lock of a graph node: held for a few instructions, taken and given back four times per operation.
//!
//! It costs one atomic read-modify-write where a lock that can put a thread to sleep costs two. Under it the state of one
//! node is read or replaced, and never is another lock taken or a primitive run: whoever finds it taken spins, then yields.

use parking_lot::lock_api::{GuardSend, Mutex, RawMutex};
use std::sync::atomic::{AtomicBool, Ordering};

/// A [`Mutex`] for critical sections of a few instructions.
pub(crate) type SpinMutex<T> = Mutex<RawSpin, T>;

/// The raw lock of [`SpinMutex`].
pub(crate) struct RawSpin(AtomicBool);

impl RawSpin {
    #[cold]
    fn wait(&self) {
        let mut tries = 0u32;
        loop {
            while self.0.load(Ordering::Relaxed) {
                tries += 1;
                // The holder may have been descheduled.
                if tries.is_multiple_of(64) { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
            if self.try_lock() {
                return;
            }
        }
    }
}

// SAFETY: the swap lets exactly one thread in, with acquire ordering; the store that lets the next one in releases.
unsafe impl RawMutex for RawSpin {
    #[allow(clippy::declare_interior_mutable_const, reason = "the initial value, as the trait wants it")]
    const INIT: RawSpin = RawSpin(AtomicBool::new(false));
    type GuardMarker = GuardSend;

    #[inline]
    fn lock(&self) {
        if !self.try_lock() {
            self.wait();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_update_is_lost() {
        let total = SpinMutex::new(0u64);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| (0..50_000).for_each(|_| *total.lock() += 1));
            }
        });
        assert_eq!(*total.lock(), 200_000);
    }
}

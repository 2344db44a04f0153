//! A task's working memory: one allocation per thread, kept, never assumed to be clean.

use std::cell::RefCell;

thread_local! {
    static KEPT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Memory above this is given back after the task.
const KEEP: usize = 1 << 20;

/// A buffer of f32 that a task cuts into parts.
pub(super) struct Scratch {
    buffer: Vec<f32>,
}

impl Scratch {
    /// The thread's buffer, or a new one.
    pub fn take() -> Scratch {
        Scratch { buffer: KEPT.with(|k| std::mem::take(&mut *k.borrow_mut())) }
    }

    /// Cuts parts of the given sizes, each starting on a cache line; their contents are whatever was there.
    pub fn parts<const N: usize>(&mut self, sizes: [usize; N]) -> [&mut [f32]; N] {
        let total: usize = sizes.iter().map(|s| s.next_multiple_of(16)).sum::<usize>() + 16;
        if self.buffer.len() < total {
            self.buffer = vec![0.0; total];
        }
        #[cfg(debug_assertions)]
        self.buffer.fill(f32::NAN);
        let skip = self.buffer.as_ptr().align_offset(64);
        let mut rest = &mut self.buffer[skip..];
        sizes.map(|size| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(size.next_multiple_of(16));
            rest = after;
            &mut part[..size]
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.buffer.len() <= KEEP {
            KEPT.with(|k| *k.borrow_mut() = std::mem::take(&mut self.buffer));
        }
    }
}

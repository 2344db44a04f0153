//! Room for packed activations: of all products at once, filled before their tasks begin, or, for each thread, of one product
//! at a time, filled by the tasks themselves.
//!
//! The second way is for many products side by side (a mixture's experts): packed all at once their activations would go
//! through memory, and back once for every task. So a thread packs a product's when it comes to its first task, and they are
//! in its second-level cache. Where threads meet inside a product, both pack.

use crate::gemm::scratch::Scratch;
use crate::par;
use std::sync::{Mutex, PoisonError};

/// Numbers that stay in a second-level cache anyway (tests have less).
const CLOSE: usize = if cfg!(test) { 1 << 12 } else { 1 << 18 };
/// Products for each thread, at least, of which threads pack their own: then few are packed twice.
const PER_THREAD: usize = 4;

/// The room of some products.
pub(super) struct Rooms {
    memory: Scratch,
    /// Where the activations of each product lie; none if each thread has room for one.
    starts: Vec<usize>,
    /// Numbers of one thread's room.
    each: usize,
    free: Mutex<Vec<Room>>,
}

// SAFETY: who packs writes parts of its own, or a room that it has taken.
unsafe impl Sync for Rooms {}

/// A thread's room.
pub(super) struct Room {
    ptr: *mut f32,
    /// The product whose activations are in it.
    of: Option<usize>,
    /// The memory of a room that was made for a thread too many.
    more: Option<Scratch>,
}

// SAFETY: whoever has it is the only one to use its memory; it gets no more memory before it gets to others.
unsafe impl Send for Room {}

impl Rooms {
    /// Room for products whose activations take so many numbers.
    pub(super) fn of(sizes: &[usize]) -> Rooms {
        let (all, threads) = (sizes.iter().sum(), par::threads());
        if all <= CLOSE || sizes.len() < PER_THREAD * threads {
            let start = |sum: &mut usize, size: &usize| Some(std::mem::replace(sum, *sum + size));
            let starts = sizes.iter().scan(0, start).collect();
            return Rooms { memory: Scratch::take::<f32>(all), starts, each: 0, free: Mutex::default() };
        }
        // Whole cache lines.
        let each = sizes.iter().fold(0, |most, &size| most.max(size)).next_multiple_of(16);
        let memory = Scratch::take::<f32>(threads * each);
        let room = |i: usize| Room { ptr: memory.ptr::<f32>().wrapping_add(i * each), of: None, more: None };
        let free = Mutex::new((0..threads).map(room).collect());
        Rooms { memory, starts: Vec::new(), each, free }
    }

    /// The place of a product's activations, unless threads have rooms.
    pub(super) fn place(&self, product: usize) -> Option<*mut f32> {
        self.starts.get(product).map(|&start| self.memory.ptr::<f32>().wrapping_add(start))
    }

    /// Runs `task` with a room, after `fill` unless the product's activations are in it already.
    pub(super) fn with(&self, product: usize, fill: impl FnOnce(*mut f32), task: impl FnOnce(*mut f32)) {
        let mut room = self.take(product);
        if room.of != Some(product) {
            fill(room.ptr);
            room.of = Some(product);
        }
        task(room.ptr);
        if room.more.is_none() {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        }
    }

    fn take(&self, product: usize) -> Room {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let found = free.iter().position(|room| room.of == Some(product)).or(free.len().checked_sub(1));
        found.map(|i| free.swap_remove(i)).unwrap_or_else(|| {
            // The number of threads has grown meanwhile.
            let more = Scratch::take::<f32>(self.each);
            Room { ptr: more.ptr(), of: None, more: Some(more) }
        })
    }
}

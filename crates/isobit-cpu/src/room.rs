//! How much memory packed forms of weights may take, which are kept beside the weights themselves.
//!
//! A quarter of the memory at most, and never so much that less than a sixteenth is left: a model that only just fits runs on,
//! from the weights as they lie.

use isobit_core::alloc::{available_memory, physical_memory};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of packed forms that are alive.
static KEPT: AtomicUsize = AtomicUsize::new(0);
/// When memory was found to be short. To ask the system costs more than a small product.
static SHORT: Mutex<Option<Instant>> = Mutex::new(None);
/// How long memory counts as short from then on.
const SHORT_FOR: Duration = Duration::from_secs(1);
/// What packed forms are mapped in.
const PAGE: usize = 2 << 20;

/// Room for one packed form, given back when it is dropped.
#[derive(Debug)]
pub struct Room(usize);

impl Room {
    /// Room for that many bytes, if there is some left.
    pub fn take(bytes: usize) -> Option<Room> {
        let bytes = bytes.next_multiple_of(PAGE);
        let all = physical_memory();
        if KEPT.load(Ordering::Relaxed) + bytes > all / 4 {
            return None;
        }
        let mut short = SHORT.lock().unwrap_or_else(PoisonError::into_inner);
        if short.is_some_and(|at| at.elapsed() < SHORT_FOR) {
            return None;
        }
        *short = (available_memory() < bytes + all / 16).then(Instant::now);
        if short.is_some() {
            return None;
        }
        KEPT.fetch_add(bytes, Ordering::Relaxed);
        Some(Room(bytes))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        KEPT.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_room_for_more_than_a_quarter() {
        assert!(Room::take(physical_memory() / 4 + PAGE).is_none());
        let room = Room::take(1).unwrap();
        assert_eq!(room.0, PAGE);
    }
}

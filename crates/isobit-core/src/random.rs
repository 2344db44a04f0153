//! Random numbers: keys, and distributions made from [`random_bits`](crate::ops::random_bits()).
//!
//! A sample is a pure function of its key, its shape and its parameters: no thread, batch or order of evaluation shows
//! in it. Without a key, a function takes the next one of a process-wide sequence that [`seed`] restarts. The bits, and
//! the way distributions are made of them, are MLX's, so that equal keys give equal samples (up to the last place of
//! `erfinv` and `log`).

mod distributions;
mod integers;

pub use distributions::{
    Parameter, gumbel, laplace, multivariate_normal, normal, truncated_normal, truncated_normal_of, uniform,
};
pub use integers::{bernoulli, bernoulli_of, categorical, categorical_samples, permutation, permutation_of, randint};

use crate::array::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::ops;
use parking_lot::Mutex;
use std::cell::Cell;

/// The key of the process-wide sequence; `None` until it is first used.
static STATE: Mutex<Option<Array>> = Mutex::new(None);

thread_local! {
    /// The state inside [`with_state`].
    static OWN: Cell<Option<Array>> = const { Cell::new(None) };
}

/// The key of a seed: its high and its low 32 bits.
pub fn key(seed: u64) -> Array {
    let words = [(seed >> 32) as u32, seed as u32];
    // A shape of two elements for two elements cannot be refused.
    Array::from_slice(&words, &[2]).unwrap_or_else(|_| unreachable!("two words make a key"))
}

/// `num` keys from one: `[num, 2]`.
///
/// # Errors
/// A key that is not made of two uint32 words.
pub fn split(key: &Array, num: usize) -> Result<Array> {
    ops::random_bits(key, &[num, 2], 4)
}

/// Restarts the process-wide sequence of keys.
pub fn seed(seed: u64) {
    on_state(|state| *state = Some(key(seed)));
}

/// The key from which the process-wide sequence goes on.
pub fn state() -> Array {
    on_state(|state| state.get_or_insert_with(first_key).clone())
}

/// Makes the process-wide sequence go on from `key`.
///
/// # Errors
/// A key that is not made of two uint32 words.
pub fn set_state(key: &Array) -> Result<()> {
    split(key, 2)?;
    on_state(|state| *state = Some(key.clone()));
    Ok(())
}

/// The next key of the process-wide sequence.
///
/// # Errors
/// None in practice: the state is always a key.
pub fn next_key() -> Result<Array> {
    on_state(|state| {
        let current = state.get_or_insert_with(first_key).clone();
        let both = split(&current, 2)?;
        *state = Some(ops::take_index(&both, 0, 0)?);
        ops::take_index(&both, 1, 0)
    })
}

/// Runs `f` with a sequence of its own that goes on from `key`, which other threads do not see; what `f` returns, and the key
/// from which that sequence would go on. A recorded function gets a stand-in for the state in this way.
pub fn with_state<R>(key: &Array, f: impl FnOnce() -> R) -> (R, Array) {
    struct Restore(Option<Array>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OWN.set(self.0.take());
        }
    }
    let restore = Restore(OWN.replace(Some(key.clone())));
    let result = f();
    let last = OWN.take().unwrap_or_else(|| key.clone());
    drop(restore);
    (result, last)
}

/// This thread's own state if it has one, else the process's.
fn on_state<R>(f: impl FnOnce(&mut Option<Array>) -> R) -> R {
    let mut own = OWN.take();
    if own.is_none() {
        return f(&mut STATE.lock());
    }
    let result = f(&mut own);
    OWN.set(own);
    result
}

/// Unlike from process to process.
fn first_key() -> Array {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    key(since.map_or(0, |d| d.as_nanos() as u64))
}

/// Random integers of `width` bytes (1, 2 or 4): see [`random_bits`](crate::ops::random_bits()).
///
/// # Errors
/// A key that is not made of two uint32 words; another width.
pub fn bits(shape: &[usize], width: usize, key: Option<&Array>) -> Result<Array> {
    match key {
        Some(key) => ops::random_bits(key, shape, width),
        None => ops::random_bits(&next_key()?, shape, width),
    }
}

fn words(shape: &[usize], key: Option<&Array>) -> Result<Array> {
    bits(shape, Dtype::U32.size(), key)
}

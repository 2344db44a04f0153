//! Recomputation instead of memory.

use super::custom::CustomFunction;
use crate::array::Array;
use crate::error::Result;
use std::sync::Arc;

/// `f`, with its intermediate values computed again in the reverse pass instead of kept.
pub fn checkpoint<F>(f: F) -> impl Fn(&[Array]) -> Result<Vec<Array>>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
{
    let f = Arc::new(f);
    let again = Arc::clone(&f);
    let function = CustomFunction::new(move |xs: &[Array]| f(xs)).with_vjp(move |inputs, cts, outs| {
        // The copy depends on the outputs, so that it is not evaluated before the forward pass is over and its memory
        // is gone.
        let held = crate::ops::depends(inputs, outs)?;
        super::vjp(|xs| again(xs), &held, cts).map(|(_, g)| g)
    });
    move |xs| function.call(xs)
}

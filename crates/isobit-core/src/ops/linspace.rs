//! Evenly spaced numbers between two ends.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::host::Scalar;
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Specs, Vmap};
use crate::spec::{Spec, checked_size};
use smallvec::smallvec;

/// `count` numbers from `start` to `stop`, both included.
///
/// # Dtypes
/// `dtype`. Elements are `start + i * (stop - start) / (count - 1)` in float64, rounded once (truncated in an integer
/// dtype); the last is `stop` itself.
///
/// # Gradients
/// None: the arguments are plain numbers.
///
/// # Errors
/// dtype bool, a complex number.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// assert_eq!(ops::linspace(0.0, 1.0, 5, Dtype::F32)?.to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75, 1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn linspace(start: impl Into<Scalar>, stop: impl Into<Scalar>, count: usize, dtype: Dtype) -> Result<Array> {
    let (start, stop) = (start.into(), stop.into());
    if dtype == Dtype::C64 && [start, stop].iter().all(|s| !matches!(s, Scalar::Complex(..))) {
        return super::astype(&linspace(start, stop, count, Dtype::F32)?, dtype);
    }
    if matches!(dtype, Dtype::Bool | Dtype::C64) {
        return Err(Error::dtype("linspace", format!("expected an integer or real floating dtype, got {dtype}")));
    }
    checked_size("linspace", &[count], dtype.size())?;
    let (start, stop) = (start.to_f64().to_bits(), stop.to_f64().to_bits());
    apply(Linspace { start, stop, count, dtype }, &[])
}

/// [`linspace`] without its end: `count` numbers from `start`, a `count`-th of the way apart.
///
/// # Errors
/// As [`linspace`].
pub fn linspace_open(start: impl Into<Scalar>, stop: impl Into<Scalar>, count: usize, dtype: Dtype) -> Result<Array> {
    let (start, stop) = (start.into().to_f64(), stop.into().to_f64());
    let last = start + (stop - start) * count.saturating_sub(1) as f64 / count.max(1) as f64;
    linspace(start, last, count, dtype)
}

/// The primitive of [`linspace`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Linspace {
    start: u64,
    stop: u64,
    count: usize,
    dtype: Dtype,
}

impl Linspace {
    /// Element `i`, before rounding to the dtype.
    #[inline]
    pub fn at(&self, i: usize) -> f64 {
        let (start, stop) = (f64::from_bits(self.start), f64::from_bits(self.stop));
        if i > 0 && i + 1 == self.count {
            return stop;
        }
        start + i as f64 * ((stop - start) / (self.count.max(2) - 1) as f64)
    }
}

impl NonDifferentiable for Linspace {
    const NAME: &'static str = "linspace";

    fn infer(&self, _: &[Spec]) -> Result<Specs> {
        Ok(smallvec![Spec::new([self.count], self.dtype)])
    }

    fn vmap(&self, _: &Vmap<'_>) -> Result<Batched> {
        // Without inputs nothing can be batched.
        Ok(smallvec![(apply(self.clone(), &[])?, None)])
    }

    fn cases() -> Cases {
        let case = |start: f64, stop: f64, count: usize, dtype: Dtype| {
            let prim = Linspace { start: start.to_bits(), stop: stop.to_bits(), count, dtype };
            Case::new(prim).exact().no_grad().no_edges()
        };
        let mut cases =
            vec![case(0.0, 10.0, 5, Dtype::I32), case(0.0, 1.0, 0, Dtype::F32), case(3.0, 1.0, 1, Dtype::F32)];
        cases.extend(Dtype::FLOATS.map(|d| case(-1.0, 2.0, 38, d)));
        cases
    }
}

crate::primitive_via!(NonDifferentiable, Linspace);

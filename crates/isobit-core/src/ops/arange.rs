//! Evenly spaced numbers from a start by a step.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::host::Scalar;
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Specs, Vmap};
use crate::spec::{Spec, checked_size};
use smallvec::smallvec;

/// `start, start + step, ...` before `stop`.
///
/// # Shapes
/// One axis of `ceil((stop - start) / step)` elements, none if that is negative.
///
/// # Dtypes
/// `dtype`, or that of the arguments: float32 if one is a float, else int32 (int64 for larger integers). Float elements
/// are `start + i * step` in float64, rounded once. In an integer dtype the first two elements are truncated and the
/// step is their difference, as in MLX.
///
/// # Gradients
/// None: the arguments are plain numbers.
///
/// # Errors
/// A step of 0, a length that is not a finite number, dtype bool, a complex number.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// assert_eq!(ops::arange(1, 7, 2, None)?.to_vec::<i32>()?, [1, 3, 5]);
/// assert_eq!(ops::arange(0.0, 1.0, 0.25, Dtype::F32)?.to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn arange(
    start: impl Into<Scalar>,
    stop: impl Into<Scalar>,
    step: impl Into<Scalar>,
    dtype: impl Into<Option<Dtype>>,
) -> Result<Array> {
    let (start, stop, step) = (start.into(), stop.into(), step.into());
    let dtype = match dtype.into() {
        Some(d) => d,
        None => start.default_dtype().promote(stop.default_dtype()).promote(step.default_dtype()),
    };
    if dtype == Dtype::C64 && [start, stop, step].iter().all(|s| !matches!(s, Scalar::Complex(..))) {
        return super::astype(&arange(start, stop, step, Dtype::F32)?, dtype);
    }
    if matches!(dtype, Dtype::Bool | Dtype::C64) {
        return Err(Error::dtype("arange", format!("expected an integer or real floating dtype, got {dtype}")));
    }
    if step.to_f64() == 0.0 {
        return Err(Error::value("arange", "expected a step other than 0"));
    }
    let count = count(start, stop, step)?;
    // Beyond every number: there is no second element, and 0 times infinity is no number.
    let step = if step.to_f64().is_infinite() { Scalar::Float(1.0) } else { step };
    checked_size("arange", &[count], dtype.size())?;
    let (start, step) = if dtype.is_float() {
        (start.to_f64().to_bits(), step.to_f64().to_bits())
    } else if let (Some(a), Some(k)) = (start.to_i128(), step.to_i128()) {
        (a as u64, k as u64)
    } else {
        let first = start.to_f64() as i128;
        (first as u64, ((start.to_f64() + step.to_f64()) as i128).wrapping_sub(first) as u64)
    };
    apply(Arange { start, step, count, dtype }, &[])
}

fn count(start: Scalar, stop: Scalar, step: Scalar) -> Result<usize> {
    let count = match (start.to_i128(), stop.to_i128(), step.to_i128()) {
        (Some(a), Some(b), Some(k)) => {
            let span = if k > 0 { b - a } else { a - b };
            usize::try_from((span.max(0) + k.abs() - 1) / k.abs()).ok()
        }
        _ => {
            let n = ((stop.to_f64() - start.to_f64()) / step.to_f64()).ceil();
            // A step beyond every number still leaves the start.
            let ahead = (stop.to_f64() - start.to_f64()) * step.to_f64() > 0.0;
            let n = if step.to_f64().is_infinite() && ahead { 1.0 } else { n };
            if !start.to_f64().is_finite() || !stop.to_f64().is_finite() {
                return Err(Error::value("arange", format!("expected finite ends, got {start:?} and {stop:?}")));
            }
            (n.is_finite() && n < 2f64.powi(62)).then_some(n.max(0.0) as usize)
        }
    };
    count.ok_or_else(|| Error::value("arange", format!("no length from {start:?} to {stop:?} by {step:?}")))
}

/// `count` integers from 0, int32 if they fit, else int64: what batching rules index a batch with.
pub(crate) fn iota(count: usize) -> Result<Array> {
    let dtype = if i32::try_from(count).is_ok() { Dtype::I32 } else { Dtype::I64 };
    apply(Arange { start: 0, step: 1, count, dtype }, &[])
}

/// The primitive of [`arange`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arange {
    start: u64,
    step: u64,
    count: usize,
    dtype: Dtype,
}

impl Arange {
    /// First element and step of a float range.
    pub fn floats(&self) -> (f64, f64) {
        (f64::from_bits(self.start), f64::from_bits(self.step))
    }

    /// First element and step of an integer range, modulo 2^64.
    pub fn integers(&self) -> (u64, u64) {
        (self.start, self.step)
    }
}

impl NonDifferentiable for Arange {
    const NAME: &'static str = "arange";

    fn infer(&self, _: &[Spec]) -> Result<Specs> {
        Ok(smallvec![Spec::new([self.count], self.dtype)])
    }

    fn vmap(&self, _: &Vmap<'_>) -> Result<Batched> {
        // Without inputs nothing can be batched.
        Ok(smallvec![(apply(self.clone(), &[])?, None)])
    }

    fn cases() -> Cases {
        let case = |start: u64, step: u64, count: usize, dtype: Dtype| {
            Case::new(Arange { start, step, count, dtype }).exact().no_grad().no_edges()
        };
        let mut cases = vec![case(0, 1, 37, Dtype::I32), case(5, (-2i64) as u64, 9, Dtype::I64)];
        cases.extend([Dtype::U8, Dtype::U64, Dtype::I8, Dtype::I16].map(|d| case((-5i64) as u64, 3, 100, d)));
        cases.extend(Dtype::FLOATS.map(|d| case(0.5f64.to_bits(), 0.1f64.to_bits(), 37, d)));
        cases.push(case(0, 1, 0, Dtype::I32));
        cases
    }
}

crate::primitive_via!(NonDifferentiable, Arange);

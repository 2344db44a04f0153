//! Sum over axes.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::{Axes, Shape, Spec};
use smallvec::SmallVec;

/// The sum over `axes`; with `..`, over all.
///
/// # Shapes
/// The input's without `axes`, or with size 1 there if `keepdims`.
///
/// # Dtypes
/// That of `a`; bools and integers narrower than 32 bits are summed as int32 (unsigned ones as uint32). Half-precision
/// elements are added in float32 and the sum is rounded once.
///
/// # Gradients
/// The cotangent, repeated.
///
/// # Errors
/// Axes out of range or repeated.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
/// assert_eq!(ops::sum(&a, 0, false)?.to_vec::<f32>()?, [4.0, 6.0]);
/// assert_eq!(ops::sum(&a, .., false)?.to_vec::<f32>()?, [10.0]);
/// assert_eq!(ops::sum(&a, 1, true)?.shape(), [2, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn sum(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("sum", a.ndim())?;
    let dtype = sum_dtype(a.dtype());
    if axes.is_empty() {
        return super::astype(a, dtype);
    }
    let out = apply(Sum { axes: axes.clone(), wide: false }, &[a])?;
    drop_axes(out, &axes, keepdims)
}

/// [`sum`] whose result keeps the dtype in which it was accumulated: float32 for half precision. For compositions that
/// go on computing before they round.
pub(crate) fn sum_wide(a: &Array, axes: &[usize], keepdims: bool) -> Result<Array> {
    let wide = accumulator(a.dtype());
    if axes.is_empty() {
        return super::astype(a, wide);
    }
    let out = apply(Sum { axes: axes.into(), wide: wide != sum_dtype(a.dtype()) }, &[a])?;
    drop_axes(out, axes, keepdims)
}

/// The dtype in which elements of `dtype` are accumulated.
pub(crate) fn accumulator(dtype: Dtype) -> Dtype {
    match dtype {
        Dtype::F16 | Dtype::BF16 => Dtype::F32,
        d => sum_dtype(d),
    }
}

/// Refuses complex64, for which the operation has no kernel.
pub(crate) fn require_real(op: &'static str, dtype: Dtype) -> Result<Dtype> {
    if dtype == Dtype::C64 {
        return Err(Error::dtype(op, "expected a real dtype, got complex64"));
    }
    Ok(dtype)
}

/// The dtype in which sums and products of `dtype` are formed.
pub(crate) fn sum_dtype(dtype: Dtype) -> Dtype {
    match dtype {
        Dtype::Bool | Dtype::I8 | Dtype::I16 => Dtype::I32,
        Dtype::U8 | Dtype::U16 => Dtype::U32,
        d => d,
    }
}

/// The result of a reduction (which keeps reduced axes with size 1) as the caller wants it.
pub(crate) fn drop_axes(out: Array, axes: &[usize], keepdims: bool) -> Result<Array> {
    if keepdims {
        return Ok(out);
    }
    let axes: Vec<isize> = axes.iter().map(|&a| a as isize).collect();
    super::squeeze(&out, axes.as_slice())
}

/// The axes of an array that has got a batch axis in front.
pub(crate) fn behind_batch(axes: &[usize]) -> SmallVec<[usize; 4]> {
    axes.iter().map(|a| a + 1).collect()
}

/// The shape of a reduction over `axes` that keeps them with size 1.
pub(crate) fn reduced(shape: &Shape, axes: &[usize]) -> Shape {
    let mut out = shape.clone();
    for &a in axes {
        out[a] = 1;
    }
    out
}

/// The primitive of [`sum`]. Keeps the reduced axes with size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sum {
    axes: SmallVec<[usize; 4]>,
    /// Whether the result of a half-precision input stays in float32.
    wide: bool,
}

impl Sum {
    /// The reduced axes, ascending.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }
}

impl Linear for Sum {
    const NAME: &'static str = "sum";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        let dtype = if self.wide { accumulator(x.dtype) } else { sum_dtype(x.dtype) };
        Ok(Spec { shape: reduced(&x.shape, &self.axes), dtype })
    }

    fn transposed(&self, x: &Spec, ct: &Array) -> Result<Array> {
        super::broadcast_to(&super::astype(ct, x.dtype)?, &x.shape)
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        apply(Sum { axes: behind_batch(&self.axes), wide: self.wide }, &[x])
    }

    fn cases() -> Cases {
        let case = |axes: &[usize], wide| Case::new(Sum { axes: axes.into(), wide }).sums(300);
        let mut cases = reduction_cases(|axes| case(axes, false), Domain::Any(-4.0, 4.0));
        for dtype in [Dtype::F16, Dtype::BF16] {
            cases.push(case(&[0], true).input(&[5, 2], Domain::Of(dtype, -4.0, 4.0)).no_grad());
        }
        cases.push(case(&[0], false).input(&[0, 3], Domain::Any(0.0, 1.0)));
        cases.extend(reduction_cases(|axes| case(axes, false), Domain::Of(Dtype::C64, -4.0, 4.0)));
        cases
    }
}

crate::primitive_via!(Linear, Sum);

/// Shapes and axes that every reduction is tried on.
pub(crate) fn reduction_cases(case: impl Fn(&[usize]) -> Case, domain: Domain) -> Cases {
    let shapes: [(&[usize], &[usize]); 9] = [
        (&[7], &[0]),
        (&[3, 5], &[0]),
        (&[3, 5], &[1]),
        (&[3, 5], &[0, 1]),
        (&[2, 3, 4], &[0, 2]),
        (&[2, 3, 4], &[1]),
        (&[2, 300], &[1]),
        (&[300, 3], &[0]),
        (&[1, 4], &[0]),
    ];
    shapes.into_iter().map(|(shape, axes)| case(axes).input(shape, domain.clone())).collect()
}

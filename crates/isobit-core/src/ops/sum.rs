//! Sum over axes.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::Result;
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
/// That of `a`; bools and integers narrower than 32 bits are summed as int32 (unsigned ones as uint32).
///
/// # Gradients
/// The cotangent, repeated.
///
/// # Errors
/// Axes out of range or repeated.
pub fn sum(a: &Array, axes: impl Into<Axes>, keepdims: bool) -> Result<Array> {
    let axes = axes.into().resolve("sum", a.ndim())?;
    let dtype = sum_dtype(a.dtype());
    if axes.is_empty() {
        return super::astype(a, dtype);
    }
    let out = apply(Sum { axes: axes.clone() }, &[a])?;
    drop_axes(out, &axes, keepdims)
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
        Ok(Spec { shape: reduced(&x.shape, &self.axes), dtype: sum_dtype(x.dtype) })
    }

    fn transposed(&self, x: &Spec, ct: &Array) -> Result<Array> {
        super::broadcast_to(ct, &x.shape)
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        apply(Sum { axes: self.axes.iter().map(|a| a + 1).collect() }, &[x])
    }

    fn cases() -> Cases {
        reduction_cases(|axes| Case::new(Sum { axes: axes.into() }).sums(300), Domain::Any(-4.0, 4.0))
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

//! Products with quantized matrices that are chosen by index.

use super::gather_mm::{each_pair, fold_batch, index_shape, pairs, scatter_matrices, stacked};
use super::quantize::{GLOBAL, check_specs};
use super::quantized_matmul::{
    FORMATS, check_int8, group_gradient, matrix_size, promoted, promoted_int8, quantized_inputs, rounded_case,
};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::quant::{Format, Mode};
use crate::spec::Spec;
use smallvec::smallvec;
use std::ops::Range;

/// `x[lhs[i]] @ w[rhs[i]].T` (or `@ w[rhs[i]]`) for every index pair `i`, with a quantized `w`: the leading axes of `x` and
/// of the matrix, flattened, are what is indexed.
///
/// A row has the bits that [`quantized_matmul`](crate::ops::quantized_matmul()) gives it, whatever the indices and their
/// order.
///
/// # Shapes
/// `x`: `[..., M, K]`; codes, scales and biases as for `quantized_matmul`, with leading axes; `lhs` and `rhs` broadcast
/// together, to `[I...]`. Without `lhs` or `rhs` each matrix of that operand is used once, in order. Result
/// `[I..., M, N]`.
///
/// # Dtypes
/// As for `quantized_matmul`; indices are integers. Negative ones count from the end, and one that is out of range is
/// clamped.
///
/// # Gradients
/// With respect to `x` and affine scales and biases.
///
/// # Errors
/// Shapes that do not fit the format or one another, other dtypes.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let w = ops::reshape(&ops::arange(0, 64, 1, Dtype::F32)?, &[1, 64])?;
/// let format = isobit::quant::Format::new(isobit::quant::Mode::Affine, None, Some(8))?;
/// let q = ops::quantize(&w, format, None)?;
/// let x = ops::ones(&[1, 1, 64], Dtype::F32)?;
/// let stacked = |a: &Array| ops::expand_dims(a, 0);
/// let biases = q.biases.as_ref().map(stacked).transpose()?;
/// let rhs = Array::from_slice(&[0i32, 0], &[2])?;
/// let y = ops::gather_qmm(&x, &stacked(&q.codes)?, &stacked(&q.scales)?, biases.as_ref(), None, Some(&rhs), true, format)?;
/// assert_eq!(y.shape(), [2, 1, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
#[allow(clippy::too_many_arguments)] // MLX's signature
pub fn gather_qmm(
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    lhs: Option<&Array>,
    rhs: Option<&Array>,
    transpose: bool,
    format: Format,
) -> Result<Array> {
    const OP: &str = "gather_qmm";
    super::quantize::check(OP, codes, scales, biases, format)?;
    let (lhs, rhs) = pairs(OP, x, codes, lhs, rhs)?;
    let (x, w) = promoted(OP, x, codes, scales, biases)?;
    let w = w.iter().map(stacked).collect::<Result<Vec<_>>>()?;
    GatherQmm { format, transpose, int8: false }.on(&stacked(&x)?, &lhs, &rhs, &w)
}

/// [`gather_qmm`](crate::ops::gather_qmm()) with `transpose` and with `x` rounded to eight bits on the way: a row has the
/// bits that [`quantized_matmul_int8`](crate::ops::quantized_matmul_int8()) gives it. Faster, with numbers of its own, and
/// never used unless it is asked for.
///
/// # Shapes
/// As for `gather_qmm` with `transpose`.
///
/// # Dtypes
/// As for `gather_qmm`, without float64.
///
/// # Gradients
/// Those of the exact product: rounding counts as the identity.
///
/// # Errors
/// mxfp8, whose codes are no integers; shapes that do not fit; other dtypes.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let w = ops::reshape(&ops::arange(0, 128, 1, Dtype::F32)?, &[2, 1, 64])?;
/// let format = isobit::quant::Format::new(isobit::quant::Mode::Affine, None, Some(8))?;
/// let q = ops::quantize(&w, format, None)?;
/// let x = ops::ones(&[1, 1, 64], Dtype::F32)?;
/// let rhs = Array::from_slice(&[1i32, 0, 1], &[3])?;
/// let y = ops::gather_qmm_int8(&x, &q.codes, &q.scales, q.biases.as_ref(), None, Some(&rhs), format)?;
/// assert_eq!(y.shape(), [3, 1, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn gather_qmm_int8(
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    lhs: Option<&Array>,
    rhs: Option<&Array>,
    format: Format,
) -> Result<Array> {
    const OP: &str = "gather_qmm_int8";
    check_int8(OP, format)?;
    super::quantize::check(OP, codes, scales, biases, format)?;
    let (lhs, rhs) = pairs(OP, x, codes, lhs, rhs)?;
    let (x, w) = promoted_int8(OP, x, codes, scales, biases)?;
    let w = w.iter().map(stacked).collect::<Result<Vec<_>>>()?;
    GatherQmm { format, transpose: true, int8: true }.on(&stacked(&x)?, &lhs, &rhs, &w)
}

/// [`gather_qmm`](crate::ops::gather_qmm()) of matrices that were quantized with global scales (nvfp4): one float32
/// number for all, or one per matrix, of the shape of the codes' leading axes.
///
/// The product is taken in float32 and rounded to the dtype of `x` once, after the global scale has come in.
///
/// # Errors
/// Those of `gather_qmm`; another format (those with biases among them), a global scale of another shape or dtype.
#[allow(clippy::too_many_arguments)] // MLX's signature
pub fn gather_qmm_scaled(
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    lhs: Option<&Array>,
    rhs: Option<&Array>,
    transpose: bool,
    format: Format,
    global_scale: &Array,
) -> Result<Array> {
    const OP: &str = "gather_qmm";
    super::quantize::check(OP, codes, scales, biases, format)?;
    check_global_scales(OP, format, &codes.shape()[..codes.ndim() - 2], global_scale)?;
    if !x.dtype().is_float() {
        return Err(Error::dtype(OP, format!("expected a floating dtype, got {}", x.dtype())));
    }
    let factor = factor_of_pairs(global_scale, rhs, &codes.shape()[..codes.ndim() - 2])?;
    let wide = super::astype(x, x.dtype().promote(Dtype::F32))?;
    let out = gather_qmm(&wide, codes, scales, None, lhs, rhs, transpose, format)?;
    super::astype(&super::multiply(&out, &factor)?, x.dtype())
}

/// Checks global scales of a stack of matrices with these leading axes.
pub(crate) fn check_global_scales(op: &'static str, format: Format, lead: &[usize], global: &Array) -> Result<()> {
    if global.size() == 1 && global.ndim() <= 1 {
        return super::quantize::check_global_scale(op, format, Some(global));
    }
    if format.mode() != Mode::Nvfp4 {
        return Err(Error::value(
            op,
            format!("expected a global scale with mode nvfp4 only, got {}", format.mode().name()),
        ));
    }
    if global.shape() != lead || global.dtype() != Dtype::F32 {
        let (d, s) = (global.dtype(), global.shape());
        return Err(Error::value(op, format!("expected one float32 global scale per matrix, {lead:?}, got {d} {s:?}")));
    }
    Ok(())
}

/// What the global scales of a stack of matrices with these leading axes multiply the product of each pair by.
pub(crate) fn factor_of_pairs(global: &Array, rhs: Option<&Array>, lead: &[usize]) -> Result<Array> {
    let factor = super::divide(global, &Array::scalar(GLOBAL, Dtype::F32))?;
    if factor.size() == 1 && factor.ndim() <= 1 {
        return super::reshape(&factor, &[]);
    }
    let of_pair = match rhs {
        Some(rhs) => super::take(&factor, rhs, None)?,
        None => super::reshape(&factor, &super::broadcast::signed(lead))?,
    };
    super::expand_dims(&super::expand_dims(&of_pair, -1)?, -1)
}

/// The primitive of [`gather_qmm`](crate::ops::gather_qmm()): inputs are a stack of matrices `x`, two index arrays of one
/// shape, and stacks of codes, scales and perhaps biases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatherQmm {
    format: Format,
    transpose: bool,
    int8: bool,
}

impl GatherQmm {
    /// Format of the codes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether groups run along K, the matrices being used transposed.
    pub fn transpose(&self) -> bool {
        self.transpose
    }

    /// Whether `x` is rounded to eight bits ([`gather_qmm_int8`]).
    pub fn int8(&self) -> bool {
        self.int8
    }

    /// The product that derivatives are taken of.
    fn exact(&self) -> GatherQmm {
        GatherQmm { int8: false, ..*self }
    }

    fn on(&self, x: &Array, lhs: &Array, rhs: &Array, w: &[Array]) -> Result<Array> {
        let mut all = vec![x, lhs, rhs];
        all.extend(w);
        apply(self.clone(), &all)
    }
}

impl Primitive for GatherQmm {
    const NAME: &'static str = "gather_qmm";

    fn selectors(&self) -> Range<usize> {
        1..usize::MAX
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        check_specs(Self::NAME, &inputs[3..], self.format)?;
        let (x, w) = (&inputs[0], &inputs[3]);
        let mut shape = index_shape(Self::NAME, &inputs[1], &inputs[2])?;
        let (k, columns) = matrix_size(self.format, self.transpose, w);
        let fits = x.ndim() == 3
            && w.ndim() == 3
            && x.shape[2] == k
            && (!self.format.has_biases() || inputs[4..].iter().all(|s| s.dtype == x.dtype))
            && x.dtype.is_float()
            && !(self.int8 && x.dtype == Dtype::F64)
            && (shape.contains(&0) || x.shape[0] > 0 && w.shape[0] > 0);
        if !fits {
            return Err(Error::value(
                Self::NAME,
                format!("x {x:?} does not fit matrices of {k} by {columns} (codes {w:?}) and {shape:?} pairs"),
            ));
        }
        shape.extend_from_slice(&[x.shape[1], columns]);
        crate::spec::checked_size(Self::NAME, &shape, x.dtype.size())?;
        Ok(smallvec![Spec { shape, dtype: x.dtype }])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let (x, lhs, rhs, w) = (&cx.inputs[0], &cx.inputs[1], &cx.inputs[2], &cx.inputs[3..]);
        let first = cx.tangents[0].as_ref().map(|tx| self.exact().on(tx, lhs, rhs, w)).transpose()?;
        let mut second = None;
        if self.format.has_biases() && (cx.tangents[4].is_some() || cx.tangents[5].is_some()) {
            let part = |i: usize| cx.tangents[i].clone().map_or_else(|| super::zeros_like(&cx.inputs[i]), Ok);
            second = Some(self.exact().on(x, lhs, rhs, &[w[0].clone(), part(4)?, part(5)?])?);
        }
        Ok(smallvec![match (first, second) {
            (Some(a), Some(b)) => Some(super::add(&a, &b)?),
            (a, b) => a.or(b),
        }])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let (x, lhs, rhs, w) = (&cx.inputs[0], &cx.inputs[1], &cx.inputs[2], &cx.inputs[3..]);
        let ct = stacked(&cx.ct()?)?;
        let pair = each_pair(lhs)?;
        let mut grads: Grads = smallvec![None; cx.inputs.len()];
        if cx.wanted(0) {
            let back = GatherQmm { transpose: !self.transpose, ..self.exact() };
            grads[0] = Some(scatter_matrices(x, &back.on(&ct, &pair, rhs, w)?, lhs)?);
        }
        if self.format.has_biases() && (cx.wanted(4) || cx.wanted(5)) {
            // The dense gradient of every matrix that was chosen, added up per matrix.
            let x_of = |a: &Array, i: &Array| super::take(a, i, 0isize);
            let (chosen, ct) = (x_of(x, &super::flatten(lhs, 0, -1)?)?, ct);
            let p = if self.transpose {
                super::matmul(&super::swapaxes(&ct, -1, -2)?, &chosen)?
            } else {
                super::matmul(&super::swapaxes(&chosen, -1, -2)?, &ct)?
            };
            let rhs = super::flatten(rhs, 0, -1)?;
            let codes = super::take(&w[0], &rhs, 0isize)?;
            for (i, codes) in [(4, Some(&codes)), (5, None)] {
                if cx.wanted(i) {
                    grads[i] = Some(scatter_matrices(&cx.inputs[i], &group_gradient(&p, codes, self.format)?, &rhs)?);
                }
            }
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let w_batched = (3..cx.inputs.len()).filter(|&i| cx.batched(i)).count();
        if cx.size == 0 || (w_batched != 0 && w_batched != cx.inputs.len() - 3) {
            return cx.each(|xs| Ok(vec![self.on(&xs[0], &xs[1], &xs[2], &xs[3..])?]));
        }
        let (x, lhs) = fold_batch(cx, 0, &cx.front_full(1)?)?;
        let index = cx.front_full(2)?;
        let mut rhs = index.clone();
        let mut w = Vec::new();
        for i in 3..cx.inputs.len() {
            let (stack, at) = fold_batch(cx, i, &index)?;
            w.push(stack);
            rhs = at;
        }
        crate::prim::batched_front(self.on(&x, &lhs, &rhs, &w)?)
    }

    fn cases() -> Cases {
        let mut all = Cases::new();
        for transpose in [true, false] {
            for (mode, group, bits) in FORMATS {
                let Ok(format) = Format::new(mode, Some(group), Some(bits)) else { continue };
                let (k, n) = if transpose { (group, 3) } else { (3, group) };
                let of = |int8: bool, x: usize, m: usize, e: usize, at: &[usize]| {
                    let case = Case::new(GatherQmm { format, transpose, int8 })
                        .input(&[x, m, k], Domain::Real(-1.0, 1.0))
                        .input(at, Domain::Integer(-(x as i64), x as i64 - 1))
                        .input(at, Domain::Integer(-(e as i64), e as i64 - 1))
                        .no_edges();
                    let (rows, width) = if transpose { (n, k) } else { (k, n) };
                    quantized_inputs(case, format, k, &[e, rows, width])
                };
                let case = |x, m, e, at: &[usize]| of(false, x, m, e, at);
                all.push(case(2, 1, 3, &[4]));
                if bits == 4 && group == 64 {
                    all.extend([case(2, 3, 2, &[2, 2]), case(2, 2, 2, &[0]), case(2, 1, 2, &[])]);
                }
                if transpose && format.has_int8() {
                    all.push(rounded_case(of(true, 3, 2, 2, &[5]), Dtype::F32));
                }
            }
        }
        all
    }
}

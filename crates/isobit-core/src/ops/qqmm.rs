//! Products of two quantized operands: activations are rounded to the format on the way in.

use super::gather_mm::{in_merged, index_shape, merged, pairs, scatter_matrices, stacked};
use super::gather_qmm::{check_global_scales, factor_of_pairs};
use super::quantize::{GLOBAL, check_global_scale, quantize_by, rounded};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::quant::{Format, Mode};
use crate::spec::Spec;
use smallvec::smallvec;

/// `x @ w.T` with both operands quantized: `x` on the way in, `w` too unless its `scales` are given.
///
/// The product is that of the values that codes and scales stand for, with the bits of
/// [`quantized_matmul`](crate::ops::quantized_matmul()) for those values of `x`: weights quantized beforehand or on the
/// way in give the same bits.
///
/// # Shapes
/// `x`: `[..., M, K]` (or `[K]`), `w`: `[..., N, K]`, or codes `[..., N, K * bits / 32]` with scales
/// `[..., N, K / group_size]`. `K` is a multiple of the group size. Result `[..., M, N]`; leading axes broadcast.
///
/// # Dtypes
/// `x` (and `w`, if it is not quantized): float32, float16 or bfloat16; the result has the dtype of `x`. Formats without
/// biases: nvfp4, mxfp8, mxfp4. Global scales (nvfp4) are single float32 numbers, both or none; the product is then taken
/// in float32.
///
/// # Gradients
/// Rounding is seen through (a straight-through estimator): those of a product of the rounded operands with respect to `x`
/// and to a `w` that is not quantized. With respect to the global scale of quantized weights.
///
/// # Errors
/// Shapes that do not fit the format or one another, other dtypes, one global scale alone.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// use isobit::quant::{Format, Mode};
/// let format = Format::new(Mode::Nvfp4, None, None)?;
/// let x = ops::full(&[1, 16], 3.0, Dtype::F32)?;
/// let w = ops::full(&[2, 16], 0.75, Dtype::F32)?;
/// // Both are exact in the format.
/// let y = ops::qqmm(&x, &w, None, format, None, None)?;
/// assert_eq!(y.to_vec::<f32>()?, [36.0, 36.0]);
/// let q = ops::quantize(&w, format, None)?;
/// assert_eq!(ops::qqmm(&x, &q.codes, Some(&q.scales), format, None, None)?.to_vec::<f32>()?, [36.0, 36.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn qqmm(
    x: &Array,
    w: &Array,
    scales: Option<&Array>,
    format: Format,
    global_scale_x: Option<&Array>,
    global_scale_w: Option<&Array>,
) -> Result<Array> {
    const OP: &str = "qqmm";
    if x.ndim() == 1 {
        let row = super::expand_dims(x, 0)?;
        return super::squeeze(&qqmm(&row, w, scales, format, global_scale_x, global_scale_w)?, -2);
    }
    check_operands(OP, x, w, scales, format)?;
    let global = both(OP, format, global_scale_x, global_scale_w)?;
    if let Some((_, g)) = &global {
        check_global_scale(OP, format, Some(g))?;
    }
    if w.ndim() == 2 && x.ndim() > 2 {
        // One tall product; rows do not depend on one another.
        let mut shape = super::broadcast::signed(x.shape());
        let rows: usize = x.shape()[..x.ndim() - 1].iter().product();
        let flat = super::reshape(x, &[rows as isize, shape[x.ndim() - 1]])?;
        let out = qqmm(&flat, w, scales, format, global_scale_x, global_scale_w)?;
        shape[x.ndim() - 1] = out.shape()[1] as isize;
        return super::reshape(&out, &shape);
    }
    let product = |x: &Array, codes: &Array, scales: &Array, g: Option<&(Array, Array)>| {
        let left = left_operand(OP, x, format, g.map(|g| &g.0))?;
        let out = super::quantized_matmul(&left, codes, scales, None, true, format)?;
        finish(&out, g.map(|g| factor_of_pairs(&g.1, None, &[])).transpose()?, g, x.dtype())
    };
    match scales {
        Some(s) => product(x, w, s, global.as_ref()),
        None => on_the_way(OP, x, w, None, None, format, global.as_ref(), &product),
    }
}

/// [`qqmm`](crate::ops::qqmm()) of `x[lhs[i]]` and `w[rhs[i]]` for every index pair `i`: the leading axes of `x` and of
/// `w`, flattened, are what is indexed.
///
/// A row has the bits that `qqmm` gives it, whatever the indices and their order.
///
/// # Shapes
/// `x`: `[..., M, K]`, `w` as for `qqmm`, with leading axes; `lhs` and `rhs` broadcast together, to `[I...]`. Without `lhs`
/// or `rhs` each matrix of that operand is used once, in order. Result `[I..., M, N]`.
///
/// # Dtypes
/// As for `qqmm`; indices are integers. Negative ones count from the end, and one that is out of range is clamped. The
/// global scale of `w` is one number or one per matrix.
///
/// # Gradients
/// As for `qqmm`.
///
/// # Errors
/// As for `qqmm`; indices that do not broadcast.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// use isobit::quant::{Format, Mode};
/// let format = Format::new(Mode::Mxfp8, None, None)?;
/// let x = ops::ones(&[2, 1, 32], Dtype::F32)?;
/// let w = ops::stack(&[ops::ones(&[1, 32], Dtype::F32)?, ops::full(&[1, 32], 2.0, Dtype::F32)?], 0)?;
/// let (lhs, rhs) = (Array::from_slice(&[0i32, 1, 1], &[3])?, Array::from_slice(&[1i32, 1, 0], &[3])?);
/// let y = ops::gather_qqmm(&x, &w, None, Some(&lhs), Some(&rhs), format, None, None)?;
/// assert_eq!(y.to_vec::<f32>()?, [64.0, 64.0, 32.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
#[allow(clippy::too_many_arguments)] // MLX's signature
pub fn gather_qqmm(
    x: &Array,
    w: &Array,
    scales: Option<&Array>,
    lhs: Option<&Array>,
    rhs: Option<&Array>,
    format: Format,
    global_scale_x: Option<&Array>,
    global_scale_w: Option<&Array>,
) -> Result<Array> {
    const OP: &str = "gather_qqmm";
    check_operands(OP, x, w, scales, format)?;
    let lead = w.shape()[..w.ndim() - 2].to_vec();
    let global = both(OP, format, global_scale_x, global_scale_w)?;
    if let Some((_, g)) = &global {
        check_global_scales(OP, format, &lead, g)?;
    }
    let product = |x: &Array, codes: &Array, scales: &Array, g: Option<&(Array, Array)>| {
        let left = left_operand(OP, x, format, g.map(|g| &g.0))?;
        let out = super::gather_qmm(&left, codes, scales, None, lhs, rhs, true, format)?;
        finish(&out, g.map(|g| factor_of_pairs(&g.1, rhs, &lead)).transpose()?, g, x.dtype())
    };
    match scales {
        Some(s) => product(x, w, s, global.as_ref()),
        None => on_the_way(OP, x, w, lhs, rhs, format, global.as_ref(), &product),
    }
}

fn check_operands(op: &'static str, x: &Array, w: &Array, scales: Option<&Array>, format: Format) -> Result<()> {
    if format.mode() == Mode::Affine {
        return Err(Error::value(op, "expected mode nvfp4, mxfp8 or mxfp4, got affine"));
    }
    let narrow = |d: Dtype| d.is_float() && d != Dtype::F64;
    if !narrow(x.dtype()) {
        return Err(Error::dtype(op, format!("expected x of float32, float16 or bfloat16, got {}", x.dtype())));
    }
    if x.ndim() < 2 || w.ndim() < 2 {
        let (a, b) = (x.shape(), w.shape());
        return Err(Error::value(op, format!("expected operands of at least two axes, got {a:?} and {b:?}")));
    }
    let k = match scales {
        Some(s) => {
            super::quantize::check(op, w, s, None, format)?;
            format.codes(w.shape()[w.ndim() - 1])
        }
        None if narrow(w.dtype()) => w.shape()[w.ndim() - 1],
        None => {
            let got = w.dtype();
            return Err(Error::dtype(
                op,
                format!("expected scales with quantized weights, or float weights, got {got}"),
            ));
        }
    };
    if x.shape()[x.ndim() - 1] != k {
        let (a, b) = (x.shape(), w.shape());
        return Err(Error::value(op, format!("x {a:?} does not fit weights of {k} columns ({b:?})")));
    }
    Ok(())
}

/// Both global scales or none; that of `x` checked.
fn both(op: &'static str, format: Format, x: Option<&Array>, w: Option<&Array>) -> Result<Option<(Array, Array)>> {
    match (x, w) {
        (None, None) => Ok(None),
        (Some(x), Some(w)) => {
            check_global_scale(op, format, Some(x))?;
            Ok(Some((super::reshape(x, &[])?, w.clone())))
        }
        _ => Err(Error::value(op, "expected the global scales of both operands or of neither")),
    }
}

/// The values of `x` once it is quantized, with the derivative of `x`, without the global scale, which comes in at the
/// end. In bfloat16 they are exact, and so are their products with codes; in float16 they could overflow.
fn left_operand(op: &'static str, x: &Array, format: Format, global: Option<&Array>) -> Result<Array> {
    let dtype = if x.dtype() == Dtype::BF16 && global.is_none() { Dtype::BF16 } else { Dtype::F32 };
    let value = rounded(op, x, format, global, false, dtype)?;
    let like = super::astype(x, dtype)?;
    match global {
        None => super::straight_through(&value, &like),
        Some(g) => {
            let units = super::divide(&Array::scalar(GLOBAL, Dtype::F32), &super::stop_gradient(g)?)?;
            super::straight_through(&value, &super::multiply(&like, &units)?)
        }
    }
}

/// The product with the global scales, of which `of_w` belongs to the weights, rounded once.
fn finish(out: &Array, of_w: Option<Array>, global: Option<&(Array, Array)>, dtype: Dtype) -> Result<Array> {
    let (Some(of_w), Some((of_x, _))) = (of_w, global) else { return super::astype(out, dtype) };
    let of_x = super::divide(&super::stop_gradient(of_x)?, &Array::scalar(GLOBAL, Dtype::F32))?;
    super::astype(&super::multiply(out, &super::multiply(&of_w, &of_x)?)?, dtype)
}

type Product<'a> = &'a dyn Fn(&Array, &Array, &Array, Option<&(Array, Array)>) -> Result<Array>;

/// The product with weights that are quantized on the way in: `product` of them gives the values, [`Qqmm`] the derivative.
#[allow(clippy::too_many_arguments)]
fn on_the_way(
    op: &'static str,
    x: &Array,
    w: &Array,
    lhs: Option<&Array>,
    rhs: Option<&Array>,
    format: Format,
    global: Option<&(Array, Array)>,
    product: Product<'_>,
) -> Result<Array> {
    let fixed = super::stop_gradient;
    let (lhs, rhs) = pairs(op, x, w, lhs, rhs)?;
    let global = global.map(|(a, b)| Ok::<_, Error>((fixed(a)?, fixed(b)?))).transpose()?;
    let of_w = global.as_ref().map(|(_, g)| if g.size() == 1 { super::reshape(g, &[]) } else { Ok(g.clone()) });
    let of_w = of_w.transpose()?;
    let by = of_w.as_ref().map(|g| if g.ndim() == 0 { Ok(g.clone()) } else { with_two_axes(g) }).transpose()?;
    let q = quantize_by(op, &fixed(w)?, format, by.as_ref())?;
    let y = product(&fixed(x)?, &q.codes, &q.scales, global.as_ref())?;
    let (x, w) = (stacked(x)?, stacked(w)?);
    let mut inputs = vec![x.clone(), w.clone(), lhs, rhs, y];
    if let (Some((of_x, _)), Some(of_w)) = (&global, of_w) {
        inputs.push(super::broadcast_to(of_x, &x.shape()[..1])?);
        let of_w = if of_w.ndim() == 0 { of_w } else { super::reshape(&of_w, &[-1])? };
        inputs.push(super::broadcast_to(&of_w, &w.shape()[..1])?);
    }
    apply(Qqmm { format }, &inputs.iter().collect::<Vec<_>>())
}

fn with_two_axes(g: &Array) -> Result<Array> {
    super::expand_dims(&super::expand_dims(g, -1)?, -1)
}

/// The primitive of [`qqmm`](crate::ops::qqmm()) and [`gather_qqmm`](crate::ops::gather_qqmm()) with weights that are
/// quantized on the way in. Inputs: stacks `[S, M, K]` and `[E, N, K]`, two index arrays of one shape, their product,
/// which is also the output, and perhaps the global scales `[S]` and `[E]`. It is there for its derivative, which the
/// product, made from codes, does not have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Qqmm {
    format: Format,
}

impl Qqmm {
    /// A stack's values once it is quantized, with the derivative of the stack.
    fn through(&self, a: &Array, global: Option<&Array>) -> Result<Array> {
        let by = global.map(with_two_axes).transpose()?;
        let value = rounded(Self::NAME, a, self.format, by.as_ref(), true, a.dtype())?;
        super::straight_through(&value, a)
    }

    fn operands(&self, inputs: &[Array]) -> Result<(Array, Array)> {
        Ok((self.through(&inputs[0], inputs.get(5))?, self.through(&inputs[1], inputs.get(6))?))
    }
}

/// `x[lhs] @ w[rhs].T`, in the dtype of `like`.
fn dense(x: &Array, w: &Array, inputs: &[Array]) -> Result<Array> {
    let w = super::swapaxes(w, -1, -2)?;
    super::astype(&super::gather_mm(x, &w, Some(&inputs[2]), Some(&inputs[3]))?, inputs[4].dtype())
}

impl Primitive for Qqmm {
    const NAME: &'static str = "qqmm";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (x, w, y) = (&inputs[0], &inputs[1], &inputs[4]);
        let mut shape = index_shape(Self::NAME, &inputs[2], &inputs[3])?;
        let fits = x.ndim() == 3
            && w.ndim() == 3
            && x.shape[2] == w.shape[2]
            && x.shape[2].is_multiple_of(self.format.group_size())
            && x.dtype.is_float()
            && w.dtype.is_float()
            && y.dtype == x.dtype
            && (shape.contains(&0) || x.shape[0] > 0 && w.shape[0] > 0)
            && (inputs.len() == 5
                || inputs.len() == 7 && inputs[5].shape[..] == x.shape[..1] && inputs[6].shape[..] == w.shape[..1]);
        if fits {
            shape.extend_from_slice(&[x.shape[1], w.shape[1]]);
        }
        if !fits || y.shape != shape {
            return Err(Error::value(Self::NAME, format!("operands {x:?} and {w:?} do not fit a product {y:?}")));
        }
        Ok(smallvec![y.clone()])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        if cx.tangents[..2].iter().all(Option::is_none) {
            return Ok(smallvec![None]);
        }
        let (x, w) = self.operands(cx.inputs)?;
        let left = cx.tangents[0].as_ref().map(|tx| dense(tx, &w, cx.inputs)).transpose()?;
        let right = cx.tangents[1].as_ref().map(|tw| dense(&x, tw, cx.inputs)).transpose()?;
        Ok(smallvec![match (left, right) {
            (Some(l), Some(r)) => Some(super::add(&l, &r)?),
            (l, r) => l.or(r),
        }])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let mut grads: Grads = smallvec![None; cx.inputs.len()];
        if !cx.wanted(0) && !cx.wanted(1) {
            return Ok(grads);
        }
        let (x, w) = self.operands(cx.inputs)?;
        let (lhs, rhs) = (&cx.inputs[2], &cx.inputs[3]);
        let ct = stacked(&cx.ct()?)?;
        let pair = super::gather_mm::each_pair(lhs)?;
        if cx.wanted(0) {
            let each = super::gather_mm(&ct, &w, Some(&pair), Some(rhs))?;
            grads[0] = Some(scatter_matrices(&cx.inputs[0], &each, lhs)?);
        }
        if cx.wanted(1) {
            let each = super::gather_mm(&super::swapaxes(&ct, -1, -2)?, &x, Some(&pair), Some(lhs))?;
            grads[1] = Some(scatter_matrices(&cx.inputs[1], &each, rhs)?);
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let run = |inputs: &[Array]| apply(self.clone(), &inputs.iter().collect::<Vec<_>>());
        if cx.size == 0 {
            return cx.each(|xs| Ok(vec![run(xs)?]));
        }
        let mut inputs = cx.inputs.to_vec();
        for (stack, global, index) in [(0, 5, 2), (1, 6, 3)] {
            inputs[index] = cx.front_full(index)?;
            let scaled = global < inputs.len();
            if cx.batched(stack) || scaled && cx.batched(global) {
                inputs[index] = in_merged(&inputs[index], cx.front_full(stack)?.shape()[1])?;
                inputs[stack] = merged(&cx.front_full(stack)?)?;
                if scaled {
                    inputs[global] = merged(&cx.front_full(global)?)?;
                }
            }
        }
        inputs[4] = cx.front_full(4)?;
        crate::prim::batched_front(run(&inputs)?)
    }

    fn cases() -> Cases {
        let format = |mode| Format::new(mode, None, None);
        let case = |format: Format, [s, m, e, n]: [usize; 4], at: &[usize]| {
            let k = format.group_size() * 2;
            let real = || Domain::Real(-2.0, 2.0);
            // The derivative looks through the rounding, and the product is an input of its own.
            Case::new(Qqmm { format })
                .input(&[s, m, k], real())
                .input(&[e, n, k], real())
                .input(at, Domain::Integer(-(s as i64), s as i64 - 1))
                .input(at, Domain::Integer(-(e as i64), e as i64 - 1))
                .input(&[at, &[m, n]].concat(), real())
                .exact()
                .no_grad()
                .no_edges()
        };
        let mut all = Cases::new();
        for mode in [Mode::Nvfp4, Mode::Mxfp8, Mode::Mxfp4] {
            let Ok(format) = format(mode) else { continue };
            all.push(case(format, [2, 2, 3, 3], &[4]));
        }
        if let Ok(format) = format(Mode::Nvfp4) {
            all.push(case(format, [2, 1, 2, 2], &[]));
            all.push(case(format, [2, 1, 2, 2], &[0]));
            let global = || Domain::Of(Dtype::F32, 1.0, 6.0);
            all.push(case(format, [2, 2, 3, 3], &[2, 2]).input(&[2], global()).input(&[3], global()));
        }
        all
    }
}

//! Products with quantized matrices.

use super::matmul::t;
use super::quantize::check_specs;
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::{Batched, Case, Cases, Domain, Grads, Jvp, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::quant::{Format, Mode};
use crate::spec::{Shape, Spec, broadcast_shapes};
use smallvec::smallvec;
use std::ops::Range;

/// `x @ w.T` (or `x @ w`) with a quantized `w`.
///
/// Sums have one order that depends on the format and `K` alone (`docs/numerics.md`): a row has the same bits whatever
/// other rows are in the call. Nothing is rounded to the activations' dtype on the way: with `transpose` each group's sum
/// of `x * code` is taken in float32, scaled, and added to the total with `bias * sum(x)`.
///
/// # Shapes
/// `x`: `[..., M, K]` (or `[K]`); with `transpose`, codes `[..., N, K * bits / 32]`, scales and biases
/// `[..., N, K / group_size]`; without, codes `[..., K, N * bits / 32]`, scales and biases `[..., K, N / group_size]`.
/// Result `[..., M, N]`. Leading axes broadcast.
///
/// # Dtypes
/// `x`, scales and biases are promoted to a common floating dtype (modes without biases: that of `x`); the codes are
/// uint32. In float64 the dequantized matrix is multiplied.
///
/// # Gradients
/// With respect to `x` and affine scales and biases.
///
/// # Errors
/// Shapes that do not fit the format or one another, other dtypes.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let w = ops::reshape(&ops::arange(0, 64, 1, Dtype::F32)?, &[1, 64])?;
/// let format = isobit::quant::Format::new(isobit::quant::Mode::Affine, None, Some(8))?;
/// let q = ops::quantize(&w, format, None)?;
/// let x = ops::ones(&[1, 64], Dtype::F32)?;
/// // `x` is all ones: the sum of 0 to 63, give or take the rounding of codes.
/// let y = ops::quantized_matmul(&x, &q.codes, &q.scales, q.biases.as_ref(), true, format)?;
/// assert!((y.item::<f32>()? - 2016.0).abs() < 4.0);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn quantized_matmul(
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    transpose: bool,
    format: Format,
) -> Result<Array> {
    const OP: &str = "quantized_matmul";
    super::quantize::check(OP, codes, scales, biases, format)?;
    if x.ndim() == 0 {
        return Err(Error::value(OP, "expected x of at least one dimension, got a scalar"));
    }
    if x.ndim() == 1 {
        let row = super::expand_dims(x, 0)?;
        return super::squeeze(&quantized_matmul(&row, codes, scales, biases, transpose, format)?, -2);
    }
    let (x, w) = promoted(OP, x, codes, scales, biases)?;
    QuantizedMatmul { format, transpose, int8: false }.product(&x, &w)
}

/// `x @ w.T` with a quantized `w` and `x` rounded to eight bits on the way: faster, with numbers of its own, and never used
/// unless it is asked for.
///
/// Each row is cut into runs of 32 elements (nvfp4: 16): a run's scale is its largest magnitude over 127, its elements become
/// the nearest integers of -127 to 127. Products of integers are exact; sums have one order (`docs/numerics.md`), so that a
/// row has the same bits whatever other rows are in the call, at every instruction-set level and number of threads.
///
/// Codes must be integers too: affine ones are, 4-bit floats (mxfp4, nvfp4) are halves of integers, and 8-bit floats
/// (mxfp8) have no such mode.
///
/// # Shapes
/// As for [`quantized_matmul`](crate::ops::quantized_matmul()) with `transpose`.
///
/// # Dtypes
/// As for [`quantized_matmul`](crate::ops::quantized_matmul()), without float64.
///
/// # Gradients
/// Those of the exact product: rounding counts as the identity.
///
/// # Errors
/// mxfp8; shapes that do not fit; other dtypes.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let w = ops::reshape(&ops::arange(0, 64, 1, Dtype::F32)?, &[1, 64])?;
/// let format = isobit::quant::Format::new(isobit::quant::Mode::Affine, None, Some(8))?;
/// let q = ops::quantize(&w, format, None)?;
/// let x = ops::ones(&[1, 64], Dtype::F32)?;
/// let y = ops::quantized_matmul_int8(&x, &q.codes, &q.scales, q.biases.as_ref(), format)?;
/// assert!((y.item::<f32>()? - 2016.0).abs() < 4.0);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn quantized_matmul_int8(
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    format: Format,
) -> Result<Array> {
    const OP: &str = "quantized_matmul_int8";
    check_int8(OP, format)?;
    super::quantize::check(OP, codes, scales, biases, format)?;
    if x.ndim() == 0 {
        return Err(Error::value(OP, "expected x of at least one dimension, got a scalar"));
    }
    if x.ndim() == 1 {
        let row = super::expand_dims(x, 0)?;
        return super::squeeze(&quantized_matmul_int8(&row, codes, scales, biases, format)?, -2);
    }
    let (x, w) = promoted_int8(OP, x, codes, scales, biases)?;
    QuantizedMatmul { format, transpose: true, int8: true }.product(&x, &w)
}

/// Checks that a format has products with activations rounded to eight bits.
pub(crate) fn check_int8(op: &'static str, format: Format) -> Result<()> {
    if format.has_int8() {
        return Ok(());
    }
    Err(Error::value(
        op,
        "expected codes that are integers or half of them (affine, mxfp4, nvfp4), got mxfp8: the 8-bit floats of mxfp8 are \
         not multiples of one step, so products with them are not exact in integers",
    ))
}

/// [`promoted`], to a dtype that can be rounded to eight bits.
pub(crate) fn promoted_int8(
    op: &'static str,
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
) -> Result<(Array, Vec<Array>)> {
    let (x, w) = promoted(op, x, codes, scales, biases)?;
    if x.dtype() == Dtype::F64 {
        return Err(Error::dtype(op, "expected float32, float16 or bfloat16, got float64"));
    }
    Ok((x, w))
}

/// `x` and the parts of the quantized matrix in their common dtype.
pub(crate) fn promoted(
    op: &'static str,
    x: &Array,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
) -> Result<(Array, Vec<Array>)> {
    let dtype = biases.into_iter().chain(biases.map(|_| scales)).fold(x.dtype(), |d, w| d.promote(w.dtype()));
    if !dtype.is_float() {
        return Err(Error::dtype(op, format!("expected a floating dtype, got {dtype}")));
    }
    let mut w = vec![codes.clone()];
    match biases {
        Some(b) => w.extend([super::astype(scales, dtype)?, super::astype(b, dtype)?]),
        None => w.push(scales.clone()),
    }
    Ok((super::astype(x, dtype)?, w))
}

/// The primitive of [`quantized_matmul`]: inputs x, codes, scales and perhaps biases, all with the same leading axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuantizedMatmul {
    format: Format,
    transpose: bool,
    int8: bool,
}

/// The spec of `x` times a quantized matrix, both without leading axes in common: `(k, n)` are the matrix's sizes.
pub(crate) fn matrix_size(format: Format, transpose: bool, codes: &Spec) -> (usize, usize) {
    let n = codes.ndim();
    let (rows, width) = (codes.shape[n - 2], format.codes(codes.shape[n - 1]));
    if transpose { (width, rows) } else { (rows, width) }
}

/// The derivative with respect to scales (or to biases) of a quantized product: what each of its elements multiplies,
/// `p[n, k] = sum over m of ct[m, n] * x[m, k]` (transposed if the matrix is), summed over groups with the codes (or
/// alone). `p` comes in as the dense gradient of the matrix. Products with codes are taken and added up in float32 at least:
/// in float16 they overflow where their sum does not.
pub(crate) fn group_gradient(p: &Array, codes: Option<&Array>, format: Format) -> Result<Array> {
    let (dtype, wide) = (p.dtype(), p.dtype().promote(Dtype::F32));
    let p = match codes {
        Some(c) => {
            let codes = super::astype(&super::unpack_bits(c, format.bits())?, wide)?;
            super::multiply(&super::astype(p, wide)?, &codes)?
        }
        None => p.clone(),
    };
    let width = p.shape()[p.ndim() - 1] / format.group_size();
    let groups = super::unflatten(&p, -1, &[width as isize, format.group_size() as isize])?;
    super::astype(&super::sum(&groups, -1isize, false)?, dtype)
}

impl QuantizedMatmul {
    /// Format of the codes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether groups run along K, the matrix being used transposed.
    pub fn transpose(&self) -> bool {
        self.transpose
    }

    /// Whether `x` is rounded to eight bits ([`quantized_matmul_int8`]).
    pub fn int8(&self) -> bool {
        self.int8
    }

    /// The product that derivatives are taken of.
    fn exact(&self) -> QuantizedMatmul {
        QuantizedMatmul { int8: false, ..*self }
    }

    fn on(&self, x: &Array, w: &[Array]) -> Result<Array> {
        let mut all = vec![x];
        all.extend(w);
        apply(self.clone(), &all)
    }

    /// The product of operands of at least two axes, whose leading axes broadcast.
    fn product(&self, x: &Array, w: &[Array]) -> Result<Array> {
        if w[0].ndim() == 2 && x.ndim() > 2 {
            // One tall product; rows do not depend on one another.
            let n = x.ndim();
            let mut shape = super::broadcast::signed(x.shape());
            let rows: usize = x.shape()[..n - 1].iter().product();
            let flat = super::reshape(x, &[rows as isize, shape[n - 1]])?;
            let out = self.on(&flat, w)?;
            shape[n - 1] = out.shape()[1] as isize;
            return super::reshape(&out, &shape);
        }
        let mut lead = Shape::from_slice(&x.shape()[..x.ndim() - 2]);
        for a in w {
            lead = broadcast_shapes("quantized_matmul", &lead, &a.shape()[..a.ndim() - 2])?;
        }
        let to = |a: &Array| {
            let mut shape = lead.clone();
            shape.extend_from_slice(&a.shape()[a.ndim() - 2..]);
            super::broadcast_to(a, &shape)
        };
        let w = w.iter().map(to).collect::<Result<Vec<_>>>()?;
        self.on(&to(x)?, &w)
    }

    /// The gradient of the matrix as a dense one would have it, in the layout of the codes.
    fn dense_gradient(&self, x: &Array, ct: &Array) -> Result<Array> {
        if self.transpose { super::matmul(&t(ct)?, x) } else { super::matmul(&t(x)?, ct) }
    }
}

impl Primitive for QuantizedMatmul {
    const NAME: &'static str = "quantized_matmul";

    fn selectors(&self) -> Range<usize> {
        1..usize::MAX
    }

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        check_specs(Self::NAME, &inputs[1..], self.format)?;
        let (x, w) = (&inputs[0], &inputs[1]);
        let n = x.ndim();
        let (k, columns) = matrix_size(self.format, self.transpose, w);
        let fits = n == w.ndim()
            && x.shape[..n - 2] == w.shape[..n - 2]
            && x.shape[n - 1] == k
            && (!self.format.has_biases() || inputs[2..].iter().all(|s| s.dtype == x.dtype))
            && x.dtype.is_float()
            && !(self.int8 && x.dtype == Dtype::F64);
        if !fits {
            let (a, b) = (x.shape.as_slice(), w.shape.as_slice());
            let d = x.dtype;
            return Err(Error::value(
                Self::NAME,
                format!("x {d} {a:?} does not fit a matrix of {k} by {columns} (codes {b:?})"),
            ));
        }
        let mut shape = x.shape.clone();
        shape[n - 1] = columns;
        crate::spec::checked_size(Self::NAME, &shape, x.dtype.size())?;
        Ok(smallvec![Spec { shape, dtype: x.dtype }])
    }

    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        let (x, w) = (&cx.inputs[0], &cx.inputs[1..]);
        let mut sum: Option<Array> = None;
        let mut add = |term: Array| -> Result<()> {
            sum = Some(match sum.take() {
                Some(s) => super::add(&s, &term)?,
                None => term,
            });
            Ok(())
        };
        if let Some(tx) = &cx.tangents[0] {
            add(self.exact().on(tx, w)?)?;
        }
        if self.format.has_biases() && (cx.tangents[2].is_some() || cx.tangents[3].is_some()) {
            // Linear in scales and biases together.
            let part = |i: usize| cx.tangents[i].clone().map_or_else(|| super::zeros_like(&cx.inputs[i]), Ok);
            add(self.exact().on(x, &[w[0].clone(), part(2)?, part(3)?])?)?;
        }
        Ok(smallvec![sum])
    }

    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        let ct = cx.ct()?;
        let (x, w) = (&cx.inputs[0], &cx.inputs[1..]);
        let mut grads: Grads = smallvec![None; cx.inputs.len()];
        if cx.wanted(0) {
            grads[0] = Some(QuantizedMatmul { transpose: !self.transpose, ..self.exact() }.on(&ct, w)?);
        }
        if self.format.has_biases() && (cx.wanted(2) || cx.wanted(3)) {
            let p = self.dense_gradient(x, &ct)?;
            for (i, codes) in [(2, Some(&w[0])), (3, None)] {
                if cx.wanted(i) {
                    grads[i] = Some(group_gradient(&p, codes, self.format)?);
                }
            }
        }
        Ok(grads)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let w_batched = (1..cx.inputs.len()).any(|i| cx.batched(i));
        if !w_batched && cx.inputs[1].ndim() == 2 {
            return crate::prim::batched_front(self.product(&cx.front(0)?, &cx.inputs[1..])?);
        }
        let all = cx.all_front()?;
        crate::prim::batched_front(self.on(&all[0], &all[1..])?)
    }

    fn cases() -> Cases {
        let mut all = Cases::new();
        for transpose in [true, false] {
            for (mode, group, bits) in FORMATS {
                let Ok(format) = Format::new(mode, Some(group), Some(bits)) else { continue };
                if transpose && format.has_int8() {
                    let prim = QuantizedMatmul { format, transpose, int8: true };
                    let case =
                        |lead: &[usize], size, d| rounded_case(product_case(prim.clone(), format, true, lead, size), d);
                    all.push(case(&[], (2, 2 * group, 3), Dtype::F32));
                    if bits == 4 && group == 64 {
                        all.push(case(&[2], (1, 128, 3), Dtype::F32));
                        all.push(case(&[], (0, 128, 3), Dtype::BF16));
                        all.push(case(&[], (9, 320, 37), Dtype::F32));
                    }
                }
                let prim = QuantizedMatmul { format, transpose, int8: false };
                // (leading axes, M, K, N)
                let (k, n) = if transpose { (2 * group, 3) } else { (3, 2 * group) };
                all.push(product_case(prim.clone(), format, transpose, &[], (2, k, n)));
                if bits == 4 && group == 64 {
                    all.push(product_case(prim.clone(), format, transpose, &[2], (1, k, n)));
                    all.push(product_case(prim.clone(), format, transpose, &[], (0, k, n)));
                    let (k, n) = if transpose { (320, 37) } else { (37, 320) };
                    all.push(product_case(prim, format, transpose, &[], (9, k, n)));
                }
            }
        }
        all
    }
}

/// Formats that products are tried with: every width, every group size, every mode.
pub(crate) const FORMATS: [(Mode, usize, usize); 10] = [
    (Mode::Affine, 64, 4),
    (Mode::Affine, 32, 2),
    (Mode::Affine, 32, 3),
    (Mode::Affine, 128, 5),
    (Mode::Affine, 32, 6),
    (Mode::Affine, 32, 8),
    (Mode::Affine, 128, 4),
    (Mode::Mxfp4, 32, 4),
    (Mode::Mxfp8, 32, 8),
    (Mode::Nvfp4, 16, 4),
];

/// Inputs of a product of `m x k` by a quantized `k x n`.
fn product_case(
    prim: QuantizedMatmul,
    format: Format,
    transpose: bool,
    lead: &[usize],
    (m, k, n): (usize, usize, usize),
) -> Case {
    let with = |a: usize, b: usize| [lead, &[a, b]].concat();
    let (rows, width) = if transpose { (n, k) } else { (k, n) };
    let case = Case::new(prim).input(&with(m, k), Domain::Real(-1.0, 1.0)).no_edges();
    quantized_inputs(case, format, k, &with(rows, width))
}

/// The case of a product with activations rounded to eight bits, which float64 does not have: in one dtype. It is a step
/// function; its derivative is that of the exact product by definition, not the limit of differences.
pub(crate) fn rounded_case(mut case: Case, dtype: Dtype) -> Case {
    for operand in &mut case.inputs {
        if let Domain::Real(low, high) = operand.domain {
            operand.domain = Domain::Of(dtype, low, high);
        }
    }
    case.no_grad()
}

/// Adds codes, scales and biases of a matrix whose codes, one per element, would have that shape, to the case of a product
/// that sums `terms` of them.
pub(crate) fn quantized_inputs(case: Case, format: Format, terms: usize, shape: &[usize]) -> Case {
    let last = shape.len() - 1;
    let with = |width: usize| [&shape[..last], &[width]].concat();
    let (codes, groups) = (with(format.words(shape[last])), with(shape[last] / format.group_size()));
    let any = Domain::Of(Dtype::U32, 0.0, f64::from(u32::MAX));
    match format.mode() {
        // Small enough for float16 with 8 bits.
        Mode::Affine => {
            let case = case.input(&codes, any).sums(3 * terms);
            case.input(&groups, Domain::Real(0.01, 0.1)).input(&groups, Domain::Real(-1.0, 1.0))
        }
        // E4M3 numbers around 1; any E2M1 code is a number.
        Mode::Nvfp4 => {
            case.input(&codes, any).input(&groups, Domain::Of(Dtype::U8, 40.0, 63.0)).accumulates(terms, 12.0)
        }
        Mode::Mxfp4 => {
            case.input(&codes, any).input(&groups, Domain::Of(Dtype::U8, 124.0, 128.0)).accumulates(terms, 12.0)
        }
        Mode::Mxfp8 => {
            // Words without the two codes that are NaN.
            let n: usize = codes.iter().product();
            let word = |i: usize| {
                let hash = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                f64::from(hash as u32 & 0xf7f7_f7f7)
            };
            let case = case.input(&codes, Domain::Exact(Dtype::U32, (0..n).map(word).collect()));
            case.input(&groups, Domain::Of(Dtype::U8, 118.0, 122.0)).accumulates(terms, 16.0)
        }
    }
}

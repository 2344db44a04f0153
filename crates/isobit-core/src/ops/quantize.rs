//! Quantization and back, and 8-bit floats: compositions, so that they have every rule. Affine quantization is also one
//! primitive, which a backend may have a kernel for: a cache of keys and values quantizes for every token.

use super::constant;
use super::rms_norm::compute_dtype;
use crate::array::{Array, apply_multi};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::Fused;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::quant::{Format, Mode};
use crate::spec::Spec;
use smallvec::smallvec;

/// A quantized array.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// Codes in 32-bit words, `[..., K * bits / 32]`.
    pub codes: Array,
    /// One per group, `[..., K / group_size]`.
    pub scales: Array,
    /// One per group, for affine formats.
    pub biases: Option<Array>,
}

/// Quantizes groups of consecutive elements of the last axis.
///
/// affine, in float32: `s = max((max - min) / (2^bits - 1), 1e-7)`, negative where the group's maximum has the larger
/// magnitude; the edge of larger magnitude becomes exactly representable: `q0 = round(edge / s)`, and unless that is 0,
/// `s = edge / q0` with `bias = edge` (else the bias is 0); `code = clip(round((w - bias) / s), 0, 2^bits - 1)`. Scale
/// and bias are rounded to `w`'s dtype afterwards. MLX's algorithm, with its bits.
///
/// mxfp4 and mxfp8: the scale is the least power of two by which the group's largest magnitude comes to at most 6 or 448
/// (1 for a group of zeros); nvfp4: the scale is that magnitude over 6 as E4M3. Codes are nearest values, of two equally
/// near E2M1 values the smaller, of two E4M3 values the even one. A group with a number that is not finite has the scale NaN
/// with mxfp4 and mxfp8 and codes that stand for NaN with affine ones; E4M3 scales and codes have no place for it, and with
/// nvfp4 it is lost.
///
/// `global_scale` (nvfp4 only) is one float32 number, the largest magnitude of the whole array: scales are then relative to
/// it, `E4M3(largest / 6 * 2688 / global_scale)` with 2688 = 448 * 6, and must be read with the same number.
///
/// # Shapes
/// `w`: at least two axes, the last a multiple of the group size.
///
/// # Dtypes
/// float32, float16, bfloat16. Codes are uint32 words; scales and biases have `w`'s dtype, or uint8 in the other modes.
///
/// # Gradients
/// Of affine scales and biases with respect to `w`. Codes are integers.
///
/// # Errors
/// Fewer than two axes, a last axis that groups do not divide, another dtype.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let w = ops::reshape(&ops::arange(0, 64, 1, Dtype::F32)?, &[1, 64])?;
/// let format = isobit::quant::Format::new(isobit::quant::Mode::Affine, None, Some(8))?;
/// let q = ops::quantize(&w, format, None)?;
/// assert_eq!(q.codes.shape(), [1, 16]); // four codes to a word
/// assert_eq!(q.scales.shape(), [1, 1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn quantize(w: &Array, format: Format, global_scale: Option<&Array>) -> Result<Quantized> {
    check_global_scale("quantize", format, global_scale)?;
    quantize_by("quantize", w, format, scalar(global_scale)?.as_ref())
}

/// [`quantize`] with a global scale that broadcasts against the scales.
pub(crate) fn quantize_by(op: &'static str, w: &Array, format: Format, global: Option<&Array>) -> Result<Quantized> {
    if !w.dtype().is_float() || w.dtype() == Dtype::F64 {
        return Err(Error::dtype(op, format!("expected float32, float16 or bfloat16, got {}", w.dtype())));
    }
    check_groups(op, w.spec(), format)?;
    if format.mode() == Mode::Affine {
        let mut parts = apply_multi(Quantize { format }, &[w])?.into_iter();
        return match (parts.next(), parts.next(), parts.next()) {
            (Some(codes), Some(scales), biases @ Some(_)) => Ok(Quantized { codes, scales, biases }),
            _ => Err(Error::runtime(op, "expected three outputs")),
        };
    }
    let (codes, scales, _) =
        microscaled(&groups(op, w, format, Dtype::F32)?, format.mode(), per_group(global)?.as_ref())?;
    Ok(Quantized { codes: packed(&codes, w.ndim(), format)?, scales, biases: None })
}

/// Checks that groups divide the last of at least two axes.
fn check_groups(op: &'static str, w: &Spec, format: Format) -> Result<()> {
    if w.ndim() < 2 {
        return Err(Error::value(op, format!("expected at least two axes, got shape {:?}", w.shape)));
    }
    let (k, group) = (w.shape[w.ndim() - 1], format.group_size());
    if !k.is_multiple_of(group) {
        return Err(Error::value(op, format!("expected a last axis that is a multiple of {group}, got {k}")));
    }
    Ok(())
}

/// Codes `[..., groups, group]` of an array of so many axes as words, without a gradient.
fn packed(codes: &Array, axes: usize, format: Format) -> Result<Array> {
    let codes = super::flatten(codes, axes as isize - 1, -1)?;
    super::pack_bits(&super::stop_gradient(&codes)?, format.bits())
}

/// The values that `w` has once it is quantized in a format without biases, in `dtype`. The global scale of which the
/// quantization makes use broadcasts against the scales; `apply` says whether the values contain it.
pub(crate) fn rounded(
    op: &'static str,
    w: &Array,
    format: Format,
    global: Option<&Array>,
    apply: bool,
    dtype: Dtype,
) -> Result<Array> {
    let groups = groups(op, w, format, Dtype::F32)?;
    let global = per_group(global)?;
    let (codes, scales, _) = microscaled(&groups, format.mode(), global.as_ref())?;
    let scale = scale_value(&super::expand_dims(&scales, -1)?, format.mode(), global.as_ref().filter(|_| apply))?;
    let value = super::astype(&super::multiply(&code_value(&codes, format)?, &scale)?, dtype)?;
    super::stop_gradient(&super::flatten(&value, w.ndim() as isize - 1, -1)?)
}

/// The array in that dtype as `[..., groups, group]`.
fn groups(op: &'static str, w: &Array, format: Format, dtype: Dtype) -> Result<Array> {
    check_groups(op, w.spec(), format)?;
    let (k, group) = (w.shape()[w.ndim() - 1], format.group_size());
    super::unflatten(&super::astype(w, dtype)?, -1, &[(k / group) as isize, group as isize])
}

/// A global scale that is one number, without axes.
fn scalar(global: Option<&Array>) -> Result<Option<Array>> {
    global.map(|g| super::reshape(g, &[])).transpose()
}

/// A global scale that broadcasts against scales, for groups.
fn per_group(global: Option<&Array>) -> Result<Option<Array>> {
    global.map(|g| if g.ndim() == 0 { Ok(g.clone()) } else { super::expand_dims(g, -1) }).transpose()
}

type Parts = (Array, Array, Option<Array>);

/// The primitive of [`quantize`] in an affine format: codes in words, scales, biases. It takes float64 too, and computes in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantize {
    format: Format,
}

impl Quantize {
    /// The format, which is affine.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl Fused for Quantize {
    const NAME: &'static str = "quantize";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let w = match inputs {
            [w] if self.format.mode() == Mode::Affine => w,
            _ => return Err(Error::value(Self::NAME, format!("expected 1 input and affine, got {}", inputs.len()))),
        };
        super::require_float(Self::NAME, w.dtype)?;
        check_groups(Self::NAME, w, self.format)?;
        let last = w.ndim() - 1;
        let k = w.shape[last];
        let of = |n: usize, dtype: Dtype| {
            let mut shape = w.shape.clone();
            shape[last] = n;
            Spec { shape, dtype }
        };
        let numbers = of(k / self.format.group_size(), w.dtype);
        Ok(smallvec![of(self.format.words(k), Dtype::U32), numbers.clone(), numbers])
    }

    fn decompose(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let w = &inputs[0];
        let groups = groups(Self::NAME, w, self.format, compute_dtype(w.dtype()))?;
        let (codes, scales, biases) = affine(&groups, self.format.bits(), w.dtype())?;
        Ok([packed(&codes, w.ndim(), self.format)?, scales].into_iter().chain(biases).collect())
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        Ok(apply_multi(self.clone(), &[&cx.front(0)?])?.into_iter().map(|a| (a, Some(0))).collect())
    }

    fn cases() -> Cases {
        let case = |bits, group, shape: &[usize]| {
            let format = Format::new(Mode::Affine, Some(group), Some(bits)).ok()?;
            Some(Case::new(Quantize { format }).input(shape, Domain::Real(-2.0, 2.0)).exact())
        };
        let all = [
            case(4, 64, &[3, 64]),
            case(2, 32, &[2, 96]),
            case(3, 32, &[1, 64]),
            case(5, 128, &[2, 128]),
            case(6, 32, &[2, 2, 32]),
            case(8, 64, &[2, 128]),
            case(4, 32, &[0, 32]),
            case(8, 32, &[3, 0]),
        ];
        all.into_iter().flatten().collect()
    }
}

crate::primitive_via!(Fused, Quantize);

fn affine(w: &Array, bits: usize, dtype: Dtype) -> Result<Parts> {
    let c = |x: f64| constant(w, x);
    let top = c(((1u32 << bits) - 1).into());
    let (low, high) = (super::min(w, -1isize, true)?, super::max(w, -1isize, true)?);
    let scale = super::maximum(&super::divide(&super::subtract(&high, &low)?, &top)?, &c(1e-7))?;
    let side = super::greater(&super::abs(&low)?, &super::abs(&high)?)?;
    let scale = super::where_(&side, &scale, &super::negative(&scale)?)?;
    let edge = super::where_(&side, &low, &high)?;
    let q0 = super::round(&super::divide(&edge, &scale)?, 0)?;
    let off = super::equal(&q0, &c(0.0))?;
    let scale = super::where_(&off, &scale, &super::divide(&edge, &super::where_(&off, &c(1.0), &q0)?)?)?;
    let bias = super::where_(&off, &c(0.0), &edge)?;
    let codes = super::round(&super::divide(&super::subtract(w, &bias)?, &scale)?, 0)?;
    let codes = super::astype(&super::clip(&codes, Some(&c(0.0)), Some(&top))?, Dtype::U8)?;
    let of = |x: &Array| super::astype(&super::squeeze(x, -1isize)?, dtype);
    Ok((codes, of(&scale)?, Some(of(&bias)?)))
}

fn microscaled(w: &Array, mode: Mode, global: Option<&Array>) -> Result<Parts> {
    let c = |x: f64| Array::scalar(x, Dtype::F32);
    let largest = super::max(&super::abs(w)?, -1isize, true)?;
    let top = if mode == Mode::Mxfp8 { 448.0 } else { 6.0 };
    let ratio = super::divide(&largest, &c(top))?;
    let codes = match (mode, global) {
        (Mode::Nvfp4, None) => to_fp8(&ratio)?,
        (Mode::Nvfp4, Some(g)) => to_fp8(&super::multiply(&ratio, &super::divide(&c(GLOBAL), g)?)?)?,
        _ => ceil_e8m0(&ratio)?,
    };
    let scale = scale_value(&codes, mode, global)?;
    // A scale of 0 (a group that is too small for E4M3) leaves only zeros.
    let zero = super::equal(&scale, &c(0.0))?;
    let x = super::divide(w, &super::where_(&zero, &c(1.0), &scale)?)?;
    let x = super::where_(&zero, &c(0.0), &x)?;
    let q = if mode == Mode::Mxfp8 { to_fp8(&x)? } else { to_e2m1(&x)? };
    Ok((q, super::squeeze(&codes, -1isize)?, None))
}

/// The largest product of an E4M3 and an E2M1 number.
pub(crate) const GLOBAL: f64 = 448.0 * 6.0;

/// Checks that there is a global scale only where the format has one, and that it is one number.
pub(crate) fn check_global_scale(op: &'static str, format: Format, global: Option<&Array>) -> Result<()> {
    match global {
        Some(_) if format.mode() != Mode::Nvfp4 => {
            Err(Error::value(op, format!("expected a global scale with mode nvfp4 only, got {}", format.mode().name())))
        }
        Some(g) if g.size() != 1 || g.dtype() != Dtype::F32 => {
            let (d, s) = (g.dtype(), g.shape());
            Err(Error::value(op, format!("expected a global scale that is one float32 number, got {d} {s:?}")))
        }
        _ => Ok(()),
    }
}

/// `ceil(log2(x)) + 127` as uint8 for `x > 0`, at least 0; 127 for 0, 255 (NaN) for what is not finite. From the bits, hence
/// exact.
fn ceil_e8m0(x: &Array) -> Result<Array> {
    let bits = super::view(x, Dtype::U32)?;
    let c = |n: u32| Array::scalar(n, Dtype::U32);
    let exponent = super::right_shift(&bits, &c(23))?;
    let mantissa = super::bitwise_and(&bits, &c(0x7f_ffff))?;
    // Subnormal numbers up to 2^-127 have the least exponent.
    let subnormal = super::equal(&exponent, &c(0))?;
    let above = super::greater(&mantissa, &super::where_(&subnormal, &c(0x40_0000), &c(0))?)?;
    let e = super::add(&exponent, &super::astype(&above, Dtype::U32)?)?;
    let e = super::minimum(&e, &c(255))?;
    super::astype(&super::where_(&super::equal(&bits, &c(0))?, &c(127), &e)?, Dtype::U8)
}

/// The nearest E2M1 code; of two equally near the one of smaller magnitude; a zero has no sign.
fn to_e2m1(x: &Array) -> Result<Array> {
    let magnitude = super::abs(x)?;
    let mut code = super::zeros(&[], Dtype::U8)?;
    for middle in [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0] {
        let above = super::greater(&magnitude, &constant(x, middle))?;
        code = super::add(&code, &super::astype(&above, Dtype::U8)?)?;
    }
    let negative =
        super::logical_and(&super::less(x, &constant(x, 0.0))?, &super::greater(&code, &constant(&code, 0.0))?)?;
    super::add(&code, &super::multiply(&super::astype(&negative, Dtype::U8)?, &constant(&code, 8.0))?)
}

/// The value of E2M1 codes, float32.
fn from_e2m1(code: &Array) -> Result<Array> {
    let table = Array::from_slice(
        &[0.0f32, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0],
        &[16],
    )?;
    super::take(&table, code, None)
}

/// The value of the scales, float32.
fn scale_value(scales: &Array, mode: Mode, global: Option<&Array>) -> Result<Array> {
    if mode == Mode::Nvfp4 {
        let value = from_fp8(scales, Dtype::F32)?;
        return match global {
            None => Ok(value),
            Some(g) => super::multiply(&value, &super::divide(g, &Array::scalar(GLOBAL, Dtype::F32))?),
        };
    }
    let c = |n: u32| Array::scalar(n, Dtype::U32);
    let e = super::astype(scales, Dtype::U32)?;
    let bits = super::left_shift(&e, &c(23))?;
    let bits = super::where_(&super::equal(&e, &c(0))?, &c(0x40_0000), &bits)?;
    super::view(&super::where_(&super::equal(&e, &c(255))?, &c(0x7fc0_0000), &bits)?, Dtype::F32)
}

/// The array that codes, scales and biases stand for: `code * scale + bias`, each step rounded to the result's dtype.
///
/// # Shapes
/// `codes`: `[..., K * bits / 32]`, `scales` and `biases`: `[..., K / group_size]`; result `[..., K]`.
///
/// # Dtypes
/// uint32 codes. The result has `dtype`, else that of scales and biases (bfloat16 in modes without biases).
///
/// # Gradients
/// With respect to affine scales and biases.
///
/// # Errors
/// Shapes or dtypes that do not fit the format, biases where there are none or none where there must be, a result that
/// is not floating.
///
/// # Examples
/// ```
/// # use isobit::{Dtype, ops};
/// let w = ops::reshape(&ops::arange(0, 64, 1, Dtype::F32)?, &[1, 64])?;
/// let format = isobit::quant::Format::new(isobit::quant::Mode::Affine, None, Some(8))?;
/// let q = ops::quantize(&w, format, None)?;
/// let back = ops::dequantize(&q.codes, &q.scales, q.biases.as_ref(), format, None, None)?;
/// // No further off than half a step.
/// assert!(ops::allclose(&back, &w, 0.0, 0.5 * 63.0 / 255.0 + 1e-5, false)?.item::<bool>()?);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn dequantize(
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    format: Format,
    global_scale: Option<&Array>,
    dtype: Option<Dtype>,
) -> Result<Array> {
    const OP: &str = "dequantize";
    check_global_scale(OP, format, global_scale)?;
    check(OP, codes, scales, biases, format)?;
    if let Some(d) = dtype.filter(|d| !d.is_float()) {
        return Err(Error::dtype(OP, format!("expected a real floating dtype for the result, got {d}")));
    }
    let own = match biases {
        Some(b) => scales.dtype().promote(b.dtype()),
        None => Dtype::BF16,
    };
    let k = format.codes(codes.shape()[codes.ndim() - 1]);
    let group = format.group_size();
    let q = super::unpack_bits(codes, format.bits())?;
    let q = super::unflatten(&q, -1, &[(k / group) as isize, group as isize])?;
    let of = |x: &Array| super::expand_dims(&super::astype(x, own)?, -1);
    let w = match biases {
        Some(b) => super::add(&super::multiply(&super::astype(&q, own)?, &of(scales)?)?, &of(b)?)?,
        None => {
            let scale = scale_value(scales, format.mode(), scalar(global_scale)?.as_ref())?;
            super::multiply(&code_value(&q, format)?, &super::expand_dims(&scale, -1)?)?
        }
    };
    super::astype(&super::flatten(&w, codes.ndim() as isize - 1, -1)?, dtype.unwrap_or(own))
}

/// The value of codes of a format without biases, float32.
fn code_value(codes: &Array, format: Format) -> Result<Array> {
    if format.mode() == Mode::Mxfp8 { from_fp8(codes, Dtype::F32) } else { from_e2m1(codes) }
}

/// Checks that codes, scales and biases belong together.
pub(crate) fn check(
    op: &'static str,
    codes: &Array,
    scales: &Array,
    biases: Option<&Array>,
    format: Format,
) -> Result<()> {
    let specs = [Some(codes), Some(scales), biases].into_iter().flatten().map(|a| a.spec().clone()).collect::<Vec<_>>();
    check_specs(op, &specs, format)
}

/// [`check`] on specs: codes, scales and, if there are any, biases.
pub(crate) fn check_specs(op: &'static str, x: &[crate::spec::Spec], format: Format) -> Result<()> {
    let codes = &x[0];
    let wrong = |what: String| Err(Error::value(op, what));
    if format.has_biases() != (x.len() == 3) {
        let (name, verb) = (format.mode().name(), if format.has_biases() { "needs" } else { "has no" });
        return wrong(format!("mode {name} {verb} biases"));
    }
    if codes.dtype != Dtype::U32 || !x[1..].iter().all(|s| format.takes_scales(s.dtype)) {
        let dtypes: Vec<String> = x.iter().map(|s| s.dtype.to_string()).collect();
        return Err(Error::dtype(
            op,
            format!(
                "expected uint32 codes and {} for mode {}, got {}",
                if format.has_biases() { "floating scales and biases" } else { "uint8 scales" },
                format.mode().name(),
                dtypes.join(", ")
            ),
        ));
    }
    let n = codes.ndim();
    let k = codes.shape.last().map_or(0, |&words| format.codes(words));
    let fits = n >= 2
        && k.is_multiple_of(format.group_size())
        && format.words(k) == codes.shape[n - 1]
        && x[1..].iter().all(|s| {
            s.ndim() == n && s.shape[..n - 1] == codes.shape[..n - 1] && s.shape[n - 1] == k / format.group_size()
        });
    if !fits {
        let shapes: Vec<&[usize]> = x.iter().map(|s| s.shape.as_slice()).collect();
        return wrong(format!(
            "expected codes [..., K * {bits} / 32] with scales [..., K / {group}] and at least two axes, got {shapes:?}",
            bits = format.bits(),
            group = format.group_size()
        ));
    }
    Ok(())
}

/// 8-bit floats (E4M3: four exponent bits of bias 7, three mantissa bits, no infinities) as uint8, rounded to nearest
/// even; magnitudes above 448 become 448, a NaN too.
///
/// # Dtypes
/// Floats, to uint8.
///
/// # Gradients
/// None.
///
/// # Errors
/// No floating dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[1.0f32, -0.5, 1000.0], &[3])?;
/// // Beyond the largest number, 448, it stays there.
/// assert_eq!(ops::from_fp8(&ops::to_fp8(&a)?, Dtype::F32)?.to_vec::<f32>()?, [1.0, -0.5, 448.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn to_fp8(x: &Array) -> Result<Array> {
    if !x.dtype().is_float() {
        return Err(Error::dtype("to_fp8", format!("expected a floating dtype, got {}", x.dtype())));
    }
    let x = super::stop_gradient(&super::astype(x, Dtype::F32)?)?;
    let c = |n: u32| Array::scalar(n, Dtype::U32);
    let f = |v: f64| Array::scalar(v, Dtype::F32);
    let bits = super::view(&x, Dtype::U32)?;
    let sign = super::bitwise_and(&super::right_shift(&bits, &c(24))?, &c(0x80))?;
    let magnitude = super::abs(&x)?;
    let magnitude = super::where_(&super::less_equal(&magnitude, &f(448.0))?, &magnitude, &f(448.0))?;
    let bits = super::view(&magnitude, Dtype::U32)?;
    // Normal numbers: round on the 20 bits that go (a carry into the exponent is right), then rebias.
    let odd = super::bitwise_and(&super::right_shift(&bits, &c(20))?, &c(1))?;
    let normal = super::right_shift(&super::add(&super::add(&bits, &c(0x7_ffff))?, &odd)?, &c(20))?;
    let small = super::less(&magnitude, &f(0.015_625))?;
    let normal = super::subtract(&super::where_(&small, &c(120 << 3), &normal)?, &c(120 << 3))?;
    // Subnormal ones are multiples of 2^-9.
    let least = super::where_(&small, &magnitude, &f(0.0))?;
    let subnormal = super::astype(&super::round(&super::multiply(&least, &f(512.0))?, 0)?, Dtype::U32)?;
    let code = super::add(&super::where_(&small, &subnormal, &normal)?, &sign)?;
    super::astype(&code, Dtype::U8)
}

/// The values of 8-bit floats (E4M3) given as uint8. Codes 0x7F and 0xFF are NaN.
///
/// # Dtypes
/// uint8, to the floating `dtype`.
///
/// # Gradients
/// None.
///
/// # Errors
/// Another dtype.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let codes = Array::from_slice(&[56u8, 184], &[2])?;
/// assert_eq!(ops::from_fp8(&codes, Dtype::F32)?.to_vec::<f32>()?, [1.0, -1.0]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn from_fp8(x: &Array, dtype: Dtype) -> Result<Array> {
    if x.dtype() != Dtype::U8 || !dtype.is_float() {
        let got = x.dtype();
        return Err(Error::dtype("from_fp8", format!("expected uint8 and a floating dtype, got {got} and {dtype}")));
    }
    let table: Vec<f32> = (0..=255u8).map(e4m3).collect();
    super::astype(&super::take(&Array::from_slice(&table, &[256])?, x, None)?, dtype)
}

/// The value of an E4M3 code.
fn e4m3(code: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(code >> 3 & 15), f32::from(code & 7));
    let magnitude = match (exponent, code & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa * 2f32.powi(-9),
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    };
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

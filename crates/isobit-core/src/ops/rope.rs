//! Rotary position embedding.

use super::rms_norm::{compute_dtype, weak};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::host::Scalar;
use crate::prim::adaptors::Fused;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap, batched_front};
use crate::spec::Spec;
use smallvec::smallvec;

/// Where the first position of a sequence stands: a number, or an array (a scalar, or one entry per element of the
/// first axis).
pub enum Offset<'a> {
    /// The same for all.
    At(i32),
    /// An integer array.
    Array(&'a Array),
}

impl From<i32> for Offset<'_> {
    fn from(at: i32) -> Self {
        Offset::At(at)
    }
}
impl From<usize> for Offset<'_> {
    fn from(at: usize) -> Self {
        Offset::At(at as i32)
    }
}
impl<'a> From<&'a Array> for Offset<'a> {
    fn from(a: &'a Array) -> Self {
        Offset::Array(a)
    }
}

/// Rotates pairs of the first `dims` features of each position by an angle that grows with the position (Su et al.,
/// 2021): position `p`, pair `i`: angle `scale * p * base^(-2i/dims)`, or `scale * p / freqs[i]`.
///
/// # Shapes
/// `x`: `[..., positions, features]`; `dims` even, at most `features`; `freqs`: `[dims / 2]`; an array `offset`: a
/// scalar or `[size of the first axis]`.
///
/// # Dtypes
/// Floats; angles and rotation in float32 (float64 for float64), one rounding.
///
/// # Gradients
/// With respect to `x` and `freqs`.
///
/// # Errors
/// Fewer than two axes, an odd or too large `dims`, neither or both of `base` and `freqs`, shapes that do not fit.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// // One head of two positions: nothing turns at position 0.
/// let x = Array::from_slice(&[1.0f32, 0.0, 1.0, 0.0], &[1, 1, 2, 2])?;
/// let out = ops::rope(&x, 2, false, Some(10000.0), 1.0, 0, None)?.to_vec::<f32>()?;
/// assert_eq!(out[..2], [1.0, 0.0]);
/// assert_eq!(out[2..], [0.54030234, 0.84147096]); // cos 1, sin 1
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn rope<'a>(
    x: &Array,
    dims: usize,
    traditional: bool,
    base: Option<f32>,
    scale: f32,
    offset: impl Into<Offset<'a>>,
    freqs: Option<&Array>,
) -> Result<Array> {
    if base.is_some() == freqs.is_some() {
        return Err(Error::value("rope", "expected either base or freqs, got both or neither"));
    }
    let offset = match offset.into() {
        Offset::At(at) => Array::scalar(at, Dtype::I32),
        Offset::Array(a) if a.dtype().is_integer() => super::astype(a, Dtype::I32)?,
        Offset::Array(a) => {
            return Err(Error::dtype("rope", format!("expected an integer offset, got {}", a.dtype())));
        }
    };
    let prim = Rope { dims, traditional, base: base.map(f32::to_bits), scale: scale.to_bits() };
    match freqs {
        None => apply(prim, &[x, &offset]),
        Some(f) => apply(prim, &[x, &offset, f]),
    }
}

/// The primitive of [`rope`]: inputs `x`, `offset` (int32) and, without a base, `freqs`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rope {
    dims: usize,
    traditional: bool,
    base: Option<u32>,
    scale: u32,
}

impl Rope {
    /// How many features are rotated.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Whether pairs are neighbours (else: the first half with the second).
    pub fn traditional(&self) -> bool {
        self.traditional
    }

    /// Base of the frequencies.
    pub fn base(&self) -> Option<f32> {
        self.base.map(f32::from_bits)
    }

    /// Factor of the positions.
    pub fn scale(&self) -> f32 {
        f32::from_bits(self.scale)
    }
}

impl Fused for Rope {
    const NAME: &'static str = "rope";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (x, offset) = (&inputs[0], &inputs[1]);
        let bad = |what: String| Err(Error::value("rope", what));
        if x.ndim() < 2 {
            return bad(format!("expected x of at least 2 dimensions, got shape {:?}", x.shape.as_slice()));
        }
        if !x.dtype.is_float() {
            return Err(Error::dtype("rope", format!("expected a real floating dtype, got {}", x.dtype)));
        }
        if !self.dims.is_multiple_of(2) || self.dims > x.shape[x.ndim() - 1] {
            return bad(format!("expected even dims up to {}, got {}", x.shape[x.ndim() - 1], self.dims));
        }
        if !(offset.ndim() == 0 || (offset.ndim() == 1 && x.ndim() > 2 && offset.shape[0] == x.shape[0])) {
            let (o, s) = (offset.shape.as_slice(), x.shape.as_slice());
            return bad(format!("expected an offset of shape [] or [first axis of {s:?}], got {o:?}"));
        }
        if let Some(f) = inputs.get(2)
            && (f.shape.as_slice() != [self.dims / 2] || !f.dtype.is_float())
        {
            let (n, shape) = (self.dims / 2, f.shape.as_slice());
            return bad(format!("expected floating freqs of shape [{n}], got {} {shape:?}", f.dtype));
        }
        Ok(smallvec![x.clone()])
    }

    fn decompose(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let (x, offset) = (&inputs[0], &inputs[1]);
        if self.dims == 0 {
            return Ok(vec![x.clone()]);
        }
        let to = compute_dtype(x.dtype());
        let (n, half) = (x.ndim(), self.dims / 2);
        // Positions, [first axis or 1, ones..., positions, 1]
        let length = x.shape()[n - 2];
        let mut at = super::arange(0, Scalar::from(length), 1, Dtype::I32)?;
        if offset.ndim() == 1 {
            at = super::add(&at, &super::expand_dims(offset, 1)?)?;
            let mut shape = vec![x.shape()[0] as isize];
            shape.extend(std::iter::repeat_n(1, n - 3));
            shape.extend([length as isize, 1]);
            at = super::reshape(&at, &shape)?;
        } else {
            at = super::expand_dims(&super::add(&at, offset)?, 1)?;
        }
        let at = super::astype(&at, to)?;
        let at = super::multiply(&at, &weak(f64::from(self.scale()), &at))?;
        let freqs = match (self.base(), inputs.get(2)) {
            (Some(base), _) => {
                let i = super::arange(0, Scalar::from(half), 1, to)?;
                // In float64 and float32 alike the logarithm is that of the float32 kernel.
                let step = weak(-(libm_log(base) / half as f64), &i);
                super::exp(&super::multiply(&i, &step)?)?
            }
            (None, Some(f)) => {
                let f = super::astype(f, to)?;
                super::divide(&weak(1.0, &f), &f)?
            }
            (None, None) => return Err(Error::value("rope", "expected base or freqs")),
        };
        let angle = super::multiply(&at, &freqs)?;
        let (cos, sin) = (super::cos(&angle)?, super::sin(&angle)?);
        let part = |from: usize, to: usize, step: isize| {
            let mut start = vec![0isize; n];
            let mut stop: Vec<isize> = x.shape().iter().map(|&d| d as isize).collect();
            let mut steps = vec![1isize; n];
            (start[n - 1], stop[n - 1], steps[n - 1]) = (from as isize, to as isize, step);
            super::slice(x, &start, &stop, &steps)
        };
        let (a, b) = if self.traditional {
            (part(0, self.dims, 2)?, part(1, self.dims, 2)?)
        } else {
            (part(0, half, 1)?, part(half, self.dims, 1)?)
        };
        let (a, b) = (super::astype(&a, to)?, super::astype(&b, to)?);
        let first = super::subtract(&super::multiply(&a, &cos)?, &super::multiply(&b, &sin)?)?;
        let second = super::add(&super::multiply(&a, &sin)?, &super::multiply(&b, &cos)?)?;
        let mut rotated = if self.traditional {
            let mut shape: Vec<isize> = x.shape().iter().map(|&d| d as isize).collect();
            shape[n - 1] = self.dims as isize;
            super::reshape(&super::stack(&[first, second], -1)?, &shape)?
        } else {
            super::concatenate(&[first, second], -1)?
        };
        rotated = super::astype(&rotated, x.dtype())?;
        if self.dims < x.shape()[n - 1] {
            rotated = super::concatenate(&[rotated, part(self.dims, x.shape()[n - 1], 1)?], -1)?;
        }
        Ok(vec![rotated])
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        if cx.axes.get(2).is_some_and(Option::is_some) || (cx.batched(1) && cx.inputs[1].ndim() == 2) {
            return cx.each(|xs| Ok(vec![apply(self.clone(), &xs.iter().collect::<Vec<_>>())?]));
        }
        let (x, mut offset) = (cx.front_full(0)?, cx.front(1)?);
        // `[batch, ...]` and a batch of scalar offsets is what the primitive takes as it is. One offset per element of
        // an inner axis: both axes become the first.
        let inner = cx.inputs[1].ndim() == 1 && !cx.batched(1);
        let shape: Vec<isize> = x.shape().iter().map(|&d| d as isize).collect();
        let folded = if inner {
            offset = super::reshape(&super::broadcast_to(&offset, &[cx.size, offset.size()])?, &[-1])?;
            let mut flat = vec![shape[0] * shape[1]];
            flat.extend(&shape[2..]);
            super::reshape(&x, &flat)?
        } else {
            x
        };
        let mut all = vec![folded, offset];
        all.extend_from_slice(&cx.inputs[2..]);
        let out = apply(self.clone(), &all.iter().collect::<Vec<_>>())?;
        batched_front(super::reshape(&out, &shape)?)
    }

    fn cases() -> Cases {
        let case = |shape: &[usize], dims: usize, traditional: bool, scale: f32, freqs: bool, offset: &[usize]| {
            let base = (!freqs).then_some(100.0f32.to_bits());
            let case = Case::new(Rope { dims, traditional, base, scale: scale.to_bits() })
                .input(shape, Domain::Real(-2.0, 2.0))
                .input(offset, Domain::Of(Dtype::I32, 0.0, 9.0))
                .ulps(64.0)
                .no_edges();
            if freqs { case.input(&[dims / 2], Domain::Real(0.5, 4.0)) } else { case }
        };
        vec![
            case(&[2, 3, 8], 8, false, 1.0, false, &[]),
            case(&[2, 3, 8], 8, true, 0.5, false, &[]),
            case(&[2, 2, 3, 10], 6, false, 1.0, false, &[2]),
            case(&[3, 6], 4, true, 1.0, false, &[]),
            case(&[2, 3, 8], 8, false, 1.0, true, &[]),
            case(&[2, 0, 4], 4, false, 1.0, false, &[]),
        ]
    }
}

crate::primitive_via!(Fused, Rope);

/// Natural logarithm, the same on every platform.
fn libm_log(x: f32) -> f64 {
    libm::log(f64::from(x))
}

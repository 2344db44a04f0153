//! Codes of a few bits to words and back.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::Spec;

/// Packs codes into 32-bit words along the last axis: one stream of bits, least significant first. Bits of a code above
/// `bits` are dropped.
///
/// # Shapes
/// `[..., K] -> [..., K * bits / 32]`; `K * bits` must be a multiple of 32.
///
/// # Dtypes
/// uint8 to uint32.
///
/// # Gradients
/// None.
///
/// # Errors
/// Another dtype, a scalar, a width outside 1 to 8, a last axis that does not fill whole words.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let codes = Array::from_slice(&[1u32, 2, 3, 4, 5, 6, 7, 8], &[8])?;
/// assert_eq!(ops::pack_bits(&ops::astype(&codes, Dtype::U8)?, 4)?.to_vec::<u32>()?, [0x8765_4321]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn pack_bits(codes: &Array, bits: usize) -> Result<Array> {
    apply(PackBits { bits }, &[codes])
}

/// The inverse of [`pack_bits`](crate::ops::pack_bits()).
///
/// # Shapes
/// `[..., W] -> [..., W * 32 / bits]`; `W * 32` must be a multiple of `bits`.
///
/// # Dtypes
/// uint32 to uint8.
///
/// # Gradients
/// None.
///
/// # Errors
/// Another dtype, a scalar, a width outside 1 to 8, words that hold no whole number of codes.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let words = Array::from_slice(&[0x8765_4321u32], &[1])?;
/// assert_eq!(ops::astype(&ops::unpack_bits(&words, 4)?, Dtype::U32)?.to_vec::<u32>()?, [1, 2, 3, 4, 5, 6, 7, 8]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn unpack_bits(words: &Array, bits: usize) -> Result<Array> {
    apply(UnpackBits { bits }, &[words])
}

/// The last axis after a change from units of `from` to units of `to` bits.
fn resized(op: &'static str, x: &Spec, dtype: Dtype, from: usize, to: usize, out: Dtype) -> Result<Spec> {
    if x.dtype != dtype {
        return Err(Error::dtype(op, format!("expected an array of {dtype}, got {}", x.dtype)));
    }
    let bits = from.min(to);
    let Some(&n) = x.shape.last().filter(|_| (1..=8).contains(&bits)) else {
        return Err(Error::value(op, format!("expected at least one axis and 1 to 8 bits, got {x:?} and {bits} bits")));
    };
    if !(n * from).is_multiple_of(to) {
        return Err(Error::value(op, format!("expected a last axis that fills whole words, got {n} with {bits} bits")));
    }
    let mut shape = x.shape.clone();
    let last = shape.len() - 1;
    shape[last] = n * from / to;
    Ok(Spec { shape, dtype: out })
}

/// The primitive of [`pack_bits`](crate::ops::pack_bits()).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PackBits {
    bits: usize,
}

/// The primitive of [`unpack_bits`](crate::ops::unpack_bits()).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnpackBits {
    bits: usize,
}

impl PackBits {
    /// Bits of a code.
    pub fn bits(&self) -> usize {
        self.bits
    }
}

impl UnpackBits {
    /// Bits of a code.
    pub fn bits(&self) -> usize {
        self.bits
    }
}

impl NonDifferentiable for PackBits {
    const NAME: &'static str = "pack_bits";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        crate::prim::one(resized(Self::NAME, &inputs[0], Dtype::U8, self.bits, 32, Dtype::U32)?)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(self.clone(), &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let case = |bits, shape: &[usize]| {
            Case::new(PackBits { bits }).input(shape, Domain::Of(Dtype::U8, 0.0, 255.0)).exact()
        };
        let mut all: Cases = (1..=8).map(|bits| case(bits, &[3, 32])).collect();
        all.extend([case(4, &[8]), case(4, &[2, 0, 64]), case(3, &[2, 2, 96]), case(8, &[4])]);
        all
    }
}

impl NonDifferentiable for UnpackBits {
    const NAME: &'static str = "unpack_bits";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        crate::prim::one(resized(Self::NAME, &inputs[0], Dtype::U32, 32, self.bits, Dtype::U8)?)
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(self.clone(), &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let words = || Domain::Of(Dtype::U32, 0.0, f64::from(u32::MAX));
        let case = |bits, shape: &[usize]| Case::new(UnpackBits { bits }).input(shape, words()).exact();
        let mut all: Cases = (1..=8).map(|bits| case(bits, &[3, bits])).collect();
        all.extend([case(4, &[1]), case(4, &[2, 0]), case(6, &[2, 2, 6]), case(8, &[0, 3])]);
        all
    }
}

crate::primitive_via!(NonDifferentiable, PackBits);
crate::primitive_via!(NonDifferentiable, UnpackBits);

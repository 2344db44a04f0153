//! Random bits.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::{Shape, Spec, checked_size};

/// Random integers of `width` bytes, a pure function of `key` (two uint32 words) and the position: threefry2x32 with 20
/// rounds.
///
/// # Shapes
/// `shape`; with more than one key (`[..., 2]`), one such block for each.
///
/// # Dtypes
/// uint8, uint16 or uint32 for a `width` of 1, 2 or 4.
///
/// # Gradients
/// None.
///
/// # Errors
/// A key that is not made of two uint32 words; another width.
///
/// # Examples
/// ```
/// # use isobit::ops;
/// let key = isobit::random::key(7);
/// let bits = ops::random_bits(&key, &[3], 4)?.to_vec::<u32>()?;
/// assert_eq!(bits, ops::random_bits(&key, &[3], 4)?.to_vec::<u32>()?);
/// assert_ne!(bits[0], bits[1]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn random_bits(key: &Array, shape: &[usize], width: usize) -> Result<Array> {
    apply(RandomBits { shape: shape.into(), width }, &[key])
}

/// The primitive of [`random_bits`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RandomBits {
    shape: Shape,
    width: usize,
}

impl RandomBits {
    /// Bytes made from each key.
    pub fn bytes_per_key(&self) -> usize {
        self.shape.iter().product::<usize>() * self.width
    }
}

impl NonDifferentiable for RandomBits {
    const NAME: &'static str = "random_bits";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let key = &inputs[0];
        if key.dtype != Dtype::U32 {
            return Err(Error::dtype(Self::NAME, format!("expected a key of dtype uint32, got {}", key.dtype)));
        }
        if key.shape.last() != Some(&2) {
            let shape = key.shape.as_slice();
            return Err(Error::value(Self::NAME, format!("expected a key of shape [2], got {shape:?}")));
        }
        let dtype = match self.width {
            1 => Dtype::U8,
            2 => Dtype::U16,
            4 => Dtype::U32,
            w => return Err(Error::value(Self::NAME, format!("expected a width of 1, 2 or 4 bytes, got {w}"))),
        };
        let mut shape = Shape::from_slice(&key.shape[..key.ndim() - 1]);
        shape.extend_from_slice(&self.shape);
        checked_size(Self::NAME, &shape, self.width)?;
        crate::prim::one(Spec { shape, dtype })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(self.clone(), &[&cx.front(0)?])?)
    }

    fn cases() -> Cases {
        let case = |keys: &[usize], shape: &[usize], width| {
            let words = Domain::Of(Dtype::U32, 0.0, f64::from(u32::MAX));
            Case::new(RandomBits { shape: shape.into(), width }).input(keys, words).exact()
        };
        vec![
            case(&[2], &[5], 4),
            case(&[2], &[4, 2], 4),
            case(&[3, 2], &[3], 2),
            case(&[2, 3, 2], &[7], 1),
            case(&[2], &[], 4),
            case(&[2], &[0], 4),
        ]
    }
}

crate::primitive_via!(NonDifferentiable, RandomBits);

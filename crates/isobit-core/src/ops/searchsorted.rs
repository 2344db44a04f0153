//! Where values belong in a sorted sequence.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::Spec;

/// On which side of equal elements a value is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Before them.
    Left,
    /// After them.
    Right,
}

impl Side {
    /// `"left"` or `"right"`.
    ///
    /// # Errors
    /// Another name.
    pub fn named(name: &str) -> Result<Side> {
        match name {
            "left" => Ok(Side::Left),
            "right" => Ok(Side::Right),
            other => Err(Error::value("searchsorted", format!("expected side \"left\" or \"right\", got {other:?}"))),
        }
    }
}

/// For every element of `values` the position in the ascending, one-dimensional `sorted` at which it could be put in
/// without breaking the order. NaNs count as largest.
///
/// # Shapes
/// That of `values`.
///
/// # Dtypes
/// Any real dtypes, promoted; the result is uint32.
///
/// # Gradients
/// None.
///
/// # Errors
/// A sequence that is not one-dimensional.
///
/// # Examples
/// ```
/// # use isobit::{Array, ops};
/// let a = Array::from_slice(&[1.0f32, 2.0, 2.0, 5.0], &[4])?;
/// let values = Array::from_slice(&[2.0f32, 9.0], &[2])?;
/// assert_eq!(ops::searchsorted(&a, &values, ops::Side::Left)?.to_vec::<u32>()?, [1, 4]);
/// assert_eq!(ops::searchsorted(&a, &values, ops::Side::Right)?.to_vec::<u32>()?, [3, 4]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn searchsorted(sorted: &Array, values: &Array, side: Side) -> Result<Array> {
    let op = "searchsorted";
    if sorted.ndim() != 1 {
        let shape = sorted.shape();
        return Err(Error::value(op, format!("expected a one-dimensional sorted sequence, got shape {shape:?}")));
    }
    let dtype = sorted.dtype().promote(values.dtype());
    let (rows, columns) = ([1, sorted.size() as isize], [1, values.size() as isize]);
    let sorted = super::reshape(&super::astype(sorted, dtype)?, &rows)?;
    let flat = super::reshape(&super::astype(values, dtype)?, &columns)?;
    let out = apply(Searchsorted { side }, &[&sorted, &flat])?;
    super::reshape(&out, &super::broadcast::signed(values.shape()))
}

/// The primitive of [`searchsorted`], on rows: sequences `[..., n]` and values `[..., m]` whose other axes agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Searchsorted {
    side: Side,
}

impl Searchsorted {
    /// The side of equal elements.
    pub fn side(&self) -> Side {
        self.side
    }
}

impl NonDifferentiable for Searchsorted {
    const NAME: &'static str = "searchsorted";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let (s, v) = (&inputs[0], &inputs[1]);
        let (a, b) = (s.ndim().saturating_sub(1), v.ndim().saturating_sub(1));
        if s.ndim() == 0 || v.ndim() == 0 || s.shape[..a] != v.shape[..b] || s.dtype != v.dtype {
            return Err(Error::value(
                Self::NAME,
                format!("expected rows of one dtype that agree except in the last axis, got {s:?} and {v:?}"),
            ));
        }
        crate::prim::one(Spec { shape: v.shape.clone(), dtype: Dtype::U32 })
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        crate::prim::batched_front(apply(self.clone(), &[&cx.front_full(0)?, &cx.front_full(1)?])?)
    }

    fn cases() -> Cases {
        let sorted = || Domain::Exact(Dtype::F32, vec![-2.0, -1.0, -1.0, 0.5, 3.0]);
        let case = |side, shape: &[usize]| {
            let values = Domain::Of(Dtype::F32, -4.0, 4.0);
            Case::new(Searchsorted { side }).input(&[1, 5], sorted()).input(shape, values).exact()
        };
        let ints = |side| {
            Case::new(Searchsorted { side })
                .input(&[1, 4], Domain::Exact(Dtype::I32, vec![-1.0, 0.0, 0.0, 2.0]))
                .input(&[1, 6], Domain::Of(Dtype::I32, -2.0, 3.0))
                .exact()
        };
        let complex = |side| {
            let rising = vec![-1.0, 0.0, 0.0, -1.0, 0.0, 2.0, 0.0, 2.0, 1.0, 1.0];
            let values = vec![0.0, 2.0, 0.5, 0.0, -3.0, 0.0, 0.0, 0.0];
            Case::new(Searchsorted { side })
                .input(&[1, 5], Domain::Exact(Dtype::C64, rising))
                .input(&[1, 4], Domain::Exact(Dtype::C64, values))
                .exact()
        };
        vec![
            case(Side::Left, &[1, 7]),
            case(Side::Right, &[1, 7]),
            case(Side::Left, &[1, 0]),
            ints(Side::Left),
            ints(Side::Right),
            complex(Side::Left),
            complex(Side::Right),
        ]
    }
}

crate::primitive_via!(NonDifferentiable, Searchsorted);

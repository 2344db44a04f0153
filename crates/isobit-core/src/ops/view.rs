//! The same bytes as another dtype.

use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::prim::adaptors::NonDifferentiable;
use crate::prim::{Batched, Case, Cases, Domain, Specs, Vmap};
use crate::spec::Spec;
use smallvec::smallvec;

/// The bytes of `a` read as `dtype`. If the sizes differ, the last axis grows or shrinks accordingly.
///
/// # Gradients
/// Zero: bits are not a smooth function.
///
/// # Errors
/// A scalar and another size, or a last axis whose bytes are no whole number of new elements.
///
/// # Examples
/// ```
/// # use isobit::{Array, Dtype, ops};
/// let a = Array::from_slice(&[1.0f32], &[1])?;
/// assert_eq!(ops::view(&a, Dtype::U32)?.to_vec::<u32>()?, [0x3f80_0000]);
/// # Ok::<(), isobit::Error>(())
/// ```
pub fn view(a: &Array, dtype: Dtype) -> Result<Array> {
    if a.dtype() == dtype {
        return Ok(a.clone());
    }
    apply(View { dtype }, &[a])
}

/// The primitive of [`view`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    dtype: Dtype,
}

impl NonDifferentiable for View {
    const NAME: &'static str = "view";

    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        let x = &inputs[0];
        let (from, to) = (x.dtype.size(), self.dtype.size());
        let mut shape = x.shape.clone();
        if from != to {
            match shape.last_mut() {
                Some(n) if *n * from % to == 0 => *n = *n * from / to,
                _ => {
                    let s = x.shape.as_slice();
                    let (a, b) = (x.dtype, self.dtype);
                    return Err(Error::value("view", format!("{a} of shape {s:?} cannot be viewed as {b}")));
                }
            }
        }
        Ok(smallvec![Spec { shape, dtype: self.dtype }])
    }

    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        let x = cx.front(0)?;
        if x.ndim() == 1 && x.dtype().size() != self.dtype.size() {
            // A batch of scalars: infer has refused the unbatched call already.
            return Err(Error::value("view", "a scalar cannot be viewed as a dtype of another size"));
        }
        crate::prim::batched_front(view(&x, self.dtype)?)
    }

    fn cases() -> Cases {
        let case = |from: Dtype, to: Dtype, shape: &[usize]| {
            Case::new(View { dtype: to }).input(shape, Domain::Of(from, -4.0, 4.0)).exact().no_grad().no_edges()
        };
        vec![
            case(Dtype::F32, Dtype::I32, &[2, 3]),
            case(Dtype::F32, Dtype::U8, &[2, 3]),
            case(Dtype::U8, Dtype::U16, &[3, 4]),
            case(Dtype::F64, Dtype::U32, &[2, 2]),
            case(Dtype::I16, Dtype::I64, &[2, 4]),
            case(Dtype::F16, Dtype::U16, &[]),
        ]
    }
}

crate::primitive_via!(NonDifferentiable, View);

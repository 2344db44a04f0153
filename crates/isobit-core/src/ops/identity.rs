//! The identity: marks an array as an argument of a transform.

use crate::array::{Array, ArrayVec, Call, State};
use crate::error::Result;
use crate::prim::adaptors::Linear;
use crate::prim::{Case, Cases, Domain};
use crate::spec::Spec;
use smallvec::smallvec;

/// The primitive of [`tracer`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity;

/// A new node with the value of `x` that counts as traced.
pub(crate) fn tracer(x: &Array) -> Result<Array> {
    let call = Call { prim: Identity.into(), inputs: ArrayVec::from_iter([x.clone()]) };
    Ok(Array::from_node(smallvec![x.spec().clone()], true, State::Lazy(call)))
}

impl Linear for Identity {
    const NAME: &'static str = "identity";

    fn infer(&self, x: &Spec) -> Result<Spec> {
        Ok(x.clone())
    }

    fn transposed(&self, _: &Spec, ct: &Array) -> Result<Array> {
        Ok(ct.clone())
    }

    fn batched(&self, x: &Array) -> Result<Array> {
        Ok(x.clone())
    }

    fn cases() -> Cases {
        vec![Case::new(Identity).input(&[2, 3], Domain::Any(-4.0, 4.0)).exact()]
    }
}

crate::primitive_via!(Linear, Identity);

//! Shapes that most primitives have, so that an op file states only what is particular to it.
//!
//! Each adaptor is a trait with the particular part and a macro that writes the [`Primitive`](super::Primitive)
//! implementation from it: `primitive_via!(Elementwise, Exp);`.

use super::{Batched, Cases, Grads, Jvp, Prim, Specs, Tangents, Vjp, Vmap};
use crate::array::{Array, apply};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::spec::Spec;
use smallvec::smallvec;
use std::fmt::Debug;
use std::hash::Hash;

/// An operation on corresponding elements of inputs of one shape. Its Jacobian is diagonal.
pub trait Elementwise: Clone + Debug + Eq + Hash + Into<Prim> {
    /// See [`super::Primitive::NAME`].
    const NAME: &'static str;
    /// How many inputs.
    const ARITY: usize;

    /// The output's dtype, or an error for dtypes the operation does not take.
    fn dtype(&self, inputs: &[Dtype]) -> Result<Dtype>;

    /// `t` times the partial derivative with respect to input `i`; `None` where that is zero everywhere. Serves both
    /// directions, since the Jacobian is diagonal.
    fn scaled(&self, i: usize, inputs: &[Array], out: &Array, t: &Array) -> Result<Option<Array>>;

    /// The cotangent of input `i`. Of a complex function `f` that has a complex derivative it is the output's times the
    /// conjugate of that: real and imaginary part are the gradients with respect to those of the input. Functions without
    /// one say what theirs is.
    fn pulled(&self, i: usize, inputs: &[Array], out: &Array, ct: &Array) -> Result<Option<Array>> {
        if inputs[i].dtype() != Dtype::C64 {
            return self.scaled(i, inputs, out, ct);
        }
        let back = self.scaled(i, inputs, out, &crate::ops::conj(ct)?)?;
        back.map(|g| crate::ops::conj(&g)).transpose()
    }

    /// See [`super::Primitive::cases`].
    fn cases() -> Cases;
}

/// Shape inference of an [`Elementwise`] operation.
pub fn elementwise_infer<T: Elementwise>(p: &T, inputs: &[Spec]) -> Result<Specs> {
    if inputs.len() != T::ARITY {
        return Err(Error::value(T::NAME, format!("expected {} inputs, got {}", T::ARITY, inputs.len())));
    }
    if inputs[1..].iter().any(|s| s.shape != inputs[0].shape) {
        let shapes: Vec<&[usize]> = inputs.iter().map(|s| s.shape.as_slice()).collect();
        return Err(Error::value(T::NAME, format!("expected inputs of one shape, got {shapes:?}")));
    }
    let mut dtypes: smallvec::SmallVec<[Dtype; 3]> = smallvec::SmallVec::new();
    inputs.iter().for_each(|s| dtypes.push(s.dtype));
    let dtype = p.dtype(&dtypes)?;
    let mut outs = Specs::new();
    outs.push(Spec { dtype, ..inputs[0].clone() });
    Ok(outs)
}

/// Forward rule of an [`Elementwise`] operation.
pub fn elementwise_jvp<T: Elementwise>(p: &T, cx: &Jvp<'_>) -> Result<Tangents> {
    let mut sum: Option<Array> = None;
    for (i, t) in cx.tangents.iter().enumerate() {
        let Some(t) = t else { continue };
        if !cx.inputs[i].dtype().is_inexact() {
            continue;
        }
        let Some(term) = p.scaled(i, cx.inputs, &cx.outs[0], t)? else { continue };
        sum = Some(match sum {
            None => term,
            Some(s) => crate::ops::add(&s, &term)?,
        });
    }
    Ok(smallvec![sum])
}

/// Reverse rule of an [`Elementwise`] operation.
pub fn elementwise_vjp<T: Elementwise>(p: &T, cx: &Vjp<'_>) -> Result<Grads> {
    let ct = cx.ct()?;
    (0..T::ARITY).map(|i| if cx.wanted(i) { p.pulled(i, cx.inputs, &cx.outs[0], &ct) } else { Ok(None) }).collect()
}

/// Batching rule of an [`Elementwise`] operation.
pub fn elementwise_vmap<T: Elementwise>(p: &T, cx: &Vmap<'_>) -> Result<Batched> {
    if let Some(axis) = cx.axes[0]
        && cx.axes.iter().all(|&a| a == Some(axis))
    {
        let refs: Vec<&Array> = cx.inputs.iter().collect();
        return Ok(smallvec![(apply(p.clone(), &refs)?, Some(axis))]);
    }
    let xs = cx.all_front()?;
    let refs: Vec<&Array> = xs.iter().collect();
    super::batched_front(apply(p.clone(), &refs)?)
}

/// A linear function of its one input.
pub trait Linear: Clone + Debug + Eq + Hash + Into<Prim> {
    /// See [`super::Primitive::NAME`].
    const NAME: &'static str;
    /// See [`super::Primitive::ELEMENTWISE`].
    const ELEMENTWISE: bool = false;
    /// See [`super::Primitive::infer`].
    fn infer(&self, x: &Spec) -> Result<Spec>;
    /// The transposed map: the cotangent of an input of spec `x`, given the output's.
    fn transposed(&self, x: &Spec, ct: &Array) -> Result<Array>;
    /// The same operation on `x`, whose batch axis is in front; the result's batch axis must be in front too.
    fn batched(&self, x: &Array) -> Result<Array>;
    /// See [`super::Primitive::cases`].
    fn cases() -> Cases;
}

/// Shape inference of a [`Linear`] operation.
pub fn linear_infer<T: Linear>(p: &T, inputs: &[Spec]) -> Result<Specs> {
    match inputs {
        [x] => Ok(smallvec![p.infer(x)?]),
        _ => Err(Error::value(T::NAME, format!("expected 1 input, got {}", inputs.len()))),
    }
}

/// Forward rule of a [`Linear`] operation.
pub fn linear_jvp<T: Linear>(p: &T, cx: &Jvp<'_>) -> Result<Tangents> {
    match &cx.tangents[0] {
        Some(t) if cx.outs[0].dtype().is_inexact() => super::tangent(apply(p.clone(), &[t])?),
        _ => super::no_tangent(),
    }
}

/// Reverse rule of a [`Linear`] operation.
pub fn linear_vjp<T: Linear>(p: &T, cx: &Vjp<'_>) -> Result<Grads> {
    let ct = cx.ct()?;
    cx.each(|_| p.transposed(cx.inputs[0].spec(), &ct))
}

/// Batching rule of a [`Linear`] operation.
pub fn linear_vmap<T: Linear>(p: &T, cx: &Vmap<'_>) -> Result<Batched> {
    super::batched_front(p.batched(&cx.front(0)?)?)
}

/// An operation whose output does not change with small changes of any input.
pub trait NonDifferentiable: Clone + Debug + Eq + Hash + Into<Prim> {
    /// See [`super::Primitive::NAME`].
    const NAME: &'static str;
    /// See [`super::Primitive::infer`].
    fn infer(&self, inputs: &[Spec]) -> Result<Specs>;
    /// See [`super::Primitive::vmap`].
    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched>;
    /// See [`super::Primitive::cases`].
    fn cases() -> Cases;
}

/// An operation defined by a composition of others, which is also its oracle; a backend may have a faster kernel.
/// Derivatives are those of the composition.
pub trait Fused: Clone + Debug + Eq + Hash + Into<Prim> {
    /// See [`super::Primitive::NAME`].
    const NAME: &'static str;
    /// See [`super::Primitive::infer`].
    fn infer(&self, inputs: &[Spec]) -> Result<Specs>;
    /// The operation in terms of others.
    fn decompose(&self, inputs: &[Array]) -> Result<Vec<Array>>;
    /// See [`super::Primitive::vjp`]: that of the composition, unless there is a faster one.
    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        fused_vjp(self, cx)
    }
    /// See [`super::Primitive::vmap`]. Must fold the batch into the operation itself: a batched decomposition would
    /// have other bits than a loop over the fused kernel.
    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched>;
    /// See [`super::Primitive::cases`].
    fn cases() -> Cases;
}

/// Forward rule of a [`Fused`] operation.
pub fn fused_jvp<T: Fused>(p: &T, cx: &Jvp<'_>) -> Result<Tangents> {
    let traced: Vec<usize> = (0..cx.inputs.len()).filter(|&i| cx.tangents[i].is_some()).collect();
    let primals: Vec<Array> = traced.iter().map(|&i| cx.inputs[i].clone()).collect();
    let tangents: Vec<Array> = traced.iter().filter_map(|&i| cx.tangents[i].clone()).collect();
    let (_, out) = crate::transforms::jvp(
        |xs| {
            let mut all = cx.inputs.to_vec();
            for (&i, x) in traced.iter().zip(xs) {
                all[i] = x.clone();
            }
            p.decompose(&all)
        },
        &primals,
        &tangents,
    )?;
    Ok(out.into_iter().map(Some).collect())
}

/// Reverse rule of a [`Fused`] operation.
pub fn fused_vjp<T: Fused>(p: &T, cx: &Vjp<'_>) -> Result<Grads> {
    let wanted: Vec<usize> = (0..cx.inputs.len()).filter(|&i| cx.wanted(i)).collect();
    let primals: Vec<Array> = wanted.iter().map(|&i| cx.inputs[i].clone()).collect();
    let cts = (0..cx.outs.len()).map(|i| cx.ct_of(i)).collect::<Result<Vec<_>>>()?;
    let (_, found) = crate::transforms::vjp(
        |xs| {
            let mut all = cx.inputs.to_vec();
            for (&i, x) in wanted.iter().zip(xs) {
                all[i] = x.clone();
            }
            p.decompose(&all)
        },
        &primals,
        &cts,
    )?;
    let mut grads: Grads = smallvec![None; cx.inputs.len()];
    for (i, g) in wanted.into_iter().zip(found) {
        grads[i] = Some(g);
    }
    Ok(grads)
}

/// Writes `impl Primitive` for a type that implements one of the adaptors.
#[macro_export]
macro_rules! primitive_via {
    (Elementwise, $t:ty) => {
        impl $crate::prim::Primitive for $t {
            const NAME: &'static str = <$t as $crate::prim::adaptors::Elementwise>::NAME;
            const ELEMENTWISE: bool = true;
            fn infer(&self, inputs: &[$crate::spec::Spec]) -> $crate::error::Result<$crate::prim::Specs> {
                $crate::prim::adaptors::elementwise_infer(self, inputs)
            }
            fn jvp(&self, cx: &$crate::prim::Jvp<'_>) -> $crate::error::Result<$crate::prim::Tangents> {
                $crate::prim::adaptors::elementwise_jvp(self, cx)
            }
            fn vjp(&self, cx: &$crate::prim::Vjp<'_>) -> $crate::error::Result<$crate::prim::Grads> {
                $crate::prim::adaptors::elementwise_vjp(self, cx)
            }
            fn vmap(&self, cx: &$crate::prim::Vmap<'_>) -> $crate::error::Result<$crate::prim::Batched> {
                $crate::prim::adaptors::elementwise_vmap(self, cx)
            }
            fn cases() -> $crate::prim::Cases {
                <$t as $crate::prim::adaptors::Elementwise>::cases()
            }
        }
    };
    (Linear, $t:ty) => {
        impl $crate::prim::Primitive for $t {
            const NAME: &'static str = <$t as $crate::prim::adaptors::Linear>::NAME;
            const ELEMENTWISE: bool = <$t as $crate::prim::adaptors::Linear>::ELEMENTWISE;
            fn infer(&self, inputs: &[$crate::spec::Spec]) -> $crate::error::Result<$crate::prim::Specs> {
                $crate::prim::adaptors::linear_infer(self, inputs)
            }
            fn jvp(&self, cx: &$crate::prim::Jvp<'_>) -> $crate::error::Result<$crate::prim::Tangents> {
                $crate::prim::adaptors::linear_jvp(self, cx)
            }
            fn vjp(&self, cx: &$crate::prim::Vjp<'_>) -> $crate::error::Result<$crate::prim::Grads> {
                $crate::prim::adaptors::linear_vjp(self, cx)
            }
            fn vmap(&self, cx: &$crate::prim::Vmap<'_>) -> $crate::error::Result<$crate::prim::Batched> {
                $crate::prim::adaptors::linear_vmap(self, cx)
            }
            fn cases() -> $crate::prim::Cases {
                <$t as $crate::prim::adaptors::Linear>::cases()
            }
        }
    };
    (NonDifferentiable, $t:ty) => {
        impl $crate::prim::Primitive for $t {
            const NAME: &'static str = <$t as $crate::prim::adaptors::NonDifferentiable>::NAME;
            fn infer(&self, inputs: &[$crate::spec::Spec]) -> $crate::error::Result<$crate::prim::Specs> {
                <$t as $crate::prim::adaptors::NonDifferentiable>::infer(self, inputs)
            }
            fn jvp(&self, cx: &$crate::prim::Jvp<'_>) -> $crate::error::Result<$crate::prim::Tangents> {
                Ok(cx.outs.iter().map(|_| None).collect())
            }
            fn vjp(&self, cx: &$crate::prim::Vjp<'_>) -> $crate::error::Result<$crate::prim::Grads> {
                cx.none()
            }
            fn vmap(&self, cx: &$crate::prim::Vmap<'_>) -> $crate::error::Result<$crate::prim::Batched> {
                <$t as $crate::prim::adaptors::NonDifferentiable>::vmap(self, cx)
            }
            fn cases() -> $crate::prim::Cases {
                <$t as $crate::prim::adaptors::NonDifferentiable>::cases()
            }
        }
    };
    (Fused, $t:ty) => {
        impl $crate::prim::Primitive for $t {
            const NAME: &'static str = <$t as $crate::prim::adaptors::Fused>::NAME;
            fn infer(&self, inputs: &[$crate::spec::Spec]) -> $crate::error::Result<$crate::prim::Specs> {
                <$t as $crate::prim::adaptors::Fused>::infer(self, inputs)
            }
            fn jvp(&self, cx: &$crate::prim::Jvp<'_>) -> $crate::error::Result<$crate::prim::Tangents> {
                $crate::prim::adaptors::fused_jvp(self, cx)
            }
            fn vjp(&self, cx: &$crate::prim::Vjp<'_>) -> $crate::error::Result<$crate::prim::Grads> {
                <$t as $crate::prim::adaptors::Fused>::vjp(self, cx)
            }
            fn vmap(&self, cx: &$crate::prim::Vmap<'_>) -> $crate::error::Result<$crate::prim::Batched> {
                <$t as $crate::prim::adaptors::Fused>::vmap(self, cx)
            }
            fn cases() -> $crate::prim::Cases {
                <$t as $crate::prim::adaptors::Fused>::cases()
            }
        }
    };
}

/// Writes an [`Elementwise`] primitive without parameters: type, name, number of inputs, dtype rule (a function of the
/// operation's name and the first input's dtype), the body of `scaled` for `|i, inputs, out, t|`, cases.
#[macro_export]
macro_rules! elementwise_primitive {
    (
        $(#[$doc:meta])*
        $t:ident, $name:literal, $arity:literal, $dtype:path,
        |$i:pat_param, $inputs:pat_param, $out:pat_param, $by:pat_param| $scaled:expr,
        $cases:expr $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $t;

        impl $crate::prim::adaptors::Elementwise for $t {
            const NAME: &'static str = $name;
            const ARITY: usize = $arity;
            fn dtype(&self, inputs: &[$crate::dtype::Dtype]) -> $crate::error::Result<$crate::dtype::Dtype> {
                $dtype($name, inputs[0])
            }
            fn scaled(
                &self,
                $i: usize,
                $inputs: &[$crate::array::Array],
                $out: &$crate::array::Array,
                $by: &$crate::array::Array,
            ) -> $crate::error::Result<Option<$crate::array::Array>> {
                $scaled
            }
            fn cases() -> $crate::prim::Cases {
                $cases
            }
        }

        $crate::primitive_via!(Elementwise, $t);
    };
}

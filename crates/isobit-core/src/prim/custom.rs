//! Primitives that users bring: an object behind the one open arm of the closed enum.

use super::{Batched, Case, Cases, Grads, Jvp, Prim, Primitive, Specs, Tangents, Vjp, Vmap};
use crate::backend::{Inputs, Outputs};
use crate::error::Result;
use crate::numerics::Level;
use crate::spec::Spec;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A primitive defined outside this crate. As with [`Primitive`], no rule is optional.
pub trait CustomPrimitive: Send + Sync + Debug {
    /// Name for messages and printing.
    fn name(&self) -> &'static str;
    /// What is guaranteed of its bits, whatever the backend. Strict mode refuses a primitive that promises nothing.
    fn level(&self) -> Level {
        Level::Run
    }
    /// See [`Primitive::infer`].
    fn infer(&self, inputs: &[Spec]) -> Result<Specs>;
    /// Computes the outputs from evaluated inputs.
    fn run(&self, inputs: Inputs, outs: &[Spec]) -> Result<Outputs>;
    /// See [`Primitive::jvp`].
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents>;
    /// See [`Primitive::vjp`].
    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads>;
    /// Whether the derivative rules take integers for numbers: then they get tangents and cotangents of integers too, as floats,
    /// and are asked for them. Without, derivatives do not pass through integers here.
    fn differentiates_integers(&self) -> bool {
        false
    }
    /// See [`Primitive::vmap`].
    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched>;
}

/// The arm of [`Prim`] that holds a [`CustomPrimitive`]. Two are equal if they are the same object.
#[derive(Clone, Debug)]
pub struct Custom(pub Arc<dyn CustomPrimitive>);

impl PartialEq for Custom {
    fn eq(&self, other: &Custom) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Custom {}
impl Hash for Custom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.0) as *const u8 as usize).hash(state);
    }
}

impl Primitive for Custom {
    const NAME: &'static str = "custom";
    fn infer(&self, inputs: &[Spec]) -> Result<Specs> {
        self.0.infer(inputs)
    }
    fn jvp(&self, cx: &Jvp<'_>) -> Result<Tangents> {
        self.0.jvp(cx)
    }
    fn vjp(&self, cx: &Vjp<'_>) -> Result<Grads> {
        self.0.vjp(cx)
    }
    fn vmap(&self, cx: &Vmap<'_>) -> Result<Batched> {
        self.0.vmap(cx)
    }
    fn cases() -> Cases {
        crate::transforms::custom::cases()
    }
}

/// A case for a custom primitive.
pub fn case(prim: impl CustomPrimitive + 'static) -> Case {
    Case::new(Prim::Custom(Custom(Arc::new(prim))))
}

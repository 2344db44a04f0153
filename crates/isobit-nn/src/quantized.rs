//! Layers that may be stored quantized: [`MaybeQuantized`] holds the one or the other, [`quantize`] changes the one into
//! the other throughout a module tree.
//!
//! Quantized layers have MLX's parameter names: `weight` (codes in uint32 words), `scales`, `biases`, and `bias` if the
//! layer has one. Products with them take activations as they are unless [`set_activations`] says otherwise. Nothing here
//! reads an element.

use crate::Module;
use crate::functional::QuantizedWeight;
use crate::layers::{Embedding, Linear, SwitchLinear};
use crate::module::{Path, first_few};
use isobit::quant::Format;
use isobit::{Array, Error, Result, ops};
use std::marker::PhantomData;

/// How products with quantized matrices take their inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activations {
    /// As they are.
    #[default]
    Exact,
    /// Rounded to eight bits ([`ops::quantized_matmul_int8()`]): faster, with results of its own.
    Int8,
}

impl std::str::FromStr for Activations {
    type Err = Error;

    fn from_str(name: &str) -> Result<Activations> {
        match name {
            "exact" => Ok(Activations::Exact),
            "int8" => Ok(Activations::Int8),
            _ => Err(Error::value("activations", format!("expected activations exact or int8, got {name:?}"))),
        }
    }
}

/// A layer whose matrix may be stored quantized, whatever its type: what [`Module::visit_quantizable`] hands out.
pub trait Quantizable {
    /// Shape of the matrix as floats: inputs last, outputs before them.
    fn weight_shape(&self) -> Vec<usize>;

    /// How the matrix is stored; `None` for floats.
    fn format(&self) -> Option<Format>;

    /// Replaces the layer by its quantized form. Lazy: the layer of zeros that waits for a weight file costs nothing.
    ///
    /// # Errors
    /// A layer that is quantized already; inputs that groups do not divide; a dtype that has no quantized form.
    fn quantize(&mut self, format: Format) -> Result<()>;

    /// How products take their inputs; nothing changes in a layer of floats.
    ///
    /// # Errors
    /// [`Activations::Int8`] for a format that has no such products ([`Format::has_int8`]).
    fn set_activations(&mut self, activations: Activations) -> Result<()>;
}

/// A layer of floats that has a quantized form.
pub trait QuantizeLayer: Module {
    /// The matrix, inputs last.
    fn matrix(&self) -> &Array;

    /// What is added to its product, if anything.
    fn bias(&self) -> Option<&Array> {
        None
    }
}

/// The layer `L` with its matrix quantized along the inputs; parameters are named as in MLX. Training changes `bias` alone:
/// the matrix is frozen, its scales and biases too.
#[derive(Clone, Module)]
pub struct QuantizedOf<L> {
    /// Codes, `[..., inputs * bits / 32]`.
    #[module(frozen)]
    pub weight: Array,
    /// `[..., inputs / group_size]`.
    #[module(frozen)]
    pub scales: Array,
    /// As the scales, in affine formats.
    #[module(frozen)]
    pub biases: Option<Array>,
    /// As the layer's.
    pub bias: Option<Array>,
    #[module(skip)]
    format: Format,
    #[module(skip)]
    activations: Activations,
    #[module(skip)]
    layer: PhantomData<L>,
}

impl<L: QuantizeLayer> QuantizedOf<L> {
    /// `layer` with its matrix quantized.
    ///
    /// # Errors
    /// As [`ops::quantize()`].
    pub fn new(layer: &L, format: Format) -> Result<QuantizedOf<L>> {
        let q = ops::quantize(layer.matrix(), format, None)?;
        Ok(QuantizedOf {
            weight: q.codes,
            scales: q.scales,
            biases: q.biases,
            bias: layer.bias().cloned(),
            format,
            activations: Activations::Exact,
            layer: PhantomData,
        })
    }

    /// How the matrix is stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How products take their inputs.
    pub fn activations(&self) -> Activations {
        self.activations
    }

    /// The matrix.
    pub(crate) fn matrix(&self) -> QuantizedWeight<'_> {
        QuantizedWeight {
            codes: &self.weight,
            scales: &self.scales,
            biases: self.biases.as_ref(),
            format: self.format,
            activations: self.activations,
        }
    }
}

/// A layer as floats or quantized.
#[derive(Clone)]
pub enum MaybeQuantized<L: QuantizeLayer> {
    /// As floats.
    Float(L),
    /// Quantized.
    Quantized(QuantizedOf<L>),
}

impl<L: QuantizeLayer> From<L> for MaybeQuantized<L> {
    fn from(layer: L) -> MaybeQuantized<L> {
        MaybeQuantized::Float(layer)
    }
}

impl<L: QuantizeLayer> MaybeQuantized<L> {
    /// The layer, if it is one of floats.
    pub fn as_float(&self) -> Option<&L> {
        match self {
            MaybeQuantized::Float(layer) => Some(layer),
            MaybeQuantized::Quantized(_) => None,
        }
    }

    /// The quantized layer, if it is one.
    pub fn as_quantized(&self) -> Option<&QuantizedOf<L>> {
        match self {
            MaybeQuantized::Float(_) => None,
            MaybeQuantized::Quantized(layer) => Some(layer),
        }
    }
}

impl<L: QuantizeLayer> Quantizable for MaybeQuantized<L> {
    fn weight_shape(&self) -> Vec<usize> {
        match self {
            MaybeQuantized::Float(layer) => layer.matrix().shape().to_vec(),
            MaybeQuantized::Quantized(layer) => {
                let mut shape = layer.weight.shape().to_vec();
                if let Some(last) = shape.last_mut() {
                    *last = layer.format.codes(*last);
                }
                shape
            }
        }
    }

    fn format(&self) -> Option<Format> {
        self.as_quantized().map(QuantizedOf::format)
    }

    fn quantize(&mut self, format: Format) -> Result<()> {
        check(self, format)?;
        if let MaybeQuantized::Float(layer) = self {
            *self = MaybeQuantized::Quantized(QuantizedOf::new(layer, format)?);
        }
        Ok(())
    }

    fn set_activations(&mut self, activations: Activations) -> Result<()> {
        check_activations(self, activations)?;
        if let MaybeQuantized::Quantized(layer) = self {
            layer.activations = activations;
        }
        Ok(())
    }
}

impl<L: QuantizeLayer> Module for MaybeQuantized<L> {
    fn visit(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        match self {
            MaybeQuantized::Float(layer) => layer.visit(path, f),
            MaybeQuantized::Quantized(layer) => layer.visit(path, f),
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Array)) {
        match self {
            MaybeQuantized::Float(layer) => layer.visit_mut(path, f),
            MaybeQuantized::Quantized(layer) => layer.visit_mut(path, f),
        }
    }

    fn visit_trainable(&self, path: &mut Path, f: &mut dyn FnMut(&str, &Array)) {
        match self {
            MaybeQuantized::Float(layer) => layer.visit_trainable(path, f),
            MaybeQuantized::Quantized(layer) => layer.visit_trainable(path, f),
        }
    }

    fn visit_quantizable(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut dyn Quantizable)) {
        f(path.as_str(), self);
    }
}

impl MaybeQuantized<Linear> {
    /// See [`Linear::forward`].
    pub fn forward(&self, x: &Array) -> Result<Array> {
        match self {
            MaybeQuantized::Float(layer) => layer.forward(x),
            MaybeQuantized::Quantized(layer) => layer.forward(x),
        }
    }
}

impl MaybeQuantized<Embedding> {
    /// See [`Embedding::forward`].
    pub fn forward(&self, indices: &Array) -> Result<Array> {
        match self {
            MaybeQuantized::Float(layer) => layer.forward(indices),
            MaybeQuantized::Quantized(layer) => layer.forward(indices),
        }
    }

    /// See [`Embedding::as_linear`].
    pub fn as_linear(&self, x: &Array) -> Result<Array> {
        match self {
            MaybeQuantized::Float(layer) => layer.as_linear(x),
            MaybeQuantized::Quantized(layer) => layer.as_linear(x),
        }
    }

    /// The dtype of the rows.
    pub fn dtype(&self) -> isobit::Dtype {
        match self {
            MaybeQuantized::Float(layer) => layer.weight.dtype(),
            MaybeQuantized::Quantized(layer) => layer.dtype(),
        }
    }
}

impl MaybeQuantized<SwitchLinear> {
    /// See [`SwitchLinear::forward`].
    pub fn forward(&self, x: &Array, experts: &Array) -> Result<Array> {
        match self {
            MaybeQuantized::Float(layer) => layer.forward(x, experts),
            MaybeQuantized::Quantized(layer) => layer.forward(x, experts),
        }
    }
}

/// What [`Quantizable::quantize`] checks.
fn check(layer: &(impl Quantizable + ?Sized), format: Format) -> Result<()> {
    if layer.format().is_some() {
        return Err(Error::value("quantize", "the layer is quantized already"));
    }
    let (shape, group) = (layer.weight_shape(), format.group_size());
    match shape.last() {
        Some(inputs) if inputs.is_multiple_of(group) => Ok(()),
        inputs => Err(Error::value(
            "quantize",
            format!("groups of {group} do not divide the {} inputs", inputs.copied().unwrap_or(0)),
        )),
    }
}

/// What [`Quantizable::set_activations`] checks.
fn check_activations(layer: &(impl Quantizable + ?Sized), activations: Activations) -> Result<()> {
    match layer.format() {
        Some(f) if activations == Activations::Int8 && !f.has_int8() => Err(Error::value(
            "activations",
            format!("the codes of {} are no integers: products take activations as they are", f.mode().name()),
        )),
        _ => Ok(()),
    }
}

/// Says how products with the quantized layers of `model` take their inputs: those layers for which `choose` says so, by
/// their path. Layers of floats stay as they are.
///
/// # Errors
/// A chosen layer that has no such products, by path; then nothing is changed.
pub fn set_activations(model: &mut impl Module, mut choose: impl FnMut(&str) -> Option<Activations>) -> Result<()> {
    each_chosen(
        model,
        "activations",
        &mut choose,
        |layer, a| check_activations(layer, a),
        |layer, a| layer.set_activations(a),
    )
}

/// Quantizes those layers of `model` for which `choose` gives a format, by their path (`layers.0.self_attn.q_proj`);
/// `None` leaves a layer as it is. One format for all: `quantize(&mut model, |_| Some(format))`; exceptions are up to
/// `choose`.
///
/// Lazy, like every operation; evaluate the model to have it done.
///
/// # Errors
/// A chosen layer that is quantized already or whose inputs groups do not divide, by path; then nothing is quantized.
/// A weight without a quantized form.
pub fn quantize(model: &mut impl Module, mut choose: impl FnMut(&str) -> Option<Format>) -> Result<()> {
    each_chosen(
        model,
        "quantize",
        &mut choose,
        |layer, format| check(layer, format),
        |layer, format| layer.quantize(format),
    )
}

/// Changes the layers for which `choose` says what to, after all of them were checked.
fn each_chosen<T: Copy>(
    model: &mut impl Module,
    op: &'static str,
    choose: &mut dyn FnMut(&str) -> Option<T>,
    check: impl Fn(&dyn Quantizable, T) -> Result<()>,
    change: impl Fn(&mut dyn Quantizable, T) -> Result<()>,
) -> Result<()> {
    let mut wrong = Vec::new();
    let mut chosen = Vec::new();
    model.visit_quantizable(&mut Path::new(), &mut |path, layer| {
        let to = choose(path);
        if let Some(to) = to
            && let Err(e) = check(layer, to)
        {
            wrong.push(format!("{path}: {}", e.message()));
        }
        chosen.push(to);
    });
    if !wrong.is_empty() {
        return Err(Error::value(op, first_few(&wrong)));
    }
    let mut chosen = chosen.into_iter();
    let mut result = Ok(());
    model.visit_quantizable(&mut Path::new(), &mut |path, layer| {
        if let (Some(Some(to)), Ok(())) = (chosen.next(), &result) {
            result = change(layer, to).map_err(|e| Error::new(e.kind(), op, format!("{path}: {}", e.message())));
        }
    });
    result
}

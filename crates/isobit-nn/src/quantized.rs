//! Layers that may be stored quantized: [`MaybeQuantized`] holds the one or the other, [`quantize`] changes the one into
//! the other throughout a module tree.
//!
//! Quantized layers have MLX's parameter names: `weight` (codes in uint32 words), `scales`, `biases`, and `bias` if the
//! layer has one. Nothing here reads an element.

use crate::layers::{Embedding, Linear, QuantizedEmbedding, QuantizedLinear, QuantizedSwitchLinear, SwitchLinear};
use crate::module::{Module, Path, first_few};
use isobit::quant::Format;
use isobit::{Array, Error, Result};

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
}

/// A layer of floats that has a quantized form.
pub trait QuantizeLayer: Module {
    /// The quantized form.
    type Quantized: QuantizedLayer;

    /// The matrix.
    fn matrix(&self) -> &Array;

    /// The layer with its matrix quantized along the inputs.
    ///
    /// # Errors
    /// As [`isobit::ops::quantize()`].
    fn quantized(&self, format: Format) -> Result<Self::Quantized>;
}

/// A layer with a quantized matrix.
pub trait QuantizedLayer: Module {
    /// The codes, `[..., inputs * bits / 32]`.
    fn codes(&self) -> &Array;

    /// How the matrix is stored.
    fn format(&self) -> Format;
}

/// A layer as floats or quantized.
#[derive(Clone)]
pub enum MaybeQuantized<L: QuantizeLayer> {
    /// As floats.
    Float(L),
    /// Quantized.
    Quantized(L::Quantized),
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
    pub fn as_quantized(&self) -> Option<&L::Quantized> {
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
                let mut shape = layer.codes().shape().to_vec();
                if let Some(last) = shape.last_mut() {
                    *last = layer.format().codes(*last);
                }
                shape
            }
        }
    }

    fn format(&self) -> Option<Format> {
        self.as_quantized().map(QuantizedLayer::format)
    }

    fn quantize(&mut self, format: Format) -> Result<()> {
        check(self, format)?;
        if let MaybeQuantized::Float(layer) = self {
            *self = MaybeQuantized::Quantized(layer.quantized(format)?);
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

impl QuantizeLayer for Linear {
    type Quantized = QuantizedLinear;

    fn matrix(&self) -> &Array {
        &self.weight
    }

    fn quantized(&self, format: Format) -> Result<QuantizedLinear> {
        QuantizedLinear::new(self, format)
    }
}

impl QuantizeLayer for Embedding {
    type Quantized = QuantizedEmbedding;

    fn matrix(&self) -> &Array {
        &self.weight
    }

    fn quantized(&self, format: Format) -> Result<QuantizedEmbedding> {
        QuantizedEmbedding::new(self, format)
    }
}

impl QuantizeLayer for SwitchLinear {
    type Quantized = QuantizedSwitchLinear;

    fn matrix(&self) -> &Array {
        &self.weight
    }

    fn quantized(&self, format: Format) -> Result<QuantizedSwitchLinear> {
        QuantizedSwitchLinear::new(self, format)
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
    let mut wrong = Vec::new();
    let mut chosen = Vec::new();
    model.visit_quantizable(&mut Path::new(), &mut |path, layer| {
        let format = choose(path);
        if let Some(format) = format
            && let Err(e) = check(layer, format)
        {
            wrong.push(format!("{path}: {}", e.message()));
        }
        chosen.push(format);
    });
    if !wrong.is_empty() {
        return Err(Error::value("quantize", first_few(&wrong)));
    }
    let mut chosen = chosen.into_iter();
    let mut result = Ok(());
    model.visit_quantizable(&mut Path::new(), &mut |path, layer| {
        if let (Some(Some(format)), Ok(())) = (chosen.next(), &result) {
            result = layer
                .quantize(format)
                .map_err(|e| Error::new(e.kind(), "quantize", format!("{path}: {}", e.message())));
        }
    });
    result
}

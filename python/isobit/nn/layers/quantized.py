"""Layers with quantized weights, and a model's layers quantized."""

import math

from isobit import core as mx
from isobit.core import _nn
from isobit.nn.layers.base import Module
from isobit.nn.layers.embedding import Embedding
from isobit.nn.layers.linear import Linear
from isobit.utils import tree_map_with_path

#: Group size and bits of a mode, where they are left open.
_DEFAULTS = {"affine": (64, 4), "mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}


class _Quantized(Module):
    """A weight as codes, scales and, in affine mode, biases. Frozen, like all that is not differentiated."""

    #: How products take their inputs: ``"exact"``, or ``"int8"``: rounded to eight bits, which is faster and has results of
    #: its own. An attribute of isobit's alone, set on a layer: ``layer.activations = "int8"``.
    activations = "exact"

    def _format(self, group_size, bits, mode):
        if mode not in _DEFAULTS:
            raise ValueError(f"expected a mode in {sorted(_DEFAULTS)}, got {mode!r}")
        size, width = _DEFAULTS[mode]
        self.group_size = group_size or size
        self.bits = bits or width
        self.mode = mode

    def _take(self, weight):
        self.weight, self.scales, *biases = mx.quantize(weight, self.group_size, self.bits, mode=self.mode)
        if biases:
            self.biases = biases[0]

    def _kind(self):
        return f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"

    def unfreeze(self, *args, **kwargs):
        """As every module's, but what is packed stays frozen."""
        super().unfreeze(*args, **kwargs)
        keys = kwargs.get("keys")
        # Scales and biases only where they are asked for by name.
        self.freeze(recurse=False, keys=["weight"] if keys else ["weight", "scales", "biases"])
        return self

    def _how(self):
        return self.group_size, self.bits, self.mode


class QuantizedLinear(_Quantized):
    """``x @ weight.T + bias`` with a quantized weight."""

    def __init__(self, input_dims, output_dims, bias=True, group_size=None, bits=None, mode="affine"):
        super().__init__()
        self._format(group_size, bits, mode)
        self._take(_nn.within((output_dims, input_dims), input_dims, mx.float32))
        if bias:
            self.bias = mx.zeros((output_dims,))
        self.freeze()

    def _extra_repr(self):
        outputs, words = self.weight.shape
        return f"input_dims={words * 32 // self.bits}, output_dims={outputs}, bias={'bias' in self}, {self._kind()}"

    def __call__(self, x):
        stored = self["weight"], self["scales"], self.get("biases")
        return _nn.quantized_linear(x, *stored, self.get("bias"), *self._how(), self.activations)

    @classmethod
    def from_linear(cls, linear_layer, group_size=None, bits=None, mode="affine"):
        """A linear layer's weight quantized."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._format(group_size, bits, mode)
        layer._take(linear_layer.weight)
        if "bias" in linear_layer:
            layer.bias = linear_layer.bias
        layer.freeze()
        return layer


class QQLinear(_Quantized):
    """``x @ weight.T`` with both factors quantized. In training mode the weight is kept as it is and quantized for every
    product, so that it has gradients; in evaluation mode it is codes and scales. The mode may change as often as wanted, but
    a weight that was quantized once stays rounded."""

    def __init__(self, input_dims, output_dims, group_size=None, bits=None, mode="nvfp4"):
        super().__init__()
        self._format_of_both(group_size, bits, mode)
        self.weight = _nn.within((output_dims, input_dims), input_dims, mx.float32)

    def _format_of_both(self, group_size, bits, mode):
        if mode not in ("nvfp4", "mxfp8"):
            raise ValueError(f"inputs are quantized in the modes nvfp4 and mxfp8, got {mode!r}")
        self._format(group_size, bits, mode)
        self._quantized = False

    def _extra_repr(self):
        outputs, inputs = self.weight.shape
        return f"input_dims={inputs * 32 // self.bits if self._quantized else inputs}, output_dims={outputs}, {self._kind()}"

    def quantize(self):
        """Keeps the weight as codes and scales."""
        if not self._quantized:
            self._take(self.weight)
            self._quantized = True

    def dequantize(self):
        """Keeps the weight as numbers."""
        if self._quantized:
            how = dict(group_size=self.group_size, bits=self.bits, mode=self.mode)
            self.weight = mx.dequantize(self.weight, scales=self.scales, **how)
            del self.scales
            self._quantized = False

    def _set_training_mode(self, mode):
        super()._set_training_mode(mode)
        self.dequantize() if mode else self.quantize()

    def unfreeze(self, *args, **kwargs):
        """As every module's; codes are not trained all the same."""
        Module.unfreeze(self, *args, **kwargs)
        if self._quantized:
            self.freeze(recurse=False, keys=["weight", "scales"])
        return self

    def __call__(self, x):
        how = dict(group_size=self.group_size, bits=self.bits, mode=self.mode)
        return mx.qqmm(x, self["weight"], scales=self.get("scales"), **how)

    @classmethod
    def from_linear(cls, linear_layer, group_size=None, bits=None, mode="nvfp4"):
        """The layer of a linear layer's weight."""
        if "bias" in linear_layer:
            raise NotImplementedError("a layer that quantizes its inputs has no bias")
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._format_of_both(group_size, bits, mode)
        layer.weight = linear_layer.weight
        return layer


class QuantizedEmbedding(_Quantized):
    """A quantized table of vectors."""

    def __init__(self, num_embeddings, dims, group_size=None, bits=None, mode="affine"):
        super().__init__()
        self._format(group_size, bits, mode)
        self.num_embeddings = num_embeddings
        self.dims = dims
        self._take(_nn.normal((num_embeddings, dims), 0.0, math.sqrt(1 / dims), mx.float32))
        self.freeze()

    def _extra_repr(self):
        return f"{self.num_embeddings}, {self.dims}, {self._kind()}"

    def __call__(self, x):
        return _nn.quantized_embedding(self["weight"], self["scales"], self.get("biases"), x, *self._how())

    def as_linear(self, x):
        """Products with all vectors."""
        stored = self["weight"], self["scales"], self.get("biases")
        return _nn.quantized_linear(x, *stored, None, *self._how(), self.activations)

    @classmethod
    def from_embedding(cls, embedding_layer, group_size=None, bits=None, mode="affine"):
        """An embedding's table quantized."""
        layer = cls.__new__(cls)
        Module.__init__(layer)
        layer._format(group_size, bits, mode)
        layer.num_embeddings, layer.dims = embedding_layer.weight.shape
        layer._take(embedding_layer.weight)
        layer.freeze()
        return layer


def _linear_to_quantized(self, group_size=None, bits=None, mode="affine", quantize_input=False):
    """This layer with its weight quantized."""
    if quantize_input:
        return QQLinear.from_linear(self, group_size, bits, mode)
    return QuantizedLinear.from_linear(self, group_size, bits, mode)


def _embedding_to_quantized(self, group_size=None, bits=None, mode="affine", quantize_input=False):
    """This table quantized."""
    if quantize_input:
        raise ValueError("an embedding has no inputs to quantize")
    return QuantizedEmbedding.from_embedding(self, group_size, bits, mode)


Linear.to_quantized = _linear_to_quantized
Embedding.to_quantized = _embedding_to_quantized


def quantize(model, group_size=None, bits=None, *, mode="affine", quantize_input=False, class_predicate=None):
    """Replaces a model's layers that have a ``to_quantized`` by what it gives. ``class_predicate(path, layer)`` chooses
    them; it may return a dict of arguments for ``to_quantized``."""
    chosen = class_predicate or (lambda _, layer: hasattr(layer, "to_quantized"))

    def maybe(path, layer):
        wanted = chosen(path, layer)
        if not wanted:
            return layer
        if not hasattr(layer, "to_quantized"):
            raise ValueError(f"a {type(layer).__name__} cannot be quantized")
        if isinstance(wanted, dict):
            return layer.to_quantized(**wanted)
        how = {"quantize_input": True} if quantize_input else {}
        return layer.to_quantized(group_size=group_size, bits=bits, mode=mode, **how)

    leaves = model.leaf_modules()
    model.update_modules(tree_map_with_path(maybe, leaves, is_leaf=Module.is_module))

"""Layers over groups of processes, for the group that there is: one process, whose part is the whole."""

from isobit import core as mx
from isobit.nn.layers.base import Module
from isobit.nn.layers.linear import Linear
from isobit.nn.layers.quantized import QuantizedLinear


def _alone(group):
    group = group or mx.distributed.init()
    if group.size() > 1:
        raise ValueError(f"expected a group of one process, got {group.size()}")


def sum_gradients(group):
    """The identity, whose gradients are summed over the group."""
    _alone(group)
    return lambda x: x


def shard_inplace(module, sharding, *, segments=1, group=None):
    """Keeps this process's part of the module's parameters."""
    _alone(group)


def shard_linear(module, sharding, *, segments=1, group=None):
    """The linear layer of this process's part of the module's parameters."""
    _alone(group)
    return module


class _Part:
    """What is common to layers that hold a part of a matrix: with one process the part is the whole."""

    @classmethod
    def _of(cls, layer, group):
        _alone(group)
        made = cls.__new__(cls)
        Module.__init__(made)
        made.__dict__.update({k: v for k, v in layer.__dict__.items() if k != "_no_grad"})
        for name, value in layer.items():
            made[name] = value
        made._no_grad = set(layer._no_grad)
        return made


class _PartOfLinear(_Part, Linear):
    def __init__(self, input_dims, output_dims, bias=True, group=None):
        _alone(group)
        super().__init__(input_dims, output_dims, bias)

    @classmethod
    def from_linear(cls, linear_layer, *, segments=1, group=None):
        """This process's part of a linear layer."""
        return cls._of(linear_layer, group)


class AllToShardedLinear(_PartOfLinear):
    """A linear layer of which each process computes a part of the outputs."""


class ShardedToAllLinear(_PartOfLinear):
    """A linear layer of which each process has a part of the inputs; all get the outputs."""


class _PartOfQuantizedLinear(_Part, QuantizedLinear):
    def __init__(self, input_dims, output_dims, bias=True, group_size=64, bits=4, mode="affine", group=None):
        _alone(group)
        super().__init__(input_dims, output_dims, bias, group_size, bits, mode)

    @classmethod
    def from_quantized_linear(cls, quantized_linear_layer, *, segments=1, group=None):
        """This process's part of a quantized linear layer."""
        return cls._of(quantized_linear_layer, group)


class QuantizedAllToShardedLinear(_PartOfQuantizedLinear):
    """A quantized linear layer of which each process computes a part of the outputs."""


class QuantizedShardedToAllLinear(_PartOfQuantizedLinear):
    """A quantized linear layer of which each process has a part of the inputs; all get the outputs."""

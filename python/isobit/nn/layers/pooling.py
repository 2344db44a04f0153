"""Pooling over windows."""

from isobit.core import _nn
from isobit.nn.layers.base import Module


def _each(value, n, name):
    """One value per dimension."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * n
    if len(values) == 1:
        values *= n
    if len(values) != n:
        raise ValueError(f"expected {name} as one number or {n}, got {value}")
    return values


class _Pool(Module):
    _dimensions = 1

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        n = self._dimensions
        self._kernel_size = _each(kernel_size, n, "kernel_size")
        self._stride = self._kernel_size if stride is None else _each(stride, n, "stride")
        self._padding = _each(padding, n, "padding")

    def _extra_repr(self):
        return f"kernel_size={self._kernel_size}, stride={self._stride}, padding={self._padding}"

    def __call__(self, x):
        return type(self)._pool(x, self._kernel_size, self._stride, self._padding)


class _MaxPool(_Pool):
    _pool = staticmethod(_nn.max_pool)


class _AvgPool(_Pool):
    _pool = staticmethod(_nn.avg_pool)


class MaxPool1d(_MaxPool):
    """The largest element of every window, over ``[batch, length, channels]``."""


class MaxPool2d(_MaxPool):
    """The largest element of every window, over ``[batch, height, width, channels]``."""

    _dimensions = 2


class MaxPool3d(_MaxPool):
    """The largest element of every window, over ``[batch, depth, height, width, channels]``."""

    _dimensions = 3


class AvgPool1d(_AvgPool):
    """The mean of every window, zeros of the padding included, over ``[batch, length, channels]``."""


class AvgPool2d(_AvgPool):
    """The mean of every window, zeros of the padding included, over ``[batch, height, width, channels]``."""

    _dimensions = 2


class AvgPool3d(_AvgPool):
    """The mean of every window, zeros of the padding included, over ``[batch, depth, height, width, channels]``."""

    _dimensions = 3

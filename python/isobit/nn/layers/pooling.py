"""Pooling over windows: the elements of a window are taken by strided slices, one per place in it."""

import itertools

from isobit import core as mx
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

    def _places(self, x, outside):
        """For every place in a window, that element of every window."""
        if x.ndim != self._dimensions + 2:
            raise ValueError(f"expected {self._dimensions + 2} dimensions, got {x.ndim}")
        if any(self._padding):
            x = mx.pad(x, [(0, 0), *((p, p) for p in self._padding), (0, 0)], constant_values=outside)
        counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], self._kernel_size, self._stride)]
        for place in itertools.product(*map(range, self._kernel_size)):
            slices = (slice(p, p + (c - 1) * s + 1, s) for p, c, s in zip(place, counts, self._stride))
            yield x[(slice(None), *slices)]


class _MaxPool(_Pool):
    def __call__(self, x):
        best = None
        for part in self._places(x, -float("inf")):
            best = part if best is None else mx.maximum(best, part)
        return best


class _AvgPool(_Pool):
    def __call__(self, x):
        return mx.mean(mx.stack(list(self._places(x, 0))), axis=0)


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

"""Dropout."""

from isobit import core as mx
from isobit.nn.layers.base import Module


class _Dropout(Module):
    """Zeros with probability ``p`` in training, the rest scaled so that the expectation stays; ``_shared`` last axes but
    one share a draw."""

    _shared = 0

    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"expected a probability in [0, 1), got {p}")
        self._p_1 = 1 - p

    def _extra_repr(self):
        return f"p={1 - self._p_1}"

    def _mask_shape(self, x):
        shape = list(x.shape)
        for d in range(self._shared):
            shape[-2 - d] = 1
        return shape

    def __call__(self, x):
        if self._shared and x.ndim not in (self._shared + 1, self._shared + 2):
            raise ValueError(f"expected {self._shared + 1} or {self._shared + 2} dimensions, got {x.ndim}")
        if self._p_1 == 1 or not self.training:
            return x
        mask = mx.random.bernoulli(self._p_1, self._mask_shape(x))
        return (1 / self._p_1) * mask.astype(x.dtype) * x


class Dropout(_Dropout):
    """Zeros single elements."""


class Dropout2d(_Dropout):
    """Zeros whole channels of images ``[(batch,) height, width, channels]``."""

    _shared = 2


class Dropout3d(_Dropout):
    """Zeros whole channels of volumes ``[(batch,) depth, height, width, channels]``."""

    _shared = 3

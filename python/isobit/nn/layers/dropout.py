"""Dropout."""

from isobit.core import _nn
from isobit.nn.layers.base import Module


class _Dropout(Module):
    """Zeros with probability ``p`` in training, the rest scaled so that the expectation stays; ``_shared`` last axes but
    one share a draw."""

    _shared = 0

    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"expected a probability in [0, 1), got {p}")
        self._p = p

    def _extra_repr(self):
        return f"p={self._p}"

    def __call__(self, x):
        return _nn.dropout(x, self._p if self.training else 0.0, self._shared)


class Dropout(_Dropout):
    """Zeros single elements."""


class Dropout2d(_Dropout):
    """Zeros whole channels of images ``[(batch,) height, width, channels]``."""

    _shared = 2


class Dropout3d(_Dropout):
    """Zeros whole channels of volumes ``[(batch,) depth, height, width, channels]``."""

    _shared = 3

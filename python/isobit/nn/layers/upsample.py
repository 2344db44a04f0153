"""Signals made longer or shorter along their spatial axes, by repetition or interpolation."""

from isobit.core import _nn
from isobit.nn.layers.base import Module


class Upsample(Module):
    """``scale_factor`` times the size along every spatial axis, or along each its own; those are all but the first axis (the
    batch) and the last (the features).

    ``mode`` is ``nearest``, ``linear`` or ``cubic``. With ``align_corners`` the first and the last input and output lie at
    the same places. With ``antialias`` a smaller size is made of all inputs that it covers.
    """

    def __init__(self, scale_factor, mode="nearest", align_corners=False, antialias=False):
        super().__init__()
        if mode not in ("nearest", "linear", "cubic"):
            raise ValueError(f"[Upsample] expected mode nearest, linear or cubic, got {mode!r}")
        if antialias and mode == "nearest":
            raise ValueError("[Upsample] nearest neighbours cannot be antialiased")
        if antialias and align_corners:
            raise ValueError("[Upsample] expected antialias or align_corners, got both")
        several = isinstance(scale_factor, (list, tuple))
        self._scale = tuple(map(float, scale_factor)) if several else float(scale_factor)
        self._mode, self._align_corners, self._antialias = mode, align_corners, antialias

    @property
    def scale_factor(self):
        """How many times the size."""
        return self._scale

    def _extra_repr(self):
        return f"scale_factor={self._scale}, mode={self._mode!r}, align_corners={self._align_corners}"

    def __call__(self, x):
        n = x.ndim - 2
        if n < 1:
            raise ValueError(f"[Upsample] expected an array with at least one spatial axis, got shape {x.shape}")
        scales = self._scale if isinstance(self._scale, tuple) else (self._scale,) * n
        if len(scales) != n:
            raise ValueError(f"[Upsample] expected a scale for each of {n} spatial axes, got {len(scales)}")
        return _nn.upsample(x, scales, self._mode, self._align_corners, self._antialias)

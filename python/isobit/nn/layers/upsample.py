"""Signals made longer or shorter along their spatial axes, by repetition or interpolation."""

import math

from isobit import core as mx
from isobit.nn.layers.base import Module


def _positions(size, scale, align_corners):
    """Where along the input each output lies; input ``i`` lies at ``i``."""
    count = int(size * scale)
    if align_corners:
        step = (size - 1) / (count - 1) if count > 1 else 0.0
        return [i * step for i in range(count)]
    # The middle of the outputs lies at the middle of the inputs.
    start = (size - 1 - (count - 1) / scale) / 2
    return [start + i / scale for i in range(count)]


def _triangle(t):
    return max(0.0, 1.0 - abs(t))


def _cubic(a):
    """Keys' cubic convolution kernel."""

    def weight(t):
        t = abs(t)
        if t <= 1:
            return ((a + 2) * t - (a + 3)) * t * t + 1
        return a * (((t - 5) * t + 8) * t - 4) if t < 2 else 0.0

    return weight


def _taps(size, scale, mode, align_corners, antialias):
    """For each output the inputs that it is made of, and their weights."""
    reach = 1 if mode == "linear" else 2
    weight = _triangle if mode == "linear" else _cubic(-0.5 if antialias else -0.75)
    shrink = min(scale, 1.0) if antialias else 1.0
    indices, weights = [], []
    for x in _positions(size, scale, align_corners):
        if mode == "linear" and not antialias:
            x = min(max(x, 0.0), size - 1.0)
        if antialias:
            # What lies outside takes no part; the rest is weighted to one.
            first = math.floor(x - reach / shrink) + 1
            taps = range(first, math.ceil(x + reach / shrink))
            of = [weight((t - x) * shrink) if 0 <= t < size else 0.0 for t in taps]
            of = [w / sum(of) for w in of]
        else:
            # What lies outside is what lies at the edge.
            taps = range(math.floor(x) - reach + 1, math.floor(x) + reach + 1)
            of = [weight(t - x) for t in taps]
        indices.append([min(max(t, 0), size - 1) for t in taps])
        weights.append(of)
    longest = max(map(len, indices), default=0)
    indices = [i + [0] * (longest - len(i)) for i in indices]
    weights = [w + [0.0] * (longest - len(w)) for w in weights]
    return mx.array(indices, mx.int32), mx.array(weights, mx.float32)


def _resized(x, axis, scale, mode, align_corners, antialias):
    """``x`` in another size along one axis."""
    size = x.shape[axis]
    if mode == "nearest":
        return mx.take(x, mx.array([min(int(i / scale), size - 1) for i in range(int(size * scale))], mx.int32), axis)
    indices, weights = _taps(size, scale, mode, align_corners, antialias)
    if mx.issubdtype(x.dtype, mx.floating):
        weights = weights.astype(x.dtype)
    weights = weights.reshape(*weights.shape, *[1] * (x.ndim - axis - 1))
    return (mx.take(x, indices, axis) * weights).sum(axis + 1)


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
        for axis, scale in enumerate(scales, 1):
            x = _resized(x, axis, scale, self._mode, self._align_corners, self._antialias)
        return x

"""Encodings of positions."""

import math

from isobit import core as mx
from isobit.core import _nn
from isobit.nn.layers.base import Module


class RoPE(Module):
    """Rotary embedding of the positions on the last axis but one (Su et al., 2021)."""

    def __init__(self, dims, traditional=False, base=10000, scale=1.0):
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        self.base = base
        self.scale = scale

    def _extra_repr(self):
        return f"{self.dims}, traditional={self.traditional}"

    def __call__(self, x, offset=0):
        return mx.fast.rope(
            x, self.dims, traditional=self.traditional, base=self.base, scale=self.scale, offset=offset
        )


class SinusoidalPositionalEncoding(Module):
    """Sines and cosines of numbers at frequencies between two limits, evenly spaced in logarithm."""

    def __init__(self, dims, min_freq=0.0001, max_freq=1, scale=None, cos_first=False, full_turns=False):
        super().__init__()
        self._sigmas = _nn.sinusoidal_frequencies(dims, min_freq, max_freq, full_turns)
        self.scale = math.sqrt(2 / dims) if scale is None else scale
        self.cos_first = cos_first

    def __call__(self, x):
        return _nn.sinusoidal_encoding(x, self._sigmas, self.scale, self.cos_first)


class ALiBi(Module):
    """Attention scores with a penalty that grows with the distance, by a slope per head (Press et al., 2022)."""

    @staticmethod
    def create_alibi_slope(num_heads):
        """The slopes: powers of ``2 ** (-8 / num_heads)``."""
        return _nn.alibi_slopes(num_heads)

    @staticmethod
    def create_alibi_matrix(q_sequence_length, k_sequence_length, num_heads, offset, dtype=mx.float32):
        """What is added to the scores of all heads."""
        return _nn.alibi_matrix(q_sequence_length, k_sequence_length, num_heads, offset, dtype)

    def __call__(self, attention_scores, offset=0, mask=None):
        bias = ALiBi.create_alibi_matrix(
            attention_scores.shape[-2] + offset,
            attention_scores.shape[-1],
            attention_scores.shape[1],
            offset,
            attention_scores.dtype,
        )
        return attention_scores + (bias if mask is None else bias + mask)

"""Vectors by number."""

import math

from isobit.core import _nn, float32
from isobit.nn.layers.base import Module


class Embedding(Module):
    """A table of vectors, one per token."""

    def __init__(self, num_embeddings, dims):
        super().__init__()
        self.weight = _nn.normal((num_embeddings, dims), 0.0, math.sqrt(1 / dims), float32)

    def _extra_repr(self):
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"

    def __call__(self, x):
        return _nn.embedding(self["weight"], x)

    def as_linear(self, x):
        """Products with all vectors: the table as the weight of a linear layer."""
        return _nn.linear(x, self["weight"])

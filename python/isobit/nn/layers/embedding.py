"""Vectors by number."""

import math

from isobit import core as mx
from isobit.nn.layers.base import Module


class Embedding(Module):
    """A table of vectors, one per token."""

    def __init__(self, num_embeddings, dims):
        super().__init__()
        self.weight = mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims))

    def _extra_repr(self):
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"

    def __call__(self, x):
        return self["weight"][x]

    def as_linear(self, x):
        """Products with all vectors: the table as the weight of a linear layer."""
        return x @ self["weight"].T

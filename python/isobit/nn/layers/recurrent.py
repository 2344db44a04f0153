"""Recurrent layers over sequences ``[..., time, features]``."""

import math

from isobit import core as mx
from isobit.nn.layers.base import Module


def _uniform(scale, *shape):
    return mx.random.uniform(-scale, scale, shape)


class RNN(Module):
    """``h' = nonlinearity(Wxh x + Whh h + bias)``; all states, along the time axis."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity=None):
        super().__init__()
        self.nonlinearity = nonlinearity or mx.tanh
        if not callable(self.nonlinearity):
            raise ValueError(f"expected a function as nonlinearity, got {nonlinearity!r}")
        scale = 1.0 / math.sqrt(hidden_size)
        self.hidden_size = hidden_size
        self.Wxh = _uniform(scale, hidden_size, input_size)
        self.Whh = _uniform(scale, hidden_size, hidden_size)
        if bias:
            self.bias = _uniform(scale, hidden_size)

    def _extra_repr(self):
        return f"input_dims={self.Wxh.shape[1]}, hidden_size={self.hidden_size}, bias={'bias' in self}"

    def __call__(self, x, hidden=None):
        x = x @ self.Wxh.T
        if "bias" in self:
            x = x + self.bias
        states = []
        for t in range(x.shape[-2]):
            now = x[..., t, :]
            if hidden is not None:
                now = now + hidden @ self.Whh.T
            hidden = self.nonlinearity(now)
            states.append(hidden)
        return mx.stack(states, axis=-2)


class GRU(Module):
    """A gated recurrent unit (Cho et al., 2014); all states, along the time axis.

    Rows of ``Wx`` and ``Wh``: reset, update, new; ``bhn`` is added to the hidden part of the new state.
    """

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        scale = 1.0 / math.sqrt(hidden_size)
        self.hidden_size = hidden_size
        self.Wx = _uniform(scale, 3 * hidden_size, input_size)
        self.Wh = _uniform(scale, 3 * hidden_size, hidden_size)
        if bias:
            self.b = _uniform(scale, 3 * hidden_size)
            self.bhn = _uniform(scale, hidden_size)

    def _extra_repr(self):
        return f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, bias={'b' in self}"

    def __call__(self, x, hidden=None):
        x = x @ self.Wx.T
        if "b" in self:
            x = x + self.b
        n = self.hidden_size
        if hidden is None:
            hidden = mx.zeros((*x.shape[:-2], n), x.dtype)
        states = []
        for t in range(x.shape[-2]):
            given, kept = x[..., t, :], hidden @ self.Wh.T
            reset, update = mx.split(mx.sigmoid(given[..., : 2 * n] + kept[..., : 2 * n]), 2, axis=-1)
            inner = kept[..., 2 * n :]
            if "bhn" in self:
                inner = inner + self.bhn
            new = mx.tanh(given[..., 2 * n :] + reset * inner)
            hidden = (1 - update) * new + update * hidden
            states.append(hidden)
        return mx.stack(states, axis=-2)


class LSTM(Module):
    """A long short-term memory (Hochreiter and Schmidhuber, 1997); all states and all cells, along the time axis.

    Rows of ``Wx`` and ``Wh``: input, forget, cell, output.
    """

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        scale = 1.0 / math.sqrt(hidden_size)
        self.hidden_size = hidden_size
        self.Wx = _uniform(scale, 4 * hidden_size, input_size)
        self.Wh = _uniform(scale, 4 * hidden_size, hidden_size)
        if bias:
            self.bias = _uniform(scale, 4 * hidden_size)

    def _extra_repr(self):
        return f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, bias={'bias' in self}"

    def __call__(self, x, hidden=None, cell=None):
        x = x @ self.Wx.T
        if "bias" in self:
            x = x + self.bias
        states, cells = [], []
        for t in range(x.shape[-2]):
            gates = x[..., t, :]
            if hidden is not None:
                gates = gates + hidden @ self.Wh.T
            i, f, g, o = mx.split(gates, 4, axis=-1)
            added = mx.sigmoid(i) * mx.tanh(g)
            cell = added if cell is None else mx.sigmoid(f) * cell + added
            hidden = mx.sigmoid(o) * mx.tanh(cell)
            states.append(hidden)
            cells.append(cell)
        return mx.stack(states, axis=-2), mx.stack(cells, axis=-2)

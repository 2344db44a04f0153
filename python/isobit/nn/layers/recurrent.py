"""Recurrent layers over sequences ``[..., time, features]``."""

from isobit.core import _nn, float32, tanh
from isobit.nn.layers.base import Module


class _Recurrent(Module):
    """Weights for inputs and states, ``_gates`` rows per hidden element, and a bias, by their names."""

    _gates = 1
    _names = ("Wx", "Wh", "bias")

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__()
        self.hidden_size = hidden_size
        rows = self._gates * hidden_size
        for name, shape in zip(self._names, [(rows, input_size), (rows, hidden_size), (rows,)][: 2 + bool(bias)]):
            self[name] = self._uniform(*shape)

    def _uniform(self, *shape):
        return _nn.within(shape, self.hidden_size, float32)

    def _parameters(self):
        return [self.get(name) for name in self._names]

    def _extra_repr(self):
        features, bias = self[self._names[0]].shape[1], self._names[2] in self
        return f"input_dims={features}, hidden_size={self.hidden_size}, bias={bias}"


class RNN(_Recurrent):
    """``h' = nonlinearity(Wxh x + Whh h + bias)``; all states, along the time axis."""

    _names = ("Wxh", "Whh", "bias")

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity=None):
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = nonlinearity or tanh
        if not callable(self.nonlinearity):
            raise ValueError(f"expected a function as nonlinearity, got {nonlinearity!r}")

    def _extra_repr(self):
        before, bias = super()._extra_repr().rsplit(", ", 1)
        return f"{before}, nonlinearity={self.nonlinearity}, {bias}"

    def __call__(self, x, hidden=None):
        return _nn.rnn(x, *self._parameters(), hidden, self.nonlinearity)


class GRU(_Recurrent):
    """A gated recurrent unit (Cho et al., 2014); all states, along the time axis.

    Rows of ``Wx`` and ``Wh``: reset, update, new; ``bhn`` is added to the hidden part of the new state.
    """

    _gates = 3
    _names = ("Wx", "Wh", "b")

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__(input_size, hidden_size, bias)
        if bias:
            self.bhn = self._uniform(hidden_size)

    def __call__(self, x, hidden=None):
        return _nn.gru(x, *self._parameters(), self.get("bhn"), hidden)


class LSTM(_Recurrent):
    """A long short-term memory (Hochreiter and Schmidhuber, 1997); all states and all cells, along the time axis.

    Rows of ``Wx`` and ``Wh``: input, forget, cell, output.
    """

    _gates = 4

    def __call__(self, x, hidden=None, cell=None):
        return _nn.lstm(x, *self._parameters(), hidden, cell)

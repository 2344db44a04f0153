"""Muon (Jordan et al., 2024)."""

from isobit import core as mx
from isobit.core import _nn
from isobit.optimizers.optimizers import Optimizer


class Muon(Optimizer):
    """Momentum made orthogonal, for parameters of two or more dimensions; plain momentum for others."""

    def __init__(self, learning_rate, momentum=0.95, weight_decay=0.01, nesterov=True, ns_steps=5):
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.ns_steps = ns_steps

    def init_single(self, parameter, state):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient, parameter, state):
        given = gradient, parameter, state["v"], self.learning_rate
        how = self.momentum, self.weight_decay, self.nesterov, self.ns_steps
        parameter, state["v"] = _nn.muon(*given, *how)
        return parameter

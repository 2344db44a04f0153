"""Activations, as functions and as modules."""

import math
from functools import partial

from isobit import core as mx
from isobit.nn.layers.base import Module

_compiled = partial(mx.compile, shapeless=True)


@_compiled
def sigmoid(x):
    """``1 / (1 + exp(-x))``"""
    return mx.sigmoid(x)


@_compiled
def relu(x):
    """``max(x, 0)``"""
    return mx.maximum(x, 0)


@_compiled
def relu2(x):
    """``max(x, 0)²``"""
    return mx.square(mx.maximum(x, 0))


@_compiled
def relu6(x):
    """``min(max(x, 0), 6)``"""
    return mx.minimum(mx.maximum(x, 0), 6.0)


@_compiled
def softmax(x, axis=-1):
    """``exp(x) / sum(exp(x))``"""
    return mx.softmax(x, axis=axis)


@_compiled
def softmin(x, axis=-1):
    """The softmax of ``-x``."""
    return mx.softmax(-x, axis=axis)


@_compiled
def log_softmax(x, axis=-1):
    """``x - log(sum(exp(x)))``"""
    # Relative to the largest, since differences are small beside a large offset.
    x = x - mx.stop_gradient(mx.max(x, axis=axis, keepdims=True))
    return x - mx.logsumexp(x, axis=axis, keepdims=True)


@_compiled
def softplus(x):
    """``log(1 + exp(x))``"""
    return mx.logaddexp(x, 0)


@_compiled
def log_sigmoid(x):
    """``log(sigmoid(x))``"""
    return -softplus(-x)


@_compiled
def softsign(x):
    """``x / (1 + |x|)``"""
    return mx.divide(x, 1 + mx.abs(x))


@_compiled
def softshrink(x, lambd=0.5):
    """``x`` moved towards 0 by ``lambd``, and 0 where it would cross it."""
    return mx.where(mx.abs(x) > lambd, x - mx.sign(x) * lambd, 0)


@_compiled
def hard_shrink(x, lambd=0.5):
    """``x``, and 0 where ``|x|`` is at most ``lambd``."""
    return mx.where(mx.abs(x) > lambd, x, 0)


@_compiled
def hard_tanh(x, min_val=-1.0, max_val=1.0):
    """``x`` between two limits."""
    return mx.minimum(mx.maximum(x, min_val), max_val)


@_compiled
def hardswish(x):
    """``x * min(max(x + 3, 0), 6) / 6``"""
    return x * mx.minimum(mx.maximum(x + 3, 0), 6) / 6


@_compiled
def leaky_relu(x, negative_slope=0.01):
    """``x``, below 0 ``negative_slope * x``."""
    return mx.maximum(negative_slope * x, x)


@_compiled
def elu(x, alpha=1.0):
    """``x``, below 0 ``alpha * (exp(x) - 1)``."""
    return mx.where(x > 0, x, alpha * (mx.exp(x) - 1))


@_compiled
def celu(x, alpha=1.0):
    """``x``, below 0 ``alpha * (exp(x / alpha) - 1)``."""
    return mx.maximum(x, 0.0) + alpha * (mx.exp(mx.minimum(x, 0.0) / alpha) - 1)


@_compiled
def selu(x):
    """The elu that keeps mean and variance (Klambauer et al., 2017)."""
    return elu(x, 1.67326) * 1.0507


@_compiled
def prelu(x, alpha):
    """``x``, below 0 ``alpha * x``, with a learned ``alpha``."""
    return mx.maximum(0, x) + alpha * mx.minimum(0, x)


@_compiled
def mish(x):
    """``x * tanh(softplus(x))``"""
    return x * mx.tanh(softplus(x))


@_compiled
def silu(x):
    """``x * sigmoid(x)``"""
    return x * mx.sigmoid(x)


@_compiled
def gelu(x):
    """``x`` times the Gaussian distribution function of ``x``."""
    return x * (1 + mx.erf(x / math.sqrt(2))) / 2


@_compiled
def gelu_approx(x):
    """``gelu`` by way of tanh."""
    return 0.5 * x * (1 + mx.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@_compiled
def gelu_fast_approx(x):
    """``x * sigmoid(1.702 x)``"""
    return x * mx.sigmoid(1.702 * x)


@_compiled
def step(x, threshold=0.0):
    """0 below the threshold, 1 from it on."""
    return mx.where(x >= threshold, 1, 0)


@_compiled
def tanh(x):
    """The hyperbolic tangent."""
    return mx.tanh(x)


def glu(x, axis=-1):
    """One half of ``x`` along ``axis`` times the sigmoid of the other."""
    a, b = mx.split(x, 2, axis=axis)
    return a * mx.sigmoid(b)


def _module(function, name):
    """A module without parameters that calls a function."""

    def call(_, x):
        return function(x)

    members = {"__call__": call, "__doc__": function.__wrapped__.__doc__, "__module__": __name__}
    return type(name, (Module,), members)


Sigmoid = _module(sigmoid, "Sigmoid")
Mish = _module(mish, "Mish")
ReLU = _module(relu, "ReLU")
ReLU2 = _module(relu2, "ReLU2")
ReLU6 = _module(relu6, "ReLU6")
Softmax = _module(softmax, "Softmax")
Softmin = _module(softmin, "Softmin")
Softplus = _module(softplus, "Softplus")
Softsign = _module(softsign, "Softsign")
LogSigmoid = _module(log_sigmoid, "LogSigmoid")
LogSoftmax = _module(log_softmax, "LogSoftmax")
HardTanh = _module(hard_tanh, "HardTanh")
Hardswish = _module(hardswish, "Hardswish")
SELU = _module(selu, "SELU")
SiLU = _module(silu, "SiLU")
Tanh = _module(tanh, "Tanh")


class _WithParameter(Module):
    """Calls a function with one number that is fixed when the module is made."""

    def __call__(self, x):
        return type(self)._function(x, self._parameter)


class GLU(_WithParameter):
    """One half of the input along ``axis`` times the sigmoid of the other."""

    _function = staticmethod(glu)

    def __init__(self, axis=-1):
        super().__init__()
        self._parameter = self.axis = axis


class LeakyReLU(_WithParameter):
    """``x``, below 0 ``negative_slope * x``."""

    _function = leaky_relu

    def __init__(self, negative_slope=0.01):
        super().__init__()
        self._parameter = negative_slope


class ELU(_WithParameter):
    """``x``, below 0 ``alpha * (exp(x) - 1)``."""

    _function = elu

    def __init__(self, alpha=1.0):
        super().__init__()
        self._parameter = alpha


class CELU(_WithParameter):
    """``x``, below 0 ``alpha * (exp(x / alpha) - 1)``."""

    _function = celu

    def __init__(self, alpha=1.0):
        super().__init__()
        self._parameter = alpha


class Softshrink(_WithParameter):
    """``x`` moved towards 0 by ``lambd``, and 0 where it would cross it."""

    _function = softshrink

    def __init__(self, lambd=0.5):
        super().__init__()
        self._parameter = lambd


class HardShrink(_WithParameter):
    """``x``, and 0 where ``|x|`` is at most ``lambd``."""

    _function = hard_shrink

    def __init__(self, lambd=0.5):
        super().__init__()
        self._parameter = lambd


class Step(_WithParameter):
    """0 below the threshold, 1 from it on."""

    _function = step

    def __init__(self, threshold=0.0):
        super().__init__()
        self._parameter = self.threshold = threshold


class PReLU(Module):
    """``x``, below 0 ``weight * x``, with a learned weight, one or one per feature."""

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.weight = mx.full([num_parameters], init)

    def __call__(self, x):
        return prelu(x, self.weight)


class GELU(Module):
    """``x`` times the Gaussian distribution function of ``x``, or an approximation: ``approx`` is ``"none"``,
    ``"precise"`` (or ``"tanh"``) or ``"fast"``."""

    def __init__(self, approx="none"):
        super().__init__()
        functions = {"none": gelu, "precise": gelu_approx, "tanh": gelu_approx, "fast": gelu_fast_approx}
        if approx not in functions:
            raise ValueError(f"expected approx in {sorted(functions)}, got {approx!r}")
        self._act = functions[approx]

    def __call__(self, x):
        return self._act(x)


__all__ = [name for name in dir() if not name.startswith("_") and name not in ("math", "partial", "mx", "Module")]

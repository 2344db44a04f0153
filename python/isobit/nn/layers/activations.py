"""Activations: functions, which are isobit-nn's, and modules that call them."""

from isobit.core import full as _full
from isobit.core._nn import (
    celu,
    elu,
    gelu,
    gelu_approx,
    gelu_fast_approx,
    glu,
    hard_shrink,
    hard_tanh,
    hardswish,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    prelu,
    relu,
    relu2,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softplus,
    softshrink,
    softsign,
    step,
    tanh,
)
from isobit.nn.layers.base import Module


def _module(function, name):
    """A module without parameters that calls a function."""

    def call(_, x):
        return function(x)

    members = {"__call__": call, "__doc__": function.__doc__, "__module__": __name__}
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

    _function = staticmethod(leaky_relu)

    def __init__(self, negative_slope=0.01):
        super().__init__()
        self._parameter = negative_slope


class ELU(_WithParameter):
    """``x``, below 0 ``alpha * (exp(x) - 1)``."""

    _function = staticmethod(elu)

    def __init__(self, alpha=1.0):
        super().__init__()
        self._parameter = alpha


class CELU(_WithParameter):
    """``x``, below 0 ``alpha * (exp(x / alpha) - 1)``."""

    _function = staticmethod(celu)

    def __init__(self, alpha=1.0):
        super().__init__()
        self._parameter = alpha


class Softshrink(_WithParameter):
    """``x`` moved towards 0 by ``lambd``, and 0 where it would cross it."""

    _function = staticmethod(softshrink)

    def __init__(self, lambd=0.5):
        super().__init__()
        self._parameter = lambd


class HardShrink(_WithParameter):
    """``x``, and 0 where ``|x|`` is at most ``lambd``."""

    _function = staticmethod(hard_shrink)

    def __init__(self, lambd=0.5):
        super().__init__()
        self._parameter = lambd


class Step(_WithParameter):
    """0 below the threshold, 1 from it on."""

    _function = staticmethod(step)

    def __init__(self, threshold=0.0):
        super().__init__()
        self._parameter = self.threshold = threshold


class PReLU(Module):
    """``x``, below 0 ``weight * x``, with a learned weight, one or one per feature."""

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.weight = _full([num_parameters], init)

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


__all__ = [name for name in dir() if not name.startswith("_") and name != "Module"]

"""Linear and bilinear maps."""

from isobit.core import _nn, float32
from isobit.nn.layers.base import Module


class Identity(Module):
    """Gives its input; takes any arguments."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def __call__(self, x):
        return x


class Linear(Module):
    """``x @ weight.T + bias``."""

    def __init__(self, input_dims, output_dims, bias=True):
        super().__init__()
        self.weight = _nn.within((output_dims, input_dims), input_dims, float32)
        if bias:
            self.bias = _nn.within((output_dims,), input_dims, float32)

    def _extra_repr(self):
        output_dims, input_dims = self.weight.shape
        return f"input_dims={input_dims}, output_dims={output_dims}, bias={'bias' in self}"

    def __call__(self, x):
        return _nn.linear(x, self["weight"], self.get("bias"))


class Bilinear(Module):
    """For each output ``x1 @ weight[o] @ x2 + bias[o]``."""

    def __init__(self, input1_dims, input2_dims, output_dims, bias=True):
        super().__init__()
        self.weight = _nn.within((output_dims, input2_dims, input1_dims), input1_dims, float32)
        if bias:
            self.bias = _nn.within((output_dims,), input1_dims, float32)

    def _extra_repr(self):
        output, second, first = self.weight.shape
        return f"input1_dims={first}, input2_dims={second}, output_dims={output}, bias={'bias' in self}"

    def __call__(self, x1, x2):
        return _nn.bilinear(x1, x2, self["weight"], self.get("bias"))

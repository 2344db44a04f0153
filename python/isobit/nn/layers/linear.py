"""Linear and bilinear maps."""

import math

from isobit import core as mx
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
        limit = math.sqrt(1.0 / input_dims)
        self.weight = mx.random.uniform(-limit, limit, (output_dims, input_dims))
        if bias:
            self.bias = mx.random.uniform(-limit, limit, (output_dims,))

    def _extra_repr(self):
        output_dims, input_dims = self.weight.shape
        return f"input_dims={input_dims}, output_dims={output_dims}, bias={'bias' in self}"

    def __call__(self, x):
        if "bias" in self:
            return mx.addmm(self["bias"], x, self["weight"].T)
        return x @ self["weight"].T


class Bilinear(Module):
    """For each output ``x1 @ weight[o] @ x2 + bias[o]``."""

    def __init__(self, input1_dims, input2_dims, output_dims, bias=True):
        super().__init__()
        limit = math.sqrt(1.0 / input1_dims)
        self.weight = mx.random.uniform(-limit, limit, (output_dims, input2_dims, input1_dims))
        if bias:
            self.bias = mx.random.uniform(-limit, limit, (output_dims,))

    def _extra_repr(self):
        output, second, first = self.weight.shape
        return f"input1_dims={first}, input2_dims={second}, output_dims={output}, bias={'bias' in self}"

    def __call__(self, x1, x2):
        output, second, first = self.weight.shape
        lead = x1.shape[:-1]
        x1, x2 = x1.reshape(-1, first), x2.reshape(-1, second, 1)
        # [n, first] @ [first, output * second] -> [n, output, second] @ [n, second, 1]
        y = (x1 @ self.weight.reshape(output * second, first).T).reshape(-1, output, second)
        y = (y @ x2).squeeze(-1).reshape(*lead, output)
        return y + self.bias if "bias" in self else y

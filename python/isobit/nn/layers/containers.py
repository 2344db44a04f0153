"""Modules in a row."""

from isobit.nn.layers.base import Module


class Sequential(Module):
    """Calls modules or functions one after the other."""

    def __init__(self, *modules):
        super().__init__()
        self.layers = list(modules)

    def __call__(self, x):
        for m in self.layers:
            x = m(x)
        return x

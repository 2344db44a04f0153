"""Neural networks: modules, layers, losses, initialisers."""

from isobit.nn import init, losses
from isobit.nn.layers import *  # noqa: F403
from isobit.nn.utils import average_gradients, value_and_grad

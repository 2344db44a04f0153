"""Optimizers and schedules of their learning rates."""

from isobit.optimizers import optimizers, schedulers
from isobit.optimizers.adafactor import Adafactor
from isobit.optimizers.muon import Muon
from isobit.optimizers.optimizers import (
    SGD,
    AdaDelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    MultiOptimizer,
    Optimizer,
    RMSprop,
    clip_grad_norm,
)
from isobit.optimizers.schedulers import cosine_decay, exponential_decay, join_schedules, linear_schedule, step_decay

"""Learning rates as functions of the number of steps taken."""

from functools import partial

from isobit import core as mx
from isobit.core import _nn


def exponential_decay(init, decay_rate):
    """``init * decay_rate ** step``"""
    return partial(_nn.exponential_decay, init=init, decay_rate=decay_rate)


def step_decay(init, decay_rate, step_size):
    """``init``, times ``decay_rate`` every ``step_size`` steps."""
    return partial(_nn.step_decay, init=init, decay_rate=decay_rate, step_size=step_size)


def cosine_decay(init, decay_steps, end=0.0):
    """Half a cosine from ``init`` to ``end`` over ``decay_steps`` steps, then ``end``."""
    return partial(_nn.cosine_decay, init=init, decay_steps=decay_steps, end=end)


def linear_schedule(init, end, steps):
    """A line from ``init`` to ``end`` over ``steps`` steps, then ``end``."""
    if steps < 1:
        raise ValueError(f"expected at least 1 step, got {steps}")
    return partial(_nn.linear_schedule, init=init, end=end, steps=steps)


def join_schedules(schedules, boundaries):
    """Schedules one after the other; each counts steps from its boundary."""
    if not schedules:
        raise ValueError("expected at least one schedule")
    if len(schedules) != len(boundaries) + 1:
        raise ValueError(f"expected a boundary between any two of {len(schedules)} schedules, got {len(boundaries)}")

    def schedule(step):
        value = schedules[0](step)
        for boundary, later in zip(boundaries, schedules[1:]):
            value = mx.where(step < boundary, value, later(step - boundary))
        return value

    return schedule

"""Learning rates as functions of the number of steps taken."""

import math

from isobit import core as mx


def exponential_decay(init, decay_rate):
    """``init * decay_rate ** step``"""
    return lambda step: init * decay_rate**step


def step_decay(init, decay_rate, step_size):
    """``init``, times ``decay_rate`` every ``step_size`` steps."""
    return lambda step: init * decay_rate ** (step // step_size)


def cosine_decay(init, decay_steps, end=0.0):
    """Half a cosine from ``init`` to ``end`` over ``decay_steps`` steps, then ``end``."""

    def schedule(step):
        done = mx.minimum(step, decay_steps) / decay_steps
        return end + (init - end) * 0.5 * (1.0 + mx.cos(math.pi * done))

    return schedule


def linear_schedule(init, end, steps):
    """A line from ``init`` to ``end`` over ``steps`` steps, then ``end``."""
    if steps < 1:
        raise ValueError(f"expected at least 1 step, got {steps}")

    def schedule(step):
        return mx.minimum(step, steps) * ((end - init) / steps) + init

    return schedule


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

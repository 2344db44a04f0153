"""Initialisers: functions of an array that give one of its shape."""

import math

from isobit import core as mx


def constant(value, dtype=mx.float32):
    """One value."""

    def initializer(a):
        return mx.full(a.shape, value, dtype=dtype)

    return initializer


def normal(mean=0.0, std=1.0, dtype=mx.float32):
    """Gaussian."""

    def initializer(a):
        return mx.random.normal(shape=a.shape, scale=std, loc=mean, dtype=dtype)

    return initializer


def uniform(low=0.0, high=1.0, dtype=mx.float32):
    """Uniform in an interval."""

    def initializer(a):
        return mx.random.uniform(low, high, a.shape, dtype=dtype)

    return initializer


def identity(dtype=mx.float32):
    """The identity matrix."""

    def initializer(a):
        if a.ndim != 2 or a.shape[0] != a.shape[1]:
            raise ValueError(f"identity: expected a square matrix, got shape {a.shape}")
        return mx.eye(a.shape[0], dtype=dtype)

    return initializer


def _fans(a):
    """How many inputs an output has, and outputs an input: weights are ``[out, ..., in]``."""
    if a.ndim < 2:
        raise ValueError(f"expected at least 2 dimensions, got {a.ndim}")
    receptive = math.prod(a.shape[1:-1])
    return a.shape[-1] * receptive, a.shape[0] * receptive


def _fan(a, mode):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"expected mode 'fan_in' or 'fan_out', got {mode!r}")
    return _fans(a)[mode == "fan_out"]


def glorot_normal(dtype=mx.float32):
    """Gaussian with variance ``2 gain² / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""

    def initializer(a, gain=1.0):
        std = gain * math.sqrt(2.0 / sum(_fans(a)))
        return mx.random.normal(shape=a.shape, scale=std, dtype=dtype)

    return initializer


def glorot_uniform(dtype=mx.float32):
    """Uniform with the variance of ``glorot_normal``."""

    def initializer(a, gain=1.0):
        limit = gain * math.sqrt(6.0 / sum(_fans(a)))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def he_normal(dtype=mx.float32):
    """Gaussian with variance ``gain² / fan`` (He et al., 2015)."""

    def initializer(a, mode="fan_in", gain=1.0):
        return mx.random.normal(shape=a.shape, scale=gain / math.sqrt(_fan(a, mode)), dtype=dtype)

    return initializer


def he_uniform(dtype=mx.float32):
    """Uniform with the variance of ``he_normal``."""

    def initializer(a, mode="fan_in", gain=1.0):
        limit = gain * math.sqrt(3.0 / _fan(a, mode))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def sparse(sparsity, mean=0.0, std=1.0, dtype=mx.float32):
    """Gaussian, with a fraction ``sparsity`` of every row zero."""

    def initializer(a):
        if a.ndim != 2:
            raise ValueError(f"sparse: expected 2 dimensions, got {a.ndim}")
        rows, columns = a.shape
        zeros = math.ceil(sparsity * columns)
        order = mx.argsort(mx.random.uniform(shape=(rows, columns)), axis=1)
        values = mx.random.normal(shape=a.shape, scale=std, loc=mean, dtype=dtype)
        return mx.put_along_axis(values, order[:, :zeros], mx.array(0.0, dtype=dtype), axis=1)

    return initializer

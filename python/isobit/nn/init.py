"""Initialisers: functions of an array that give one of its shape."""

from isobit import core as mx
from isobit.core import _nn


def constant(value, dtype=mx.float32):
    """One value."""
    return lambda a: _nn.constant(a.shape, value, dtype)


def normal(mean=0.0, std=1.0, dtype=mx.float32):
    """Gaussian."""
    return lambda a: _nn.normal(a.shape, mean, std, dtype)


def uniform(low=0.0, high=1.0, dtype=mx.float32):
    """Uniform in an interval."""
    return lambda a: _nn.uniform(a.shape, low, high, dtype)


def identity(dtype=mx.float32):
    """The identity matrix."""
    return lambda a: _nn.identity(a.shape, dtype)


def glorot_normal(dtype=mx.float32):
    """Gaussian with variance ``2 gain² / (fan_in + fan_out)`` (Glorot and Bengio, 2010)."""
    return lambda a, gain=1.0: _nn.glorot_normal(a.shape, gain, dtype)


def glorot_uniform(dtype=mx.float32):
    """Uniform with the variance of ``glorot_normal``."""
    return lambda a, gain=1.0: _nn.glorot_uniform(a.shape, gain, dtype)


def he_normal(dtype=mx.float32):
    """Gaussian with variance ``gain² / fan`` (He et al., 2015)."""
    return lambda a, mode="fan_in", gain=1.0: _nn.he_normal(a.shape, mode, gain, dtype)


def he_uniform(dtype=mx.float32):
    """Uniform with the variance of ``he_normal``."""
    return lambda a, mode="fan_in", gain=1.0: _nn.he_uniform(a.shape, mode, gain, dtype)


def sparse(sparsity, mean=0.0, std=1.0, dtype=mx.float32):
    """Gaussian, with a fraction ``sparsity`` of every row zero."""
    return lambda a: _nn.sparse(a.shape, sparsity, mean, std, dtype)


def orthogonal(gain=1.0, dtype=mx.float32):
    """Orthonormal rows or columns, whichever are fewer, times ``gain`` (Saxe et al., 2014)."""
    return lambda a: _nn.orthogonal(a.shape, gain, dtype)

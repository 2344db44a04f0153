"""Normalisation layers."""

from isobit import core as mx
from isobit.core import _nn
from isobit.nn.layers.base import Module


def _positive(eps):
    if not eps > 0:
        raise ValueError(f"eps must be positive, got {eps}")
    return eps


class InstanceNorm(Module):
    """Zero mean and unit variance over the axes between the first and the last, per element of these two."""

    def __init__(self, dims, eps=1e-5, affine=False):
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            self.bias = mx.zeros((dims,))
        self.dims = dims
        self.eps = _positive(eps)

    def _extra_repr(self):
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x):
        return _nn.instance_norm(x, self.get("weight"), self.get("bias"), self.eps)


class LayerNorm(Module):
    """Zero mean and unit variance over the last axis."""

    def __init__(self, dims, eps=1e-5, affine=True, bias=True):
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            if bias:
                self.bias = mx.zeros((dims,))
        self.eps = _positive(eps)
        self.dims = dims

    def _extra_repr(self):
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x):
        return mx.fast.layer_norm(x, self.get("weight"), self.get("bias"), self.eps)


class RMSNorm(Module):
    """Unit root mean square over the last axis."""

    def __init__(self, dims, eps=1e-5):
        super().__init__()
        self.weight = mx.ones((dims,))
        self.eps = _positive(eps)

    def _extra_repr(self):
        return f"{self.weight.shape[0]}, eps={self.eps}"

    def __call__(self, x):
        return mx.fast.rms_norm(x, self["weight"], self.eps)


class GroupNorm(Module):
    """Zero mean and unit variance over groups of features and all positions.

    Feature ``i`` belongs to group ``i % num_groups``, with ``pytorch_compatible`` to group ``i // (dims / num_groups)``.
    """

    def __init__(self, num_groups, dims, eps=1e-5, affine=True, pytorch_compatible=False):
        super().__init__()
        if num_groups <= 0 or dims <= 0 or dims % num_groups:
            raise ValueError(f"expected dims ({dims}) to be a positive multiple of num_groups ({num_groups})")
        if affine:
            self.bias = mx.zeros((dims,))
            self.weight = mx.ones((dims,))
        self.num_groups = num_groups
        self.dims = dims
        self.eps = _positive(eps)
        self.pytorch_compatible = pytorch_compatible

    def _extra_repr(self):
        return (
            f"{self.num_groups}, {self.dims}, eps={self.eps}, affine={'weight' in self}, "
            f"pytorch_compatible={self.pytorch_compatible}"
        )

    def __call__(self, x):
        affine = self.get("weight"), self.get("bias")
        return _nn.group_norm(x, self.num_groups, *affine, self.eps, self.pytorch_compatible)


class BatchNorm(Module):
    """Zero mean and unit variance over all axes but the last.

    In training of the batch itself, which moves running averages by ``momentum``; otherwise of these.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features = num_features
        self.eps = _positive(eps)
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = mx.ones((num_features,))
            self.bias = mx.zeros((num_features,))
        if track_running_stats:
            self.running_mean = mx.zeros((num_features,))
            self.running_var = mx.ones((num_features,))
            self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def unfreeze(self, *args, **kwargs):
        """As every module's, but the running averages stay frozen."""
        super().unfreeze(*args, **kwargs)
        self.freeze(keys=["running_mean", "running_var"], recurse=False)
        return self

    def _extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={'weight' in self}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def __call__(self, x):
        if self.training or not self.track_running_stats:
            mean, var = _nn.batch_statistics(x)
        else:
            mean, var = self.running_mean, self.running_var
        if self.training and self.track_running_stats:
            running = self.running_mean, self.running_var
            self.running_mean, self.running_var = _nn.running_statistics(x, mean, var, *running, self.momentum)
        return _nn.batch_norm(x, mean, var, self.get("weight"), self.get("bias"), self.eps)

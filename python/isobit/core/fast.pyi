from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array
__all__ = ['cross_entropy', 'rms_norm', 'layer_norm', 'rope', 'scaled_dot_product_attention', 'quantized_scaled_dot_product_attention']

def cross_entropy(logits: _ArrayLike, targets: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`logsumexp(logits) - logits[target]` over the last axis.

    Shapes:
    `targets`: the logits' shape without the last axis, and so the result.

    Dtypes:
    Integer targets (negative ones count from the end); float32, or float64 for logits of it.

    Gradients:
    `softmax(logits)`, less 1 at the target, times the cotangent.

    Errors:
    Targets of another shape or that are no integers."""

def layer_norm(x: _ArrayLike, weight: _ArrayLike | None, bias: _ArrayLike | None, eps: float, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`(x - mean(x)) / sqrt(var(x) + eps) * weight + bias` over the last axis (Ba, Kiros and Hinton, 2016). The variance
    is the mean squared deviation from the mean, in two passes.

    Shapes:
    `x`: any with at least one axis; `weight` and `bias`: the size of the last axis.

    Dtypes:
    Floats, promoted. float16 and bfloat16 are computed in float32 and rounded once.

    Gradients:
    With respect to `x`, `weight` and `bias`.

    Errors:
    A scalar `x`, a `weight` or `bias` of another shape, no floating dtype."""

def quantized_scaled_dot_product_attention(q: _ArrayLike, keys: Sequence[_ArrayLike], values: Sequence[_ArrayLike], *, scale: float, mask: str | _ArrayLike | None = ..., sinks: _ArrayLike | None = ..., group_size: int | None = ..., bits: int | None = ..., mode: str = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """`scaled_dot_product_attention` to keys and values in an affine format, without
    dequantizing them in memory.

    The bits are those of attention in float32 to the dequantized keys and values, rounded to the queries' dtype once: a row
    depends on its query and the keys that it sees alone, as with floats.

    Shapes:
    `q`: `[B, Hq, Lq, D]`, codes of the keys `[B, Hkv, Lk, D * bits / 32]`, their scales and biases
    `[B, Hkv, Lk, D / group_size]`, those of the values likewise with `Dv`, `sinks`: `[Hq]`; result `[B, Hq, Lq, Dv]`.

    Dtypes:
    Queries, scales and biases are floats; computed in float32 (float64 queries: in float64). The result has the dtype of `q`.

    Gradients:
    With respect to `q`, scales and biases, a float mask and `sinks`.

    Errors:
    Shapes that do not fit together, a format that is not affine, no floating dtype."""

def rms_norm(x: _ArrayLike, weight: _ArrayLike | None, eps: float, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`x / sqrt(mean(x^2) + eps) * weight` over the last axis (Zhang and Sennrich, 2019).

    Shapes:
    `x`: any with at least one axis; `weight`: the size of the last axis.

    Dtypes:
    Floats, promoted. float16 and bfloat16 are computed in float32 and rounded once.

    Gradients:
    With respect to `x` and `weight`.

    Errors:
    A scalar `x`, a `weight` of another shape, no floating dtype."""

def rope(a: _ArrayLike, dims: int, *, traditional: bool, base: float | None, scale: float, offset: int | array, freqs: _ArrayLike | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Rotates pairs of the first `dims` features of each position by an angle that grows with the position (Su et al.,
    2021): position `p`, pair `i`: angle `scale * p * base^(-2i/dims)`, or `scale * p / freqs[i]`.

    Shapes:
    `x`: `[..., positions, features]`; `dims` even, at most `features`; `freqs`: `[dims / 2]`; an array `offset`: a
    scalar or `[size of the first axis]`.

    Dtypes:
    Floats; angles and rotation in float32 (float64 for float64), one rounding.

    Gradients:
    With respect to `x` and `freqs`.

    Errors:
    Fewer than two axes, an odd or too large `dims`, neither or both of `base` and `freqs`, shapes that do not fit."""

def scaled_dot_product_attention(q: _ArrayLike, k: int, v: _ArrayLike, *, scale: float, mask: str | _ArrayLike | None = ..., sinks: _ArrayLike | None = ..., force_fused: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """`softmax(scale * q @ k.T + mask) @ v` per head, with grouped heads: `Hq` a multiple of `Hkv`, query head `h` uses key
    head `h / (Hq / Hkv)`.

    `sinks`, one number per query head, takes part in the softmax as the score of a key without a value. A query that
    sees no key gives zeros.

    Shapes:
    `q`: `[B, Hq, Lq, D]`, `k`: `[B, Hkv, Lk, D]`, `v`: `[B, Hkv, Lk, Dv]`, `sinks`: `[Hq]`; result `[B, Hq, Lq, Dv]`.

    Dtypes:
    Floats, promoted; computed in float32 (float64 for float64) and rounded once.

    Gradients:
    With respect to `q`, `k`, `v`, a float mask and `sinks`.

    Errors:
    Shapes that do not fit together, no floating dtype."""

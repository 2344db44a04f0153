from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array

@final
class _RandomState:
    """The key that the process-wide sequence goes on from, as a list of one array that programs read and capture."""
    def __getitem__(self, key: Any, /) -> Any: ...
    def __len__(self, /) -> int: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
__all__ = ['_RandomState', 'state', 'seed', 'key', 'split', 'uniform', 'normal', 'multivariate_normal', 'randint', 'bernoulli', 'truncated_normal', 'gumbel', 'laplace', 'categorical', 'permutation']

def bernoulli(p: _ArrayLike | None = ..., shape: int | Sequence[int] | None = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """True with probability `p`.

    Errors:
    A `p` that is not a float or does not broadcast to `shape`."""

def categorical(logits: _ArrayLike, axis: int | None = ..., shape: int | Sequence[int] | None = ..., num_samples: int | None = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Positions along `axis` drawn with probabilities proportional to `exp(logits)`: an array of `shape`, to which the
    logits' other axes must broadcast (`None`: exactly those axes).

    Errors:
    An axis out of range; a shape that the logits do not broadcast to."""

def gumbel(shape: int | Sequence[int] | None = ..., dtype: Dtype | None = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Standard Gumbel: `-log(-log(u))` of a uniform `u`, in `dtype`.

    Errors:
    A dtype that is not a float."""

def key(seed: int) -> array:
    """The key of a seed: its high and its low 32 bits."""

def laplace(shape: int | Sequence[int] | None = ..., dtype: Dtype | None = ..., loc: _ArrayLike = ..., scale: float = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Laplacian with mean `loc` and diversity `scale`.

    Errors:
    A dtype that is not a float; parameters that do not broadcast to `shape`."""

def multivariate_normal(mean: _ArrayLike, cov: _ArrayLike, shape: int | Sequence[int] | None = ..., dtype: Dtype | None = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Gaussian vectors with these means and covariances: standard ones times the symmetric root of the covariance, of which the
    singular values are the variances.

    Shapes:
    `mean` is `[..., n]`, `cov` `[..., n, n]`; their leading axes broadcast to `shape` (without one: to one another), the result
    is `[shape..., n]`.

    Dtypes:
    float32.

    Errors:
    Another dtype; shapes that do not fit."""

def normal(shape: Sequence[int] | None = ..., dtype: Dtype | None = ..., loc: _ArrayLike | None = ..., scale: float | None = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Gaussian with mean `loc` and standard deviation `scale`. Of complex numbers that is the deviation of their distance from
    `loc`; real and imaginary part have half the variance each.

    Errors:
    A dtype that is neither a float nor complex64; parameters that do not broadcast to `shape`."""

def permutation(x: int | array, axis: int = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The numbers `0 .. n` in random order, uint32.

    Errors:
    A key that is not made of two uint32 words."""

def randint(low: _ArrayLike, high: _ArrayLike, shape: int | Sequence[int] | None = ..., dtype: Dtype | None = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Integers uniform in `[low, high)`; `low` where the interval is empty.

    The floor of a float32 `uniform`, then clamped to `[low, high - 1]` in `dtype`: MLX's algorithm, with its bits. So not
    every integer can come up where bounds or their distance are beyond 2^24, up to which every integer is a float32.

    Errors:
    A dtype that is not an integer; bounds that do not broadcast to `shape`."""

def seed(seed: int) -> None:
    """Restarts the process-wide sequence of keys."""

def split(key: array | None, num: int = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """`num` keys from one: `[num, 2]`.

    Errors:
    A key that is not made of two uint32 words."""
state: Any

def truncated_normal(lower: _ArrayLike, upper: _ArrayLike, shape: int | Sequence[int] | None = ..., dtype: Dtype | None = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Standard Gaussian between `lower` and `upper`.

    Errors:
    A dtype that is not a float; bounds that do not broadcast to `shape`."""

def uniform(low: _ArrayLike | None = ..., high: _ArrayLike | None = ..., shape: Sequence[int] | None = ..., dtype: Dtype | None = ..., key: array | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Uniform in `[low, high)`.

    A random word over `2^32 - 1`, in float32 (in float64 for float64), capped just below 1, rounded to `dtype`, then
    scaled and moved in `dtype`.

    Errors:
    A dtype that is not a float; parameters that do not broadcast to `shape`."""

from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array
__all__ = ['norm', 'cross', 'qr', 'svd']

def cross(a: _ArrayLike, b: _ArrayLike, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The cross product of vectors of three elements along `axis`; of two, which count as having a third of 0.

    Shapes:
    Broadcast together; the result has three elements along `axis`.

    Errors:
    An axis out of range, vectors of other than two or three elements."""

def norm(a: _ArrayLike, /, ord: int | float | str | None = ..., axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The norm over `axes`: of vectors if there is one axis, of matrices if there are two. With `..` and the default order,
    the Euclidean norm of all elements.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Errors:
    An order that does not exist for the number of axes.

    Gradients:
    Those of what the norm is made of; of singular values, `u v*`."""

def qr(a: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, array]:
    """`(q, r)` with `a = q @ r`: the columns of `q` are orthonormal, `r` is upper triangular. The diagonal of a real `r` has the
    signs of Householder reflections, as LAPACK has them; that of a complex one is not negative.

    Shapes:
    `[..., m, n]` to `[..., m, k]` and `[..., k, n]` with `k = min(m, n)`.

    Dtypes:
    float32, float64, complex64. Computed in double precision.

    Gradients:
    By Walter and Lehmann ("Walter's method", 2012), where the first `k` columns are linearly independent. Otherwise `q` is
    arbitrary in part and has no derivative: an error, or NaN.

    Errors:
    Fewer than two dimensions. A matrix that holds a NaN or an infinity is no error: its factors are NaN."""

def svd(a: _ArrayLike, compute_uv: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array | tuple[array, array, array]:
    """`(u, s, vt)` with `a = u @ diag(s) @ vt`: the columns of `u` and the rows of `vt` are orthonormal, `s` is not negative and
    descends. The first element of a column of `u` that is about as large as its largest (0.999 of it) is positive, which fixes
    the signs (of complex vectors the phases) of both. With `full`, `u` and `vt` are square: completed to bases.

    Shapes:
    `[..., m, n]` to `[..., m, k]`, `[..., k]`, `[..., k, n]` with `k = min(m, n)`; with `full` to `[..., m, m]`, `[..., k]`,
    `[..., n, n]`.

    Dtypes:
    float32, float64, complex64 (`s` is float32). Computed in double precision.

    Gradients:
    Townsend (2016), where singular values are different and, for vectors of a matrix that is not square, not zero. At equal
    ones the vectors are arbitrary and have no derivative: infinities or NaN. The vectors that complete a basis are as arbitrary
    always; their derivative is the one that keeps them orthogonal to the others and does not turn them among themselves, which
    gives functions of the space that they span the right one.

    Errors:
    Fewer than two dimensions. A matrix that holds a NaN or an infinity is no error: its factors are NaN."""

from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array
__all__ = ['norm', 'cross']

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
    An order that does not exist for the number of axes; one that takes singular values (2, -2 and nuclear norms of
    matrices), which are not computed yet."""

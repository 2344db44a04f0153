from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array

@final
class Group:
    """Processes that work together; today always one."""
    def rank(self, /) -> int:
        """This process's number."""
    def size(self, /) -> int:
        """How many processes there are."""
    def split(self, /, color: int, key: array | None = ...) -> list[array]:
        """The part of the group with this color."""
__all__ = ['Group', 'is_available', 'init', 'all_sum', 'all_max', 'all_min', 'all_gather', 'sum_scatter', 'send', 'recv', 'recv_like']

def all_gather(x: _ArrayLike, *, group: Group | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """All processes' arrays, one after the other along axis 0."""

def all_max(x: _ArrayLike, *, group: Group | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The greatest of all processes' elements."""

def all_min(x: _ArrayLike, *, group: Group | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The least of all processes' elements."""

def all_sum(x: _ArrayLike, *, group: Group | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The sum of all processes' arrays."""

def init(strict: bool = ..., backend: str = ..., *, all_gather_factory: Any = ...) -> Group:
    """The group of all processes; `strict` refuses one of a single process."""

def is_available(backend: str = ...) -> bool:
    """Whether processes can work together."""

def recv(shape: int | Sequence[int], dtype: Dtype, src: int, *, group: Group | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """An array that another process sends; there is none."""

def recv_like(x: _ArrayLike, src: int, *, group: Group | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """An array with the shape and dtype of `x` that another process sends; there is none."""

def send(x: _ArrayLike, dst: int, *, group: Group | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """An array that is sent to another process when it is evaluated; there is none."""

def sum_scatter(x: _ArrayLike, *, group: Group | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """This process's part, along axis 0, of the sum of all processes' arrays."""

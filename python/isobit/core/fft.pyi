from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array
__all__ = ['fftfreq', 'rfftfreq', 'fftshift', 'ifftshift']

def fftfreq(n: int, d: float = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The frequencies of a discrete Fourier transform of `n` samples that are `d` apart, in its order: 0 and the positive
    ones, then the negative ones.

    Errors:
    No samples, a distance of 0."""

def fftshift(a: _ArrayLike, axes: int | Sequence[int] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The array with frequency 0 moved to the middle of each axis.

    Errors:
    Axes out of range or named twice."""

def ifftshift(a: _ArrayLike, axes: int | Sequence[int] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Undoes `fftshift`.

    Errors:
    Axes out of range or named twice."""

def rfftfreq(n: int, d: float = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The frequencies of a transform of `n` real samples that are `d` apart.

    Errors:
    No samples, a distance of 0."""

from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array
__all__ = ['start_capture', 'stop_capture', 'is_available']

def clear_cache() -> None:
    """Gives the memory kept for reuse back to the system."""

def device_info(d: Device | DeviceType | None = ...) -> dict[str, Any]:
    """What is known about a device."""

def get_active_memory() -> int:
    """Bytes that arrays hold."""

def get_cache_memory() -> int:
    """Bytes of freed buffers that are kept for reuse."""

def get_peak_memory() -> int:
    """The most bytes that arrays have held after an allocation since the start or `reset_peak_memory`."""

def is_available() -> bool:
    """Whether there is such a device: there is not."""

def reset_peak_memory() -> None:
    """Starts a new measurement of the peak, which is 0 until something is allocated."""

def set_cache_limit(limit: int) -> int:
    """Bounds the bytes kept for reuse; returns the previous bound."""

def set_memory_limit(limit: int) -> int:
    """The limit that is told, for programs that set one; returns the previous one. Memory is bounded by the machine."""

def set_wired_limit(limit: int) -> int:
    """A limit for memory that a GPU keeps resident, which there is none of; returns 0."""

def start_capture(path: str | PathLike[str]) -> None:
    """Records what a GPU is given to do, of which there is none."""

def stop_capture() -> None:
    """Ends a recording."""

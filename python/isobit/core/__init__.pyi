from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base
from isobit.core import random as random
from isobit.core import metal as metal
from isobit.core import linalg as linalg
from isobit.core import fft as fft
from isobit.core import fast as fast
from isobit.core import distributed as distributed
from isobit.core import cuda as cuda
from isobit.core import _nn as _nn

class _HasArray(Protocol):
    def __mlx__array__(self) -> array: ...

class _HasDLPack(Protocol):
    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

_ArrayLike = array | bool | int | float | complex | Buffer | _HasArray | _HasDLPack

@final
class ArrayAt:
    """The places of an array that an index selects."""
    def __getitem__(self, key: Any, /) -> Any: ...
    def add(self, /, value: _ArrayLike) -> array:
        """The array with the value added there; places that are named twice get it twice."""
    def divide(self, /, value: _ArrayLike) -> array:
        """The array divided by the value there."""
    def maximum(self, /, value: _ArrayLike) -> array:
        """The larger of the array and the value there."""
    def minimum(self, /, value: _ArrayLike) -> array:
        """The smaller of the array and the value there."""
    def multiply(self, /, value: _ArrayLike) -> array:
        """The array multiplied by the value there."""
    def subtract(self, /, value: _ArrayLike) -> array:
        """The array with the value subtracted there."""

@final
class ArrayIterator:
    """Hands out the slices of an array along its first axis."""
    def __iter__(self, /) -> Any: ...
    def __next__(self, /) -> array: ...

class AxisError(ValueError, IndexError):
    """An axis or index out of range."""

@final
class Device:
    """A device of a kind."""
    def __eq__(self, value: object, /) -> Any: ...
    def __ge__(self, value: _ArrayLike, /) -> Any: ...
    def __gt__(self, value: _ArrayLike, /) -> Any: ...
    def __hash__(self, /) -> int: ...
    def __le__(self, value: _ArrayLike, /) -> Any: ...
    def __lt__(self, value: _ArrayLike, /) -> Any: ...
    def __ne__(self, value: object, /) -> Any: ...
    def __new__(cls, type: Any, index: Any = ...) -> Device: ...
    def __repr__(self, /) -> str: ...
    @property
    def type(self) -> DeviceType:
        """The kind of device."""

@final
class DeviceType:
    """A kind of device."""
    def __copy__(self, /) -> Any: ...
    def __deepcopy__(self, /, memo: Any) -> Any: ...
    def __eq__(self, value: object, /) -> Any: ...
    def __ge__(self, value: _ArrayLike, /) -> Any: ...
    def __gt__(self, value: _ArrayLike, /) -> Any: ...
    def __hash__(self, /) -> int: ...
    def __le__(self, value: _ArrayLike, /) -> Any: ...
    def __lt__(self, value: _ArrayLike, /) -> Any: ...
    def __ne__(self, value: object, /) -> Any: ...
    def __reduce__(self, /) -> Any: ...
    def __repr__(self, /) -> str: ...
    cpu: DeviceType
    gpu: DeviceType

@final
class Dtype:
    """The type of an array's elements."""
    def __copy__(self, /) -> Any: ...
    def __deepcopy__(self, /, _memo: Any) -> Any: ...
    def __eq__(self, value: object, /) -> Any: ...
    def __ge__(self, value: _ArrayLike, /) -> Any: ...
    def __gt__(self, value: _ArrayLike, /) -> Any: ...
    def __hash__(self, /) -> int: ...
    def __le__(self, value: _ArrayLike, /) -> Any: ...
    def __lt__(self, value: _ArrayLike, /) -> Any: ...
    def __ne__(self, value: object, /) -> Any: ...
    def __reduce__(self, /) -> Any: ...
    def __repr__(self, /) -> str: ...
    @property
    def size(self) -> int:
        """Bytes per element."""

@final
class DtypeCategory:
    """A group of dtypes."""
    def __eq__(self, value: object, /) -> Any: ...
    def __ge__(self, value: _ArrayLike, /) -> Any: ...
    def __gt__(self, value: _ArrayLike, /) -> Any: ...
    def __hash__(self, /) -> int: ...
    def __le__(self, value: _ArrayLike, /) -> Any: ...
    def __lt__(self, value: _ArrayLike, /) -> Any: ...
    def __ne__(self, value: object, /) -> Any: ...
    def __repr__(self, /) -> str: ...
    complexfloating: DtypeCategory
    floating: DtypeCategory
    generic: DtypeCategory
    inexact: DtypeCategory
    integer: DtypeCategory
    @property
    def name(self) -> str:
        """The category's name."""
    number: DtypeCategory
    signedinteger: DtypeCategory
    unsignedinteger: DtypeCategory

class FileError(OSError, RuntimeError):
    """A file that cannot be read or written."""

class OperandError(TypeError, ValueError):
    """An object that is no array and no number."""

@final
class PrintOptions:
    """How arrays are printed."""
    def __eq__(self, value: object, /) -> Any: ...
    def __ge__(self, value: _ArrayLike, /) -> Any: ...
    def __gt__(self, value: _ArrayLike, /) -> Any: ...
    __hash__: None  # type: ignore[assignment]
    def __le__(self, value: _ArrayLike, /) -> Any: ...
    def __lt__(self, value: _ArrayLike, /) -> Any: ...
    def __ne__(self, value: object, /) -> Any: ...
    def __new__(cls, precision: int = ...) -> PrintOptions: ...
    @property
    def precision(self) -> int:
        """Digits behind the point; -1 for six significant digits."""

@final
class Stream:
    """An order of operations on a device."""
    def __eq__(self, value: object, /) -> Any: ...
    def __ge__(self, value: _ArrayLike, /) -> Any: ...
    def __gt__(self, value: _ArrayLike, /) -> Any: ...
    def __hash__(self, /) -> int: ...
    def __le__(self, value: _ArrayLike, /) -> Any: ...
    def __lt__(self, value: _ArrayLike, /) -> Any: ...
    def __ne__(self, value: object, /) -> Any: ...
    def __repr__(self, /) -> str: ...
    @property
    def device(self) -> Device:
        """The stream's device."""

@final
class StreamContext:
    """Makes a stream or device the default for a `with` block."""
    def __enter__(self, /) -> Any: ...
    def __exit__(self, /, exc_type: Any = ..., exc_value: Any = ..., traceback: Any = ...) -> Any: ...
    def __new__(cls, s: Stream | Device | DeviceType) -> StreamContext: ...

ThreadLocalStream = Stream

@final
class _Compiled:
    ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...

@final
class _Transformed:
    ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
__all__ = ['__version__', 'Dtype', 'DtypeCategory', 'finfo', 'iinfo', 'bool_', 'uint8', 'uint16', 'uint32', 'uint64', 'int8', 'int16', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64', 'complex64', 'complexfloating', 'floating', 'inexact', 'signedinteger', 'unsignedinteger', 'integer', 'number', 'generic', '_dtype', 'issubdtype', 'result_type', 'can_cast', 'isdtype', 'Device', 'DeviceType', 'Stream', 'StreamContext', 'ThreadLocalStream', 'cpu', 'gpu', 'default_device', 'set_default_device', 'is_available', 'device_count', 'device_info', 'default_stream', 'set_default_stream', 'new_stream', 'new_thread_unsafe_stream', 'new_thread_local_stream', 'clear_streams', 'stream', 'synchronize', 'array', 'ArrayAt', 'ArrayIterator', '_unpickle', 'abs', 'arccos', 'arccosh', 'arcsin', 'arcsinh', 'arctan', 'arctanh', 'bitwise_invert', 'ceil', 'conj', 'cos', 'cosh', 'degrees', 'erf', 'erfinv', 'exp', 'expm1', 'floor', 'imag', 'isfinite', 'isinf', 'isnan', 'isneginf', 'isposinf', 'log', 'log10', 'log1p', 'log2', 'logical_not', 'negative', 'radians', 'real', 'reciprocal', 'rsqrt', 'sigmoid', 'sign', 'sin', 'sinh', 'sqrt', 'square', 'stop_gradient', 'tan', 'tanh', 'trunc', 'add', 'arctan2', 'bitwise_and', 'bitwise_or', 'bitwise_xor', 'divide', 'equal', 'floor_divide', 'greater', 'greater_equal', 'inner', 'kron', 'left_shift', 'less', 'less_equal', 'logaddexp', 'logical_and', 'logical_or', 'logical_xor', 'matmul', 'maximum', 'minimum', 'multiply', 'not_equal', 'outer', 'power', 'remainder', 'right_shift', 'subtract', 'all', 'any', 'count_nonzero', 'logsumexp', 'max', 'mean', 'median', 'min', 'prod', 'sum', 'std', 'var', 'argmax', 'argmin', 'cummax', 'cummin', 'cumprod', 'cumsum', 'logcumsumexp', 'argsort', 'sort', 'argpartition', 'partition', 'bartlett', 'blackman', 'hamming', 'hanning', 'positive', 'acos', 'acosh', 'asin', 'asinh', 'atan', 'atan2', 'atanh', 'bitwise_left_shift', 'bitwise_right_shift', 'conjugate', 'cumulative_prod', 'cumulative_sum', 'pow', 'arange', 'linspace', 'zeros', 'zeros_like', 'ones', 'ones_like', 'full', 'full_like', 'eye', 'identity', 'tri', 'tril', 'triu', 'meshgrid', 'asarray', 'from_dlpack', 'diag', 'diagonal', 'trace', 'empty', 'empty_like', 'reshape', 'flatten', 'unflatten', 'squeeze', 'expand_dims', 'flip', 'roll', 'transpose', 'permute_dims', 'moveaxis', 'swapaxes', 'matrix_transpose', 'broadcast_to', 'broadcast_arrays', 'broadcast_shapes', 'concatenate', 'concat', 'stack', 'unstack', 'split', 'repeat', 'tile', 'pad', 'astype', 'view', 'contiguous', 'atleast_1d', 'atleast_2d', 'atleast_3d', 'take', 'take_along_axis', 'put_along_axis', 'topk', 'unique', 'searchsorted', 'diff', 'depends', 'as_strided', 'slice', 'slice_update', 'addmm', 'tensordot', 'vecdot', 'divmod', 'minmax', 'array_equal', 'allclose', 'isclose', 'where', 'clip', 'nan_to_num', 'round', 'softmax', 'einsum', 'einsum_path', 'hadamard_transform', 'quantize', 'dequantize', 'quantized_matmul', 'quantized_matmul_int8', 'qqmm', 'gather_mm', 'gather_qmm', 'gather_qmm_int8', 'gather_qqmm', 'block_masked_mm', 'segmented_mm', 'to_fp8', 'from_fp8', 'vjp', 'jvp', 'eval', 'async_eval', 'export_to_dot', 'grad', 'value_and_grad', '_Transformed', 'vmap', 'checkpoint', '_Compiled', 'compile', 'disable_compile', 'enable_compile', 'custom_function', 'get_active_memory', 'get_peak_memory', 'reset_peak_memory', 'get_cache_memory', 'set_memory_limit', 'set_cache_limit', 'set_wired_limit', 'clear_cache', 'get_memory_limit', 'get_array_buffer_size', 'numerical_strict_mode', 'load', 'save', 'savez', 'savez_compressed', 'save_safetensors', 'PrintOptions', 'set_printoptions', 'get_printoptions', 'printoptions', 'AxisError', 'OperandError', 'FileError', 'e', 'pi', 'euler_gamma', 'inf', 'nan', 'newaxis', '__path__', 'random', 'fast', 'linalg', 'fft', 'distributed', '_nn', 'matrix_norm', 'metal', 'cuda']
__version__: str

def _dtype(name: Any) -> array:
    """A pickled dtype."""

def _unpickle(bytes: Any, shape: int | Sequence[int], dtype: Dtype) -> array:
    """A pickled array."""

def abs(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise magnitude. The least signed integer stays what it is.

    Dtypes:
    Any; of complex64, float32.

    Gradients:
    The cotangent times the sign of `a`; zero at 0. Of a complex number the sign is the number over its magnitude."""

def acos(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse cosine, an angle in `[0, pi]`; NaN outside `[-1, 1]`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The negated cotangent over `sqrt(1 - a^2)`."""

def acosh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse hyperbolic cosine; NaN below 1.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `sqrt(a^2 - 1)`."""

def add(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise sum.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, promoted; the sum of two bools is their disjunction.

    Gradients:
    The cotangent, for both.

    Errors:
    Shapes that do not broadcast."""

def addmm(c: _ArrayLike, a: _ArrayLike, b: _ArrayLike, /, alpha: float = ..., beta: float = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`alpha * (a @ b) + beta * c`, rounded once.

    Shapes:
    As `matmul`; `c` broadcasts to the product's shape.

    Dtypes:
    Floats and complex64, promoted; accumulates in float32 (float64 for float64), where also `alpha` and `beta` act.

    Gradients:
    `beta * ct`, `alpha * ct @ b.T`, `alpha * a.T @ ct`.

    Errors:
    As `matmul`; a `c` that does not broadcast."""

def all(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether every element over `axes` (with `..`, over all) is not zero. A NaN is not zero.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`. Of no elements: true.

    Dtypes:
    Any; the result is bool.

    Gradients:
    None.

    Errors:
    Axes out of range or repeated."""

def allclose(a: _ArrayLike, b: _ArrayLike, /, rtol: float = ..., atol: float = ..., *, equal_nan: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether all elements are close, see `isclose`: a 0-dimensional bool.

    Shapes:
    Broadcast together.

    Errors:
    Shapes that do not broadcast."""

def any(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether any element over `axes` (with `..`, over all) is not zero. A NaN is not zero.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`. Of no elements: false.

    Dtypes:
    Any; the result is bool.

    Gradients:
    None.

    Errors:
    Axes out of range or repeated."""

def arange(start: bool | int | float | None = ..., stop: bool | int | float | None = ..., step: bool | int | float | None = ..., dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`start, start + step, ...` before `stop`.

    Shapes:
    One axis of `ceil((stop - start) / step)` elements, none if that is negative.

    Dtypes:
    `dtype`, or that of the arguments: float32 if one is a float, else int32 (int64 for larger integers). Float elements
    are `start + i * step` in float64, rounded once. In an integer dtype the first two elements are truncated and the
    step is their difference, as in MLX.

    Gradients:
    None: the arguments are plain numbers.

    Errors:
    A step of 0, a length that is not a finite number, dtype bool, a complex number."""

def arccos(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse cosine, an angle in `[0, pi]`; NaN outside `[-1, 1]`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The negated cotangent over `sqrt(1 - a^2)`."""

def arccosh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse hyperbolic cosine; NaN below 1.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `sqrt(a^2 - 1)`."""

def arcsin(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse sine, an angle in `[-pi/2, pi/2]`; NaN outside `[-1, 1]`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `sqrt(1 - a^2)`."""

def arcsinh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse hyperbolic sine.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `sqrt(a^2 + 1)`."""

def arctan(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse tangent, an angle in `[-pi/2, pi/2]`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `1 + a^2`."""

def arctan2(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The angle of the point `(b, a)` in radians, in `[-pi, pi]`.

    Shapes:
    Broadcast together.

    Dtypes:
    Promoted; integers and bools are computed in float32.

    Gradients:
    `b / (a^2 + b^2)` and `-a / (a^2 + b^2)` times the cotangent.

    Errors:
    Shapes that do not broadcast."""

def arctanh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse hyperbolic tangent; NaN outside `[-1, 1]`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `1 - a^2`."""

def argmax(a: _ArrayLike, /, axis: int | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The position of the largest element along `axis`, the first one if several are equal; without an axis, the position
    in the flattened array. A NaN counts as the largest.

    Shapes:
    The input's without `axis` (a scalar without an axis), or with size 1 there if `keepdims`.

    Dtypes:
    Any; the result is uint32.

    Gradients:
    None.

    Errors:
    An axis out of range; an axis of size 0."""

def argmin(a: _ArrayLike, /, axis: int | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The position of the smallest element along `axis`, the first one if several are equal; without an axis, the position
    in the flattened array. A NaN counts as the smallest.

    Shapes:
    The input's without `axis` (a scalar without an axis), or with size 1 there if `keepdims`.

    Dtypes:
    Any; the result is uint32.

    Gradients:
    None.

    Errors:
    An axis out of range; an axis of size 0."""

def argpartition(a: _ArrayLike, /, kth: int, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The positions along `axis` (without an axis: in the flattened array) that `partition` takes its
    elements from.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any real dtype; the result is uint32.

    Gradients:
    None.

    Errors:
    An axis out of range; a position outside the axis."""

def argsort(a: _ArrayLike, /, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The positions along `axis` (without an axis: in the flattened array) that `sort` takes its elements
    from. Equal elements stay in their order; NaNs come last.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any real dtype; the result is uint32.

    Gradients:
    None.

    Errors:
    An axis out of range."""

@disjoint_base
class array:
    """An n-dimensional array, computed when its values are needed."""
    @property
    def T(self) -> array:
        """The array with its axes in reverse order."""
    def __abs__(self, /) -> array: ...
    def __add__(self, value: _ArrayLike, /) -> array: ...
    def __and__(self, value: _ArrayLike, /) -> array: ...
    def __array__(self, /, dtype: Dtype | None = ..., copy: bool | None = ...) -> Any: ...
    def __array_namespace__(self, /, api_version: Any = ...) -> Any: ...
    def __bool__(self, /) -> bool: ...
    def __bytes__(self, /) -> bytes: ...
    def __complex__(self, /) -> complex: ...
    def __copy__(self, /) -> array: ...
    def __deepcopy__(self, /, memo: Any) -> array: ...
    def __dlpack__(self, /, *, stream: Stream | Device | DeviceType | None = ..., max_version: Any = ..., dl_device: Any = ..., copy: bool | None = ...) -> Any: ...
    def __dlpack_device__(self, /) -> tuple[int, int]: ...
    def __eq__(self, value: object, /) -> Any: ...
    def __float__(self, /) -> float: ...
    def __floordiv__(self, value: _ArrayLike, /) -> array: ...
    def __format__(self, /, spec: Any) -> Any: ...
    def __ge__(self, value: _ArrayLike, /) -> array: ...
    def __getitem__(self, key: Any, /) -> array: ...
    def __gt__(self, value: _ArrayLike, /) -> array: ...
    def __hash__(self, /) -> int: ...
    def __iadd__(self, value: _ArrayLike, /) -> array: ...
    def __iand__(self, value: _ArrayLike, /) -> array: ...
    def __ifloordiv__(self, value: _ArrayLike, /) -> array: ...
    def __ilshift__(self, value: _ArrayLike, /) -> array: ...
    def __imatmul__(self, value: _ArrayLike, /) -> array: ...
    def __imod__(self, value: _ArrayLike, /) -> array: ...
    def __imul__(self, value: _ArrayLike, /) -> array: ...
    def __index__(self, /) -> int: ...
    def __int__(self, /) -> int: ...
    def __invert__(self, /) -> array: ...
    def __ior__(self, value: _ArrayLike, /) -> array: ...
    def __ipow__(self, value: _ArrayLike, /) -> array: ...  # type: ignore[misc]
    def __irshift__(self, value: _ArrayLike, /) -> array: ...
    def __isub__(self, value: _ArrayLike, /) -> array: ...
    def __iter__(self, /) -> Any: ...
    def __itruediv__(self, value: _ArrayLike, /) -> array: ...
    def __ixor__(self, value: _ArrayLike, /) -> array: ...
    def __le__(self, value: _ArrayLike, /) -> array: ...
    def __len__(self, /) -> int: ...
    def __lshift__(self, value: _ArrayLike, /) -> array: ...
    def __lt__(self, value: _ArrayLike, /) -> array: ...
    def __matmul__(self, value: _ArrayLike, /) -> array: ...
    def __mod__(self, value: _ArrayLike, /) -> array: ...
    def __mul__(self, value: _ArrayLike, /) -> array: ...
    def __ne__(self, value: object, /) -> Any: ...
    def __neg__(self, /) -> array: ...
    def __new__(cls, val: Any, dtype: Dtype | None = ...) -> array: ...
    def __or__(self, value: _ArrayLike, /) -> array: ...
    def __pos__(self, /) -> array: ...
    def __pow__(self, value: _ArrayLike, mod: Any = ..., /) -> array: ...
    def __radd__(self, value: _ArrayLike, /) -> array: ...
    def __rand__(self, value: _ArrayLike, /) -> array: ...
    def __reduce__(self, /) -> Any: ...
    def __repr__(self, /) -> str: ...
    def __reversed__(self, /) -> Any: ...
    def __rfloordiv__(self, value: _ArrayLike, /) -> array: ...
    def __rlshift__(self, value: _ArrayLike, /) -> array: ...
    def __rmatmul__(self, value: _ArrayLike, /) -> array: ...
    def __rmod__(self, value: _ArrayLike, /) -> array: ...
    def __rmul__(self, value: _ArrayLike, /) -> array: ...
    def __ror__(self, value: _ArrayLike, /) -> array: ...
    def __rpow__(self, value: _ArrayLike, mod: Any = ..., /) -> array: ...
    def __rrshift__(self, value: _ArrayLike, /) -> array: ...
    def __rshift__(self, value: _ArrayLike, /) -> array: ...
    def __rsub__(self, value: _ArrayLike, /) -> array: ...
    def __rtruediv__(self, value: _ArrayLike, /) -> array: ...
    def __rxor__(self, value: _ArrayLike, /) -> array: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...
    def __sub__(self, value: _ArrayLike, /) -> array: ...
    def __truediv__(self, value: _ArrayLike, /) -> array: ...
    def __xor__(self, value: _ArrayLike, /) -> array: ...
    def abs(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise magnitude. The least signed integer stays what it is.

        Dtypes:
        Any; of complex64, float32.

        Gradients:
        The cotangent times the sign of `a`; zero at 0. Of a complex number the sign is the number over its magnitude."""
    def all(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Whether every element over `axes` (with `..`, over all) is not zero. A NaN is not zero.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`. Of no elements: true.

        Dtypes:
        Any; the result is bool.

        Gradients:
        None.

        Errors:
        Axes out of range or repeated."""
    def any(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Whether any element over `axes` (with `..`, over all) is not zero. A NaN is not zero.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`. Of no elements: false.

        Dtypes:
        Any; the result is bool.

        Gradients:
        None.

        Errors:
        Axes out of range or repeated."""
    def argmax(self, /, axis: int | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The position of the largest element along `axis`, the first one if several are equal; without an axis, the position
        in the flattened array. A NaN counts as the largest.

        Shapes:
        The input's without `axis` (a scalar without an axis), or with size 1 there if `keepdims`.

        Dtypes:
        Any; the result is uint32.

        Gradients:
        None.

        Errors:
        An axis out of range; an axis of size 0."""
    def argmin(self, /, axis: int | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The position of the smallest element along `axis`, the first one if several are equal; without an axis, the position
        in the flattened array. A NaN counts as the smallest.

        Shapes:
        The input's without `axis` (a scalar without an axis), or with size 1 there if `keepdims`.

        Dtypes:
        Any; the result is uint32.

        Gradients:
        None.

        Errors:
        An axis out of range; an axis of size 0."""
    def astype(self, /, dtype: Dtype, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The array in another dtype."""
    @property
    def at(self) -> ArrayAt:
        """Updates of the places that an index selects: `x.at[index].add(value)`."""
    def conj(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The complex conjugate: of real numbers, the numbers.

        Gradients:
        The conjugate of the cotangent."""
    def cos(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise cosine of an angle in radians.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        `-sin(a)` times the cotangent."""
    def cummax(self, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
        """The largest element so far along `axis`; without an axis, of the flattened array.

        `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
        the input, and the first one is the dtype's smallest value.

        Shapes:
        The input's (without an axis: one axis).

        Dtypes:
        Any; the result has the input's. From a NaN on, the result is NaN.

        Gradients:
        The cotangent to the latest element that is the maximum.

        Errors:
        An axis out of range."""
    def cummin(self, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
        """The smallest element so far along `axis`; without an axis, of the flattened array.

        `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
        the input, and the first one is the dtype's largest value.

        Shapes:
        The input's (without an axis: one axis).

        Dtypes:
        Any; the result has the input's. From a NaN on, the result is NaN.

        Gradients:
        The cotangent to the latest element that is the minimum.

        Errors:
        An axis out of range."""
    def cumprod(self, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
        """The product of all elements so far along `axis`; without an axis, of the flattened array.

        `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
        the input, and the first one is 1.

        Shapes:
        The input's (without an axis: one axis).

        Dtypes:
        Any; the result has the input's. Integers wrap; half precision is accumulated in float32 and rounded once.

        Gradients:
        For each element, the cotangents of the products it is in times their other factors; right for zeros too.

        Errors:
        An axis out of range."""
    def cumsum(self, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
        """The sum of all elements so far along `axis`; without an axis, of the flattened array.

        `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of the
        input, and the first one is 0.

        Shapes:
        The input's (without an axis: one axis).

        Dtypes:
        Any; the result has the input's, bools are summed as int32. Integers wrap; half precision is accumulated in float32
        and rounded once.

        Gradients:
        The cumulative sum of the cotangent from the other end.

        Errors:
        An axis out of range."""
    def diag(self, /, k: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Diagonal `k` of a matrix, or the square matrix with a vector as diagonal `k`.

        Gradients:
        The cotangent's diagonal, or the cotangent on the diagonal.

        Errors:
        Anything but a vector or a matrix."""
    def diagonal(self, /, offset: int = ..., axis1: int = ..., axis2: int = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
        """Diagonal `offset` of the matrices spanned by `axis1` and `axis2`, as a last axis. A view of a contiguous array.

        Gradients:
        The cotangent on the diagonal, zeros elsewhere.

        Errors:
        Fewer than two axes, axes out of range or equal."""
    @property
    def dtype(self) -> Dtype:
        """The type of the elements."""
    def exp(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise `e^a`.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        The cotangent times the result."""
    def flatten(self, /, start_axis: int = ..., end_axis: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The axes from `start` to `end` (inclusive) as one."""
    @property
    def imag(self) -> array:
        """The imaginary part: of real numbers, zeros.

        Dtypes:
        Any; of complex64, float32.

        Gradients:
        The cotangent times the imaginary unit."""
    def item(self, /) -> Any:
        """The one element of an array of size 1, as a Python number."""
    @property
    def itemsize(self) -> int:
        """Bytes per element."""
    def log(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise natural logarithm; NaN for negative numbers, -inf for 0.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        The cotangent over `a`."""
    def log10(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise logarithm to base 10.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        The cotangent over `a ln 10`."""
    def log1p(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise `ln(1 + a)`, exact for small `a`.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        The cotangent over `1 + a`."""
    def log2(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise logarithm to base 2.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        The cotangent over `a ln 2`."""
    def logcumsumexp(self, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
        """The logarithm of the sum of the exponentials so far along `axis`; without an axis, of the flattened array.

        `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
        the input, and the first one is -inf.

        Shapes:
        The input's (without an axis: one axis).

        Dtypes:
        Floats; integers and bools are converted to float32. Half precision is accumulated in float32 and rounded once.

        Gradients:
        For each element, the cotangents of the sums it is in times its share of each.

        Errors:
        An axis out of range."""
    def logsumexp(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """`log(sum(exp(a)))` over `axes` (with `..`, over all) without overflow: the largest element is taken out first.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`.

        Dtypes:
        Floats; integers and bools are converted to float32. Half precision is computed in float32 and rounded once.

        Gradients:
        The cotangent times the softmax.

        Errors:
        Axes out of range or repeated; a reduced axis of size 0."""
    @property
    def mT(self) -> Any:
        """The array with its last two axes exchanged."""
    def max(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> float:
        """The largest element over `axes`; with `..`, over all.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`.

        Dtypes:
        Any; the result has the input's. A NaN among the elements makes the result NaN.

        Gradients:
        The cotangent to the largest element, split evenly if several are equal.

        Errors:
        Axes out of range or repeated; a reduced axis of size 0."""
    def mean(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The mean over `axes`; with `..`, over all.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`.

        Dtypes:
        Floats; integers and bools are converted to float32 first. Half precision is summed and divided in float32 and
        rounded once.

        Gradients:
        The cotangent over the number of elements, repeated.

        Errors:
        Axes out of range or repeated."""
    def min(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> float:
        """The smallest element over `axes`; with `..`, over all.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`.

        Dtypes:
        Any; the result has the input's. A NaN among the elements makes the result NaN.

        Gradients:
        The cotangent to the smallest element, split evenly if several are equal.

        Errors:
        Axes out of range or repeated; a reduced axis of size 0."""
    def moveaxis(self, /, source: int, destination: int, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """`a` with axis `from` moved to position `to`."""
    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
    @property
    def ndim(self) -> int:
        """Number of axes."""
    def prod(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The product over `axes`; with `..`, over all.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`.

        Dtypes:
        As `sum`.

        Gradients:
        The cotangent times the product of the other elements, which is right for zeros too.

        Errors:
        Axes out of range or repeated."""
    @property
    def real(self) -> array:
        """The real part: of real numbers, the numbers.

        Dtypes:
        Any; of complex64, float32.

        Gradients:
        The cotangent, as a complex number."""
    def reciprocal(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise `1 / a`.

        Dtypes:
        Floats; integers and bools are computed in float32.

        Gradients:
        Minus the square of the result, times the cotangent."""
    def reshape(self, /, *shape: int | Sequence[int], stream: Stream | Device | DeviceType | None = ...) -> array:
        """The array in another shape: sizes one by one or as a sequence."""
    def round(self, /, decimals: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise rounding to `decimals` places after the decimal point, halves to the even neighbour. With negative
        `decimals` to tens, hundreds and so on.

        Dtypes:
        Any. Floats are scaled by a power of ten, rounded, and scaled back. Integers are exact, and unchanged unless
        `decimals` is negative.

        Gradients:
        Zero."""
    def rsqrt(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise `1 / sqrt(a)`.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        `-result / (2 a)` times the cotangent."""
    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
    def sin(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise sine of an angle in radians.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        `cos(a)` times the cotangent."""
    @property
    def size(self) -> int:
        """Number of elements."""
    def split(self, /, indices_or_sections: int | Sequence[int], axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> list[array]:
        """`a` in `parts` equal parts along `axis`. They are views.

        Gradients:
        The parts' cotangents, joined.

        Errors:
        An axis that `parts` does not divide."""
    def sqrt(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise square root; NaN for negative numbers.

        Dtypes:
        Floats and complex64; integers and bools are computed in float32.

        Gradients:
        The cotangent over twice the result."""
    def square(self, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """Element-wise `a a`; integers wrap.

        Dtypes:
        Any.

        Gradients:
        `2 a` times the cotangent."""
    def squeeze(self, /, axis: int | Sequence[int] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """`a` without `axes`, which must have size 1; with `..`, without every axis of size 1.

        Gradients:
        The cotangent with the axes put back.

        Errors:
        Axes out of range, repeated, or of another size."""
    def std(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., ddof: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The square root of the variance over `axes`; see `var`.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`.

        Dtypes:
        As `var`; half precision is rounded once, after the root.

        Gradients:
        Infinite where the variance is 0.

        Errors:
        Axes out of range or repeated."""
    def sum(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The sum over `axes`; with `..`, over all.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`.

        Dtypes:
        That of `a`; bools and integers narrower than 32 bits are summed as int32 (unsigned ones as uint32). Half-precision
        elements are added in float32 and the sum is rounded once.

        Gradients:
        The cotangent, repeated.

        Errors:
        Axes out of range or repeated."""
    def swapaxes(self, /, axis1: int, axis2: int, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """`a` with two axes exchanged."""
    def tolist(self, /) -> Any:
        """The elements as nested lists of Python numbers."""
    def transpose(self, /, *axes: int | Sequence[int] | None, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The array with its axes in another order: one by one or as a sequence, reversed if there are none."""
    def var(self, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., ddof: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The variance over `axes` (with `..`, over all): the sum of squared differences from the mean over `n - ddof`.

        Two passes: the mean first, then the squares of the differences; both sums in the order of `sum`.

        Shapes:
        The input's without `axes`, or with size 1 there if `keepdims`.

        Dtypes:
        Floats; integers and bools are converted to float32 first. Half precision is computed in float32 and rounded once.

        Gradients:
        Twice the difference from the mean over `n - ddof`, times the cotangent.

        Errors:
        Axes out of range or repeated."""
    def view(self, /, dtype: Dtype, *, stream: Stream | Device | DeviceType | None = ...) -> array:
        """The bytes of `a` read as `dtype`. If the sizes differ, the last axis grows or shrinks accordingly.

        Gradients:
        Zero: bits are not a smooth function.

        Errors:
        A scalar and another size, or a last axis whose bytes are no whole number of new elements."""

def array_equal(a: _ArrayLike, b: _ArrayLike, equal_nan: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether both arrays have one shape and equal elements: a 0-dimensional bool. NaN equals NaN if `equal_nan`.

    Dtypes:
    Any, compared in their common dtype."""

def as_strided(a: _ArrayLike, /, shape: int | Sequence[int] | None = ..., strides: Sequence[int] | None = ..., offset: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The elements of the flattened `a` at `offset + sum(index * stride)`: a copy, which may repeat and skip elements.

    Shapes:
    `shape`, by default that of `a`; strides, by default those of a contiguous array of it, count elements.

    Gradients:
    The cotangent, added up where elements are repeated.

    Errors:
    As many strides as there are not axes; elements outside of the array."""

def asarray(a: Any, dtype: Dtype | None = ..., *, copy: bool | None = ...) -> array:
    """The argument as an array."""

def asin(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse sine, an angle in `[-pi/2, pi/2]`; NaN outside `[-1, 1]`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `sqrt(1 - a^2)`."""

def asinh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse hyperbolic sine.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `sqrt(a^2 + 1)`."""

def astype(a: _ArrayLike, /, dtype: Dtype, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` converted to `dtype`; `a` itself if it has it already.

    Dtypes:
    Floats are rounded to nearest, ties to even; a float becomes an integer by truncation, saturating at the integer's
    range, NaN becomes 0; integers wrap into narrower ones; anything non-zero becomes `true`. Of a complex number the real
    part is converted, and a real number gets an imaginary part of 0.

    Gradients:
    The cotangent converted back; zero if a float becomes an integer, or anything a bool."""

def async_eval(*args: Any) -> None:
    """Starts computing the values of all arrays in the arguments and returns at once."""

def atan(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse tangent, an angle in `[-pi/2, pi/2]`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `1 + a^2`."""

def atan2(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The angle of the point `(b, a)` in radians, in `[-pi, pi]`.

    Shapes:
    Broadcast together.

    Dtypes:
    Promoted; integers and bools are computed in float32.

    Gradients:
    `b / (a^2 + b^2)` and `-a / (a^2 + b^2)` times the cotangent.

    Errors:
    Shapes that do not broadcast."""

def atanh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse hyperbolic tangent; NaN outside `[-1, 1]`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `1 - a^2`."""

def atleast_1d(*arys: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> Any:
    """`a`, a scalar as an array of one element."""

def atleast_2d(*arys: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> Any:
    """`a` with axes of size 1 in front until there are two."""

def atleast_3d(*arys: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> Any:
    """`a` with three axes at least: a vector becomes `[1, n, 1]`, a matrix `[m, n, 1]`."""

def bartlett(M: int, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The Bartlett window: a triangle from 0 to 1 and back."""
bfloat16: Dtype

def bitwise_and(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a & b`.

    Shapes:
    Broadcast together.

    Dtypes:
    Bools and integers, promoted.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast; a floating dtype."""

def bitwise_invert(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise complement of every bit; of a bool, its negation.

    Dtypes:
    Bools and integers.

    Gradients:
    None.

    Errors:
    A floating dtype."""

def bitwise_left_shift(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a << b`; the bits shifted out are lost.

    A distance below 0, or not below the number of bits, shifts every bit out.

    Shapes:
    Broadcast together.

    Dtypes:
    Integers, promoted; two bools are shifted as uint8.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast; a floating dtype."""

def bitwise_or(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a | b`.

    Shapes:
    Broadcast together.

    Dtypes:
    Bools and integers, promoted.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast; a floating dtype."""

def bitwise_right_shift(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a >> b`; signed integers keep their sign.

    A distance below 0, or not below the number of bits, shifts every bit out.

    Shapes:
    Broadcast together.

    Dtypes:
    Integers, promoted; two bools are shifted as uint8.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast; a floating dtype."""

def bitwise_xor(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a ^ b`.

    Shapes:
    Broadcast together.

    Dtypes:
    Bools and integers, promoted.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast; a floating dtype."""

def blackman(M: int, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The Blackman window: `0.42 - 0.5 cos(2 pi i / (n - 1)) + 0.08 cos(4 pi i / (n - 1))`."""

def block_masked_mm(a: _ArrayLike, b: _ArrayLike, /, block_size: int = ..., mask_out: _ArrayLike | None = ..., mask_lhs: _ArrayLike | None = ..., mask_rhs: _ArrayLike | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`((a where mask_lhs) @ (b where mask_rhs)) where mask_out`, each mask with one entry per block of `block` by `block`
    elements (the last ones of a row or column may be smaller).

    A bool mask selects: what it hides is zero, NaN or not. A mask of numbers multiplies.

    Shapes:
    `a`: `[..., M, K]`, `b`: `[..., K, N]` (or 1-d, as in `matmul`); `mask_lhs`: `[..., ceil(M / block), ceil(K / block)]`,
    `mask_rhs` and `mask_out` likewise for `K` by `N` and `M` by `N`. Leading axes broadcast. Result `[..., M, N]`.

    Dtypes:
    `a` and `b`: floats, promoted; numbers in masks are converted to that dtype.

    Gradients:
    With respect to `a`, `b` and masks of floats.

    Errors:
    A block of size 0, a mask that has not one entry per block, and what `matmul` refuses."""
bool_: Dtype

def broadcast_arrays(*arrays: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, ...]:
    """All arrays broadcast to their common shape.

    Errors:
    Shapes that do not broadcast."""

def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that all shapes broadcast to."""

def broadcast_to(a: _ArrayLike, /, shape: int | Sequence[int], *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` repeated to `shape`: axes are added in front, axes of size 1 are repeated. A view.

    Gradients:
    The cotangent summed over the repeated axes.

    Errors:
    A shape that `a` does not broadcast to."""

def can_cast(from_: array | Dtype, to: Dtype) -> bool:
    """Whether values of one dtype are kept by promotion to another."""

def ceil(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The least integer not below each element.

    Dtypes:
    Any; integers and bools are returned as they are.

    Gradients:
    Zero."""

def checkpoint(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose intermediate values are computed again in the reverse pass instead of kept."""

def clear_cache() -> None:
    """Gives the memory kept for reuse back to the system."""

def clear_streams() -> None:
    """Forgets streams; they hold nothing."""

def clip(a: _ArrayLike, /, a_min: _ArrayLike | None, a_max: _ArrayLike | None, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` limited to at least `min` and at most `max`, element by element; where `min > max` it is `max`.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, promoted. A NaN stays.

    Gradients:
    The cotangent inside the limits. At and beyond a limit it goes to the limit.

    Errors:
    Shapes that do not broadcast; no limit at all."""

def compile(fun: Callable[..., Any], inputs: Any = ..., outputs: Any = ..., shapeless: bool = ...) -> Callable[..., Any]:
    """A function that is run once for every kind of arguments: dtypes and shapes of arrays, values of numbers and strings. What
    it does with arrays is recorded then and done again in later calls, without running the function. What it takes from
    elsewhere is what it was when it was recorded, except state (trees of arrays) that `inputs` names; state that it changes
    must be among `outputs`. With `shapeless` one recording may serve for arrays of other sizes, where that gives the same
    results: if the function computes element by element and asks for no sizes."""
complex64: Dtype
complexfloating: DtypeCategory

def concat(arrays: Sequence[_ArrayLike], axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The arrays joined along an existing axis, in their common dtype.

    Gradients:
    The cotangent's part for each.

    Errors:
    No arrays, an axis out of range, shapes that differ in another axis."""

def concatenate(arrays: Sequence[_ArrayLike], axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The arrays joined along an existing axis, in their common dtype.

    Gradients:
    The cotangent's part for each.

    Errors:
    No arrays, an axis out of range, shapes that differ in another axis."""

def conj(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The complex conjugate: of real numbers, the numbers.

    Gradients:
    The conjugate of the cotangent."""

def conjugate(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The complex conjugate: of real numbers, the numbers.

    Gradients:
    The conjugate of the cotangent."""

def contiguous(a: _ArrayLike, /, allow_col_major: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with its elements densely in row-major order; no copy if they lie so already.

    Gradients:
    The cotangent."""

def cos(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise cosine of an angle in radians.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    `-sin(a)` times the cotangent."""

def cosh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise hyperbolic cosine.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    `sinh(a)` times the cotangent."""

def count_nonzero(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """How many elements are not zero.

    Dtypes:
    int32

    Errors:
    Axes out of range or named twice."""
cpu: DeviceType

def cummax(a: _ArrayLike, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., dtype: Dtype | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The largest element so far along `axis`; without an axis, of the flattened array.

    `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
    the input, and the first one is the dtype's smallest value.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any; the result has the input's. From a NaN on, the result is NaN.

    Gradients:
    The cotangent to the latest element that is the maximum.

    Errors:
    An axis out of range."""

def cummin(a: _ArrayLike, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., dtype: Dtype | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The smallest element so far along `axis`; without an axis, of the flattened array.

    `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
    the input, and the first one is the dtype's largest value.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any; the result has the input's. From a NaN on, the result is NaN.

    Gradients:
    The cotangent to the latest element that is the minimum.

    Errors:
    An axis out of range."""

def cumprod(a: _ArrayLike, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., dtype: Dtype | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The product of all elements so far along `axis`; without an axis, of the flattened array.

    `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
    the input, and the first one is 1.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any; the result has the input's. Integers wrap; half precision is accumulated in float32 and rounded once.

    Gradients:
    For each element, the cotangents of the products it is in times their other factors; right for zeros too.

    Errors:
    An axis out of range."""

def cumsum(a: _ArrayLike, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., dtype: Dtype | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The sum of all elements so far along `axis`; without an axis, of the flattened array.

    `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of the
    input, and the first one is 0.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any; the result has the input's, bools are summed as int32. Integers wrap; half precision is accumulated in float32
    and rounded once.

    Gradients:
    The cumulative sum of the cotangent from the other end.

    Errors:
    An axis out of range."""

def cumulative_prod(a: _ArrayLike, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., dtype: Dtype | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The product of all elements so far along `axis`; without an axis, of the flattened array.

    `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
    the input, and the first one is 1.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any; the result has the input's. Integers wrap; half precision is accumulated in float32 and rounded once.

    Gradients:
    For each element, the cotangents of the products it is in times their other factors; right for zeros too.

    Errors:
    An axis out of range."""

def cumulative_sum(a: _ArrayLike, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., dtype: Dtype | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The sum of all elements so far along `axis`; without an axis, of the flattened array.

    `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of the
    input, and the first one is 0.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any; the result has the input's, bools are summed as int32. Integers wrap; half precision is accumulated in float32
    and rounded once.

    Gradients:
    The cumulative sum of the cotangent from the other end.

    Errors:
    An axis out of range."""

@final
class custom_function:
    """A function that can be given its own `vjp`, `jvp` and `vmap`, as a decorator and with decorators."""
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
    def __new__(cls, f: Any) -> custom_function: ...
    def jvp(self, /, f: Any) -> tuple[list[array], list[array]]:
        """Sets the forward rule: `f(primals, tangents)` returns the outputs' tangents."""
    def vjp(self, /, f: Any) -> tuple[list[array], list[array]]:
        """Sets the reverse rule: `f(primals, cotangents, outputs)` returns the primals' cotangents."""
    def vmap(self, /, f: Any) -> Callable[..., Any]:
        """Sets the batching rule: `f(inputs, axes)` returns the outputs and their axes."""

def default_device() -> Device:
    """The device that operations run on."""

def default_stream(device: Device | DeviceType) -> Stream:
    """The stream of a device's operations."""

def degrees(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Radians as degrees.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Gradients:
    The cotangent, scaled likewise."""

def depends(inputs: array | Sequence[array], dependencies: array | Sequence[array]) -> Any:
    """`inputs`, evaluated only after `dependencies`.

    Gradients:
    The identity with respect to `inputs`, zero with respect to `dependencies`."""

def dequantize(w: _ArrayLike, /, scales: _ArrayLike, biases: _ArrayLike | None = ..., group_size: int | None = ..., bits: int | None = ..., mode: str = ..., global_scale: _ArrayLike | None = ..., dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The array that codes, scales and biases stand for: `code * scale + bias`, each step rounded to the result's dtype.

    Shapes:
    `codes`: `[..., K * bits / 32]`, `scales` and `biases`: `[..., K / group_size]`; result `[..., K]`.

    Dtypes:
    uint32 codes. The result has `dtype`, else that of scales and biases (bfloat16 in modes without biases).

    Gradients:
    With respect to affine scales and biases.

    Errors:
    Shapes or dtypes that do not fit the format, biases where there are none or none where there must be, a result that
    is not floating."""

def device_count(device_type: DeviceType) -> int:
    """How many devices of a kind there are."""

def device_info(d: Device | DeviceType | None = ...) -> dict[str, Any]:
    """What is known about a device."""

def diag(a: _ArrayLike, /, k: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Diagonal `k` of a matrix, or the square matrix with a vector as diagonal `k`.

    Gradients:
    The cotangent's diagonal, or the cotangent on the diagonal.

    Errors:
    Anything but a vector or a matrix."""

def diagonal(a: _ArrayLike, offset: int = ..., axis1: int = ..., axis2: int = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Diagonal `offset` of the matrices spanned by `axis1` and `axis2`, as a last axis. A view of a contiguous array.

    Gradients:
    The cotangent on the diagonal, zeros elsewhere.

    Errors:
    Fewer than two axes, axes out of range or equal."""

def diff(a: _ArrayLike, /, n: int = ..., axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Differences of neighbours along an axis, `n` times over.

    Shapes:
    `n` less along `axis`, at least 0.

    Errors:
    An axis out of range, a scalar."""

def disable_compile() -> None:
    """Makes `compile` have no effect."""

def divide(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise true quotient.

    Shapes:
    Broadcast together.

    Dtypes:
    Promoted; integers and bools are divided in float32.

    Gradients:
    The cotangent over `b`, and minus that times the result.

    Errors:
    Shapes that do not broadcast."""

def divmod(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> tuple[array, array]:
    """`a // b` and `a % b`: `floor_divide` and `remainder`.

    Shapes:
    Broadcast together.

    Errors:
    Shapes that do not broadcast."""
e: float

def einsum(subscripts: str, *operands: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """A sum of products: each operand's axes are named by letters, those of the result too (by default the letters that
    appear once, in alphabetical order); axes that the result does not name are summed over. An ellipsis stands for any
    axes, which are broadcast.

    Operands are contracted in pairs, in the order in which each step makes the smallest intermediate result.

    Dtypes:
    As `matmul`.

    Gradients:
    With respect to every operand.

    Errors:
    Subscripts that are malformed or do not fit the operands."""

def einsum_path(subscripts: str, *operands: _ArrayLike) -> tuple[list[tuple[int, ...]], str]:
    """The pairs of positions in which `einsum` contracts operands; each pair's product goes to the end of the list.

    Errors:
    As `einsum`."""

def empty(shape: int | Sequence[int], dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """An array of zeros."""

def empty_like(a: _ArrayLike, /, dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Zeros with the shape and dtype of `a`."""

def enable_compile() -> None:
    """Undoes `disable_compile`."""

def equal(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether `a == b`, element by element; a NaN equals nothing.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, compared in their common dtype; the result is bool.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast."""

def erf(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise error function, `2/sqrt(pi)` times the integral of `e^(-x^2)` from 0 to `a`.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Gradients:
    `2/sqrt(pi) e^(-a^2)` times the cotangent."""

def erfinv(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise inverse of `erf`; infinite at -1 and 1, NaN beyond.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Gradients:
    `sqrt(pi)/2 e^(result^2)` times the cotangent."""
euler_gamma: float

def eval(*args: Any) -> None:
    """Computes the values of all arrays in the arguments, which may be trees; other threads run meanwhile."""

def exp(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `e^a`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent times the result."""

def expand_dims(a: _ArrayLike, /, axis: int | Sequence[int] | None, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with axes of size 1 inserted, so that they stand at `axes` of the result.

    Gradients:
    The cotangent without those axes.

    Errors:
    Axes out of range or repeated."""

def expm1(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `e^a - 1`, exact for small `a`.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Gradients:
    `e^a` times the cotangent."""

def export_to_dot(file: str | PathLike[str] | IO[str], *args: array, **kwargs: array) -> None:
    """Writes the graph behind arrays, by position or by name, in Graphviz's language to a path or an open text file."""

def eye(n: int, m: int | None = ..., k: int = ..., dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """An `n` by `m` matrix with ones on diagonal `k` (0 is the main one, positive above it) and zeros elsewhere.

    Errors:
    A shape with too many elements."""

@final
class finfo:
    """The limits of a floating dtype."""
    def __new__(cls, dtype: Dtype) -> finfo: ...
    def __repr__(self, /) -> str: ...
    @property
    def bits(self) -> int:
        """Bits per element."""
    @property
    def dtype(self) -> Dtype:
        """The dtype."""
    @property
    def eps(self) -> float:
        """From 1 to the next greater number."""
    @property
    def max(self) -> float:
        """The greatest finite number."""
    @property
    def min(self) -> float:
        """The least finite number."""
    @property
    def smallest_normal(self) -> float:
        """The least positive normal number."""

def flatten(a: _ArrayLike, /, start_axis: int = ..., end_axis: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The axes from `start` to `end` (inclusive) as one."""

def flip(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with the order along `axes` reversed; with `..`, along all. A view.

    Gradients:
    The cotangent, reversed.

    Errors:
    Axes out of range or repeated."""
float16: Dtype
float32: Dtype
float64: Dtype
floating: DtypeCategory

def floor(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The greatest integer not above each element.

    Dtypes:
    Any; integers and bools are returned as they are.

    Gradients:
    Zero."""

def floor_divide(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The greatest integer not above `a / b`, element by element.

    Shapes:
    Broadcast together.

    Dtypes:
    Promoted. Floats: the quotient that goes with the exact `remainder`, infinite for `b = 0`, NaN for
    infinite `a`. Integers: 0 for `b = 0`; the least integer over -1 wraps. Bools are divided as numbers.

    Gradients:
    Zero.

    Errors:
    Shapes that do not broadcast."""

def from_dlpack(x: Any, /, *, copy: bool | None = ...) -> array:
    """An array of another library that speaks DLPack. By default read-only memory is shared and other memory copied; with
    `copy=False` all memory is shared, and must not be written to any more, or it is an error."""

def from_fp8(x: _ArrayLike, /, dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The values of 8-bit floats (E4M3) given as uint8. Codes 0x7F and 0xFF are NaN.

    Dtypes:
    uint8, to the floating `dtype`.

    Gradients:
    None.

    Errors:
    Another dtype."""

def full(shape: int | Sequence[int], vals: _ArrayLike, dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """An array filled with one value.

    Shapes:
    `shape`; a view that repeats one element, so it takes no memory.

    Gradients:
    With respect to an array `value`: the sum of the cotangent.

    Errors:
    A shape with too many elements."""

def full_like(a: _ArrayLike, vals: _ArrayLike, dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`full` with the shape and dtype of `a`."""

def gather_mm(a: _ArrayLike, b: _ArrayLike, /, lhs_indices: _ArrayLike | None = ..., rhs_indices: _ArrayLike | None = ..., *, sorted_indices: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a[lhs[i]] @ b[rhs[i]]` for every index pair `i`: the leading axes of `a` and `b`, flattened, are what is indexed.

    A product has the bits that `matmul` gives those two matrices.

    Shapes:
    `a`: `[..., M, K]` (or `[K]`), `b`: `[..., K, N]` (or `[K]`); `lhs` and `rhs` broadcast together, to `[I...]`. Without
    `lhs` or `rhs` each matrix of that operand is used once, in order. Result `[I..., M, N]`, without the axis that a vector
    lacks.

    Dtypes:
    Floats, promoted; indices are integers. Negative ones count from the end, and one that is out of range is clamped.

    Gradients:
    Of both operands; what one matrix gets from several pairs is added up in ascending order.

    Errors:
    Operands without axes, inner sizes that differ, indices that do not broadcast, other dtypes."""

def gather_qmm(x: _ArrayLike, w: _ArrayLike, /, scales: _ArrayLike, biases: _ArrayLike | None = ..., lhs_indices: _ArrayLike | None = ..., rhs_indices: _ArrayLike | None = ..., transpose: bool = ..., group_size: int | None = ..., bits: int | None = ..., mode: str = ..., global_scale: _ArrayLike | None = ..., *, sorted_indices: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """`x[lhs[i]] @ w[rhs[i]].T` (or `@ w[rhs[i]]`) for every index pair `i`, with a quantized `w`: the leading axes of `x` and
    of the matrix, flattened, are what is indexed.

    A row has the bits that `quantized_matmul` gives it, whatever the indices and their
    order.

    Shapes:
    `x`: `[..., M, K]`; codes, scales and biases as for `quantized_matmul`, with leading axes; `lhs` and `rhs` broadcast
    together, to `[I...]`. Without `lhs` or `rhs` each matrix of that operand is used once, in order. Result
    `[I..., M, N]`.

    Dtypes:
    As for `quantized_matmul`; indices are integers. Negative ones count from the end, and one that is out of range is
    clamped.

    Gradients:
    With respect to `x` and affine scales and biases.

    Errors:
    Shapes that do not fit the format or one another, other dtypes."""

def gather_qmm_int8(x: _ArrayLike, w: _ArrayLike, /, scales: _ArrayLike, biases: _ArrayLike | None = ..., lhs_indices: _ArrayLike | None = ..., rhs_indices: _ArrayLike | None = ..., group_size: int | None = ..., bits: int | None = ..., mode: str = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`gather_qmm` with `transpose` and with `x` rounded to eight bits on the way: a row has the
    bits that `quantized_matmul_int8` gives it. Faster, with numbers of its own, and
    never used unless it is asked for.

    Shapes:
    As for `gather_qmm` with `transpose`.

    Dtypes:
    As for `gather_qmm`, without float64.

    Gradients:
    Those of the exact product: rounding counts as the identity.

    Errors:
    mxfp8, whose codes are no integers; shapes that do not fit; other dtypes."""

def gather_qqmm(x: _ArrayLike, w: _ArrayLike, /, scales: _ArrayLike | None = ..., lhs_indices: _ArrayLike | None = ..., rhs_indices: _ArrayLike | None = ..., group_size: int | None = ..., bits: int | None = ..., mode: str = ..., global_scale_x: _ArrayLike | None = ..., global_scale_w: _ArrayLike | None = ..., *, sorted_indices: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """`qqmm` of `x[lhs[i]]` and `w[rhs[i]]` for every index pair `i`: the leading axes of `x` and of
    `w`, flattened, are what is indexed.

    A row has the bits that `qqmm` gives it, whatever the indices and their order.

    Shapes:
    `x`: `[..., M, K]`, `w` as for `qqmm`, with leading axes; `lhs` and `rhs` broadcast together, to `[I...]`. Without `lhs`
    or `rhs` each matrix of that operand is used once, in order. Result `[I..., M, N]`.

    Dtypes:
    As for `qqmm`; indices are integers. Negative ones count from the end, and one that is out of range is clamped. The
    global scale of `w` is one number or one per matrix.

    Gradients:
    As for `qqmm`.

    Errors:
    As for `qqmm`; indices that do not broadcast."""
generic: DtypeCategory

def get_active_memory() -> int:
    """Bytes that arrays hold."""

def get_array_buffer_size(*args: Any) -> array:
    """Bytes of the buffers that evaluated arrays (or trees of them) hold, each buffer counted once."""

def get_cache_memory() -> int:
    """Bytes of freed buffers that are kept for reuse."""

def get_memory_limit() -> array:
    """What `set_memory_limit` was told last, at first the machine's memory."""

def get_peak_memory() -> int:
    """The most bytes that arrays have held after an allocation since the start or `reset_peak_memory`."""

def get_printoptions() -> Any:
    """How arrays are printed."""
gpu: DeviceType

def grad(fun: Callable[..., Any], argnums: int | Sequence[int] | None = ..., argnames: str | Sequence[str] | None = ...) -> Callable[..., Any]:
    """A function that returns the gradient of `fun` with respect to the arguments at `argnums` and called `argnames`."""

def greater(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether `a > b`, element by element; false with a NaN.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, compared in their common dtype; the result is bool.

    Errors:
    Shapes that do not broadcast."""

def greater_equal(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether `a >= b`, element by element; false with a NaN.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, compared in their common dtype; the result is bool.

    Errors:
    Shapes that do not broadcast."""

def hadamard_transform(a: _ArrayLike, scale: float | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The product of a Hadamard matrix with every row, times `scale` (without one: `1 / sqrt(n)`, so that the matrix is
    orthonormal). The matrix of size `m 2^k` is the Kronecker product of MLX's matrix of size `m` with Sylvester's.

    Shapes:
    The last axis has `n = m 2^k` elements for `m` of 1, 12, 20 and 28; a number counts as one. The result has the input's
    shape.

    Dtypes:
    Floats; integers count as float32. Sums are float32's or float64's, the result is rounded once.

    Gradients:
    The transposed matrix times the cotangent, times `scale`.

    Errors:
    Another length of the last axis; complex64."""

def hamming(M: int, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The Hamming window: `0.54 - 0.46 cos(2 pi i / (n - 1))`."""

def hanning(M: int, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The Hann window: `0.5 - 0.5 cos(2 pi i / (n - 1))`."""

def identity(n: int, dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The `n` by `n` identity matrix."""

@final
class iinfo:
    """The limits of an integer dtype."""
    def __new__(cls, dtype: Dtype) -> iinfo: ...
    def __repr__(self, /) -> str: ...
    @property
    def bits(self) -> int:
        """Bits per element."""
    @property
    def dtype(self) -> Dtype:
        """The dtype."""
    @property
    def max(self) -> int:
        """The greatest number."""
    @property
    def min(self) -> int:
        """The least number."""

def imag(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The imaginary part: of real numbers, zeros.

    Dtypes:
    Any; of complex64, float32.

    Gradients:
    The cotangent times the imaginary unit."""
inexact: DtypeCategory
inf: float

def inner(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The sum of products over the last axes of both arrays; with a scalar, the product.

    Shapes:
    `a` without its last axis, followed by `b` without its last axis.

    Errors:
    Last axes of different sizes."""
int16: Dtype
int32: Dtype
int64: Dtype
int8: Dtype
integer: DtypeCategory

def is_available(device: Device | DeviceType) -> bool:
    """Whether there is such a device."""

def isclose(a: _ArrayLike, b: _ArrayLike, /, rtol: float = ..., atol: float = ..., *, equal_nan: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether `|a - b| <= atol + rtol |b|`, element by element. Infinities are close if they are equal; NaN is close to
    NaN if `equal_nan`, and to nothing else.

    Shapes:
    Broadcast together.

    Dtypes:
    Any; integers and bools are compared in float32. The result is bool.

    Errors:
    Shapes that do not broadcast."""

def isdtype(dtype: Dtype, kind: Any) -> bool:
    """Whether a dtype is of a kind: a dtype, one of the array API's names of kinds, or a tuple of such."""

def isfinite(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether each element is neither NaN nor infinite.

    Dtypes:
    Any; the result is bool, true for integers."""

def isinf(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether each element is infinite: a complex number, if a part is.

    Dtypes:
    Any; the result is bool, false for integers."""

def isnan(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether each element is NaN.

    Dtypes:
    Any; the result is bool, false for integers."""

def isneginf(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether each element is negative infinity.

    Dtypes:
    Any; the result is bool, false for integers."""

def isposinf(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether each element is positive infinity.

    Dtypes:
    Any; the result is bool, false for integers."""

def issubdtype(arg1: Dtype | DtypeCategory, arg2: Dtype | DtypeCategory) -> bool:
    """Whether a dtype or category lies within another one."""

def jvp(fun: Callable[..., Any], primals: list[array], tangents: list[array]) -> tuple[list[array], list[array]]:
    """The outputs of `fun` at `primals`, and the products of its Jacobian with `tangents`."""

def kron(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The Kronecker product: each element of `a` times the whole of `b`.

    Shapes:
    The product of the sizes, axis by axis; missing leading axes count as 1.

    Errors:
    An array without elements."""

def left_shift(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a << b`; the bits shifted out are lost.

    A distance below 0, or not below the number of bits, shifts every bit out.

    Shapes:
    Broadcast together.

    Dtypes:
    Integers, promoted; two bools are shifted as uint8.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast; a floating dtype."""

def less(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether `a < b`, element by element; false with a NaN.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, compared in their common dtype; the result is bool.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast."""

def less_equal(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether `a <= b`, element by element; false with a NaN.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, compared in their common dtype; the result is bool.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast."""

def linspace(start: bool | int | float, stop: bool | int | float, num: int = ..., endpoint: bool = ..., dtype: Dtype | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """`count` numbers from `start` to `stop`, both included.

    Dtypes:
    `dtype`. Elements are `start + i * (stop - start) / (count - 1)` in float64, rounded once (truncated in an integer
    dtype); the last is `stop` itself.

    Gradients:
    None: the arguments are plain numbers.

    Errors:
    dtype bool, a complex number."""

def load(file: str | PathLike[str] | IO[bytes], /, format: str | None = ..., return_metadata: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> Any:
    """The arrays of a file: an array (npy) or a dict of them (npz, safetensors), with `return_metadata` a pair of them and
    the file's metadata."""

def log(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise natural logarithm; NaN for negative numbers, -inf for 0.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `a`."""

def log10(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise logarithm to base 10.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `a ln 10`."""

def log1p(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `ln(1 + a)`, exact for small `a`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `1 + a`."""

def log2(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise logarithm to base 2.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over `a ln 2`."""

def logaddexp(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `ln(e^a + e^b)` without overflow.

    Shapes:
    Broadcast together.

    Dtypes:
    Promoted; integers and bools are computed in float32.

    Gradients:
    The cotangent, shared out by `sigmoid(a - b)` and `sigmoid(b - a)`.

    Errors:
    Shapes that do not broadcast."""

def logcumsumexp(a: _ArrayLike, /, axis: int | None = ..., *, reverse: bool = ..., inclusive: bool = ..., dtype: Dtype | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The logarithm of the sum of the exponentials so far along `axis`; without an axis, of the flattened array.

    `reverse` starts at the last element. Without `inclusive`, element `i` of the result leaves out element `i` of
    the input, and the first one is -inf.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Floats; integers and bools are converted to float32. Half precision is accumulated in float32 and rounded once.

    Gradients:
    For each element, the cotangents of the sums it is in times its share of each.

    Errors:
    An axis out of range."""

def logical_and(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether both elements are not 0.

    Shapes:
    Broadcast together.

    Dtypes:
    Any; the result is bool.

    Errors:
    Shapes that do not broadcast."""

def logical_not(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether each element is 0 (or false).

    Dtypes:
    Any; the result is bool. A NaN is not 0."""

def logical_or(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether at least one of two elements is not 0.

    Shapes:
    Broadcast together.

    Dtypes:
    Any; the result is bool.

    Errors:
    Shapes that do not broadcast."""

def logical_xor(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether exactly one of two elements is not 0.

    Shapes:
    Broadcast together.

    Dtypes:
    Any; the result is bool.

    Errors:
    Shapes that do not broadcast."""

def logsumexp(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`log(sum(exp(a)))` over `axes` (with `..`, over all) without overflow: the largest element is taken out first.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    Floats; integers and bools are converted to float32. Half precision is computed in float32 and rounded once.

    Gradients:
    The cotangent times the softmax.

    Errors:
    Axes out of range or repeated; a reduced axis of size 0."""

def matmul(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Matrix product over the last two axes.

    Every output element is summed in one order that depends on `K` alone (`docs/numerics.md`): a row has the same bits
    whatever other rows are in the call.

    Shapes:
    `[..., M, K] @ [..., K, N] -> [..., M, N]`; leading axes broadcast. A 1-d `a` is a row, a 1-d `b` a column; the axis
    added for them is removed again.

    Dtypes:
    Floats and complex64, promoted. A complex product is made of the four products of real and imaginary parts. float16 and bfloat16 accumulate in float32 and are rounded once.

    Gradients:
    `ct @ b.T` and `a.T @ ct`, summed over broadcast axes (`b` and `a` conjugated, if complex).

    Errors:
    0-d operands, inner sizes that differ, leading axes that do not broadcast, no floating dtype."""

def matrix_norm(a: _ArrayLike, /, ord: int | float | str | None = ..., axis: int | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The norm over `axes`: of vectors if there is one axis, of matrices if there are two. With `..` and the default order,
    the Euclidean norm of all elements.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Errors:
    An order that does not exist for the number of axes.

    Gradients:
    Those of what the norm is made of; of singular values, `u v*`."""

def matrix_transpose(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The last two axes exchanged."""

def max(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> float:
    """The largest element over `axes`; with `..`, over all.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    Any; the result has the input's. A NaN among the elements makes the result NaN.

    Gradients:
    The cotangent to the largest element, split evenly if several are equal.

    Errors:
    Axes out of range or repeated; a reduced axis of size 0."""

def maximum(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The larger of each pair of elements; NaN if one is NaN.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, promoted.

    Gradients:
    The cotangent, for the larger one; for `b` if they are equal, for neither if one is NaN.

    Errors:
    Shapes that do not broadcast."""

def mean(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The mean over `axes`; with `..`, over all.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    Floats; integers and bools are converted to float32 first. Half precision is summed and divided in float32 and
    rounded once.

    Gradients:
    The cotangent over the number of elements, repeated.

    Errors:
    Axes out of range or repeated."""

def median(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The middle element over `axes` (with `..`, over all) in ascending order; of an even number, the mean of the two in
    the middle. NaN if there is a NaN among them.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    Floats; integers and bools are converted to float32.

    Gradients:
    The cotangent to the element or elements in the middle.

    Errors:
    Axes out of range or repeated; no elements."""

def meshgrid(*arrays: _ArrayLike, sparse: bool = ..., indexing: str = ..., stream: Stream | Device | DeviceType | None = ...) -> tuple[array, ...]:
    """For each vector its values over the grid that the vectors span. With `sparse`, as views that broadcast to the grid.

    Shapes:
    One axis per vector, in order (`"ij"`), or with the first two exchanged (`"xy"`). Scalars count as one element.

    Errors:
    Arrays of more than one axis, another `indexing`."""

def min(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> float:
    """The smallest element over `axes`; with `..`, over all.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    Any; the result has the input's. A NaN among the elements makes the result NaN.

    Gradients:
    The cotangent to the smallest element, split evenly if several are equal.

    Errors:
    Axes out of range or repeated; a reduced axis of size 0."""

def minimum(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The smaller of each pair of elements; NaN if one is NaN.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, promoted.

    Gradients:
    The cotangent, for the smaller one; for `b` if they are equal, for neither if one is NaN.

    Errors:
    Shapes that do not broadcast."""

def minmax(a: _ArrayLike, /, axis: int | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The least and the greatest elements over `axis`, as from `min` and `max`."""

def moveaxis(a: _ArrayLike, /, source: int, destination: int, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with axis `from` moved to position `to`."""

def multiply(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise product.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, promoted; the product of two bools is their conjunction. That of complex numbers is made of four products in
    float32, each rounded.

    Gradients:
    The cotangent times the other factor (its conjugate, of complex numbers).

    Errors:
    Shapes that do not broadcast."""
nan: float

def nan_to_num(a: _ArrayLike, nan: float = ..., posinf: float | None = ..., neginf: float | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with NaN replaced by `nan`, and infinities by `posinf` and `neginf` (`None`: the largest and the least finite
    number of the dtype).

    Dtypes:
    Any; integers and bools are returned as they are.

    Gradients:
    The cotangent where the element was kept."""

def negative(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `-a`.

    Dtypes:
    Any number; unsigned integers wrap.

    Gradients:
    The negated cotangent.

    Errors:
    A bool array."""

def new_stream(device: Device | DeviceType) -> Stream:
    """Another stream on a device."""

def new_thread_local_stream(device: Device | DeviceType) -> Stream:
    """Another stream on a device."""

def new_thread_unsafe_stream(device: Device | DeviceType) -> Stream:
    """Another stream on a device."""
newaxis: None

def not_equal(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Whether `a != b`, element by element; a NaN differs from everything.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, compared in their common dtype; the result is bool.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast."""
number: DtypeCategory

def numerical_strict_mode(enabled: bool | None = ...) -> Any:
    """Switches strict mode for the process: an operation whose bits its backend does not guarantee to be independent of shapes
    is an error when it is evaluated. As a context manager, until the end of the block. Without an argument it switches
    nothing; the result is true if the mode is on. On the CPU every operation is inside the guarantee."""

def ones(shape: int | Sequence[int], dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """An array of ones."""

def ones_like(a: _ArrayLike, /, dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Ones with the shape and dtype of `a`."""

def outer(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Every element of `a` times every element of `b`.

    Shapes:
    `[a.size, b.size]`"""

def pad(a: _ArrayLike, pad_width: int | Sequence[int] | Sequence[Sequence[int]], mode: str = ..., constant_values: _ArrayLike | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with borders: `widths[d]` is how many elements to put before and after along axis `d`; one pair counts for
    every axis.

    Gradients:
    The cotangent's inner part for `a`; the sum of its border for a constant's value; mirrored elements collect theirs.

    Errors:
    As many widths as neither 1 nor the number of axes, a constant of more than one element, an empty axis that is to be
    repeated or mirrored."""

def partition(a: _ArrayLike, /, kth: int, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The elements along `axis` (without an axis: of the flattened array) in three groups: those below the element that a
    sort would put at position `kth`, then all equal to it, then those above; each group in its order of occurrence.
    NaNs count as largest. A negative `kth` counts from the end.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any real dtype; the result has the input's.

    Gradients:
    The cotangent, put back into the order of the input.

    Errors:
    An axis out of range; a position outside the axis."""

def permute_dims(a: _ArrayLike, /, axes: int | Sequence[int] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with its axes in the order `axes`; with `..`, reversed. A view.

    Gradients:
    The cotangent with the axes put back.

    Errors:
    Axes that are not a permutation of those of `a`."""
pi: float

def positive(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The array itself."""

def pow(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a` to the power `b`.

    Shapes:
    Broadcast together.

    Dtypes:
    Promoted. Integers wrap; with a negative exponent they give 0.

    Gradients:
    `b a^(b-1)` and `a^b ln a` times the cotangent; the first is 0 where `b` is 0, the second where `a` is 0.

    Errors:
    Shapes that do not broadcast."""

def power(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a` to the power `b`.

    Shapes:
    Broadcast together.

    Dtypes:
    Promoted. Integers wrap; with a negative exponent they give 0.

    Gradients:
    `b a^(b-1)` and `a^b ln a` times the cotangent; the first is 0 where `b` is 0, the second where `a` is 0.

    Errors:
    Shapes that do not broadcast."""

def printoptions(precision: int = ...) -> Any:
    """Sets how arrays are printed in a `with` block."""

def prod(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The product over `axes`; with `..`, over all.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    As `sum`.

    Gradients:
    The cotangent times the product of the other elements, which is right for zeros too.

    Errors:
    Axes out of range or repeated."""

def put_along_axis(a: _ArrayLike, /, indices: _ArrayLike, values: _ArrayLike, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with the elements at `indices` along `axis` replaced by `values`; without an axis, of the flattened array (the
    result has the shape of `a`).

    Shapes:
    `indices` has as many axes as `a`, equal to it or 1 except along `axis`; `values` broadcasts to the indices' shape.

    Dtypes:
    That of `a`. Indices are integers; negative ones count from the end, others beyond the axis are clamped. Of several
    updates of one element the last stays.

    Gradients:
    The cotangent with zeros at the places for `a`, what lies there for `values`. None for indices.

    Errors:
    An axis out of range, indices that are not integers or of another number of axes, shapes that do not broadcast."""

def qqmm(x: _ArrayLike, w: _ArrayLike, scales: _ArrayLike | None = ..., group_size: int | None = ..., bits: int | None = ..., mode: str = ..., global_scale_x: _ArrayLike | None = ..., global_scale_w: _ArrayLike | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`x @ w.T` with both operands quantized: `x` on the way in, `w` too unless its `scales` are given.

    The product is that of the values that codes and scales stand for, with the bits of
    `quantized_matmul` for those values of `x`: weights quantized beforehand or on the
    way in give the same bits.

    Shapes:
    `x`: `[..., M, K]` (or `[K]`), `w`: `[..., N, K]`, or codes `[..., N, K * bits / 32]` with scales
    `[..., N, K / group_size]`. `K` is a multiple of the group size. Result `[..., M, N]`; leading axes broadcast.

    Dtypes:
    `x` (and `w`, if it is not quantized): float32, float16 or bfloat16; the result has the dtype of `x`. Formats without
    biases: nvfp4, mxfp8, mxfp4. Global scales (nvfp4) are single float32 numbers, both or none; the product is then taken
    in float32.

    Gradients:
    Rounding is seen through (a straight-through estimator): those of a product of the rounded operands with respect to `x`
    and to a `w` that is not quantized. With respect to the global scale of quantized weights.

    Errors:
    Shapes that do not fit the format or one another, other dtypes, one global scale alone."""

def quantize(w: _ArrayLike, /, group_size: int | None = ..., bits: int | None = ..., mode: str = ..., *, global_scale: _ArrayLike | None = ..., stream: Stream | Device | DeviceType | None = ...) -> tuple[array, ...]:
    """Quantizes groups of consecutive elements of the last axis.

    affine, in float32: `s = max((max - min) / (2^bits - 1), 1e-7)`, negative where the group's maximum has the larger
    magnitude; the edge of larger magnitude becomes exactly representable: `q0 = round(edge / s)`, and unless that is 0,
    `s = edge / q0` with `bias = edge` (else the bias is 0); `code = clip(round((w - bias) / s), 0, 2^bits - 1)`. Scale
    and bias are rounded to `w`'s dtype afterwards. MLX's algorithm, with its bits.

    mxfp4 and mxfp8: the scale is the least power of two by which the group's largest magnitude comes to at most 6 or 448
    (1 for a group of zeros); nvfp4: the scale is that magnitude over 6 as E4M3. Codes are nearest values, of two equally
    near E2M1 values the smaller, of two E4M3 values the even one. A group with a number that is not finite has the scale NaN
    with mxfp4 and mxfp8 and codes that stand for NaN with affine ones; E4M3 scales and codes have no place for it, and with
    nvfp4 it is lost.

    `global_scale` (nvfp4 only) is one float32 number, the largest magnitude of the whole array: scales are then relative to
    it, `E4M3(largest / 6 * 2688 / global_scale)` with 2688 = 448 * 6, and must be read with the same number.

    Shapes:
    `w`: at least two axes, the last a multiple of the group size.

    Dtypes:
    float32, float16, bfloat16. Codes are uint32 words; scales and biases have `w`'s dtype, or uint8 in the other modes.

    Gradients:
    Of affine scales and biases with respect to `w`. Codes are integers.

    Errors:
    Fewer than two axes, a last axis that groups do not divide, another dtype."""

def quantized_matmul(x: _ArrayLike, w: _ArrayLike, /, scales: _ArrayLike, biases: _ArrayLike | None = ..., transpose: bool = ..., group_size: int | None = ..., bits: int | None = ..., mode: str = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`x @ w.T` (or `x @ w`) with a quantized `w`.

    Sums have one order that depends on the format and `K` alone (`docs/numerics.md`): a row has the same bits whatever
    other rows are in the call. Nothing is rounded to the activations' dtype on the way: with `transpose` each group's sum
    of `x * code` is taken in float32, scaled, and added to the total with `bias * sum(x)`.

    Shapes:
    `x`: `[..., M, K]` (or `[K]`); with `transpose`, codes `[..., N, K * bits / 32]`, scales and biases
    `[..., N, K / group_size]`; without, codes `[..., K, N * bits / 32]`, scales and biases `[..., K, N / group_size]`.
    Result `[..., M, N]`. Leading axes broadcast.

    Dtypes:
    `x`, scales and biases are promoted to a common floating dtype (modes without biases: that of `x`); the codes are
    uint32. In float64 the dequantized matrix is multiplied.

    Gradients:
    With respect to `x` and affine scales and biases.

    Errors:
    Shapes that do not fit the format or one another, other dtypes."""

def quantized_matmul_int8(x: _ArrayLike, w: _ArrayLike, /, scales: _ArrayLike, biases: _ArrayLike | None = ..., group_size: int | None = ..., bits: int | None = ..., mode: str = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`x @ w.T` with a quantized `w` and `x` rounded to eight bits on the way: faster, with numbers of its own, and never used
    unless it is asked for.

    Each row is cut into runs of 32 elements (nvfp4: 16): a run's scale is its largest magnitude over 127, its elements become
    the nearest integers of -127 to 127. Products of integers are exact; sums have one order (`docs/numerics.md`), so that a
    row has the same bits whatever other rows are in the call, at every instruction-set level and number of threads.

    Codes must be integers too: affine ones are, 4-bit floats (mxfp4, nvfp4) are halves of integers, and 8-bit floats
    (mxfp8) have no such mode.

    Shapes:
    As for `quantized_matmul` with `transpose`.

    Dtypes:
    As for `quantized_matmul`, without float64.

    Gradients:
    Those of the exact product: rounding counts as the identity.

    Errors:
    mxfp8; shapes that do not fit; other dtypes."""

def radians(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Degrees as radians.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Gradients:
    The cotangent, scaled likewise."""

def real(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The real part: of real numbers, the numbers.

    Dtypes:
    Any; of complex64, float32.

    Gradients:
    The cotangent, as a complex number."""

def reciprocal(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `1 / a`.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Gradients:
    Minus the square of the result, times the cotangent."""

def remainder(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise remainder of `a / b` with the sign of `b`, as in Python.

    Shapes:
    Broadcast together.

    Dtypes:
    Promoted. Floats: exact, NaN for `b = 0`; a zero has the sign of `b`. Integers: 0 for `b = 0`. Bools are divided as
    numbers.

    Gradients:
    The cotangent, and minus it times `a // b`.

    Errors:
    Shapes that do not broadcast."""

def repeat(array: _ArrayLike, repeats: int, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Every slice along `axis`, `repeats` times in a row; without an axis, every element of the flattened array.

    Gradients:
    The cotangent summed over the repetitions.

    Errors:
    An axis out of range."""

def reset_peak_memory() -> None:
    """Starts a new measurement of the peak, which is 0 until something is allocated."""

def reshape(a: _ArrayLike, /, shape: int | Sequence[int], *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` under another shape of as many elements; one entry may be -1 and is computed. A view where strides allow it.

    Gradients:
    The cotangent in the old shape.

    Errors:
    A shape with another number of elements, more than one -1."""

def result_type(*arrays_and_dtypes: array | Dtype) -> Dtype:
    """The dtype that arrays and dtypes promote to."""

def right_shift(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a >> b`; signed integers keep their sign.

    A distance below 0, or not below the number of bits, shifts every bit out.

    Shapes:
    Broadcast together.

    Dtypes:
    Integers, promoted; two bools are shifted as uint8.

    Gradients:
    None.

    Errors:
    Shapes that do not broadcast; a floating dtype."""

def roll(a: _ArrayLike, shift: int | Sequence[int], axis: int | Sequence[int] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with elements moved forward by `shifts` along `axes`, those pushed out at the end coming back at the front. One
    shift counts for every axis, and several shifts of one axis add up; with `..`, the flattened array is shifted by the
    sum of `shifts`.

    Gradients:
    The cotangent, shifted back.

    Errors:
    Axes out of range, several shifts for another number of axes, no shift or no axis."""

def round(a: _ArrayLike, /, decimals: int = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise rounding to `decimals` places after the decimal point, halves to the even neighbour. With negative
    `decimals` to tens, hundreds and so on.

    Dtypes:
    Any. Floats are scaled by a power of ten, rounded, and scaled back. Integers are exact, and unchanged unless
    `decimals` is negative.

    Gradients:
    Zero."""

def rsqrt(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `1 / sqrt(a)`.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    `-result / (2 a)` times the cotangent."""

def save(file: str | PathLike[str] | IO[bytes], arr: array) -> None:
    """Writes an array as an npy file."""

def save_safetensors(file: str | PathLike[str] | IO[bytes], arrays: dict[str, array], metadata: dict[str, str] | None = ...) -> None:
    """Writes a dict of arrays, and metadata of strings, as a safetensors file."""

def savez(file: str | PathLike[str] | IO[bytes], *args: array, **kwargs: array) -> None:
    """Writes arrays as an npz file, by position and by name."""

def savez_compressed(file: str | PathLike[str] | IO[bytes], *args: array, **kwargs: array) -> None:
    """Writes arrays as a compressed npz file, by position and by name."""

def searchsorted(sorted_sequence: _ArrayLike, values: _ArrayLike, /, side: str = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """For every element of `values` the position in the ascending, one-dimensional `sorted` at which it could be put in
    without breaking the order. NaNs count as largest.

    Shapes:
    That of `values`.

    Dtypes:
    Any real dtypes, promoted; the result is uint32.

    Gradients:
    None.

    Errors:
    A sequence that is not one-dimensional."""

def segmented_mm(a: _ArrayLike, b: _ArrayLike, /, segments: _ArrayLike, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a[:, start:end] @ b[start:end, :]` for every pair `(start, end)` in `segments`.

    A product has the bits that `matmul` gives those two slices. Pairs are read as Python's slices:
    negative numbers count from the end, numbers beyond it are cut, and an empty segment gives zeros.

    Shapes:
    `a`: `[M, K]`, `b`: `[K, N]`, `segments`: `[..., 2]`; result `[..., M, N]`.

    Dtypes:
    `a` and `b`: floats, promoted; `segments`: integers.

    Gradients:
    Of both operands; what an element gets from several segments is added up in float32 (float64) in ascending order.

    Errors:
    Operands that are no matrices (`vmap` batches them), inner sizes that differ, segments that are no pairs of integers."""

def set_cache_limit(limit: int) -> int:
    """Bounds the bytes kept for reuse; returns the previous bound."""

def set_default_device(device: Device | DeviceType) -> None:
    """Chooses the device that operations run on; there is only one."""

def set_default_stream(stream: Stream) -> None:
    """Chooses the stream of later operations, which has no effect on what they compute."""

def set_memory_limit(limit: int) -> int:
    """The limit that is told, for programs that set one; returns the previous one. Memory is bounded by the machine."""

def set_printoptions(precision: int = ...) -> None:
    """Sets how arrays are printed from now on."""

def set_wired_limit(limit: int) -> int:
    """A limit for memory that a GPU keeps resident, which there is none of; returns 0."""

def sigmoid(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `1 / (1 + e^-a)`.

    Dtypes:
    Floats; integers and bools are computed in float32.

    Gradients:
    `result (1 - result)` times the cotangent."""

def sign(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise -1, 0 or 1 with the sign of `a`; NaN for NaN. Of a complex number `a / |a|`, and 0 for 0.

    Dtypes:
    Any.

    Gradients:
    Zero; of a complex number the part of the cotangent across its direction, over its magnitude."""
signedinteger: DtypeCategory

def sin(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise sine of an angle in radians.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    `cos(a)` times the cotangent."""

def sinh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise hyperbolic sine.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    `cosh(a)` times the cotangent."""

def slice(a: _ArrayLike, start_indices: _ArrayLike, axes: int | Sequence[int] | None, slice_size: Sequence[int], *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The block of shape `block` that begins at `start` along `axes` and at 0 along the others; moved so that it fits.

    Gradients:
    The cotangent in the block's place, zeros elsewhere.

    Errors:
    A block that does not fit, start indices that are not integers, axes out of range or named twice."""

def slice_update(a: _ArrayLike, update: _ArrayLike, start_indices: _ArrayLike, axes: int | Sequence[int] | None, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with `update` in the place of `dynamic_slice`.

    Errors:
    As `dynamic_slice`."""

def softmax(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., *, precise: bool = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """`exp(a - max) / sum(exp(a - max))` over `axes`; with `..`, over all.

    `precise` asks for float32 inside half-precision inputs; here it is always so, hence the flag changes nothing.

    Shapes:
    Any; the result has the input's.

    Dtypes:
    Floats; integers and bools are converted to float32. Half precision is computed in float32 and rounded once.

    Gradients:
    `s * (ct - sum(s * ct))`.

    Errors:
    Axes out of range or repeated."""

def sort(a: _ArrayLike, /, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The elements of `a` in ascending order along `axis`; without an axis, of the flattened array. NaNs come last.

    Shapes:
    The input's (without an axis: one axis).

    Dtypes:
    Any real dtype; the result has the input's.

    Gradients:
    The cotangent, put back into the order of the input.

    Errors:
    An axis out of range."""

def split(a: _ArrayLike, /, indices_or_sections: int | Sequence[int], axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> list[array]:
    """`a` in `parts` equal parts along `axis`. They are views.

    Gradients:
    The parts' cotangents, joined.

    Errors:
    An axis that `parts` does not divide."""

def sqrt(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise square root; NaN for negative numbers.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    The cotangent over twice the result."""

def square(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise `a a`; integers wrap.

    Dtypes:
    Any.

    Gradients:
    `2 a` times the cotangent."""

def squeeze(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` without `axes`, which must have size 1; with `..`, without every axis of size 1.

    Gradients:
    The cotangent with the axes put back.

    Errors:
    Axes out of range, repeated, or of another size."""

def stack(arrays: Sequence[_ArrayLike], axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The arrays joined along a new axis, which stands at `axis` of the result.

    Errors:
    No arrays, an axis out of range, shapes that differ."""

def std(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., ddof: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The square root of the variance over `axes`; see `var`.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    As `var`; half precision is rounded once, after the root.

    Gradients:
    Infinite where the variance is 0.

    Errors:
    Axes out of range or repeated."""

def stop_gradient(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a`, treated as a constant by `grad`, `vjp` and `jvp`.

    Shapes:
    Any; the result has the input's shape and dtype.

    Gradients:
    Zero."""

def stream(s: Stream | Device | DeviceType) -> StreamContext:
    """Makes a stream or device the default for a `with` block."""

def subtract(a: _ArrayLike, b: _ArrayLike, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise difference.

    Shapes:
    Broadcast together.

    Dtypes:
    Any, promoted; integers wrap, and two bools differ or not.

    Gradients:
    The cotangent, and its negative.

    Errors:
    Shapes that do not broadcast."""

def sum(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The sum over `axes`; with `..`, over all.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    That of `a`; bools and integers narrower than 32 bits are summed as int32 (unsigned ones as uint32). Half-precision
    elements are added in float32 and the sum is rounded once.

    Gradients:
    The cotangent, repeated.

    Errors:
    Axes out of range or repeated."""

def swapaxes(a: _ArrayLike, /, axis1: int, axis2: int, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with two axes exchanged."""

def synchronize(stream: Stream | Device | DeviceType | None = ...) -> None:
    """Waits until started evaluations are done, and raises the error of one that failed."""

def take(a: _ArrayLike, /, indices: _ArrayLike, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The slices of `a` along `axis` at `indices`; without an axis, elements of the flattened array.

    Shapes:
    That of `a` with the axis replaced by the axes of `indices`.

    Dtypes:
    That of `a`. Indices are integers; negative ones count from the end, others beyond the axis are clamped.

    Gradients:
    The cotangent, added into zeros at the same places. None for indices.

    Errors:
    An axis out of range, indices that are not integers, an empty axis."""

def take_along_axis(a: _ArrayLike, /, indices: _ArrayLike, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The elements `a[.., indices[.., i, ..], ..]` with the index along `axis`; without an axis, of the flattened array.

    Shapes:
    `indices` has as many axes as `a`; other axes than `axis` broadcast. The result has the shape of `indices` then.

    Dtypes:
    That of `a`. Indices are integers; negative ones count from the end, others beyond the axis are clamped.

    Gradients:
    The cotangent, added into zeros at the same places. None for indices.

    Errors:
    An axis out of range, indices that are not integers or of another number of axes, shapes that do not broadcast."""

def tan(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise tangent of an angle in radians.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    `1 + result^2` times the cotangent."""

def tanh(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element-wise hyperbolic tangent.

    Dtypes:
    Floats and complex64; integers and bools are computed in float32.

    Gradients:
    `1 - result^2` times the cotangent."""

def tensordot(a: _ArrayLike, b: _ArrayLike, /, axes: int | Sequence[Sequence[int]] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The sum of products over `axes_a` of `a` and `axes_b` of `b`, as one matrix product.

    Shapes:
    The other axes of `a`, then the other axes of `b`.

    Dtypes:
    As `matmul`.

    Errors:
    Axes out of range, or as many as the other array's or as large as they are not."""

def tile(a: _ArrayLike, reps: int | Sequence[int], /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` side by side with itself, `reps[d]` times along axis `d`; axes are added in front of the shorter of the two.

    Gradients:
    The cotangent summed over the repetitions."""

def to_fp8(x: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """8-bit floats (E4M3: four exponent bits of bias 7, three mantissa bits, no infinities) as uint8, rounded to nearest
    even; magnitudes above 448 become 448, a NaN too.

    Dtypes:
    Floats, to uint8.

    Gradients:
    None.

    Errors:
    No floating dtype."""

def topk(a: _ArrayLike, /, k: int, axis: int | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The `k` largest elements along `axis`; without an axis, of the flattened array. In no order that a caller should rely
    on (it is fixed all the same: that of `partition`). NaNs count as largest.

    Shapes:
    The input's with `k` along `axis` (without an axis: one axis).

    Dtypes:
    Any real dtype; the result has the input's.

    Gradients:
    The cotangent to the elements that were taken.

    Errors:
    An axis out of range; `k` larger than the axis."""

def trace(a: _ArrayLike, /, offset: int = ..., axis1: int = ..., axis2: int = ..., dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The sum of diagonal `offset` of the matrices spanned by `axis1` and `axis2`.

    Dtypes:
    `dtype`, or that of a `sum`.

    Errors:
    As `diagonal`."""

def transpose(a: _ArrayLike, /, axes: int | Sequence[int] | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with its axes in the order `axes`; with `..`, reversed. A view.

    Gradients:
    The cotangent with the axes put back.

    Errors:
    Axes that are not a permutation of those of `a`."""

def tri(n: int, m: _ArrayLike | None = ..., k: int = ..., dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """An `n` by `m` matrix with ones on and below diagonal `k`, zeros above.

    Errors:
    A shape with too many elements."""

def tril(x: _ArrayLike, k: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The matrices of the last two axes with zeros above diagonal `k`.

    Gradients:
    The cotangent with zeros above the diagonal.

    Errors:
    Fewer than two axes."""

def triu(x: _ArrayLike, k: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The matrices of the last two axes with zeros below diagonal `k`.

    Gradients:
    The cotangent with zeros below the diagonal.

    Errors:
    Fewer than two axes."""

def trunc(a: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Each element without its fraction.

    Dtypes:
    Any; integers and bools are returned as they are.

    Gradients:
    Zero."""
uint16: Dtype
uint32: Dtype
uint64: Dtype
uint8: Dtype

def unflatten(a: _ArrayLike, /, axis: int | None, shape: int | Sequence[int], *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """`a` with `axis` replaced by axes of `shape`, of which one may be -1 and is computed. A view.

    Errors:
    An axis out of range, an empty shape or one of another number of elements."""

def unique(a: _ArrayLike, /, size: int, return_index: bool = ..., return_inverse: bool = ..., return_counts: bool = ..., fill_value: _ArrayLike | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array | tuple[array, ...]:
    """The different elements of an array, ascending, in an output of a given size, so that nothing is evaluated: elements beyond
    it are left out, and places that are left over hold `fill` (without it: the first of the elements) and count 0.

    NaN differs from itself.

    Dtypes:
    Real ones; the elements have the input's.

    Gradients:
    Of the values: the cotangent to the elements that stand for them.

    Errors:
    An empty array where there is nothing to fill the output with; a complex array."""
unsignedinteger: DtypeCategory

def unstack(x: _ArrayLike, /, *, axis: int | None = ..., stream: Stream | Device | DeviceType | None = ...) -> list[array]:
    """The slices of `a` along `axis`, without that axis.

    Errors:
    An axis out of range."""

def value_and_grad(fun: Callable[..., Any], argnums: int | Sequence[int] | None = ..., argnames: str | Sequence[str] | None = ...) -> Callable[..., Any]:
    """A function that returns the value of `fun` and its gradient."""

def var(a: _ArrayLike, /, axis: int | Sequence[int] | None = ..., keepdims: bool = ..., ddof: int = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The variance over `axes` (with `..`, over all): the sum of squared differences from the mean over `n - ddof`.

    Two passes: the mean first, then the squares of the differences; both sums in the order of `sum`.

    Shapes:
    The input's without `axes`, or with size 1 there if `keepdims`.

    Dtypes:
    Floats; integers and bools are converted to float32 first. Half precision is computed in float32 and rounded once.

    Gradients:
    Twice the difference from the mean over `n - ddof`, times the cotangent.

    Errors:
    Axes out of range or repeated."""

def vecdot(a: _ArrayLike, b: _ArrayLike, /, *, axis: int | None = ..., stream: Stream | Device | DeviceType | None = ...) -> array:
    """The sum of products along one axis, those of `a` conjugated; the arrays are broadcast.

    Errors:
    An axis out of range, axes of different sizes, shapes that do not broadcast."""

def view(a: _ArrayLike, dtype: Dtype, stream: Stream | Device | DeviceType | None = ...) -> array:
    """The bytes of `a` read as `dtype`. If the sizes differ, the last axis grows or shrinks accordingly.

    Gradients:
    Zero: bits are not a smooth function.

    Errors:
    A scalar and another size, or a last axis whose bytes are no whole number of new elements."""

def vjp(fun: Callable[..., Any], primals: list[array], cotangents: list[array]) -> tuple[list[array], list[array]]:
    """The outputs of `fun` at `primals`, and the products of `cotangents` with its Jacobian."""

def vmap(fun: Callable[..., Any], in_axes: Any = ..., out_axes: Any = ...) -> Callable[..., Any]:
    """A function of batches: `in_axes` and `out_axes` say, for each argument and result or for trees of them, which axis
    is the batch's; `None` is the same for the whole batch."""

def where(condition: _ArrayLike, x: _ArrayLike, y: _ArrayLike, /, *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Element by element `x` where `condition` holds and `y` elsewhere (`where` in Python, which Rust reserves).

    Shapes:
    All three are broadcast together.

    Dtypes:
    `x` and `y`: any, promoted. `condition`: any; what is not 0 holds.

    Gradients:
    The cotangent goes to the array that was chosen and nothing, not even a NaN, to the other.

    Errors:
    Shapes that do not broadcast."""

def zeros(shape: int | Sequence[int], dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """An array of zeros."""

def zeros_like(a: _ArrayLike, /, dtype: Dtype | None = ..., *, stream: Stream | Device | DeviceType | None = ...) -> array:
    """Zeros with the shape and dtype of `a`."""

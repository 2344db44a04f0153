"""Writes the type stubs of ``isobit.core`` from the module itself: signatures and docstrings are those at run time.

``python -m isobit._stubs DIRECTORY`` writes ``core/__init__.pyi`` and a file per submodule there; the package's own are
made this way (``python/isobit``), and tests compare them with the module. What a parameter takes is read off its name,
which means the same in every function, or stands in ``_SPECIAL``.
"""

import inspect
import sys
import types
from pathlib import Path

from isobit import core

_ARRAY = "_ArrayLike"
_NUMBER = "bool | int | float"
_AXES = "int | Sequence[int] | None"
_STREAM = "Stream | Device | DeviceType | None"
_BOOLS = """align_corners antialias compute_uv contiguous cos_first full full_turns nesterov scale_parameter warmup with_logits
allow_col_major copy enabled endpoint equal_nan force_fused inclusive keepdims precise return_metadata reverse shapeless
sorted_indices sparse strict traditional transpose"""
_INTS = """fan groups heads keys queries shared steps
M block_size dst src axis1 axis2 color ddof decimals destination dims end_axis k key_size kth limit m n num num_samples offset precision
repeats seed source start_axis"""
_FLOATS = """alpha atol base beta clip_threshold d decay_rate decay_steps delta dampening end eps gain init
label_smoothing max_norm momentum nan neginf posinf rho rtol scale sparsity step_size weight_decay"""
_ARRAYS = """a a_max a_min b bias biases c condition constant_values freqs global_scale global_scale_w global_scale_x high
indices lhs_indices loc logits mask_lhs mask_out mask_rhs segments
anchors column frequencies gradient hidden cell inputs1 inputs2 lambd logits m max_val mean min_val negative_slope
negatives new_bias parameter positives predictions rate root row running_mean running_var std targets threshold var vars
wh weights wx x1 x2 lower low p q rhs_indices scales sinks sorted_sequence start_indices update upper v vals value values w weight x y"""
_TYPES = {
    **dict.fromkeys(_BOOLS.split(), "bool"),
    **dict.fromkeys(_INTS.split(), "int"),
    **dict.fromkeys(_FLOATS.split(), "float"),
    **dict.fromkeys(_ARRAYS.split(), _ARRAY),
    "betas": "Sequence[float]",
    "margin": _ARRAY,
    "reduction": "str",
    "u": _ARRAY,
    "beta_1": "float | None",
    "args": "Any",
    "kwargs": "Any",
    "all_gather_factory": "Any",
    "UPLO": "str", "cov": _ARRAY,
    "argnames": "str | Sequence[str] | None",
    "argnums": "int | Sequence[int] | None",
    "array": _ARRAY,
    "arr": "array",
    "arrays": "Sequence[_ArrayLike]",
    "axes": _AXES,
    "axis": "int | None",
    "backend": "str",
    "bits": "int | None",
    "cotangents": "list[array]",
    "dependencies": "array | Sequence[array]",
    "device": "Device | DeviceType",
    "device_type": "DeviceType",
    "dtype": "Dtype",
    "file": "str | PathLike[str] | IO[bytes]",
    "format": "str | None",
    "fun": "Callable[..., Any]",
    "group": "Group | None",
    "group_size": "int | None",
    "in_axes": "Any",
    "indexing": "str",
    "indices_or_sections": "int | Sequence[int]",
    "inputs": "Any",
    "key": "array | None",
    "mask": "str | _ArrayLike | None",
    "metadata": "dict[str, str] | None",
    "mode": "str",
    "ord": "int | float | str | None",
    "out_axes": "Any",
    "outputs": "Any",
    "pad_width": "int | Sequence[int] | Sequence[Sequence[int]]",
    "primals": "list[array]",
    "reps": "int | Sequence[int]",
    "shape": "int | Sequence[int]",
    "shift": "int | Sequence[int]",
    "side": "str",
    "slice_size": "Sequence[int]",
    "start": _NUMBER,
    "step": _NUMBER,
    "stop": _NUMBER,
    "stream": _STREAM,
    "strides": "Sequence[int]",
    "subscripts": "str",
    "tangents": "list[array]",
}
#: Parameters whose name means something else in one function.
_SPECIAL = {
    ("unique", "size"): "int", ("start_capture", "path"): "str | PathLike[str]", ("hadamard_transform", "scale"): "float | None",
    ("unique", "return_index"): "bool", ("unique", "return_inverse"): "bool", ("unique", "return_counts"): "bool",
    ("unique", "fill_value"): f"{_ARRAY} | None",
    ("export_to_dot", "file"): "str | PathLike[str] | IO[str]",
    ("export_to_dot", "args"): "array", ("export_to_dot", "kwargs"): "array",
    ("save_safetensors", "arrays"): "dict[str, array]",
    ("savez", "args"): "array", ("savez", "kwargs"): "array",
    ("savez_compressed", "args"): "array", ("savez_compressed", "kwargs"): "array",
    ("adafactor", "eps"): "Sequence[float]", ("adafactor", "state"): "Sequence[array | None]",
    ("gaussian_nll_loss", "full"): "bool",
    ("rnn", "nonlinearity"): "Callable[[array], array]", ("upsample", "scale"): "Sequence[float]",
    ("dropout", "p"): "float", ("triplet_loss", "p"): "float", ("triplet_loss", "margin"): "float", ("muon", "steps"): "int",
    ("linear_schedule", "steps"): "float",
    ("max_pool", "kernel_size"): "Sequence[int]", ("max_pool", "stride"): "Sequence[int]",
    ("max_pool", "padding"): "Sequence[int]", ("avg_pool", "kernel_size"): "Sequence[int]",
    ("avg_pool", "stride"): "Sequence[int]", ("avg_pool", "padding"): "Sequence[int]",
    ("clip_grad_norm", "grads"): "Any",
    **{(name, "step"): _ARRAY for name in "adafactor adafactor_rate bias_correction cosine_decay exponential_decay linear_schedule step_decay".split()},
    **{(name, "inputs"): _ARRAY for name in """binary_cross_entropy gaussian_nll_loss hinge_loss huber_loss kl_div_loss log_cosh_loss
       nll_loss""".split()},
    **{(name, parameter): f"{_ARRAY} | None" for name in "instance_norm group_norm batch_norm".split() for parameter in ("weight", "bias")},
    **{("quantized_scaled_dot_product_attention", name): "Sequence[_ArrayLike]" for name in ("keys", "values")},
    ("asarray", "a"): "Any", ("from_dlpack", "x"): "Any",
    ("eye", "m"): "int | None",
    **{(name, "upper"): "bool" for name in ("tri_inv", "cholesky", "cholesky_inv", "solve_triangular")},
    ("meshgrid", "arrays"): "_ArrayLike", ("broadcast_arrays", "arrays"): "_ArrayLike",
    ("einsum", "operands"): "_ArrayLike", ("einsum_path", "operands"): "_ArrayLike",
    ("atleast_1d", "arys"): "_ArrayLike", ("atleast_2d", "arys"): "_ArrayLike", ("atleast_3d", "arys"): "_ArrayLike",
    ("broadcast_shapes", "shapes"): "Sequence[int]",
    ("depends", "inputs"): "array | Sequence[array]",
    ("default_stream", "device"): "Device | DeviceType",
    ("rope", "offset"): "int | array", ("rope", "base"): "float | None",
    ("stream", "s"): "Stream | Device | DeviceType", ("StreamContext", "s"): "Stream | Device | DeviceType",
    ("set_default_stream", "stream"): "Stream",
    ("tensordot", "axes"): "int | Sequence[Sequence[int]]",
    ("moveaxis", "source"): "int", ("uniform", "shape"): "Sequence[int]", ("normal", "shape"): "Sequence[int]",
    ("permutation", "x"): "int | array", ("permutation", "axis"): "int",
    ("issubdtype", "arg1"): "Dtype | DtypeCategory", ("issubdtype", "arg2"): "Dtype | DtypeCategory",
    ("isdtype", "kind"): "Any", ("can_cast", "from_"): "array | Dtype", ("can_cast", "to"): "Dtype",
    ("result_type", "arrays_and_dtypes"): "array | Dtype",
    ("reshape", "shape"): "int | Sequence[int]", ("transpose", "axes"): "int | Sequence[int] | None",
    ("clip", "a_min"): f"{_ARRAY} | None", ("clip", "a_max"): f"{_ARRAY} | None",
    ("rms_norm", "weight"): f"{_ARRAY} | None", ("layer_norm", "weight"): f"{_ARRAY} | None",
    ("layer_norm", "bias"): f"{_ARRAY} | None",
    ("device_info", "d"): "Device | DeviceType | None", ("array", "val"): "Any",
}
#: Functions in which ``axis`` may be several axes.
_SEVERAL = """all any count_nonzero cosine_similarity_loss expand_dims flip kl_div_loss log_softmax logsumexp max mean median min norm prod roll softmax softmin squeeze
std sum triplet_loss var""".split()
_NONE = """eval async_eval seed save savez savez_compressed save_safetensors export_to_dot set_default_device set_default_stream clear_streams
synchronize clear_cache reset_peak_memory start_capture stop_capture disable_compile enable_compile set_printoptions""".split()
_RETURNS = {
    **dict.fromkeys(_NONE, "None"),
    **dict.fromkeys(["grad", "value_and_grad", "vmap", "compile", "checkpoint"], "Callable[..., Any]"),
    **dict.fromkeys(["broadcast_arrays", "meshgrid", "quantize"], "tuple[array, ...]"),
    **dict.fromkeys(["atleast_1d", "atleast_2d", "atleast_3d", "depends", "numerical_strict_mode"], "Any"),
    **dict.fromkeys(["vjp", "jvp"], "tuple[list[array], list[array]]"),
    **dict.fromkeys("adagrad batch_statistics bias_correction lion lstm muon rmsprop running_statistics".split(), "tuple[array, array]"),
    **dict.fromkeys(["adadelta", "adam", "adamax"], "tuple[array, array, array]"),
    **dict.fromkeys(["exponential_decay", "step_decay"], "float | array"),
    "sgd": "tuple[array, array | None]", "clip_grad_norm": "tuple[Any, array]",
    "adafactor": "tuple[array, tuple[array | None, array | None, array | None, array | None]]",
    **dict.fromkeys(["issubdtype", "isdtype", "can_cast", "is_available", "__bool__"], "bool"),
    **dict.fromkeys("""get_active_memory get_peak_memory get_cache_memory set_memory_limit set_cache_limit set_wired_limit
        device_count rank size __len__ __hash__ __int__ __index__ ndim itemsize nbytes bits""".split(), "int"),
    **dict.fromkeys(["get_printoptions", "printoptions"], "Any"),
    **dict.fromkeys(["new_stream", "default_stream", "new_thread_unsafe_stream", "new_thread_local_stream"], "Stream"),
    **dict.fromkeys(["__repr__", "name"], "str"),
    **dict.fromkeys(["min", "max", "eps", "smallest_normal"], "float"),
    "tolist": "Any", "item": "Any", "load": "Any", "split": "list[array]", "unstack": "list[array]",
    "unique": "array | tuple[array, ...]",
    **dict.fromkeys(["divmod", "qr", "eig", "eigh", "lu_factor", "slogdet"], "tuple[array, array]"), "lu": "tuple[array, array, array]", "svd": "array | tuple[array, array, array]", "broadcast_shapes": "tuple[int, ...]",
    "einsum_path": "tuple[list[tuple[int, ...]], str]", "result_type": "Dtype",
    "device_info": "dict[str, Any]", "default_device": "Device", "stream": "StreamContext", "init": "Group",
    "dtype": "Dtype", "shape": "tuple[int, ...]", "at": "ArrayAt", "T": "array", "real": "array", "imag": "array",
    "device": "Device", "type": "DeviceType", "precision": "int", "__float__": "float", "__complex__": "complex",
    "__format__": "Any", "__iter__": "Any", "__bytes__": "bytes", "__reversed__": "Any", "__next__": "array", "__eq__": "Any", "__ne__": "Any",
    "__dlpack_device__": "tuple[int, int]", "__setitem__": "None",
}
#: What Python calls, with ``Any`` where it calls it with anything.
_DUNDERS = """__abs__ __add__ __and__ __array__ __array_namespace__ __bool__ __bytes__ __call__ __complex__ __copy__ __deepcopy__
__dlpack__ __dlpack_device__ __enter__ __eq__ __exit__ __float__ __floordiv__ __format__ __ge__ __getitem__ __gt__
__hash__ __iadd__ __iand__ __ifloordiv__ __ilshift__ __imatmul__ __imod__ __imul__ __index__ __int__ __invert__ __ior__
__ipow__ __irshift__ __isub__ __iter__ __itruediv__ __ixor__ __le__ __len__ __lshift__ __lt__ __matmul__ __mod__ __mul__
__ne__ __neg__ __next__ __or__ __pos__ __pow__ __radd__ __rand__ __reduce__ __repr__ __reversed__ __rfloordiv__ __rlshift__ __rmatmul__
__rmod__ __rmul__ __ror__ __rpow__ __rrshift__ __rshift__ __rsub__ __rtruediv__ __rxor__ __setitem__ __sub__ __truediv__
__xor__""".split()
#: Methods of arrays that do not give arrays.
_ANY = """__array__ __array_namespace__ __bytes__ __reversed__ __dlpack__ __dlpack_device__ __reduce__ __setitem__ __iter__ __format__ __eq__
__ne__""".split()
_HEADER = """from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base
"""
_ARRAY_LIKE = """
class _HasArray(Protocol):
    def __mlx__array__(self) -> array: ...

class _HasDLPack(Protocol):
    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

_ArrayLike = array | bool | int | float | complex | Buffer | _HasArray | _HasDLPack
"""


def _doc(obj, indent):
    text = inspect.getdoc(obj) or ""
    if not text:
        return f"{indent}...\n"
    body = text.replace("\\", "\\\\").replace('"""', "'''").replace("\n", "\n" + indent).replace(f"\n{indent}\n", "\n\n")
    return f'{indent}"""{body}"""\n'


def _kind(function, p):
    """What a parameter takes."""
    if function in ("__eq__", "__ne__"):
        kind = "object"
    elif function in ("__getitem__", "__setitem__"):
        kind = "Any"
    elif (function, p.name) in _SPECIAL:
        kind = _SPECIAL[function, p.name]
    elif p.name == "axis" and function in _SEVERAL:
        kind = _AXES
    else:
        kind = _TYPES.get(p.name, "Any")
    if p.default is None and "None" not in kind and kind != "Any":
        kind += " | None"
    return kind


def _parameters(name, function):
    """The parameters as in a definition; ``*args`` where the function does not say."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return "*args: Any, **kwargs: Any"
    out, kinds = [], inspect.Parameter
    positional_only = keyword_marked = False
    for p in signature.parameters.values():
        if positional_only and p.kind is not kinds.POSITIONAL_ONLY:
            out.append("/")
            positional_only = False
        positional_only = positional_only or p.kind is kinds.POSITIONAL_ONLY
        if p.kind is kinds.KEYWORD_ONLY and not keyword_marked and not any(o.startswith("*") for o in out):
            out.append("*")
        keyword_marked = keyword_marked or p.kind is kinds.KEYWORD_ONLY
        star = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.name in ("self", "cls"):
            out.append(p.name)
            continue
        default = "" if p.default is p.empty else " = ..."
        out.append(f"{star}{p.name}: {_kind(name, p)}{default}")
    if positional_only:
        out.append("/")
    return ", ".join(out)


def _function(name, function, indent="", result="array", document=True):
    in_random = getattr(function, "__module__", None) == "isobit.core.random"
    returns = "array" if in_random and name != "seed" else _RETURNS.get(name, result)
    doc = _doc(function, indent + "    ") if document else f"{indent}    ...\n"
    head = f"{indent}def {name}({_parameters(name, function)}) -> {returns}:"
    # Python passes no modulus to ``**=``, so the two differ.
    note = "  # type: ignore[misc]" if name == "__ipow__" else ""
    return f"{head} ...{note}\n" if doc.strip() == "..." else f"{head}\n{doc}"


def _class(name, cls):
    bases = [b.__name__ for b in cls.__bases__ if b is not object]
    heading = f"class {name}({', '.join(bases)}):\n" if bases else f"class {name}:\n"
    # Whether the type may be derived from is a flag of the type (Py_TPFLAGS_BASETYPE).
    open_class = "" if bases else "@disjoint_base\n"
    out = [open_class if cls.__flags__ & (1 << 10) else "@final\n", heading, _doc(cls, "    ")]
    if bases:
        return "".join(out)
    for key, member in sorted(vars(cls).items()):
        if key == "__new__" and not name.startswith("_") and inspect.signature(cls) is not None:
            parameters = _parameters(name, cls)
            out.append(f"    def __new__(cls{', ' if parameters else ''}{parameters}) -> {name}: ...\n")
        elif key.startswith("_") and key not in _DUNDERS:
            continue
        elif key == "__hash__" and member is None:
            out.append("    __hash__: None  # type: ignore[assignment]\n")
        elif isinstance(member, types.GetSetDescriptorType):
            returns = "Any" if (name, key) == ("iinfo", "min") else _RETURNS.get(key, "int" if key == "size" else "Any")
            returns = "int" if name == "iinfo" and key in ("min", "max") else returns
            out.append(f"    @property\n    def {key}(self) -> {returns}:\n{_doc(member, '        ')}")
        elif callable(member):
            made = name == "array" and key not in _ANY or name == "ArrayAt" and not key.startswith("__")
            result = "array" if made else "Any"
            out.append(_function(key, member, "    ", result, document=not key.startswith("__")))
        elif isinstance(member, cls) or name == "DtypeCategory":
            out.append(f"    {key}: {name}\n")
    return "".join(out)


def stub(module):
    """The text of a module's stub."""
    inner = module is core
    parts = [_HEADER]
    if inner:
        parts.append(_ARRAY_LIKE)
    else:
        parts.append("\nfrom isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array\n")
    for name, value in sorted(vars(module).items()):
        if name == "__all__":
            parts.append(f"__all__ = {value!r}\n")
            continue
        if name.startswith("__") and name != "__version__":
            continue
        if isinstance(value, type):
            if value.__name__ != name:
                parts.append(f"\n{name} = {value.__name__}\n")
            else:
                parts.append("\n" + _class(name, value))
        elif isinstance(value, types.ModuleType):
            parts.insert(1, f"from isobit.core import {name} as {name}\n")
        elif callable(value):
            parts.append("\n" + _function(name, value))
        else:
            kind = "Any" if type(value).__name__.startswith("_") else type(value).__name__
            parts.append(f"{name}: {'None' if value is None else kind}\n")
    return "".join(parts)


def main(directory):
    root = Path(directory) / "core"
    root.mkdir(parents=True, exist_ok=True)
    (root / "__init__.pyi").write_text(stub(core))
    for name, value in vars(core).items():
        if isinstance(value, types.ModuleType):
            (root / f"{name}.pyi").write_text(stub(value))


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m isobit._stubs DIRECTORY")
    main(sys.argv[1])

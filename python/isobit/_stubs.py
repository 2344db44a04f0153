"""Writes type stubs for ``isobit.core`` from the module itself: signatures and docstrings are those at run time.

``python -m isobit._stubs DIRECTORY`` writes ``core/__init__.pyi`` and a file per submodule there. What a parameter takes is
read off its name, which means the same in every function.
"""

import inspect
import sys
import types
from pathlib import Path

from isobit import core

_ARRAY = "array | bool | int | float | complex"
_TYPES = {
    "arrays": "Sequence[array]",
    "axes": "int | Sequence[int] | None",
    "axis": "int | Sequence[int] | None",
    "dtype": "Dtype | None",
    "fun": "Callable[..., Any]",
    "key": "array | None",
    "keepdims": "bool",
    "shape": "int | Sequence[int]",
    "stream": "Stream | Device | DeviceType | None",
    "subscripts": "str",
    "mode": "str",
    **dict.fromkeys(["a", "b", "c", "x", "y", "w", "q", "k", "v", "condition", "indices", "values", "weight", "bias"], _ARRAY),
}
_RETURNS = {
    "tolist": "Any", "item": "bool | int | float | complex", "eval": "None", "async_eval": "None", "seed": "None",
    "grad": "Callable[..., Any]", "value_and_grad": "Callable[..., Any]", "vmap": "Callable[..., Any]",
    "compile": "Callable[..., Any]", "checkpoint": "Callable[..., Any]", "save": "None", "savez": "None",
    "savez_compressed": "None", "save_safetensors": "None", "load": "Any", "split": "list[array]",
    "broadcast_arrays": "tuple[array, ...]", "meshgrid": "tuple[array, ...]", "divmod": "tuple[array, array]",
    "quantize": "tuple[array, ...]", "broadcast_shapes": "tuple[int, ...]", "einsum_path": "tuple[list[tuple[int, ...]], str]",
    "unstack": "list[array]", "vjp": "tuple[list[array], list[array]]", "jvp": "tuple[list[array], list[array]]",
    "issubdtype": "bool", "isdtype": "bool", "can_cast": "bool", "result_type": "Dtype", "is_available": "bool",
    "device_info": "dict[str, str | int]", "device_count": "int", "default_device": "Device", "default_stream": "Stream",
    "new_stream": "Stream", "stream": "StreamContext", "init": "Group", "rank": "int", "size": "int",
}
_HEADER = "from collections.abc import Callable, Sequence\nfrom typing import Any\n"


def _doc(obj, indent):
    text = inspect.getdoc(obj) or ""
    if not text or '"""' in text:
        return f"{indent}...\n"
    body = text.replace("\\", "\\\\").replace("\n", "\n" + indent).replace(f"\n{indent}\n", "\n\n")
    return f'{indent}"""{body}"""\n'


def _parameters(function):
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
        if p.kind is kinds.KEYWORD_ONLY and not keyword_marked and "*" not in "".join(o[:1] for o in out):
            out.append("*")
        keyword_marked = keyword_marked or p.kind is kinds.KEYWORD_ONLY
        star = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.name in ("self", "cls"):
            out.append(p.name)
            continue
        kind = "Any" if star else _TYPES.get(p.name, "Any")
        if p.default is None and "None" not in kind and kind != "Any":
            kind += " | None"
        default = "" if p.default is p.empty else " = ..."
        out.append(f"{star}{p.name}: {kind}{default}")
    if positional_only:
        out.append("/")
    return ", ".join(out)


def _function(name, function, indent="", result="array"):
    in_random = getattr(function, "__module__", None) == "isobit.core.random"
    returns = "array" if in_random and name != "seed" else _RETURNS.get(name, result)
    return f"{indent}def {name}({_parameters(function)}) -> {returns}:\n{_doc(function, indent + '    ')}"


def _class(name, cls):
    out = [f"class {name}:\n", _doc(cls, "    ")]
    for key, member in sorted(vars(cls).items()):
        if key in ("__doc__", "__module__", "__hash__") or key.startswith("_") and not key.startswith("__"):
            continue
        if isinstance(member, types.GetSetDescriptorType):
            out.append(f"    @property\n    def {key}(self) -> Any:\n{_doc(member, '        ')}")
        elif key in ("__new__", "__init__"):
            if key == "__new__":
                parameters = _parameters(cls)
                out.append(f"    def __init__(self{', ' if parameters else ''}{parameters}) -> None: ...\n")
        elif callable(member):
            result = "array" if name == "array" and not key.startswith("__") else "Any"
            out.append(_function(key, member, "    ", result))
    return "".join(out)


def stub(module):
    """The text of a module's stub."""
    inner = module is core
    parts = [_HEADER]
    if not inner:
        parts.append("from isobit.core import Device, DeviceType, Dtype, Stream, array\n")
    for name, value in sorted(vars(module).items()):
        if name.startswith("_"):
            continue
        if isinstance(value, type):
            parts.append("\n" + _class(name, value))
        elif isinstance(value, types.ModuleType):
            parts.append(f"from isobit.core import {name} as {name}\n")
        elif callable(value):
            parts.append("\n" + _function(name, value))
        else:
            kind = type(value).__name__ if type(value).__name__ in vars(core) or isinstance(value, (float, int)) else "Any"
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
    main(sys.argv[1])

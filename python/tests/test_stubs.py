"""Type stubs can be made of the module, and are Python."""

import ast

import isobit.core as mx
from isobit import _stubs


def test_stubs_parse_and_have_every_name(tmp_path):
    _stubs.main(tmp_path)
    files = list(tmp_path.rglob("*.pyi"))
    assert len(files) > 3
    for file in files:
        ast.parse(file.read_text())
    names = {n.name for n in ast.parse((tmp_path / "core/__init__.pyi").read_text()).body if hasattr(n, "name")}
    assert {"array", "Dtype", "add", "grad", "vmap", "einsum"} <= names
    assert all(callable(getattr(mx, n)) for n in names)

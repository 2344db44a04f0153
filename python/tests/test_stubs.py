"""The type stubs are those of the module, mypy finds them true, and everything has a docstring."""

import inspect
import subprocess
import sys
import types
from pathlib import Path

import isobit
import isobit.core as mx
import pytest
from isobit import _stubs

PACKAGE = Path(isobit.__file__).parent
SAMPLE = """
import isobit.core as mx
import numpy as np

a: mx.array = mx.add(np.ones((2, 3)), 1)
b: mx.array = 2 * a[0] + a.sum(axis=0)
shape: tuple[int, ...] = b.shape
c: mx.array = mx.fast.rms_norm(b, None, 1e-5)
d: mx.Dtype = mx.float32 if mx.issubdtype(b.dtype, mx.floating) else mx.int32
e: mx.array = mx.random.normal((2, 3), dtype=d, key=mx.random.key(0))
with mx.stream(mx.cpu):
    value, gradient = mx.value_and_grad(lambda x: x.sum())(a)
"""


def test_stubs_are_those_of_the_module(tmp_path):
    _stubs.main(tmp_path)
    made = {f.name: f.read_text() for f in (tmp_path / "core").glob("*.pyi")}
    kept = {f.name: f.read_text() for f in (PACKAGE / "core").glob("*.pyi")}
    assert made.keys() == kept.keys()
    for name, text in made.items():
        assert text == kept[name], f"{name} is not up to date: python -m isobit._stubs python/isobit"


def test_stubtest():
    done = subprocess.run([sys.executable, "-m", "mypy.stubtest", "isobit.core", "--concise"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_programs_are_checked(tmp_path):
    def mypy(text):
        (tmp_path / "program.py").write_text(text)
        return subprocess.run([sys.executable, "-m", "mypy", "--strict", "program.py"], cwd=tmp_path, capture_output=True, text=True)

    done = mypy(SAMPLE)
    assert done.returncode == 0, done.stdout
    for wrong in ('mx.sum("text")', "mx.zeros((2,), dtype=3)", "x: int = mx.ones(2)", "mx.exp()"):
        assert mypy(SAMPLE + wrong + "\n").returncode == 1, wrong


def callables(module, prefix=""):
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, types.ModuleType):
            yield from callables(value, f"{prefix}{name}.")
        elif callable(value):
            yield prefix + name, value
            if isinstance(value, type):
                members = ((k, m) for k, m in vars(value).items() if not k.startswith("_"))
                yield from ((f"{prefix}{name}.{k}", m) for k, m in members if callable(m) or inspect.isdatadescriptor(m))


def test_everything_has_a_docstring():
    bad = []
    for name, value in callables(mx):
        text = inspect.getdoc(value) or ""
        # Examples in Rust and what marks it up stay in the Rust documentation.
        if len(text) < 10 or any(mark in text for mark in ("```", "isobit::", "# Errors", "](")):
            bad.append(name)
    assert not bad
    assert "Element-wise sum" in mx.add.__doc__ and "Gradients:" in mx.add.__doc__


def test_help_shows_it(capsys):
    help(mx.softmax)
    assert "softmax" in capsys.readouterr().out.lower()


@pytest.mark.parametrize("name", ["nn", "optimizers", "utils"])
def test_the_python_modules_have_docstrings(name):
    module = __import__(f"isobit.{name}", fromlist=["x"])
    bad = [n for n, v in vars(module).items()
           if not n.startswith("_") and callable(v) and v.__module__.startswith("isobit") and not v.__doc__]
    assert not bad

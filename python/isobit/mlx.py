"""Makes ``mlx`` mean isobit in this process, whether MLX is installed or not.

``import isobit.mlx`` before a program's own imports, or run a program with ``python -m isobit.mlx script.py [args]`` or
``python -m isobit.mlx -m module [args]``; ``ISOBIT_AS_MLX=1`` does it for every Python process of an environment. An
installed MLX is not touched. ``python -m isobit.mlx --coverage`` lists which of MLX's names there are.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers imports of ``mlx`` and what is in it with isobit's modules of the same names."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "mlx" and not fullname.startswith("mlx."):
            return None
        try:
            module = importlib.import_module("isobit" + fullname[3:])
        except ModuleNotFoundError as e:
            if e.name is None or not e.name.startswith("isobit"):
                raise
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=hasattr(module, "__path__"))
        spec.loader_state = module
        return spec

    def create_module(self, spec):
        # Importing gives a module the spec by which it was found; ours keeps its own.
        self._own = spec.loader_state.__spec__
        return spec.loader_state

    def exec_module(self, module):
        module.__spec__ = self._own


def install():
    """Answers later imports of ``mlx`` with isobit."""
    if any(isinstance(f, _Finder) for f in sys.meta_path):
        return
    for name in [n for n in sys.modules if n == "mlx" or n.startswith("mlx.")]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder())


def coverage():
    """MLX's names that there are, and those that there are not."""
    import os

    import isobit
    import isobit.nn
    import isobit.optimizers
    import isobit.utils  # noqa: F401

    with open(os.path.join(os.path.dirname(__file__), "_mlx_names.txt")) as file:
        names = file.read().split()
    present, missing = [], []
    for name in names:
        value = isobit
        for part in name.split("."):
            value = getattr(value, part, None)
        # A constant may be None, and is there all the same.
        (present if value is not None or name == "core.newaxis" else missing).append(name)
    return present, missing


def _main(args):
    import runpy

    if args[:1] == ["--coverage"]:
        present, missing = coverage()
        lines = [f"missing {name}" for name in missing] + [f"present {name}" for name in present]
        # In one piece, so that a pipe to `head` stays quiet.
        print("\n".join([*lines, f"{len(present)} of {len(present) + len(missing)} names"]))
        return
    if args[:1] == ["-m"] and len(args) > 1:
        sys.argv = args[1:]
        sys.path.insert(0, "")
        runpy.run_module(args[1], run_name="__main__", alter_sys=True)
    elif args and not args[0].startswith("-"):
        import os

        sys.argv = args
        sys.path.insert(0, os.path.dirname(os.path.abspath(args[0])))
        runpy.run_path(args[0], run_name="__main__")
    else:
        sys.exit("usage: python -m isobit.mlx [script.py | -m module] [args ...] | --coverage")


install()
if __name__ == "__main__":
    _main(sys.argv[1:])

"""``mlx`` means isobit."""

import os
import subprocess
import sys

import isobit.mlx

PROGRAM = "import sys, mlx.core as mx, mlx.core.random; print(mx.__name__, mx.array([1, 2]).sum().item(), sys.argv[1:])"


def run(*args, **env):
    done = subprocess.run([sys.executable, *args], env={**os.environ, **env}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_script_module_and_import(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    assert run("-m", "isobit.mlx", str(script), "x") == "isobit.core 3 ['x']"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    assert run("-m", "isobit.mlx", "-m", "program", "x", PYTHONPATH=path) == "isobit.core 3 ['x']"
    assert run("-c", "import isobit.mlx; " + PROGRAM) == "isobit.core 3 []"


def test_no_present_name_disappears():
    present, _ = isobit.mlx.coverage()
    assert len(present) >= 541, len(present)

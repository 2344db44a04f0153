"""What a call from Python costs: a scalar operation, built and evaluated, and importing the module.

``python python/benches/overhead.py [MODULE]``: MODULE is ``isobit.core`` or another with the same names (``mlx.core``); it
must be importable, and built for release. Prints the median of nanoseconds per call over rounds, and milliseconds per import
in a fresh process, less those of an empty one. Answers are checked.
"""

import importlib
import statistics
import subprocess
import sys
import time

ROUNDS, CALLS = 31, 5000


def per_call(function):
    """Nanoseconds per call."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            function()
        times.append((time.perf_counter_ns() - start) / CALLS)
    return statistics.median(times)


def per_import(name):
    """Milliseconds that importing a module adds to an interpreter's start."""

    def run(program):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        return 1e3 * (time.perf_counter() - start)

    run(f"import {name}")
    return statistics.median(run(f"import {name}") - run("pass") for _ in range(21))


def main(name):
    mx = importlib.import_module(name)
    a, b, x = mx.array(1.5), mx.array(2.25), mx.array([[1.0, 2.0], [3.0, 4.0]])
    mx.eval(a, b, x)

    def build_and_eval():
        c = a + b
        mx.eval(c)
        return c

    def chain():
        c = mx.exp(a * 2 + b) - 1
        mx.eval(c)
        return c

    def item():
        return (a + b).item()

    rows = [
        ("an empty call", lambda: None, lambda r: r is None),
        ("a + b of scalars, built", lambda: a + b, lambda r: r.item() == 3.75),
        ("a + b of scalars, built and evaluated", build_and_eval, lambda r: r.item() == 3.75),
        ("a * 2 of a scalar and a number, built", lambda: a * 2, lambda r: r.item() == 3.0),
        ("exp of a scalar, built", lambda: mx.exp(a), lambda r: abs(r.item() - 4.4816890703) < 1e-5),
        ("exp(a * 2 + b) - 1, built and evaluated", chain, lambda r: abs(r.item() - 189.5662683) < 1e-3),
        ("(a + b).item()", item, lambda r: r == 3.75),
        ("x[0] of a 2x2 array, built", lambda: x[0], lambda r: r.tolist() == [1.0, 2.0]),
        ("x.reshape(4), built", lambda: x.reshape(4), lambda r: r.shape == (4,)),
    ]
    for what, function, right in rows:
        assert right(function()), what
        print(f"{what:40} {per_call(function):8.0f} ns")
    print(f"{'import ' + name:40} {per_import(name):8.1f} ms")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["isobit.core"]))

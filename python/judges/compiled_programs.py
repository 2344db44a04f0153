"""Programs of random_programs.py through ``compile``: the results must have the bits of the function itself."""

import numpy as np


def same_bits(found, expected):
    return len(found) == len(expected) and all(
        d == e and x.shape == y.shape and np.ascontiguousarray(x).tobytes() == np.ascontiguousarray(y).tobytes()
        for (x, d), (y, e) in zip(found, expected)
    )


def check(mx, name, run, expected, steps, evaluated):
    """Compiled results against those of the function itself; ``run`` takes how to wrap the function."""
    for shapeless in (False, True):
        def wrap(f):
            return mx.compile(f, shapeless=shapeless)

        for place, wrapped in run(wrap).items():
            try:
                verdict = None if same_bits(evaluated(mx, wrapped()), expected) else "other bits than without compile"
            except Exception as e:
                verdict = f"raises {type(e).__name__} in compile: {e}"
            yield f"compile{' shapeless' if shapeless else ''} {place} {name}", verdict, steps


def check_steps(mx, program, call, from_numpy, evaluated):
    """The steps that are right by themselves, as one function."""
    steps = [s for s, found, _ in program["steps"] if found is not None]
    if len(steps) < len(program["steps"]) or any(s[0].startswith("random.") for s in steps):
        return

    def chain(*xs):
        values = list(xs)
        for step in steps:
            values += call(mx, step, [*values, None])
        return values[len(xs):]

    inputs = [from_numpy(mx, x, d) for x, d in program["inputs"]]
    try:
        expected = evaluated(mx, chain(*inputs))
    except Exception:
        return  # check_steps has said so
    around = lambda wrap: {"around": lambda: wrap(chain)(*inputs)}  # noqa: E731
    yield from check(mx, "steps", around, expected, steps, evaluated)

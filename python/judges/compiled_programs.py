"""Random programs through ``compile``: the results must have the bits of the function itself.

random_programs.py does this with the programs that it makes with MLX. ``python python/judges/compiled_programs.py [--count
5000] [--seed 0]`` makes the programs with isobit alone: chains of all kinds, chains of elementwise operations, functions
through vjp, jvp and vmap, quantized matrices. Chains are called again with arguments of other sizes, some of which broadcast
in other ways, some of which are empty: what is recorded without sizes must do what the function does with them, errors too.
"""

import argparse
import collections
import json
import random
import sys
import warnings

import numpy as np


def to_numpy(mx, a):
    """Values and the dtype's name; bfloat16 as float32."""
    name = str(a.dtype).removeprefix("mlx.core.")
    if name == "bfloat16":
        a = a.astype(mx.float32)
    return np.array(a), name


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


def chain_of(mx, steps, call):
    """The steps as one function of the program's inputs."""
    def chain(*xs):
        values = list(xs)
        for step in steps:
            values += call(mx, step, [*values, None])
        return values[len(xs):]

    return chain


def check_steps(mx, program, call, from_numpy, evaluated):
    """The steps that are right by themselves, as one function."""
    steps = [s for s, found, _ in program["steps"] if found is not None]
    if len(steps) < len(program["steps"]) or any(s[0].startswith("random.") for s in steps):
        return
    chain = chain_of(mx, steps, call)
    inputs = [from_numpy(mx, x, d) for x, d in program["inputs"]]
    try:
        expected = evaluated(mx, chain(*inputs))
    except Exception:
        return  # check_steps has said so
    around = lambda wrap: {"around": lambda: wrap(chain)(*inputs)}  # noqa: E731
    yield from check(mx, "steps", around, expected, steps, evaluated)


def other_sizes(rng, inputs):
    """The inputs in other sizes: all larger, some axes of some inputs stretched or of size 1, an axis of size 0."""
    def resized(shapes):
        return [(np.resize(x, s) if x.size else np.zeros(s, x.dtype), d) for (x, d), s in zip(inputs, shapes)]

    shapes = [x.shape for x, _ in inputs]
    yield resized([[2 * n + 1 if n > 1 else n for n in s] for s in shapes])
    yield resized([[n + 2 for n in s] for s in shapes])
    yield resized([[1 if rng.random() < 0.4 else n for n in s] for s in shapes])
    try:
        whole = np.broadcast_shapes(*shapes)
        yield resized([whole[len(whole) - len(s):] for s in shapes])
    except ValueError:
        pass
    if any(shapes):
        some = rng.choice([n for s in shapes for n in s])
        yield resized([[0 if n == some else n for n in s] for s in shapes])


def check_sizes(mx, name, function, program, rng, steps, from_numpy, evaluated):
    """One function that is compiled without shapes, called with arguments of several sizes, and again with the first."""
    compiled = mx.compile(function, shapeless=True)
    for inputs in [program["inputs"], *other_sizes(rng, program["inputs"]), program["inputs"]]:
        results = []
        for f in (compiled, function):
            try:
                results.append(evaluated(mx, f(*[from_numpy(mx, x, d) for x, d in inputs])))
            except Exception as e:
                results.append(f"{type(e).__name__}: {e}")
        found, expected = results
        verdict = None
        if isinstance(expected, str):
            verdict = "both raise" if isinstance(found, str) else f"has a result where the function raises {expected}"
        elif isinstance(found, str):
            verdict = f"raises {found}"
        elif not same_bits(found, expected):
            verdict = "other bits than without compile"
        yield f"compile of other sizes {name}", verdict, [[list(x.shape) for x, _ in inputs], *steps]


def make_elementwise(mx, rng, judge):
    """A chain of elementwise operations alone: what one recording serves for all sizes."""
    maker = judge.Maker(rng)
    inputs = maker.inputs()
    values = [judge.from_numpy(mx, x, d) for x, d in inputs]
    steps = []
    for _ in range(rng.randint(2, 10)):
        env = [judge.Ref(i, v) for i, v in enumerate(values)]
        step = judge.strip(maker.elementwise(env, rng.choice(env)))
        try:
            outs = judge.call(mx, step, values)
            mx.eval(outs)
        except Exception:
            continue
        steps.append(step)
        values += outs
    return {"inputs": inputs, "steps": steps}


def verdicts(mx, rng, judge, quantized):
    """The verdicts on one random program."""
    kind = rng.choice(["steps"] * 4 + ["elementwise"] * 4 + ["transformed"] * 2 + ["batched"] * 2 + ["quantized"] * 2)
    tools = judge.from_numpy, judge.evaluated
    if kind == "quantized":
        p = quantized.choose(rng)
        try:
            quantized.run(mx, p)
        except Exception:
            return
        yield from quantized.check_compiled(mx, p)
    elif kind == "elementwise":
        program = make_elementwise(mx, rng, judge)
        chain = chain_of(mx, program["steps"], judge.call)
        yield from check_sizes(mx, kind, chain, program, rng, program["steps"], *tools)
        # Its derivative is elementwise too, unless something was stretched.
        floats = [i for i, (_, d) in enumerate(program["inputs"]) if "float" in d]
        if floats and all(x.shape == program["inputs"][0][0].shape for x, _ in program["inputs"]):
            def slopes(*xs):
                total = lambda *ys: sum((y.astype(mx.float32).sum() for y in ys), mx.array(0.0))  # noqa: E731
                ys = [y for y in chain(*xs) if "float" in str(y.dtype)]
                return mx.grad(lambda *t: total(*[y for y in chain(*[t[floats.index(i)] if i in floats else x for i, x in enumerate(xs)])
                                                  if "float" in str(y.dtype)]), argnums=list(range(len(floats))))(*[xs[i] for i in floats]) if ys else []

            yield from check_sizes(mx, "derivative", slopes, program, rng, program["steps"], *tools)
    elif kind == "steps":
        program = judge.make_steps(mx, rng)
        yield from check_steps(mx, program, judge.call, *tools)
        steps = [s for s, found, _ in program["steps"] if found is not None]
        if not any(s[0].startswith("random.") for s in steps) and len(steps) == len(program["steps"]):
            yield from check_sizes(mx, kind, chain_of(mx, steps, judge.call), program, rng, steps, *tools)
    else:
        program = judge.make_function(mx, rng, kind)
        if program["found"] is None:
            return

        def run(wrap):
            return {"inside": lambda: judge.run_function(mx, program, inner=wrap),
                    "around": lambda: judge.run_function(mx, program, outer=wrap)}

        yield from check(mx, program["how"]["way"], run, program["found"], program["steps"], judge.evaluated)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=40, help="how many differences to print")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import isobit.core as mx
    import quantized_programs
    import random_programs

    counts, kinds, wrong = collections.Counter(), collections.Counter(), []
    for number in range(options.count):
        rng = random.Random(f"{options.seed}-{number}")
        for name, verdict, steps in verdicts(mx, rng, random_programs, quantized_programs):
            kinds[name] += 1
            counts[verdict if verdict == "both raise" else "differs" if verdict else "same"] += 1
            if verdict and verdict != "both raise":
                wrong.append((name, verdict, number, steps))
    print(f"{options.count} programs, {sum(counts.values())} comparisons: {dict(counts)}")
    print("by kind:", dict(kinds.most_common()))
    for name, verdict, number, steps in wrong[: options.show]:
        print(f"program {number}: {name}: {verdict}\n    {json.dumps(steps, default=str)[:400]}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

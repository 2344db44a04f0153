"""Random programs against the real MLX: values, dtypes and shapes, through grad, jvp and vmap too.

``python python/judges/random_programs.py PEER [--count 5000] [--seed 0]``: PEER is the interpreter of an environment with
MLX and NumPy. It makes the programs (deterministic from the seed) and records what MLX computes; this interpreter runs
them with isobit and compares. Prints counts and every difference; fails if there is one that is not expected.

Four kinds of programs:

- *steps*: a chain of operations of all kinds. Each step is compared for itself, on MLX's values of the step before, so
  that a rounding does not decide a later comparison or sort.
- *transformed*: a chain of smooth operations as a function, through vjp or jvp.
- *batched*: a chain of operations as a function, through vmap, and vmap of vjp.
- *quantized*: a matrix is quantized and multiplied with (quantized_programs.py).

Every function, and the steps of a chain as one function, is run through ``compile`` too, with and without ``shapeless``, inside
the transform and around it: the results must have the bits of the function itself. compiled_programs.py makes more of these, and
needs no MLX.

Where MLX raises, isobit may raise or have a result; where MLX has a result isobit must have the same.
"""

import argparse
import collections
import json
import pickle
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import compiled_programs
import quantized_programs
from comparing import ROUNDING, difference, magnitude
from compiled_programs import to_numpy

FLOATS = ["float32", "float32", "float32", "float16", "bfloat16", "float64"]
INTS = ["int32", "int32", "int8", "int16", "int64", "uint8", "uint16", "uint32", "uint64"]
RANDOM_OPS = ("random.uniform", "random.normal", "random.randint", "random.bernoulli", "random.permutation")


# Programs as data: a step is [operation, arguments, keywords]; {"ref": i} is an earlier value.


class Ref:
    """A value of the program, with what MLX knows of it."""

    def __init__(self, index, array):
        self.index, self.array = index, array
        self.shape, self.ndim, self.size = tuple(array.shape), array.ndim, array.size
        self.dtype = str(array.dtype).removeprefix("mlx.core.")

    @property
    def is_float(self):
        return "float" in self.dtype

    @property
    def is_int(self):
        return "int" in self.dtype


def decode(mx, x, values):
    """The argument that a program's data stand for."""
    if isinstance(x, dict):
        (kind, content), = x.items()
        if kind == "ref":
            return values[content]
        if kind == "dtype":
            return getattr(mx, "bool_" if content == "bool" else content)
        if kind == "slice":
            return slice(*content)
        if kind == "ellipsis":
            return ...
        if kind == "tuple":
            return tuple(decode(mx, y, values) for y in content)
        if kind == "indices":
            return mx.array(np.array(content, np.int32))
        raise ValueError(kind)
    if isinstance(x, list):
        return [decode(mx, y, values) for y in x]
    return x


def call(mx, step, values):
    """The results of one step, as a list of arrays."""
    name, args, kwargs = step
    args = [decode(mx, a, values) for a in args]
    kwargs = {k: decode(mx, v, values) for k, v in kwargs.items()}
    if name == "getitem":
        out = args[0][args[1]]
    elif name == "setitem":
        out = mx.array(args[0])
        out[args[1]] = args[2]
    elif name.startswith("at."):
        out = getattr(args[0].at[args[1]], name[3:])(args[2])
    elif name.startswith("array."):
        out = getattr(args[0], name[6:])(*args[1:], **kwargs)
    else:
        function = mx
        for part in name.split("."):
            function = getattr(function, part)
        out = function(*args, **kwargs)
    return list(out) if isinstance(out, (list, tuple)) else [out]


def from_numpy(mx, x, name):
    return mx.array(x, getattr(mx, "bool_" if name == "bool" else name))


#: Differences that are meant: what it is, the operations, a condition on the verdict and the operands and their dtypes.
STATED = [
    ("softmax of integers is float32; MLX gives the integers' dtype over several axes",
     ["softmax"], lambda verdict, xs, dtypes: verdict.startswith("dtype float32")),
    ("logsumexp of bools and integers; MLX negates and subtracts in that dtype",
     ["logsumexp"], lambda verdict, xs, dtypes: integer_or_bool(dtypes[0])),
    ("norms of integers do not overflow as integers",
     ["linalg.norm"], lambda verdict, xs, dtypes: integer_or_bool(dtypes[0])),
    ("integers are not divided in place; MLX multiplies by the reciprocal, which is 0",
     ["at.divide"], lambda verdict, xs, dtypes: "expected a floating array" in verdict),
    ("bools are not subtracted in place",
     ["at.subtract"], lambda verdict, xs, dtypes: "expected a number, got bool" in verdict),
    ("the remainder of integers by 0 is 0; MLX gives the dividend",
     ["remainder", "divmod"], lambda verdict, xs, dtypes: len(xs) == 1 or all(map(integer_or_bool, dtypes)) and (xs[1] == 0).any()),
    ("full has the dtype that is asked for; MLX drops it for a number that does not fit",
     ["full"], lambda verdict, xs, dtypes: verdict.startswith("dtype")),
    ("numbers out of an integer dtype's range become its nearest; in MLX it depends on the machine",
     ["astype"], lambda verdict, xs, dtypes: "float" in dtypes[0] and not (np.abs(xs[0]) < 128).all() or (xs[0] < 0).any()),
    ("sums and products of 0-dimensional integers have the dtype of other sums; MLX gives the operand's",
     ["sum", "prod"], lambda verdict, xs, dtypes: xs[0].ndim == 0 and verdict.startswith("dtype")),
    ("finite numbers divided by infinity are rounded down, -1.5 // inf to -1; MLX gives -0",
     ["divmod"], lambda verdict, xs, dtypes: any(np.isinf(x).any() for x in xs if x.dtype.kind == "f")),
    ("the quotient of divmod of half-precision numbers is rounded down before it is rounded to the dtype",
     ["divmod"], lambda verdict, xs, dtypes: any(d in ("float16", "bfloat16") for d in dtypes)),
    ("means of unsigned integers do not overflow",
     ["mean", "var", "std"], lambda verdict, xs, dtypes: dtypes[0].startswith("uint")),
    ("the sign of NaN is NaN; MLX gives 0",
     ["sign"], lambda verdict, xs, dtypes: np.isnan(xs[0]).any()),
    ("NaN stays in at[].maximum and at[].minimum",
     ["at.maximum", "at.minimum"], lambda verdict, xs, dtypes: np.isnan(xs[0]).any()),
]
PARTICULAR = {op for _, ops, _ in STATED for op in ops}
EXPECTED = {"both raise", "has a result where MLX raises", "MLX's product is beyond the error of float32 sums",
            "codes that are as near as MLX's", "MLX gives other numbers on a second run", *(reason for reason, *_ in STATED)}
#: Operations that MLX computes in float32 for float64 too.
SINGLE = """arccos arccosh arcsin arcsinh arctan arctanh cos cosh degrees radians erf erfinv exp expm1 log log10 log1p log2
reciprocal rsqrt sigmoid sin sinh sqrt tan tanh logaddexp arctan2 power round softmax fast.layer_norm fast.rms_norm
fast.rope fast.scaled_dot_product_attention logsumexp logcumsumexp""".split()


def integer_or_bool(dtype):
    return "int" in dtype or dtype == "bool"


def stated(name, verdict, operands, dtypes):
    """The reason for a difference that is meant, else ``None``."""
    return next((reason for reason, ops, test in STATED if name in ops and test(verdict, operands, dtypes)), None)


# Making programs.

UNARY = """abs arccos arccosh arcsin arcsinh arctan arctanh ceil cos cosh degrees erf erfinv exp expm1 floor isfinite isinf
isnan isneginf isposinf log log10 log1p log2 logical_not negative positive radians reciprocal rsqrt sigmoid sign sin sinh
sqrt square tan tanh stop_gradient""".split()
SMOOTH = "arcsinh arctan cos erf exp negative sigmoid sin sinh square tanh arcsin degrees".split()
BINARY = """add subtract multiply divide floor_divide remainder maximum minimum logaddexp arctan2 equal not_equal less
less_equal greater greater_equal logical_and logical_or power divmod""".split()
SMOOTH_BINARY = "add subtract multiply logaddexp maximum minimum".split()
BITS = "bitwise_and bitwise_or bitwise_xor".split()
REDUCTIONS = "sum prod max min mean var std all any logsumexp count_nonzero median".split()
SCANS = "cumsum cumprod cummax cummin logcumsumexp".split()


class Maker:
    """Chooses steps; every choice looks at the values so far."""

    def __init__(self, rng):
        self.rng = rng

    def inputs(self, smooth=False):
        """Arrays of shapes that fit one another."""
        rng = self.rng
        ndim = rng.choice([0, 1, 1, 2, 2, 2, 3, 3, 4])
        shape = [rng.choice([1, 2, 3, 3, 4, 5, 8]) for _ in range(ndim)]
        dtype = rng.choice(["float32"] if smooth else FLOATS + INTS + ["bool"])
        made = []
        for _ in range(rng.randint(1, 3)):
            own = list(shape)
            if rng.random() < 0.3:
                own = [1 if rng.random() < 0.4 else n for n in own][rng.randint(0, len(own)) if rng.random() < 0.3 else 0 :]
            d = dtype if smooth or rng.random() < 0.6 else rng.choice(FLOATS + INTS + ["bool"])
            generator = np.random.default_rng(rng.randrange(2**32))
            if "float" in d:
                x = generator.uniform(-2, 2, own)
                if not smooth and rng.random() < 0.05 and x.size:
                    x.flat[generator.integers(x.size)] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30])
                x = x.astype(np.float64 if d == "float64" else np.float32)
            elif d == "bool":
                x = generator.integers(0, 2, own).astype(bool)
            else:
                x = generator.integers(0 if d[0] == "u" else -9, 10, own).astype(d)
            made.append((np.asarray(x), d))
        return made

    def axis(self, a):
        return self.rng.randint(-a.ndim, a.ndim - 1)

    def axes(self, a):
        rng = self.rng
        if a.ndim == 0 or rng.random() < 0.3:
            return None
        if rng.random() < 0.6:
            return self.axis(a)
        return sorted(rng.sample(range(a.ndim), rng.randint(1, a.ndim)))

    def index(self, a):
        rng = self.rng

        def entry(n):
            kind = rng.random()
            if kind < 0.3:
                return rng.randint(-n, n - 1)
            if kind < 0.45:
                return {"indices": [rng.randint(-n, n - 1) for _ in range(3)]}
            return {"slice": [rng.choice([None, rng.randint(-n, n)]), rng.choice([None, rng.randint(-n, n)]),
                              rng.choice([None, 1, 2, -1])]}

        entries = [entry(n) for n in a.shape[: rng.randint(0, a.ndim)]]
        if rng.random() < 0.3:
            rest = a.shape[len(entries) :]
            entries += [{"ellipsis": 0}, *[entry(n) for n in rest[len(rest) - rng.randint(0, len(rest)) :]]]
        if rng.random() < 0.2:
            entries.insert(rng.randint(0, len(entries)), None)
        return {"tuple": entries}

    def fitting(self, env, a):
        """A value that broadcasts with ``a``, or a number."""
        rng = self.rng
        def fits(b):
            return all(m == n or 1 in (m, n) for m, n in zip(a.shape[::-1], b.shape[::-1]))
        if rng.random() < 0.2:
            return rng.choice([2, 0.5, -1.5, 3, True])
        return rng.choice([b for b in env if fits(b)])

    def step(self, env):
        """An operation of any kind."""
        rng = self.rng
        a = rng.choice(env)
        kind = rng.choice([self.elementwise] * 5 + [self.reducing] * 3 + [self.moving] * 4 + [self.indexing] * 3
                          + [self.product] * 2 + [self.ordering] * 2 + [self.making] + [self.fused])
        return kind(env, a)

    def elementwise(self, env, a):
        rng = self.rng
        k = rng.random()
        if k < 0.35:
            return [rng.choice(UNARY), [a], {}]
        if k < 0.7:
            args = [a, self.fitting(env, a)]
            if rng.random() < 0.5:
                args.reverse()
            return [rng.choice(BINARY), args, {}]
        if k < 0.76 and a.is_int:
            b = rng.choice([b for b in env if b.dtype == a.dtype and b.shape == a.shape])
            if rng.random() < 0.3:
                return [rng.choice(["left_shift", "right_shift"]), [a, rng.randint(0, 7)], {}]
            return [rng.choice(BITS), [a, b], {}]
        if k < 0.82:
            return ["where", [rng.choice(env), a, self.fitting(env, a)], {}]
        if k < 0.87:
            return ["clip", [a, rng.choice([None, -1, 0.5]), rng.choice([1, 2.5])], {}]
        if k < 0.9:
            return ["round", [a], {"decimals": rng.choice([0, 1, 2])}]
        if k < 0.93:
            return ["nan_to_num", [a], {"nan": 1.0}]
        if k < 0.96:
            return [rng.choice(["isclose", "allclose", "array_equal"]), [a, self.fitting(env, a)], {}]
        return ["astype", [a, {"dtype": rng.choice(FLOATS + INTS + ["bool"])}], {}]

    def reducing(self, env, a):
        rng = self.rng
        k = rng.random()
        if k < 0.6:
            kwargs = {"axis": self.axes(a), "keepdims": rng.random() < 0.4}
            name = rng.choice(REDUCTIONS)
            if name in ("var", "std") and rng.random() < 0.3:
                kwargs["ddof"] = 1
            return [name, [a], kwargs]
        if k < 0.7 and a.ndim:
            return [rng.choice(["argmax", "argmin"]), [a], {"axis": rng.choice([None, self.axis(a)])}]
        if k < 0.85 and a.ndim:
            kwargs = {"axis": self.axis(a), "reverse": rng.random() < 0.3, "inclusive": rng.random() < 0.7}
            return [rng.choice(SCANS), [a], kwargs]
        if k < 0.95:
            return ["softmax", [a], {"axis": self.axes(a) if a.ndim else None}]
        return ["diff", [a], {"axis": self.axis(a)}] if a.ndim else ["square", [a], {}]

    def moving(self, env, a):
        rng = self.rng
        names = ["expand_dims", "reshape", "broadcast_to", "atleast_2d", "repeat", "tile", "stack", "contiguous", "view"]
        if a.ndim:
            names += ["transpose", "flatten", "moveaxis", "swapaxes", "concatenate", "split", "pad", "roll", "squeeze",
                      "unflatten", "flip", "unstack"]
        if a.ndim >= 2:
            names += ["tril", "triu", "diagonal", "trace", "diag"]
        name = rng.choice(names)
        if name == "expand_dims":
            return [name, [a, rng.randint(-a.ndim - 1, a.ndim)], {}]
        if name == "reshape":
            sizes = [n for n in (1, 2, 3, 4, 6, 8) if a.size and a.size % n == 0]
            return [name, [a, [rng.choice(sizes), -1] if sizes else [0, 2]], {}]
        if name == "broadcast_to":
            return [name, [a, [rng.choice([1, 2, 3]), *[rng.choice([2, 3]) if n == 1 else n for n in a.shape]]], {}]
        if name == "repeat":
            return [name, [a, rng.randint(0, 3)], {"axis": rng.choice([None, self.axis(a)]) if a.ndim else None}]
        if name == "tile":
            return [name, [a, [rng.randint(1, 2) for _ in range(rng.randint(1, 3))]], {}]
        if name in ("stack", "concatenate"):
            alike = [b for b in env if b.shape == a.shape]
            chosen = [rng.choice(alike) for _ in range(rng.randint(1, 3))]
            return [name, [chosen], {"axis": rng.randint(-a.ndim, a.ndim) if name == "stack" else self.axis(a)}]
        if name == "view":
            return [name, [a, {"dtype": rng.choice(["uint8", "int16", "int32", "float32", "uint64", "float16"])}], {}]
        if name == "transpose":
            axes = list(range(a.ndim))
            rng.shuffle(axes)
            return [name, [a, axes], {}] if rng.random() < 0.8 else [name, [a], {}]
        if name == "flatten":
            return [name, [a], {"start_axis": rng.choice([0, -1]), "end_axis": -1}]
        if name in ("moveaxis", "swapaxes"):
            return [name, [a, self.axis(a), self.axis(a)], {}]
        if name == "split":
            axis = self.axis(a)
            return [name, [a, rng.choice([1, 2, [1, 2], [0]])], {"axis": axis}]
        if name == "pad":
            widths = [[rng.randint(0, 2), rng.randint(0, 2)] for _ in range(a.ndim)]
            mode = rng.choice(["constant", "constant", "edge"])
            return [name, [a, [{"tuple": w} for w in widths]], {"mode": mode}]
        if name == "roll":
            return [name, [a, rng.randint(-4, 4)], {"axis": rng.choice([None, self.axis(a)])}]
        if name in ("flip", "squeeze"):
            return [name, [a], {"axis": rng.choice([None, self.axis(a)])}]
        if name == "unflatten":
            axis = self.axis(a)
            return [name, [a, axis, [-1, rng.choice([1, 2])]], {}]
        if name == "unstack":
            return [name, [a], {"axis": self.axis(a)}]
        if name in ("tril", "triu"):
            return [name, [a, rng.randint(-2, 2)], {}]
        if name in ("diagonal", "trace"):
            return [name, [a, rng.randint(-1, 1), 0, 1], {}]
        return [name, [a], {}]

    def indexing(self, env, a):
        rng = self.rng
        k = rng.random()
        index = self.index(a)
        if k < 0.4 or not a.ndim:
            return ["getitem", [a, index], {}]
        if k < 0.55:
            return ["setitem", [a, index, rng.choice([1, 2.5, True])], {}]
        if k < 0.75:
            op = rng.choice(["add", "subtract", "multiply", "divide", "maximum", "minimum"])
            return [f"at.{op}", [a, index, rng.choice([1, 2])], {}]
        axis = self.axis(a)
        n = a.shape[axis]
        if n == 0:
            return ["getitem", [a, index], {}]
        if k < 0.87:
            return ["take", [a, {"indices": [rng.randint(-n, n - 1) for _ in range(3)]}], {"axis": axis}]
        shape = [1] * a.ndim
        shape[axis] = 2
        places = np.array([rng.randint(-n, n - 1) for _ in range(2)]).reshape(shape).tolist()
        if k < 0.95:
            return ["take_along_axis", [a, {"indices": places}], {"axis": axis}]
        return ["put_along_axis", [a, {"indices": np.array(places).reshape(shape).tolist()}, 1], {"axis": axis}]

    def product(self, env, a):
        rng = self.rng
        inner = [b for b in env if a.ndim and b.ndim and (b.shape[-2] if b.ndim > 1 else b.shape[-1]) == a.shape[-1]]
        k = rng.random()
        if k < 0.5 and inner:
            return ["matmul", [a, rng.choice(inner)], {}]
        if k < 0.6 and a.ndim == 2:
            return ["einsum", [rng.choice(["ij->ji", "ij->", "ij->i", "ij,ij->j", "ij,kj->ik"]), a, a], {}] \
                if rng.random() < 0.5 else ["tensordot", [a, a], {"axes": [[0], [0]]}]
        if k < 0.7:
            return [rng.choice(["outer", "kron"]), [a, rng.choice(env)], {}]
        if k < 0.8 and a.ndim:
            return ["vecdot", [a, rng.choice([b for b in env if b.shape == a.shape])], {}]
        if k < 0.9 and a.ndim:
            same = [b for b in env if b.ndim and b.shape[-1] == a.shape[-1]]
            return ["inner", [a, rng.choice(same)], {}]
        return ["linalg.norm", [a], {"axis": self.axis(a) if a.ndim else None}]

    def ordering(self, env, a):
        rng = self.rng
        if not a.ndim:
            return ["sort", [a], {"axis": None}]
        axis = self.axis(a)
        n = a.shape[axis]
        k = rng.random()
        if k < 0.4 or n == 0:
            return ["sort", [a], {"axis": rng.choice([None, axis])}]
        if k < 0.55:
            return ["argsort", [a], {"axis": axis}]
        if k < 0.75:
            return ["topk", [a, rng.randint(1, n)], {"axis": axis}]
        if k < 0.9:
            return ["partition", [a, rng.randint(0, n - 1)], {"axis": axis}]
        return ["searchsorted", [{"indices": sorted(rng.randint(0, 9) for _ in range(5))}, a], {}]

    def making(self, env, a):
        rng = self.rng
        dtype = {"dtype": rng.choice(FLOATS + INTS)}
        key = {"ref": -1}
        shape = [rng.randint(1, 4) for _ in range(rng.randint(0, 3))]
        return rng.choice([
            ["arange", [rng.randint(-5, 5), rng.randint(-5, 9), rng.choice([1, 2, 0.5, -1])], {}],
            ["linspace", [rng.randint(-5, 5), 3, rng.randint(1, 9)], {}],
            ["eye", [rng.randint(1, 4)], {"m": rng.randint(1, 4), "k": rng.randint(-2, 2), "dtype": dtype}],
            ["tri", [rng.randint(1, 4)], {"k": rng.randint(-2, 2), "dtype": dtype}],
            ["full", [shape, rng.choice([1, 2.5, True])], {"dtype": dtype} if rng.random() < 0.5 else {}],
            ["zeros_like", [a], {}], ["ones_like", [a], {}],
            ["random.uniform", [], {"low": -1, "high": 2, "shape": shape, "key": key}],
            ["random.normal", [], {"shape": shape, "key": key}],
            ["random.randint", [-5, 9], {"shape": shape, "key": key}],
            ["random.bernoulli", [0.3], {"shape": shape, "key": key}],
            ["random.permutation", [rng.randint(1, 9)], {"key": key}],
            ["hanning", [rng.randint(1, 9)], {}], ["bartlett", [rng.randint(1, 9)], {}],
        ])

    def fused(self, env, a):
        rng = self.rng
        if not a.is_float or not a.ndim or a.size == 0:
            return ["square", [a], {}]
        if rng.random() < 0.4:
            return ["fast.rms_norm", [a, None, 1e-5], {}]
        if rng.random() < 0.5:
            return ["fast.layer_norm", [a, None, None, 1e-5], {}]
        if a.ndim == 3:
            return ["fast.rope", [a, 2], {"traditional": rng.random() < 0.5, "base": 100.0, "scale": 1.0, "offset": 1}]
        if a.ndim == 4:
            return ["fast.scaled_dot_product_attention", [a, a, a], {"scale": 0.5, "mask": rng.choice([None, "causal"])}]
        return ["softmax", [a], {"axis": -1}]

    def smooth(self, env):
        """An operation with a derivative everywhere the inputs are."""
        rng = self.rng
        a = rng.choice(env[-3:])
        k = rng.random()
        if k < 0.3:
            return [rng.choice(SMOOTH[:-2]), [a], {}]
        if k < 0.6:
            return [rng.choice(SMOOTH_BINARY), [a, self.fitting(env, a)], {}]
        if k < 0.72:
            name = rng.choice(["sum", "mean", "logsumexp", "var", "max", "softmax"])
            return [name, [a], {"axis": self.axes(a), **({} if name == "softmax" else {"keepdims": rng.random() < 0.5})}]
        if k < 0.78 and a.ndim:
            return [rng.choice(["cumsum", "logcumsumexp", "cummax"]), [a], {"axis": self.axis(a)}]
        if k < 0.86:
            step = self.indexing(env, a)
            return step if step[0] != "at.divide" else ["square", [a], {}]
        if k < 0.9 and a.ndim:
            return ["sort", [a], {"axis": self.axis(a)}]
        if k < 0.95:
            return self.fused(env, a)
        step = self.moving(env, a)
        return step if step[0] not in ("view", "split", "unstack") else ["sin", [a], {}]


def strip(x):
    """A step's arguments as data."""
    if isinstance(x, Ref):
        return {"ref": x.index}
    if isinstance(x, dict):
        return {k: strip(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [strip(y) for y in x]
    return x


def evaluated(mx, arrays):
    mx.eval(arrays)
    return [to_numpy(mx, a) for a in arrays]


def make_steps(mx, rng):
    maker = Maker(rng)
    inputs = maker.inputs()
    values = [from_numpy(mx, x, d) for x, d in inputs]
    steps = []
    for _ in range(rng.randint(3, 9)):
        env = [Ref(i, v) for i, v in enumerate(values)]
        step = strip(maker.step(env))
        try:
            outs = call(mx, step, [*values, mx.random.key(len(steps))])
            found = evaluated(mx, outs)
        except Exception as e:
            steps.append((step, None, type(e).__name__))
            continue
        if sum(o.size for o in outs) > 4096 or not all("complex" not in d for _, d in found):
            break
        steps.append((step, found, None))
        # MLX hangs on some operations on empty arrays, so nothing is done with one.
        if any(o.size == 0 for o in outs):
            break
        values += outs
    return {"kind": "steps", "inputs": inputs, "steps": steps}


def function(mx, steps, keep):
    """The program as a function of its inputs: the results of the step ``keep``."""

    def run(*inputs):
        values = list(inputs)
        for step in steps:
            values += call(mx, step, [*values, None])
        return [v for i, v in enumerate(values) if i >= keep][:1]

    return run


def make_function(mx, rng, kind):
    maker = Maker(rng)
    inputs = maker.inputs(smooth=kind == "transformed")
    values = [from_numpy(mx, x, d) for x, d in inputs]
    how = {"way": rng.choice(["vjp", "vjp", "jvp"] if kind == "transformed" else ["vmap", "vmap", "vmap_vjp"])}
    steps = []
    for _ in range(rng.randint(2, 6)):
        env = [Ref(i, v) for i, v in enumerate(values)]
        step = strip(maker.smooth(env) if kind == "transformed" else maker.step(env))
        # Programs of one function: no keys, and results of one array.
        # Partitions have no order.
        if step[0].startswith("random.") or step[0] in ("topk", "partition", "argpartition"):
            continue
        # What is stated to differ for some operand is left to the programs of steps; so is the assignment of slices, of
        # which MLX's vmap does the first element of the batch alone.
        if step[0] in ("view", "astype", "full", "hanning", "floor_divide"):
            continue
        # So is not_equal, of which MLX's vmap puts the batch into the wrong place if one operand is the same for all.
        if kind == "batched" and (step[0] in ("setitem", "not_equal") or step[0].startswith("at.")):
            continue
        # all and any have no derivative; MLX hands the cotangent on.
        if how["way"] == "vmap_vjp" and step[0] in ("all", "any"):
            continue
        if step[0] in PARTICULAR and not all(values[r].dtype == mx.float32 and values[r].ndim for r in references(step)):
            continue
        try:
            outs = call(mx, step, [*values, None])
            mx.eval(outs)
        except Exception:
            continue
        if len(outs) != 1 or not 0 < outs[0].size <= 4096 or "complex" in str(outs[0].dtype):
            continue
        steps.append(step)
        values += outs
    if kind == "batched":
        n = rng.randint(1, 3)
        how["axes"] = [rng.choice([None, 0, rng.randint(0, x.ndim)]) for x, _ in inputs]
        if all(a is None for a in how["axes"]):
            how["axes"][0] = 0
        batched = []
        for (x, d), axis in zip(inputs, how["axes"]):
            parts = [x if d == "bool" else (x + np.asarray(i, x.dtype)).astype(x.dtype) for i in range(n)]
            batched.append((x if axis is None else np.stack(parts, axis), d))
        if how["way"] == "vmap_vjp":
            # Gradients that cancel have no digits in half precision.
            batched = [(x, "float32" if d in ("float16", "bfloat16") else d) for x, d in batched]
        inputs = batched
    program = {"kind": kind, "inputs": inputs, "steps": steps, "how": how}
    try:
        program["found"], program["error"] = evaluated(mx, run_function(mx, program)), None
        again = evaluated(mx, run_function(mx, program))
        program["stable"] = all(a.tobytes() == b.tobytes() for (a, _), (b, _) in zip(program["found"], again))
    except Exception as e:
        program["found"], program["error"] = None, type(e).__name__
    return program


def run_function(mx, program, inner=lambda f: f, outer=lambda f: f):
    """The results of a function, wrapped by ``inner``, through its transform, which is wrapped by ``outer``."""
    inputs = [from_numpy(mx, x, d) for x, d in program["inputs"]]
    return outer(lambda *xs: transformed(mx, program, inner, xs))(*inputs)


def transformed(mx, program, inner, inputs):
    how = program["how"]
    f = inner(function(mx, program["steps"], len(inputs) + len(program["steps"]) - 1))
    floats = [i for i, (_, d) in enumerate(program["inputs"]) if "float" in d]

    def of_floats(f, rest):
        return lambda *xs: f(*[xs[floats.index(i)] if i in floats else rest[i] for i in range(len(rest))])

    if how["way"] == "vmap":
        return [mx.vmap(lambda *xs: f(*xs)[0], in_axes=tuple(how["axes"]))(*inputs)]
    if how["way"] == "vmap_vjp":
        def gradient(*xs):
            primals = [xs[i] for i in floats]
            outs, grads = mx.vjp(of_floats(f, xs), primals, [mx.ones_like(o) for o in of_floats(f, xs)(*primals)])
            return grads[0] if grads else outs[0]

        return [mx.vmap(gradient, in_axes=tuple(how["axes"]))(*inputs)]
    primals = [inputs[i] for i in floats]
    g = of_floats(f, inputs)
    if how["way"] == "vjp":
        outs, grads = mx.vjp(g, primals, [mx.ones_like(o) * 0.5 for o in g(*primals)])
    else:
        outs, grads = mx.jvp(g, primals, [mx.ones_like(p) * 0.5 for p in primals])
    return [*outs, *grads]


def generate(start, count, seed, path):
    """In the peer: makes the programs from ``start`` on and records what MLX computes. A program that MLX does not finish
    ends the process; the number of the last one written tells."""
    import faulthandler

    import mlx.core as mx

    with open(path, "ab") as out:
        for i in range(start, count):
            faulthandler.dump_traceback_later(20, exit=True)
            rng = random.Random(f"{seed}-{i}")
            kind = rng.choice(["steps"] * 5 + ["transformed"] * 3 + ["batched"] * 2 + ["quantized"] * 2)
            if kind == "quantized":
                program = quantized_programs.make(mx, rng)
            else:
                program = make_steps(mx, rng) if kind == "steps" else make_function(mx, rng, kind)
            program["number"] = i
            pickle.dump(program, out)
            out.flush()


# Comparing.


def unordered(step, results):
    """Partitions have no order within their parts: compared as sorted."""
    if step[0] not in ("partition", "topk"):
        return results
    axis = step[2]["axis"]
    return [(np.sort(x, axis), d) for x, d in results]


def check_steps(mx, program):
    """Yields (operation, verdict, step) for every step."""
    values = [from_numpy(mx, x, d) for x, d in program["inputs"]]
    kept = [x for x, _ in program["inputs"]]
    for number, (step, expected, error) in enumerate(program["steps"]):
        try:
            found = evaluated(mx, call(mx, step, [*values, mx.random.key(number)]))
        except Exception as e:
            verdict = "both raise" if error else f"raises {type(e).__name__}: {e}"
            dtypes = [str(values[r].dtype).removeprefix("mlx.core.") for r in references(step)]
            yield step[0], stated(step[0], verdict, [kept[r] for r in references(step)], dtypes) or verdict, step
            if error is None:
                values += [from_numpy(mx, x, d) for x, d in expected]
                kept += [x for x, _ in expected]
            continue
        if error:
            yield step[0], "has a result where MLX raises", step
            continue
        used = [kept[r] for r in references(step)]
        pairs = list(zip(unordered(step, found), unordered(step, expected)))
        verdict = None if len(found) == len(expected) else f"{len(found)} results, MLX {len(expected)}"
        for a, b in pairs:
            slack = ROUNDING["float32"] / ROUNDING["float64"] if step[0] in SINGLE and a[1] == "float64" else 1
            verdict = verdict or difference(a, b, slack, scale=magnitude(used))
        dtypes = [str(values[r].dtype).removeprefix("mlx.core.") for r in references(step)]
        yield step[0], verdict and stated(step[0], verdict, used, dtypes) or verdict, step
        values += [from_numpy(mx, x, d) for x, d in expected]
        kept += [x for x, _ in expected]


def check_chain(mx, program):
    yield from check_steps(mx, program)
    yield from compiled_programs.check_steps(mx, program, call, from_numpy, evaluated)


def references(x):
    if isinstance(x, dict):
        if "ref" in x:
            return [x["ref"]] if x["ref"] >= 0 else []
        return [r for y in x.values() for r in references(y)]
    if isinstance(x, list):
        return [r for y in x for r in references(y)]
    return []


def check_function(mx, program):
    name = program["how"]["way"] + " of " + " ".join(s[0] for s in program["steps"])
    try:
        found = evaluated(mx, run_function(mx, program))
    except Exception as e:
        yield name, "both raise" if program["error"] else f"raises {type(e).__name__}: {e}", program["steps"]
        return
    if program["error"]:
        yield name, "has a result where MLX raises", program["steps"]
        return
    verdict = None if len(found) == len(program["found"]) else "another number of results"
    for a, b in zip(found, program["found"]):
        slack = 30.0 * (ROUNDING["float32"] / ROUNDING["float64"] if a[1] == "float64" else 1)
        verdict = verdict or difference(a, b, slack, scale=max(1.0, magnitude([x for x, _ in program["found"]])))
    if verdict and not program["stable"]:
        verdict = "MLX gives other numbers on a second run"
    yield name, verdict, program["steps"]

    def run(wrap):
        return {
            "inside": lambda: run_function(mx, program, inner=wrap),
            "around": lambda: run_function(mx, program, outer=wrap),
        }

    yield from compiled_programs.check(mx, program["how"]["way"], run, found, program["steps"], evaluated)


def programs(options, start):
    """The programs from ``start`` on, until the end or one that MLX does not finish."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "programs"
        command = [options.peer, __file__, options.peer, "--generate", str(path), "--start", str(start)]
        command += ["--count", str(options.count), "--seed", str(options.seed)]
        subprocess.run(command, stderr=subprocess.DEVNULL)
        with open(path, "rb") as made:
            while True:
                try:
                    yield pickle.load(made)
                except EOFError:
                    return


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", help="the interpreter of an environment with MLX")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=40, help="how many differences to print")
    parser.add_argument("--generate", help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.generate:
        return generate(options.start, options.count, options.seed, options.generate)
    import isobit.core as mx

    counts, operations, wrong, number = collections.Counter(), collections.Counter(), [], -1
    while number + 1 < options.count:
        start = number + 1
        for program in programs(options, start):
            number = program["number"]
            check = {"steps": check_chain, "quantized": quantized_programs.check}.get(program["kind"], check_function)
            for name, verdict, steps in check(mx, program):
                compiled = name.startswith("compile")
                operations["compile" if compiled else program["how"]["way"] if check is check_function else name] += 1
                expected = verdict in EXPECTED
                counts[verdict if expected else "differs" if verdict else "same bits compiled" if compiled else "same"] += 1
                if verdict and not expected:
                    wrong.append((name, verdict, number, steps))
        if number + 1 < options.count:
            number += 1
            counts["programs that MLX does not finish"] += 1
    print(f"{options.count} programs, {sum(counts.values())} comparisons: {dict(counts)}")
    print("by operation:", dict(operations.most_common()))
    by_name = collections.Counter(name for name, *_ in wrong)
    for name, n in by_name.most_common():
        print(f"{n:5} differences in {name}")
    for name, verdict, number, steps in wrong[: options.show]:
        print(f"program {number}: {name}: {verdict}\n    {json.dumps(steps, default=str)[:400]}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

"""The quantized programs of random_programs.py: quantize, dequantize and the products with quantized and gathered matrices.

A program quantizes a matrix (or a stack of them) and multiplies with it. Codes and scales are compared with MLX's, and every
product with the product in float64 of the numbers that MLX's codes stand for. Its error may be what float32 sums of that
length have, and one rounding to the result's dtype. MLX's own error often is larger, so what MLX computes does not decide.
"""

import compiled_programs
import numpy as np

MODES = {"mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}
#: Half the distance from 1 to the next number.
HALF_ULP = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def choose(rng):
    """A program as data: a format, shapes, and which product."""
    mode = rng.choice(["affine"] * 5 + list(MODES))
    group, bits = MODES[mode] if mode in MODES else (rng.choice([32, 64, 128]), rng.choice([2, 3, 4, 4, 5, 6, 8]))
    groups = rng.randint(1, 3)
    product = rng.choice(["quantized_matmul"] * 4 + ["gather_qmm"] * 3 + ["gather_mm"] * 2)
    transpose = mode != "affine" or rng.random() < 0.7
    return {
        "mode": mode, "group_size": group, "bits": bits, "product": product, "transpose": transpose,
        "inner": group * groups if transpose else 8 * rng.randint(1, 6),
        "outer": 8 * rng.randint(1, 5) if transpose else group * groups,
        "rows": rng.choice([1, 1, 2, 3, 5, 9, 17]),
        "experts": rng.randint(1, 4) if product.startswith("gather") else 0,
        "picks": rng.randint(1, 5),
        "dtype": rng.choice(["float32", "float32", "float16", "bfloat16"]),
        "seed": rng.randrange(2**32),
        "way": rng.choice(["value", "value", "value", "vjp", "vmap"]),
    }


def inputs(p):
    """The matrix to quantize, the other factor, and the indices."""
    g = np.random.default_rng(p["seed"])
    w = g.normal(size=[*([p["experts"]] if p["experts"] else []),
                       *([p["outer"], p["inner"]] if p["transpose"] else [p["inner"], p["outer"]])])
    x = g.normal(size=[*([p["picks"]] if p["experts"] else []), p["rows"], p["inner"]])
    lhs = g.integers(0, p["picks"], p["picks"]).astype(np.uint32)
    rhs = g.integers(0, max(p["experts"], 1), p["picks"]).astype(np.uint32)
    return w.astype(np.float32), x.astype(np.float32), lhs, rhs


def how(p):
    return {"group_size": p["group_size"], "bits": p["bits"], "mode": p["mode"]}


def product(mx, p, x, stored, lhs, rhs):
    """The product of ``x`` with the matrix that is stored as codes, scales and biases, or as it is."""
    if p["product"] == "gather_mm":
        w = mx.swapaxes(stored[0], -1, -2) if p["transpose"] else stored[0]
        return mx.gather_mm(x, w, lhs, rhs)
    if p["product"] == "gather_qmm":
        return mx.gather_qmm(x, *stored, lhs_indices=lhs, rhs_indices=rhs, transpose=p["transpose"], **how(p))
    return mx.quantized_matmul(x, *stored, transpose=p["transpose"], **how(p))


def run(mx, p, stored=None, inner=lambda f: f, outer=lambda f: f):
    """What is computed: codes, scales and biases; the numbers they stand for; the product, through a transform. ``inner``
    wraps the product, ``outer`` the whole."""
    w, x, lhs, rhs = inputs(p)
    dtype = getattr(mx, p["dtype"])

    def whole(w, x, lhs, rhs, stored):
        made = list(mx.quantize(w, **how(p)))
        stored = made if stored is None else stored
        numbers = mx.dequantize(*stored, **how(p))
        factor = [w] if p["product"] == "gather_mm" else stored
        of = inner(lambda x: product(mx, p, x, factor, lhs, rhs))
        if p["way"] == "vjp":
            outs, (out,) = mx.vjp(of, [x], [mx.ones_like(of(x))])
        elif p["way"] == "vmap":
            # Another row for each element of a batch.
            out = mx.vmap(of)(mx.stack([x, 2 * x]))
        else:
            out = of(x)
        return made, numbers, out

    made, numbers, out = outer(whole)(mx.array(w).astype(dtype), mx.array(x).astype(dtype), mx.array(lhs), mx.array(rhs), stored)
    mx.eval(made, numbers, out)
    return made, numbers, out


def wide(mx, a):
    return np.array(a.astype(mx.float32)).astype(np.float64)


def from_e4m3(bits):
    """The numbers of 8-bit floats with 4 exponent bits."""
    sign, exponent, fraction = np.where(bits & 0x80, -1.0, 1.0), (bits >> 3) & 15, bits & 7
    return sign * np.where(exponent == 0, fraction * 2.0**-9, (8 + fraction) * 2.0 ** (exponent - 10.0))


def numbers_of(p, codes, scales, biases):
    """What codes stand for, in float64, by the definition of the format, and the magnitudes of what that is added from."""
    bits = p["bits"]
    stream = np.unpackbits(codes.view(np.uint8), axis=-1, bitorder="little")
    q = (stream.reshape(*codes.shape[:-1], -1, bits) * (1 << np.arange(bits))).sum(-1)
    grouped = q.reshape(*q.shape[:-1], -1, p["group_size"])
    if p["mode"] == "affine":
        scaled, biases = grouped * scales[..., None], np.broadcast_to(biases[..., None], grouped.shape)
        return (scaled + biases).reshape(q.shape), (np.abs(scaled) + np.abs(biases)).reshape(q.shape)
    scale = from_e4m3(scales) if p["mode"] == "nvfp4" else 2.0 ** (scales.astype(np.float64) - 127)
    value = from_e4m3(grouped) if bits == 8 else np.where(grouped & 8, -1, 1) * E2M1[grouped & 7]
    value = (value * scale[..., None]).reshape(q.shape)
    return value, np.abs(value)


def make(mx, rng):
    """A program with what MLX computes, or the error that it raises."""
    p = choose(rng)
    program = {"kind": "quantized", "program": p}
    try:
        made, numbers, out = run(mx, p)
        program["stored"] = [(np.array(made[0]), "uint32")]
        for a in made[1:]:
            floats = "float" in str(a.dtype)
            program["stored"].append((wide(mx, a).astype(np.float32) if floats else np.array(a), str(a.dtype).split(".")[-1]))
        program["out"], program["dtype"] = wide(mx, out), str(out.dtype).split(".")[-1]
    except Exception as e:
        program["error"] = f"{type(e).__name__}: {e}"
    return program


def stored_numbers(p, program):
    """:func:`numbers_of` what MLX has stored."""
    codes, *rest = [a.astype(np.float64) if "float" in d else a for a, d in program["stored"]]
    return numbers_of(p, codes, *rest, *[None] * (2 - len(rest)))


def exact(p, program, x, w, lhs, rhs):
    """The product in float64, the sums of the magnitudes of what is added, and those of sums in the result's dtype."""
    if p["product"] != "gather_mm":
        w = stored_numbers(p, program)[0]
    w = np.swapaxes(w, -1, -2) if p["transpose"] else w
    left, right = (x[lhs], w[rhs]) if p["experts"] else (x, w)
    if p["way"] == "vjp":
        # The gradient of x: ones times the transposed matrix, added up where a row was taken more than once.
        ones = np.ones([*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], w.shape[-1]])
        parts, sizes = ones @ np.swapaxes(right, -1, -2), ones @ np.abs(np.swapaxes(right, -1, -2))
        if not p["experts"]:
            return parts, sizes, 0.0
        out, size, added, times = (np.zeros_like(x) for _ in range(4))
        np.add.at(out, lhs, parts)
        np.add.at(size, lhs, sizes)
        np.add.at(added, lhs, np.abs(parts))
        np.add.at(times, lhs, np.ones_like(parts))
        return out, size, added * times
    out, size = left @ right, np.abs(left) @ np.abs(right)
    return (np.stack([out, 2 * out]), np.stack([size, 2 * size]), 0.0) if p["way"] == "vmap" else (out, size, 0.0)


def check(mx, program):
    """Yields (operation, verdict, program) for the codes, the numbers and the product."""
    p = program["program"]
    name = p["product"] + ("" if p["way"] == "value" else f" through {p['way']}")
    if "error" in program:
        try:
            run(mx, p)
            yield name, "has a result where MLX raises", p
        except Exception:
            yield name, "both raise", p
        return
    stored = [mx.array(a, getattr(mx, d)) for a, d in program["stored"]]
    made, numbers, out = run(mx, p, stored)
    yield "quantize", quantize_verdict(mx, p, made, program["stored"]), p
    w, x, lhs, rhs = inputs(p)
    dtype = getattr(mx, p["dtype"])
    w, x = wide(mx, mx.array(w).astype(dtype)), wide(mx, mx.array(x).astype(dtype))
    meant, parts = stored_numbers(p, program)
    # The product of code and scale is rounded, and then the sum.
    rounding = HALF_ULP[str(numbers.dtype).split(".")[-1]] * 1.01
    far = np.abs(wide(mx, numbers) - meant) > rounding * (np.abs(meant) + parts) + 2.0**-25
    yield "dequantize", f"{far.sum()} numbers are not what the codes stand for" if far.any() else None, p
    right, size, rounded = exact(p, program, x, w, lhs, rhs)
    if str(out.dtype).split(".")[-1] != program["dtype"] or out.shape != program["out"].shape:
        yield name, f"{out.dtype} {out.shape}, MLX {program['dtype']} {program['out'].shape}", p
        return
    terms = p["inner"] if p["way"] != "vjp" else p["outer"] * p["picks"]
    limit = size * (terms + 8) * 2.0**-24 + 1.01 * HALF_ULP[program["dtype"]] * (np.abs(right) + rounded)
    if program["dtype"] == "float16":
        limit = limit + 2.0**-25
    wrong = np.abs(wide(mx, out) - right) > limit
    off = np.abs(program["out"] - right) > limit
    verdict = f"{wrong.sum()} of {wrong.size} numbers are beyond the error of float32 sums" if wrong.any() else None
    yield name, verdict or ("MLX's product is beyond the error of float32 sums" if off.any() else None), p
    yield from check_compiled(mx, p, stored)


def check_compiled(mx, p, stored=None):
    """Yields (operation, verdict, program) for the program through ``compile``, inside the transform and around it."""
    def flat(found):
        made, numbers, out = found
        return [compiled_programs.to_numpy(mx, a) for a in [*made, numbers, out]]

    def ways(wrap):
        return {"inside": lambda: flat(run(mx, p, stored, inner=wrap)), "around": lambda: flat(run(mx, p, stored, outer=wrap))}

    yield from compiled_programs.check(mx, p["product"], ways, flat(run(mx, p, stored)), p, lambda mx, found: found)


def quantize_verdict(mx, p, made, stored):
    """Codes and scales as MLX's; where a code differs, the number must be as near."""
    names = [str(a.dtype).split(".")[-1] for a in made]
    if names != [d for _, d in stored]:
        return f"dtypes {names}, MLX {[d for _, d in stored]}"
    if any(tuple(a.shape) != b.shape for a, (b, _) in zip(made, stored)):
        return f"shapes {[a.shape for a in made]}, MLX {[b.shape for b, _ in stored]}"
    ours = [np.array(made[0]), *[wide(mx, a) if "float" in d else np.array(a) for a, d in zip(made[1:], names[1:])]]
    theirs = [a.astype(np.float64) if "float" in d else a for a, d in stored]
    if all(np.array_equal(a, b) for a, b in zip(ours, theirs)):
        return None
    original = wide(mx, mx.array(inputs(p)[0]).astype(getattr(mx, p["dtype"])))
    missing = [None] * (3 - len(ours))
    error = [np.abs(numbers_of(p, *found, *missing)[0] - original).reshape(-1, p["group_size"]).max(-1) for found in (ours, theirs)]
    if (error[0] <= error[1] * (1 + 1e-3) + 1e-6).all():
        return "codes that are as near as MLX's"
    return f"codes further off than MLX's: {(error[0] - error[1]).max()}"

"""When two results count as the same: dtypes and shapes equal, floats within a rounding or two of the operation."""

import numpy as np

#: Relative error that one operation may have, by dtype.
ROUNDING = {"float64": 1e-12, "float32": 4e-6, "float16": 3e-3, "bfloat16": 2.5e-2}


def difference(found, expected, slack=1.0, scale=0.0):
    """What is different between two results, or ``None``."""
    (x, d), (y, e) = found, expected
    if d != e:
        return f"dtype {d}, MLX {e}"
    if x.shape != y.shape:
        return f"shape {x.shape}, MLX {y.shape}"
    if x.size == 0:
        return None
    if d not in ROUNDING:
        if np.array_equal(x, y):
            return None
        i = np.argmax((x != y).ravel())
        return f"value {x.ravel()[i]!r}, MLX {y.ravel()[i]!r}"
    x, y = x.astype(np.float64), y.astype(np.float64)
    finite = np.isfinite(y)
    same = np.where(finite, True, (x == y) | (np.isnan(x) & np.isnan(y)))
    limit = ROUNDING[d] * slack
    scale = max(scale, np.abs(y[finite]).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        near = np.where(finite, np.abs(x - np.where(finite, y, 0)) <= limit * (np.abs(np.where(finite, y, 0)) + 0.25 * scale) + 1e-13, same)
    if near.all():
        return None
    i = np.argmin(near.ravel())
    return f"value {x.ravel()[i]!r}, MLX {y.ravel()[i]!r} ({d})"


def magnitude(values):
    """The largest finite number among arrays of floats."""
    best = 0.0
    for v in values:
        if v.dtype.kind == "f":
            f = np.abs(v[np.isfinite(v)])
            best = max(best, float(f.max(initial=0.0)))
    return best

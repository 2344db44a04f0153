"""One gathered row, computed in memory that was full of NaN a moment ago.

    python -m isobit.mlx examples/one_row_after_nan.py

`gather_mm` with one row has been reported to return NaN in MLX, because a matrix library read the output's stale memory
although it was to be multiplied by zero. Here no kernel reads what it has not written.
"""

import mlx.core as mx

ROUNDS = 500

for i in range(ROUNDS):
    # Memory of the sizes below, full of NaN, given back at once.
    mx.eval(mx.full((4, 64, 32), float("nan")) * 2, mx.full((1, 32), float("nan")) * 2)
    keys = mx.random.split(mx.random.key(i))
    a = mx.random.normal((4, 1, 64), key=keys[0])
    b = mx.random.normal((4, 64, 32), key=keys[1])
    which = mx.array([i % 4])
    row = mx.gather_mm(a, b, which, which)
    assert not mx.any(mx.isnan(row)), f"round {i}: NaN"
    assert mx.array_equal(row[0], a[i % 4] @ b[i % 4]), f"round {i}: other bits than the plain product"
print(f"{ROUNDS} gathered rows after NaN: every one has the bits of the plain product")

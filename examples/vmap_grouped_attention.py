"""Batched attention with grouped heads under vmap, forward and under grad.

    python -m isobit.mlx examples/vmap_grouped_attention.py

`vmap` of attention with fewer key heads than query heads has been reported to hang or crash in MLX, alone and under `grad`.
Here every element of the batch has the bits of a call of its own. Run it with MLX itself to see what your version does.
"""

import mlx.core as mx

HEADS, LENGTH, WIDTH, BATCH = 4, 16, 32, 3


def attend(q, k, v):
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=WIDTH**-0.5, mask="causal")


def loss(q, k, v):
    return (attend(q, k, v) ** 2).sum()


def same_bits(a, b):
    return a.shape == b.shape and bool(mx.all(mx.view(a, mx.uint32) == mx.view(b, mx.uint32)))


for key_heads in (4, 2, 1):
    keys = mx.random.split(mx.random.key(key_heads), 3)
    q = mx.random.normal((BATCH, 1, HEADS, LENGTH, WIDTH), key=keys[0])
    k = mx.random.normal((BATCH, 1, key_heads, LENGTH, WIDTH), key=keys[1])
    v = mx.random.normal((BATCH, 1, key_heads, LENGTH, WIDTH), key=keys[2])
    gradient = mx.grad(loss, argnums=(0, 1, 2))

    forward = mx.vmap(attend)(q, k, v)
    assert same_bits(forward, mx.stack([attend(q[b], k[b], v[b]) for b in range(BATCH)]))

    # One set of keys and values for the whole batch.
    shared = mx.vmap(attend, in_axes=(0, None, None))(q, k[0], v[0])
    assert same_bits(shared, mx.stack([attend(q[b], k[0], v[0]) for b in range(BATCH)]))

    each = [gradient(q[b], k[b], v[b]) for b in range(BATCH)]
    for got, want in zip(mx.vmap(gradient)(q, k, v), zip(*each)):
        assert same_bits(got, mx.stack(want))
    total = mx.grad(lambda *x: mx.vmap(loss)(*x).sum(), argnums=(0, 1, 2))(q, k, v)
    for got, want in zip(total, zip(*each)):
        assert same_bits(got, mx.stack(want))
    print(f"{HEADS} query heads, {key_heads} key heads: vmap, vmap of grad and grad of vmap have the bits of a loop")

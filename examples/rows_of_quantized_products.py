"""A prefix cache in front of quantized weights: the same token, the same bits, however it is computed.

    python -m isobit.mlx examples/rows_of_quantized_products.py

On MLX's GPU a row of `quantized_matmul` has other bits among other numbers of rows, so that a cache hit, a chunked prefill
and a full prefill disagree. Here a row depends on itself and the weights alone. Run it with MLX itself to compare.
"""

import mlx.core as mx

TOKENS, WIDTH, OUT = 96, 512, 384


def bits(x):
    return mx.view(x, mx.uint16)


for mode, group_size, width in (("affine", 64, 4), ("affine", 32, 8), ("mxfp4", 32, 4), ("nvfp4", 16, 4)):
    how = dict(mode=mode, group_size=group_size, bits=width)
    weights = mx.quantize(mx.random.normal((OUT, WIDTH), key=mx.random.key(1)).astype(mx.bfloat16), **how)
    x = mx.random.normal((TOKENS, WIDTH), key=mx.random.key(2)).astype(mx.bfloat16)

    def layer(rows):
        return mx.quantized_matmul(rows, *weights, **how)

    whole = bits(layer(x))
    for prefix in (1, 7, 31, 32, 33, 64, 95):
        chunked = mx.concatenate([layer(x[:prefix]), layer(x[prefix:])])
        assert mx.array_equal(bits(chunked), whole), (mode, prefix)
    decoded = mx.concatenate([layer(x[i : i + 1]) for i in range(TOKENS)])
    assert mx.array_equal(bits(decoded), whole), mode
    print(f"{mode}, {width} bits: one prefill, seven cut points and token by token agree in every bit")

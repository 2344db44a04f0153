"""Quantization and quantized products from Python."""

import numpy as np
import pytest

import isobit.core as mx

FORMATS = [("affine", 64, 4), ("affine", 32, 3), ("affine", 128, 8), ("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)]


@pytest.mark.parametrize("mode,group_size,bits", FORMATS)
def test_product_is_that_of_the_dequantized_matrix(mode, group_size, bits):
    how = dict(mode=mode, group_size=group_size, bits=bits)
    w = mx.random.normal((24, 256), key=mx.random.key(1))
    x = mx.random.normal((5, 256), key=mx.random.key(2))
    q = mx.quantize(w, **how)
    assert len(q) == (3 if mode == "affine" else 2)
    dense = mx.dequantize(*q, dtype=mx.float32, **how)
    y = mx.quantized_matmul(x, *q, **how)
    want = np.array(x, dtype=np.float64) @ np.array(dense, dtype=np.float64).T
    assert np.allclose(np.array(y), want, rtol=0, atol=1e-3)
    # One row alone has the bits that it has among others.
    assert np.array_equal(np.array(mx.quantized_matmul(x[3:4], *q, **how)), np.array(y[3:4]))


def test_gathered_rows_are_plain_rows():
    how = dict(group_size=32, bits=4)
    experts = [mx.quantize(mx.random.normal((16, 64), key=mx.random.key(i)), **how) for i in range(4)]
    stacks = [mx.stack(parts) for parts in zip(*experts)]
    x = mx.random.normal((6, 1, 64), key=mx.random.key(9))
    chosen = mx.array([3, 0, 0, 2, 3, 1])
    y = mx.gather_qmm(x, *stacks, rhs_indices=chosen, **how)
    for i, e in enumerate(chosen.tolist()):
        assert np.array_equal(np.array(y[i]), np.array(mx.quantized_matmul(x[i], *experts[e], **how)))


def test_gradients():
    how = dict(group_size=32, bits=8)
    x = mx.random.normal((3, 64), key=mx.random.key(0))
    q, s, b = mx.quantize(mx.random.normal((8, 64), key=mx.random.key(1)), **how)

    def loss(x, s, b):
        return (mx.quantized_matmul(x, q, s, b, **how) ** 2).sum()

    def dense(x, s, b):
        return ((x @ mx.dequantize(q, s, b, **how).T) ** 2).sum()

    for got, want in zip(mx.grad(loss, argnums=(0, 1, 2))(x, s, b), mx.grad(dense, argnums=(0, 1, 2))(x, s, b)):
        got, want = np.array(got), np.array(want)
        assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


def test_errors():
    with pytest.raises(ValueError, match="group size"):
        mx.quantize(mx.zeros((4, 64)), group_size=48)
    with pytest.raises(ValueError, match="mode"):
        mx.quantize(mx.zeros((4, 64)), mode="int4")

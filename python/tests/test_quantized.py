"""Quantization and quantized products from Python."""

import threading

import numpy as np
import pytest

import isobit.core as mx
import isobit.nn as nn

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


@pytest.mark.parametrize("mode,group_size,bits", [f for f in FORMATS if f[0] != "mxfp8"])
def test_activations_in_eight_bits(mode, group_size, bits):
    how = dict(mode=mode, group_size=group_size, bits=bits)
    x = mx.random.normal((5, 256), key=mx.random.key(2))
    q = mx.quantize(mx.random.normal((24, 256), key=mx.random.key(1)), **how)
    exact, y = np.array(mx.quantized_matmul(x, *q, **how)), np.array(mx.quantized_matmul_int8(x, *q, **how))
    assert not np.array_equal(y, exact)
    assert np.abs(y - exact).max() < 0.5
    # One row alone has the bits that it has among others, and among experts.
    assert np.array_equal(np.array(mx.quantized_matmul_int8(x[3:4], *q, **how)), y[3:4])
    stacks = [mx.stack([p, p]) for p in q]
    chosen = mx.array([1, 0, 1, 1, 0])
    gathered = mx.gather_qmm_int8(x[:, None], *stacks, rhs_indices=chosen, **how)
    assert np.array_equal(np.array(gathered)[:, 0], y)
    # Derivatives are the exact product's.
    of = [mx.grad(lambda x, f=f: f(x, *q, **how).sum())(x) for f in (mx.quantized_matmul_int8, mx.quantized_matmul)]
    assert np.array_equal(np.array(of[0]), np.array(of[1]))


def test_activations_are_a_setting_of_the_layer():
    x = mx.random.normal((3, 64), key=mx.random.key(0))
    layer = nn.QuantizedLinear(64, 8, group_size=32)
    exact = np.array(layer(x))
    layer.activations = "int8"
    want = mx.quantized_matmul_int8(x, layer.weight, layer.scales, layer.biases, group_size=32, bits=4) + layer.bias
    assert np.array_equal(np.array(layer(x)), np.array(want)) and not np.array_equal(np.array(want), exact)
    layer.activations = "exact"
    assert np.array_equal(np.array(layer(x)), exact)
    assert nn.QuantizedLinear(64, 8).activations == "exact"
    table = nn.QuantizedEmbedding(9, 64)
    scores = np.array(table.as_linear(x))
    table.activations = "int8"
    assert not np.array_equal(np.array(table.as_linear(x)), scores)
    layer.activations = "int4"
    with pytest.raises(ValueError, match="exact or int8"):
        layer(x)
    with pytest.raises(ValueError, match="mxfp8"):
        mx.quantized_matmul_int8(x, *mx.quantize(mx.zeros((4, 64)), mode="mxfp8"), mode="mxfp8")


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


@pytest.mark.parametrize("mode", ["nvfp4", "mxfp8", "mxfp4"])
def test_both_operands_quantized(mode):
    x = mx.random.normal((5, 64), key=mx.random.key(1))
    w = mx.random.normal((7, 64), key=mx.random.key(2))
    q = mx.quantize(w, mode=mode)
    rounded = [mx.dequantize(*mx.quantize(a, mode=mode), mode=mode, dtype=mx.float32) for a in (x, w)]
    want = np.array(rounded[0], dtype=np.float64) @ np.array(rounded[1], dtype=np.float64).T
    y = mx.qqmm(x, *q, mode=mode)
    assert np.allclose(np.array(y), want, rtol=0, atol=1e-4)
    assert mx.array_equal(mx.qqmm(x, w, mode=mode), y)
    chosen = mx.array([1, 0, 1])
    stacks = [mx.stack([a, a]) for a in q]
    gathered = mx.gather_qqmm(x[None], *stacks, rhs_indices=chosen, mode=mode)
    assert mx.array_equal(gathered, mx.stack([y, y, y]))
    slope = mx.grad(lambda x: mx.qqmm(x, *q, mode=mode).sum())(x)
    assert np.allclose(np.array(slope), np.array(rounded[1]).sum(0), atol=1e-4)


def test_global_scale_per_matrix():
    w = mx.random.normal((2, 8, 32), key=mx.random.key(1))
    g = mx.abs(w).max(axis=(1, 2))
    parts = [mx.quantize(w[i], mode="nvfp4", global_scale=g[i]) for i in range(2)]
    q, s = (mx.stack(p) for p in zip(*parts))
    x = mx.random.normal((2, 1, 32), key=mx.random.key(2))
    y = mx.gather_qmm(x, q, s, rhs_indices=mx.array([1, 0]), mode="nvfp4", global_scale=g)
    for i, r in enumerate([1, 0]):
        dense = mx.dequantize(*parts[r], mode="nvfp4", global_scale=g[r], dtype=mx.float32)
        assert np.allclose(np.array(y[i]), np.array(x[i]) @ np.array(dense).T, atol=1e-4)
    with pytest.raises(ValueError, match="per matrix"):
        mx.gather_qmm(x, q, s, rhs_indices=mx.array([1, 0]), mode="nvfp4", global_scale=mx.ones((3,)))
    with pytest.raises(ValueError, match="nvfp4"):
        mx.quantize(w, global_scale=mx.array(1.0))


def test_masked_blocks_and_segments():
    a = mx.random.normal((40, 70), key=mx.random.key(1))
    b = mx.random.normal((70, 33), key=mx.random.key(2))
    mask = mx.array([[True, False, True], [False, True, True]])
    whole = mx.repeat(mx.repeat(mask, 32, axis=0), 32, axis=1)[:40, :70]
    y = mx.block_masked_mm(a, b, 32, None, mask)
    assert mx.array_equal(y, mx.where(whole, a, 0) @ b)
    parts = mx.segmented_mm(a, b, mx.array([[0, 30], [30, 70], [5, 5]]))
    assert mx.array_equal(parts[0], a[:, :30] @ b[:30])
    assert mx.array_equal(parts[1], a[:, 30:] @ b[30:])
    assert mx.array_equal(parts[2], mx.zeros((40, 33)))


def test_strict_mode():
    assert not mx.numerical_strict_mode()
    with mx.numerical_strict_mode(True) as mode:
        assert mode and mx.numerical_strict_mode()
        x = mx.random.normal((3, 64), key=mx.random.key(0))
        strict = mx.quantized_matmul(x, *mx.quantize(x))
        mx.eval(strict)
    assert not mx.numerical_strict_mode()
    assert mx.array_equal(strict, mx.quantized_matmul(x, *mx.quantize(x)))


def test_writing_through_views_reaches_kept_matrices():
    """A matrix that is used again and again is kept in another layout: what NumPy writes to it must be seen."""
    x = mx.random.normal((3, 256), key=mx.random.key(0))
    first, second = ([mx.contiguous(a) for a in mx.quantize(mx.random.normal((512, 256), key=mx.random.key(i)))] for i in (1, 2))
    dense = mx.random.normal((256, 512), key=mx.random.key(3))

    def product(q):
        y = [mx.quantized_matmul(x, *q) for _ in range(5)]
        mx.eval(y)
        assert all(mx.array_equal(y[0], other) for other in y)
        return y[-1]

    want = product(second)
    for of, view in [(0, np.asarray), (1, np.from_dlpack), (2, lambda a: np.asarray(memoryview(a)))]:
        q = [a + mx.array(0, a.dtype) for a in first]
        product(q)
        v = view(q[of])
        product(q)
        v[:] = np.array(second[of])
        expect = product([second[i] if i == of else a for i, a in enumerate(first)])
        assert mx.array_equal(product(q), expect)
        v[:] = np.array(first[of])
        assert mx.array_equal(product(q), product(first))
        v[:] = np.array(second[of])
        del v
        assert mx.array_equal(product(q), expect)
    # Assignment, and a buffer of the freed matrix's size.
    for i, a in enumerate(second):
        q[i][:] = a
    assert mx.array_equal(product(q), want)
    for _ in range(4):
        mx.eval(x[:, :1] @ dense[:1], x @ dense)
    view = np.asarray(dense)
    view[:] = 1
    assert mx.allclose(x @ dense, x.sum(1, keepdims=True), atol=1e-3)
    del view
    assert mx.allclose(x @ dense, x.sum(1, keepdims=True), atol=1e-3)


def test_parts_of_one_buffer():
    """Codes, scales and biases in one buffer do not keep it alive for good."""
    parts = [a.view(mx.uint32).flatten() for a in mx.quantize(mx.random.normal((512, 256), key=mx.random.key(1)))]
    x = mx.random.normal((1, 256), key=mx.random.key(0))
    sizes = np.cumsum([a.size for a in parts]).tolist()

    def use():
        flat = mx.concatenate(parts)
        mx.eval(flat)
        codes, scales, biases = (flat[a:b] for a, b in zip([0, *sizes], sizes))
        scales, biases = (a.view(mx.float32).reshape(512, 4) for a in (scales, biases))
        y = [mx.quantized_matmul(x, codes.reshape(512, 32), scales, biases) for _ in range(5)]
        mx.eval(y)
        return y[-1]

    want = mx.quantized_matmul(x, *mx.quantize(mx.random.normal((512, 256), key=mx.random.key(1))))
    assert mx.array_equal(use(), want)
    before = mx.get_active_memory()
    for _ in range(20):
        use()
    assert mx.get_active_memory() < before + 4 * 4 * sizes[-1]


def test_threads_share_a_matrix():
    q = mx.quantize(mx.random.normal((300, 512), key=mx.random.key(1)))
    x = mx.random.normal((24, 512), key=mx.random.key(2))
    want = np.array(mx.quantized_matmul(x, *(a + mx.array(0, a.dtype) for a in q)))
    wrong = []

    def work(seed):
        rows = np.random.default_rng(seed).integers(0, 24, 30).tolist()
        for i in rows:
            if not np.array_equal(np.array(mx.quantized_matmul(x[i : i + 1 + i % 3], *q)), want[i : i + 1 + i % 3]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.parametrize("mode", ["affine", "mxfp4", "mxfp8", "nvfp4"])
def test_shapeless_programs_take_other_sizes(mode):
    def draw(seed, *shape):
        return mx.random.normal(shape, key=mx.random.key(seed))

    def loss(x, *q):
        return (mx.quantized_matmul(x, *q, mode=mode) ** 2).sum()

    functions = {
        "quantize": lambda x, w, i, *q: mx.quantize(w, mode=mode),
        "dequantize": lambda x, w, i, *q: mx.dequantize(*q, mode=mode),
        "quantized_matmul": lambda x, w, i, *q: mx.quantized_matmul(x, *q, mode=mode),
        "gradient": lambda x, w, i, *q: mx.grad(loss)(x, *q),
        "gather_qmm": lambda x, w, i, *q: mx.gather_qmm(x[:, None], *(a[None] for a in q), lhs_indices=i, rhs_indices=0 * i, mode=mode),
        "gather_mm": lambda x, w, i, *q: mx.gather_mm(x[:, None], w.T[None], lhs_indices=i, rhs_indices=0 * i),
        "segmented_mm": lambda x, w, i, *q: mx.segmented_mm(x, w.T, i.reshape(-1, 2)),
        "block_masked_mm": lambda x, w, i, *q: mx.block_masked_mm(x, w.T, 32, mask_rhs=w.T[::32, ::32]),
    }
    if mode != "affine":
        functions["qqmm"] = lambda x, w, i, *q: mx.qqmm(x, w, mode=mode)
        functions["qqmm of codes"] = lambda x, w, i, *q: mx.qqmm(x, *q, mode=mode)
        functions["gather_qqmm"] = lambda x, w, i, *q: mx.gather_qqmm(x[:, None], w[None], lhs_indices=i, rhs_indices=0 * i, mode=mode)
        functions["gather_qqmm of codes"] = lambda x, w, i, *q: mx.gather_qqmm(x[:, None], *(a[None] for a in q), lhs_indices=i, mode=mode)
        functions["gradient of gather_qqmm"] = mx.grad(lambda x, *rest: functions["gather_qqmm"](x, *rest).square().sum(), argnums=(0, 1))
    if mode != "mxfp8":
        functions["quantized_matmul_int8"] = lambda x, w, i, *q: mx.quantized_matmul_int8(x, *q, mode=mode)
        functions["gather_qmm_int8"] = lambda x, w, i, *q: mx.gather_qmm_int8(
            x[:, None], *(a[None] for a in q), lhs_indices=i, rhs_indices=0 * i, mode=mode)
        functions["gradient of gather_qmm_int8"] = mx.grad(lambda *args: functions["gather_qmm_int8"](*args).square().sum())
    for name, f in functions.items():
        compiled = mx.compile(f, shapeless=True)
        for m, n, k in [(3, 40, 256), (1, 7, 128), (65, 70, 512), (2, 1, 64)]:
            x, w = draw(m, m, k), draw(n, n, k)
            args = (x, w, mx.arange(2 * m) % m, *mx.quantize(w, mode=mode))
            got, want = compiled(*args), f(*args)
            if isinstance(want, mx.array):
                got, want = [got], [want]
            assert isinstance(got, (tuple, list)) and len(got) > 0
            for a, b in zip(got, want, strict=True):
                assert a.shape == b.shape and a.dtype == b.dtype and mx.array_equal(a, b), (name, m, n, k)


def test_vectors_and_negative_numbers():
    a, b = mx.random.normal((5,), key=mx.random.key(1)), mx.random.normal((3, 5, 4), key=mx.random.key(2))
    y = mx.gather_mm(a, b, rhs_indices=mx.array([2, 0]))
    assert y.shape == (2, 4) and mx.array_equal(y, mx.stack([a @ b[2], a @ b[0]]))
    assert mx.gather_mm(a[None], b[0, :, 0]).shape == (1,)
    with pytest.raises(ValueError, match="at least one dimension"):
        mx.gather_mm(mx.array(1.0), b)
    x, q = mx.zeros((2, 64)), mx.quantize(mx.zeros((4, 64)))
    for wrong in [dict(bits=-1), dict(bits=7), dict(group_size=-64), dict(group_size=0)]:
        for f in [lambda **how: mx.quantized_matmul(x, *q, **how), lambda **how: mx.quantize(x, **how)]:
            with pytest.raises(ValueError, match="expected"):
                f(**wrong)
    with pytest.raises(ValueError, match="-1"):
        mx.block_masked_mm(x, x.T, -1)


def test_attention_to_quantized_keys():
    how = dict(group_size=32, bits=8)
    draw = lambda seed, *shape: mx.random.normal(shape, key=mx.random.key(seed))
    q, k, v = draw(1, 2, 4, 3, 64), draw(2, 2, 2, 40, 64), draw(3, 2, 2, 40, 32)
    keys, values = mx.quantize(k, **how), mx.quantize(v, **how)
    stored = [mx.dequantize(*a, **how) for a in (keys, values)]
    sinks, add = draw(4, 4), draw(5, 2, 4, 3, 40)
    for mask in [None, "causal", add, add > 0]:
        for s in [None, sinks]:
            want = mx.fast.scaled_dot_product_attention(q, *stored, scale=0.2, mask=mask, sinks=s)
            got = mx.fast.quantized_scaled_dot_product_attention(q, keys, values, scale=0.2, mask=mask, sinks=s, **how)
            assert mx.array_equal(got, want)
    # The first keys of a longer buffer, and a loop for a batch.
    short = [[a[:, :, :17] for a in part] for part in (keys, values)]
    want = mx.fast.scaled_dot_product_attention(q, *(a[:, :, :17] for a in stored), scale=0.2)
    assert mx.array_equal(mx.fast.quantized_scaled_dot_product_attention(q, *short, scale=0.2, **how), want)
    each = mx.vmap(lambda q: mx.fast.quantized_scaled_dot_product_attention(q, keys, values, scale=0.2, **how))(mx.stack([q, -q]))
    assert mx.array_equal(each[0], mx.fast.scaled_dot_product_attention(q, *stored, scale=0.2))
    with pytest.raises(ValueError, match="keys as codes, scales and biases"):
        mx.fast.quantized_scaled_dot_product_attention(q, keys[:1], values, scale=0.2, **how)
    with pytest.raises(ValueError, match="affine"):
        mx.fast.quantized_scaled_dot_product_attention(q, keys[:2], values[:2], scale=0.2, mode="mxfp4")

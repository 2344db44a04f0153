"""Linear algebra: factors multiply back, results agree with NumPy's, batches with loops, what cannot be is refused."""

import isobit.core as mx
import numpy as np
import pytest

rng = np.random.default_rng(7)


def floats(*shape, dtype=np.float32):
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype == np.complex64 else x).astype(dtype)


def close(a, b, tol=1e-5):
    a, b = np.array(a), np.array(b)
    return a.shape == b.shape and np.allclose(a, b, rtol=tol, atol=tol)


def of(x):
    return mx.array(x, dtype=mx.float64 if x.dtype == np.float64 else None)


DTYPES = [np.float32, np.float64, np.complex64]
SHAPES = [(3, 3), (5, 2), (2, 5), (2, 4, 3), (2, 3, 1, 4)]
EMPTY = [(0, 0), (0, 3), (3, 0), (2, 0, 3), (0, 2, 2)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_qr(shape, dtype):
    a = floats(*shape, dtype=dtype)
    q, r = mx.linalg.qr(of(a))
    want_q, want_r = np.linalg.qr(a)
    assert (q.shape, r.shape) == (want_q.shape, want_r.shape) and q.dtype == r.dtype == of(a).dtype
    assert close(q @ r, a) and np.array_equal(np.triu(np.array(r)), np.array(r))
    if dtype != np.complex64:
        assert close(q, want_q) and close(r, want_r)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_svd(shape, dtype):
    a = floats(*shape, dtype=dtype)
    u, s, vt = mx.linalg.svd(of(a))
    want_u, want_s, want_vt = np.linalg.svd(a)
    assert (u.shape, s.shape, vt.shape) == (want_u.shape, want_s.shape, want_vt.shape)
    assert close(s, want_s) and close(mx.linalg.svd(of(a), compute_uv=False), want_s)
    k = s.shape[-1]
    assert close((u[..., :k] * s[..., None, :]) @ vt[..., :k, :], a)
    assert close(mx.conj(mx.swapaxes(u, -1, -2)) @ u, np.broadcast_to(np.eye(u.shape[-1]), u.shape))
    assert close(vt @ mx.conj(mx.swapaxes(vt, -1, -2)), np.broadcast_to(np.eye(vt.shape[-1]), vt.shape))


@pytest.mark.parametrize("shape", EMPTY)
def test_empty_factors(shape):
    a = np.zeros(shape, np.float32)
    for ours, numpys in zip(mx.linalg.qr(mx.array(a)), np.linalg.qr(a)):
        assert ours.shape == numpys.shape
    for ours, numpys in zip(mx.linalg.svd(mx.array(a)), np.linalg.svd(a)):
        assert np.array_equal(np.array(ours), numpys)


@pytest.mark.parametrize("order", ["nuc", 2, -2])
@pytest.mark.parametrize("axis", [(0, 1), (2, 0), (-1, 1)])
@pytest.mark.parametrize("keepdims", [True, False])
def test_norms_of_singular_values(order, axis, keepdims):
    for dtype in DTYPES:
        a = floats(3, 4, 2, dtype=dtype)
        assert close(mx.linalg.norm(of(a), order, axis, keepdims), np.linalg.norm(a, order, axis, keepdims))
    half = mx.array(floats(3, 4)).astype(mx.bfloat16)
    out = mx.linalg.norm(half, order)
    assert out.dtype == mx.bfloat16 and close(out.astype(mx.float32), np.linalg.norm(np.array(half.astype(mx.float32)), order), 1e-2)


def test_what_is_not_finite_gives_nan_and_leaves_the_batch_alone():
    a = floats(3, 4, 4)
    a[1, 2, 2] = np.nan
    for f in [mx.linalg.qr, mx.linalg.svd]:
        alone, batch = f(mx.array(a[2])), f(mx.array(a))
        for x, y in zip(alone, batch):
            assert np.array_equal(np.array(x), np.array(y)[2]) and np.isnan(np.array(y)[1]).all()


@pytest.mark.parametrize("f", [mx.linalg.qr, mx.linalg.svd])
def test_what_is_no_matrix_is_refused(f):
    for bad in [mx.array(1.0), mx.zeros(3), mx.zeros((2, 2), dtype=mx.int32), mx.zeros((2, 2), dtype=mx.bfloat16)]:
        with pytest.raises(ValueError):
            f(bad)


def test_gradients():
    a = mx.array(floats(4, 3))
    nuclear = mx.grad(lambda a: mx.linalg.norm(a, "nuc"))(a)
    u, _, vt = mx.linalg.svd(a)
    assert close(nuclear, u[:, :3] @ vt)
    # The projection on the complement, through the vectors that complete the basis and without them.
    w = mx.array(floats(4, 4))
    complement = mx.grad(lambda a: ((mx.linalg.svd(a)[0][:, 3:] @ mx.linalg.svd(a)[0][:, 3:].T) * w).sum())(a)
    projection = mx.grad(lambda a: ((mx.eye(4) - mx.linalg.qr(a)[0] @ mx.linalg.qr(a)[0].T) * w).sum())(a)
    assert close(complement, projection, 1e-4)

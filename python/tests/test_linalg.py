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


SQUARE = [(1, 1), (4, 4), (2, 3, 3), (2, 3, 5, 5)]


def well(*shape, dtype=np.float32):
    """Away from singular ones."""
    return floats(*shape, dtype=dtype) + 3 * np.eye(shape[-1], dtype=dtype)


def definite(*shape, dtype=np.float32):
    x = floats(*shape, dtype=dtype)
    return x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(shape[-1], dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_inverses_and_systems(shape, dtype):
    a, b, v = well(*shape, dtype=dtype), floats(*shape[:-1], 2, dtype=dtype), floats(shape[-1], dtype=dtype)
    assert close(mx.linalg.inv(of(a)), np.linalg.inv(a), 1e-4)
    assert close(mx.linalg.pinv(of(a)), np.linalg.pinv(a), 1e-4)
    assert close(mx.linalg.solve(of(a), of(b)), np.linalg.solve(a, b), 1e-4)
    assert close(mx.linalg.solve(of(a), of(v)), np.linalg.solve(a, v[:, None])[..., 0], 1e-4)
    for upper in (False, True):
        t = np.triu(a) if upper else np.tril(a)
        assert close(mx.linalg.tri_inv(of(a), upper), np.linalg.inv(t), 1e-4)
        assert close(mx.linalg.solve_triangular(of(a), of(b), upper=upper), np.linalg.solve(t, b), 1e-4)
        x = mx.linalg.tri_inv(of(a), upper=upper)
        assert mx.all(x == (mx.triu(x) if upper else mx.tril(x)))


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("shape", SQUARE)
def test_cholesky(shape, dtype):
    a = definite(*shape, dtype=dtype)
    l = mx.linalg.cholesky(of(a))
    assert close(l, np.linalg.cholesky(a)) and close(mx.linalg.cholesky(of(a), upper=True), np.swapaxes(np.array(l), -1, -2))
    for upper in (False, True):
        assert close(mx.linalg.cholesky_inv(mx.linalg.cholesky(of(a), upper), upper), np.linalg.inv(a), 1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5), (2, 4, 3), (40, 40)])
def test_lu(shape, dtype):
    a = floats(*shape, dtype=dtype)
    p, l, u = mx.linalg.lu(of(a))
    k = min(shape[-2:])
    assert p.dtype == mx.uint32 and l.shape == (*shape[:-1], k) and u.shape == (*shape[:-2], k, shape[-1])
    assert close(mx.take_along_axis(l, p[..., None], axis=-2) @ u, a)
    packed, pivots = mx.linalg.lu_factor(of(a))
    assert close(mx.tril(packed[..., :k], -1) + mx.eye(shape[-2], k, dtype=of(a).dtype), l) and close(mx.triu(packed[..., :k, :]), u)
    order = np.broadcast_to(np.arange(shape[-2]), shape[:-1]).copy().reshape(-1, shape[-2])
    for rows, exchanges in zip(order, np.array(pivots).reshape(-1, k)):
        for i, other in enumerate(exchanges):
            rows[[i, other]] = rows[[other, i]]
    assert np.array_equal(np.argsort(order, -1).reshape(shape[:-1]), np.array(p))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
@pytest.mark.parametrize("uplo", ["L", "U"])
def test_eigh(shape, dtype, uplo):
    a = floats(*shape, dtype=dtype)
    w, v = mx.linalg.eigh(of(a), UPLO=uplo)
    assert close(w, np.linalg.eigvalsh(a, UPLO=uplo), 1e-4) and close(mx.linalg.eigvalsh(of(a), uplo), w)
    half = np.tril(a, -1) if uplo == "L" else np.conj(np.swapaxes(np.triu(a, 1), -1, -2))
    whole = half + np.conj(np.swapaxes(half, -1, -2)) + np.real(a) * np.eye(shape[-1])
    assert close(whole @ np.array(v), np.array(w)[..., None, :] * np.array(v), 1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SQUARE)
def test_eig(shape, dtype):
    a = floats(*shape, dtype=dtype)
    w, v = mx.linalg.eig(of(a))
    assert w.dtype == v.dtype == mx.complex64 and w.shape == shape[:-1] and v.shape == shape
    w, v = np.array(w), np.array(v)
    assert np.allclose(a @ v, w[..., None, :] * v, atol=1e-4) and np.allclose(np.linalg.norm(v, axis=-2), 1, atol=1e-5)
    assert close(mx.linalg.eigvals(of(a)), w, 1e-4)
    assert np.allclose(np.sort_complex(w), np.sort_complex(np.linalg.eigvals(a).astype(np.complex64)), atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (4, 4), (2, 3, 3), (2, 3, 6, 6), (0, 0), (3, 0, 0)])
def test_determinants(shape, dtype):
    a = floats(*shape, dtype=dtype)
    assert close(mx.linalg.det(of(a)), np.linalg.det(a), 1e-4)
    for ours, numpys in zip(mx.linalg.slogdet(of(a)), np.linalg.slogdet(a)):
        assert close(ours, numpys, 1e-4)


def test_determinants_of_integers_and_singular_matrices():
    assert mx.linalg.det(mx.array([[1, 2], [3, 4]])).item() == -2
    for n in (2, 4, 6):
        sign, size = mx.linalg.slogdet(mx.ones((n, n)))
        assert sign.item() == 0 and size.item() == -np.inf and mx.linalg.det(mx.ones((n, n))).item() == 0


@pytest.mark.parametrize("f, a", [(mx.linalg.inv, [[1.0, 2.0], [2.0, 4.0]]), (mx.linalg.tri_inv, [[0.0, 0.0], [1.0, 1.0]]), (mx.linalg.cholesky, [[1.0, 2.0], [2.0, 1.0]])])
def test_what_has_no_result_is_an_error(f, a):
    with pytest.raises(RuntimeError):
        mx.eval(f(mx.array(a)))


@pytest.mark.parametrize("name", "inv tri_inv cholesky cholesky_inv eig eigvals eigh eigvalsh det slogdet lu lu_factor pinv".split())
def test_refusals(name):
    f = getattr(mx.linalg, name)
    with pytest.raises(ValueError):
        f(mx.zeros(3))
    with pytest.raises(ValueError):
        f(mx.zeros((2, 2), dtype=mx.float16))
    if not name.startswith(("lu", "pinv")):
        with pytest.raises(ValueError):
            f(mx.zeros((2, 3)))
    with pytest.raises(ValueError):
        mx.linalg.eigh(mx.zeros((2, 2)), UPLO="X")


def test_multivariate_normal():
    mean, cov = np.array([1.0, -2.0], np.float32), np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)
    x = np.array(mx.random.multivariate_normal(mx.array(mean), mx.array(cov), [200], key=mx.random.key(3)))
    # Standard normal numbers of that key times one matrix, whose square is the covariance, about the mean.
    z = np.array(mx.random.normal((200, 1, 2), key=mx.random.key(3)))[:, 0]
    root = np.linalg.lstsq(z, x - mean, rcond=None)[0]
    assert np.allclose(z @ root + mean, x, rtol=1e-5, atol=1e-5) and np.allclose(root.T @ root, cov, rtol=1e-5, atol=1e-5)
    assert mx.random.multivariate_normal(mx.zeros((3, 1, 2)), mx.zeros((4, 2, 2))).shape == (3, 4, 2)
    for mean, cov, shape in [((2,), (3, 3), []), ((2,), (2,), []), ((), (2, 2), []), ((3, 2), (2, 2), [2])]:
        with pytest.raises(ValueError):
            mx.random.multivariate_normal(mx.zeros(mean), mx.zeros(cov), shape)
    with pytest.raises(ValueError):
        mx.random.multivariate_normal(mx.zeros(2), mx.zeros((2, 2)), dtype=mx.float16)


def test_mapped_and_differentiated():
    a, b = mx.array(well(3, 4, 4)), mx.array(floats(3, 4, 2))
    x = mx.vmap(mx.linalg.solve)(a, b)
    assert mx.array_equal(x, mx.linalg.solve(a, b)) and mx.array_equal(x[1], mx.linalg.solve(a[1], b[1]))
    # d log|det a| = trace(a⁻¹ da)
    assert close(mx.grad(lambda a: mx.linalg.slogdet(a)[1].sum())(a), np.swapaxes(np.linalg.inv(np.array(a)), -1, -2), 1e-4)


def test_errors_of_started_evaluations():
    a = mx.linalg.inv(mx.zeros((2, 2)))
    mx.async_eval(a)
    with pytest.raises(RuntimeError, match="singular"):
        mx.synchronize()
    mx.synchronize()
    with pytest.raises(RuntimeError, match="singular"):
        mx.eval(a)
    # Nobody asks for it any more.
    mx.async_eval(mx.linalg.inv(mx.zeros((3, 3))))
    mx.synchronize()

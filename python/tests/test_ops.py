"""Operations that are compositions, against NumPy."""

import isobit.core as mx
import numpy as np
import pytest

RANDOM = np.random.default_rng(0)


def floats(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    "subscripts, shapes",
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,jk,kl", [(2, 3), (3, 4), (4, 2)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("ij->ji", [(2, 3)]),
        ("i,j->ij", [(2,), (3,)]),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
        ("...i->...", [(2, 3, 4)]),
        ("ijk,ik->", [(2, 3, 4), (2, 4)]),
        ("iij,jkk->ik", [(2, 2, 3), (3, 4, 4)]),
    ],
)
def test_einsum(subscripts, shapes):
    operands = [floats(*s) for s in shapes]
    out = mx.einsum(subscripts, *map(mx.array, operands))
    expected = np.einsum(subscripts, *operands)
    assert out.shape == expected.shape
    assert np.allclose(np.array(out), expected, atol=1e-5)


def test_einsum_refuses():
    a = mx.ones((2, 3))
    for subscripts in ("ij,jk", "ijk", "ij->k", "i1", "ij->ii"):
        with pytest.raises(ValueError):
            mx.einsum(subscripts, a)
    with pytest.raises(ValueError):
        mx.einsum("ij,ij", a, mx.ones((2, 4)))


def test_einsum_has_gradients():
    a, b = mx.array(floats(2, 3)), mx.array(floats(3, 4))
    ga, gb = mx.grad(lambda x, y: mx.einsum("ij,jk->", x, y), argnums=(0, 1))(a, b)
    assert mx.allclose(ga, mx.broadcast_to(b.sum(1), (2, 3))) and mx.allclose(gb, mx.broadcast_to(a.sum(0)[:, None], (3, 4)))


def test_products():
    a, b = floats(2, 3, 4), floats(5, 4)
    assert np.allclose(np.array(mx.inner(mx.array(a), mx.array(b))), np.inner(a, b), atol=1e-5)
    assert np.allclose(np.array(mx.tensordot(mx.array(a), mx.array(b), [[2], [1]])), np.tensordot(a, b, [[2], [1]]), atol=1e-5)
    assert np.allclose(np.array(mx.kron(mx.array(a), mx.array(b))), np.kron(a, b))
    assert np.allclose(np.array(mx.linalg.cross(mx.array(a[..., :3]), mx.array(b[0, :3]))), np.cross(a[..., :3], b[0, :3]), atol=1e-6)


@pytest.mark.parametrize("order, axis", [(None, None), (None, 1), (1, 0), (3, 1), (np.inf, 0), (-np.inf, 1), (1, (0, 1)), (-1, (1, 0)), (np.inf, (0, 1)), ("fro", (0, 1))])
def test_norm(order, axis):
    a = floats(3, 4)
    assert np.allclose(np.array(mx.linalg.norm(mx.array(a), order, axis)), np.linalg.norm(a, order, axis), rtol=1e-5)


def test_as_strided():
    a = np.arange(24, dtype=np.int32)
    out = mx.as_strided(mx.array(a), (3, 4), (2, 5), 1)
    assert np.array_equal(np.array(out), np.lib.stride_tricks.as_strided(a[1:], (3, 4), (8, 20)))
    with pytest.raises(ValueError):
        mx.as_strided(mx.array(a), (3, 4), (10, 5))


def test_blocks_at_places_that_are_arrays():
    a = mx.arange(20).reshape(4, 5)
    start = mx.array([1, 2])
    assert mx.array_equal(mx.slice(a, start, (0, 1), (2, 2)), a[1:3, 2:4])
    assert mx.array_equal(mx.slice(a, mx.array([9]), (0,), (2, 5)), a[2:4])
    b = mx.slice_update(a, mx.zeros((2, 2), mx.int32), start, (0, 1))
    assert b.sum().item() == a.sum().item() - a[1:3, 2:4].sum().item()


def test_median_of_nan():
    assert np.isnan(mx.median(mx.array([1.0, float("nan"), 3.0])).item())


def test_printing():
    x = mx.array([1.123456789])
    with mx.printoptions(precision=3):
        assert str(x) == "array([1.123], dtype=float32)"
    assert str(x) == "array([1.12346], dtype=float32)"


def test_minmax_and_transposed_matrices():
    a = mx.array([[3, 1], [2, 5]])
    assert [x.item() for x in mx.minmax(a)] == [1, 5]
    assert [x.tolist() for x in mx.minmax(a, axis=0, keepdims=True)] == [[[2, 1]], [[3, 5]]]
    assert mx.zeros((2, 3, 4)).mT.shape == (2, 4, 3)
    with pytest.raises(ValueError):
        mx.zeros(3).mT


def test_keywords_are_mlxs():
    a = mx.arange(4)
    assert mx.roll(a, 1, axis=0).tolist() == mx.roll(a=a, shift=1).tolist() == [3, 0, 1, 2]
    assert mx.astype(a, dtype=mx.float32).dtype == mx.float32


def test_softmax_of_one_number():
    assert mx.softmax(mx.array(3.0)).item() == 1 and np.isnan(mx.softmax(mx.array(float("nan"))).item())


def test_masks_take_as_many_updates_as_they_need():
    a = mx.zeros((4,), mx.int32)
    a[mx.array([True, False, True, False])] = mx.array([1, 2, 3])
    assert a.tolist() == [1, 0, 2, 0]
    with pytest.raises(ValueError):
        a[mx.array([True, True, True, False])] = mx.array([1, 2])


def test_complex_arrays_go_to_files_and_back(tmp_path):
    a = mx.array([1 + 2j, 3j])
    mx.save(str(tmp_path / "a.npy"), a)
    mx.save_safetensors(str(tmp_path / "a.safetensors"), {"a": a})
    assert np.load(tmp_path / "a.npy").tolist() == [1 + 2j, 3j]
    for b in (mx.load(str(tmp_path / "a.npy")), mx.load(str(tmp_path / "a.safetensors"))["a"]):
        assert b.dtype == mx.complex64 and b.tolist() == [1 + 2j, 3j]


COMPLEX = np.array([[1 + 2j, -3 - 4j, 0.5 - 0.25j], [2j, -1.5 + 0j, 3 - 1j]], np.complex64)


def test_complex_functions_agree_with_numpy():
    z = mx.array(COMPLEX)
    names = "sqrt square exp log log1p log2 log10 sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh".split()
    for name in [*names, "negative", "abs", "conj", "real", "imag", "reciprocal", "isnan", "isinf", "isfinite", "sort"]:
        got, want = np.array(getattr(mx, name)(z)), getattr(np, name)(COMPLEX)
        assert got.dtype == want.dtype, name
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6, err_msg=name)
    for name in ("sum", "prod", "mean", "cumsum", "cumprod", "max", "min", "argmax", "argmin", "var", "std"):
        for axis in (0, 1):
            got, want = np.array(getattr(mx, name)(z, axis=axis)), getattr(np, name)(COMPLEX, axis=axis)
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=name)
    w = z[::-1] + 0.5
    v = np.array(w)
    for name in ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "equal", "less", "greater_equal"):
        np.testing.assert_allclose(
            np.array(getattr(mx, name)(z, w)), getattr(np, name)(COMPLEX, v), rtol=1e-5, atol=1e-6, err_msg=name
        )
    np.testing.assert_allclose(np.array(z @ w.T), COMPLEX @ v.T, rtol=1e-6)
    np.testing.assert_allclose(np.array(2 * z - 1j / z), 2 * COMPLEX - 1j / COMPLEX, rtol=1e-6)
    assert z.at[mx.array([0, 0])].add(w).tolist()[0] == (z[0] + w[0] + w[1]).tolist()


def test_complex_gradients_are_those_of_both_parts():
    z = mx.array([1 + 2j, -0.5 + 0.25j])
    g = mx.grad(lambda z: mx.abs(z).sum())(z)
    np.testing.assert_allclose(np.array(g), np.array(z) / np.abs(np.array(z)), rtol=1e-6)
    _, (g,) = mx.vjp(mx.exp, [z], [mx.array([1j, 2 + 0j])])
    np.testing.assert_allclose(np.array(g), np.array([1j, 2]) * np.exp(np.array(z)).conj(), rtol=1e-6)
    parts = mx.vmap(lambda z: mx.stack([mx.real(z), mx.imag(z)]))(z)
    assert parts.tolist() == [[1, 2], [-0.5, 0.25]]


@pytest.mark.parametrize("name", "expm1 erf erfinv sigmoid floor ceil nan_to_num".split())
def test_what_is_not_defined_for_complex_numbers_says_so(name):
    with pytest.raises(ValueError, match="complex64"):
        getattr(mx, name)(mx.array([1j]))


def test_tangents_of_comparisons_are_floats():
    _, (t,) = mx.jvp(lambda x: x > 0, [mx.array([1.0], mx.float16)], [mx.ones((1,), mx.float16)])
    assert t.dtype == mx.float16 and t.tolist() == [0]


def test_sizes_of_buffers():
    a = mx.zeros((1024,))
    with pytest.raises(ValueError):
        mx.get_array_buffer_size(a)
    part = a[2:]
    mx.eval(a, part)
    assert mx.get_array_buffer_size(a, {"b": part, "c": 1}) == mx.get_array_buffer_size(a) == 4096


def test_one_process_alone():
    with pytest.raises(RuntimeError):
        mx.distributed.send(mx.ones(1), 1)
    assert mx.distributed.all_sum(mx.ones(2)).tolist() == [1, 1]


def test_unique_has_numpys_answers():
    rng = np.random.default_rng(0)
    for a in (rng.integers(-3, 4, (4, 5)).astype(np.int32), np.round(rng.normal(size=37), 1).astype(np.float32)):
        want = np.unique(a, return_index=True, return_inverse=True, return_counts=True)
        n = want[0].size
        for size in (n, n + 3, n - 2):
            got = [np.array(x) for x in mx.unique(mx.array(a), size, True, True, True, fill_value=9)]
            kept = min(n, size)
            assert got[0].tolist() == want[0][:kept].tolist() + [9] * (size - kept)
            assert got[1][:kept].tolist() == want[1][:kept].tolist()
            assert got[2].shape == a.shape and np.array_equal(got[2], np.minimum(want[2].reshape(a.shape), size - 1))
            assert got[3].tolist() == want[3][:kept].tolist() + [0] * (size - kept)
    assert mx.unique(mx.array([3, 1, 1]), 3).tolist() == [1, 3, 1]
    rows = mx.array([[3, 1, 1], [2, 2, 2]])
    assert mx.vmap(lambda x: mx.unique(x, 2))(rows).tolist() == [[1, 3], [2, 2]]
    grad = mx.grad(lambda x: (mx.unique(x, 2) * mx.array([1.0, 10.0])).sum())(mx.array([3.0, 1.0, 1.0]))
    assert grad.tolist() == [10, 1, 0]
    empty = mx.unique(mx.array([], mx.int32), 2, return_counts=True, fill_value=4)
    assert [x.tolist() for x in empty] == [[4, 4], [0, 0]] and mx.unique(mx.array([]), 0).tolist() == []
    with pytest.raises(ValueError):
        mx.unique(mx.array([]), 1)


@pytest.mark.parametrize("n", [1, 2, 64, 12, 20, 28, 24 * 64, 56, 4096])
def test_hadamard_matrices_are_orthogonal(n):
    h = np.array(mx.hadamard_transform(mx.eye(n) if n < 100 else mx.eye(n)[:7], scale=1.0))
    assert set(np.abs(h).ravel()) == {1.0}
    assert np.array_equal(h @ h.T, n * np.eye(len(h)))
    x = mx.random.normal((3, n))
    again = mx.hadamard_transform(mx.hadamard_transform(x))
    if n & (n - 1) == 0:
        assert mx.allclose(again, x, atol=1e-5)
    assert mx.hadamard_transform(x.astype(mx.bfloat16)).dtype == mx.bfloat16
    for bad in (mx.ones((13,)), mx.ones((6,)), mx.ones((60,)), mx.array([])):
        with pytest.raises(ValueError):
            mx.hadamard_transform(bad)


def test_cross_entropy_of_classes():
    x, classes = mx.random.normal((2, 3, 5), key=mx.random.key(0)), mx.array([[0, 4, 2], [-1, 1, 3]])
    loss = mx.fast.cross_entropy(x.astype(mx.float16), classes)
    assert loss.dtype == mx.float32 and loss.shape == (2, 3)
    want = -np.log(np.take_along_axis(np.array(mx.softmax(x, -1)), np.array(classes)[..., None] % 5, -1))[..., 0]
    assert np.allclose(np.array(mx.fast.cross_entropy(x, classes)), want, rtol=1e-5)
    grad = mx.grad(lambda x: mx.fast.cross_entropy(x, classes).sum())(x)
    assert mx.allclose(grad, mx.softmax(x, -1) - (mx.arange(5) == classes[..., None] % 5), atol=1e-6)
    with pytest.raises(ValueError):
        mx.fast.cross_entropy(x, classes[0])


def test_gradients_of_integers_are_those_of_their_values():
    x = mx.array([3, -1, 4])
    assert mx.grad(lambda x: (x * x).sum())(x).tolist() == [6.0, -2.0, 8.0]
    # Half of an integer is no integer; its derivative is 0.5 all the same.
    half = mx.grad(lambda x: (x / 2).sum())(x)
    assert half.dtype == mx.float32 and half.tolist() == [0.5, 0.5, 0.5]
    _, (t,) = mx.jvp(mx.prod, (x,), (mx.array([1, 0, 0]),))
    assert t.item() == -4.0
    assert mx.grad(lambda x: mx.checkpoint(lambda y: y * y)(x).sum())(x).tolist() == [6.0, -2.0, 8.0]
    # A place is no number.
    assert mx.grad(lambda w: (w[mx.argmax(w)] * mx.argmax(w)).sum())(mx.array([1.0, 5.0])).tolist() == [0.0, 1.0]

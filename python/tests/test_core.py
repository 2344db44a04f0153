"""Arrays, operations and transforms as a Python program meets them."""

import copy
import pickle

import isobit.core as mx
import numpy as np
import pytest


def test_construction_and_back():
    a = mx.array([[1, 2], [3, 4]])
    assert a.shape == (2, 2) and a.dtype == mx.int32 and a.tolist() == [[1, 2], [3, 4]]
    assert mx.array([1.0, 2]).dtype == mx.float32
    assert mx.array(2**40).dtype == mx.int64
    assert mx.array(np.arange(3.0)).dtype == mx.float32
    assert mx.array(np.arange(6).reshape(2, 3).T).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert np.array_equal(np.array(a), [[1, 2], [3, 4]])
    assert np.array_equal(np.from_dlpack(a), [[1, 2], [3, 4]])
    assert mx.array([mx.array([1, 2]), mx.array([3, 4])]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError):
        mx.array([[1, 2], [3]])


def test_a_view_shares_memory():
    a = mx.array([1.0, 2.0, 3.0])
    view = np.asarray(memoryview(a))
    view[0] = 7
    assert a.tolist() == [7, 2, 3]


@pytest.mark.parametrize("dtype", [mx.bool_, mx.uint8, mx.int64, mx.float16, mx.bfloat16, mx.float32, mx.float64])
def test_copies_and_pickles(dtype):
    a = mx.arange(6).reshape(2, 3).astype(dtype)
    for b in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a)), mx.array(a)):
        assert b.dtype == dtype and mx.array_equal(a, b)


def test_numbers_are_weak():
    a = mx.array([1, 2], mx.float16)
    assert (a + 1).dtype == mx.float16 and (2.5 * a).dtype == mx.float16
    assert (mx.array([1, 2]) + 1.5).dtype == mx.float32
    with pytest.raises(ValueError):
        mx.array([1], mx.int8) + 300


def test_in_place_changes_the_object():
    a = mx.zeros((3,))
    b = a
    b += 1
    b[1] = 5
    assert a.tolist() == [1, 5, 1] and a is b


def test_indexing_as_numpy():
    x = np.arange(60).reshape(3, 4, 5)
    a = mx.array(x)
    mask = x > 20
    for index in [0, -1, slice(None, None, -2), (..., 1), (None, 2), ([0, 2], slice(1, 3)), (0, [1, 1], [2, 3]), mask]:
        assert np.array_equal(np.array(a[mx.array(mask) if index is mask else index]), x[index])
    y = x.copy()
    a[1:, ::2] = mx.array(7)
    y[1:, ::2] = 7
    a[mx.array(mask)] = 0
    y[mask] = 0
    assert np.array_equal(np.array(a), y)
    with pytest.raises(IndexError):
        a[3]


def test_updates_that_meet_add_up():
    a = mx.zeros((3,)).at[mx.array([0, 0, 2])].add(1)
    assert a.tolist() == [2, 0, 1]


def test_gradients_of_trees():
    def loss(params, x, scale=1.0):
        return ((x @ params["w"] + params["b"]) * scale).sum(), "kept"

    params = {"w": mx.ones((3, 2)), "b": mx.zeros((2,))}
    x = mx.array([[1.0, 2.0, 3.0]])
    (value, kept), grads = mx.value_and_grad(loss)(params, x, scale=2.0)
    assert value.item() == 24 and kept == "kept"
    assert grads["w"].tolist() == [[2, 2], [4, 4], [6, 6]] and grads["b"].tolist() == [2, 2]
    gx, named = mx.grad(lambda a, b: (a * b).sum(), argnums=0, argnames="b")(x, b=x)
    assert mx.array_equal(gx, x) and mx.array_equal(named["b"], x)


def test_an_exception_passes_through():
    class Mine(Exception):
        pass

    def bad(x):
        raise Mine("inside")

    for transform in (mx.grad, mx.vmap, mx.checkpoint, mx.compile, mx.custom_function):
        with pytest.raises(Mine, match="inside"):
            transform(bad)(mx.ones((2,)))
    assert mx.grad(lambda x: x.sum())(mx.ones((2,))).tolist() == [1, 1]


def test_vmap_over_trees():
    f = mx.vmap(lambda p, x: {"y": p["a"] * x, "z": x}, in_axes=({"a": 0}, None), out_axes={"y": 1, "z": None})
    out = f({"a": mx.array([1.0, 2.0])}, mx.array([1.0, 10.0, 100.0]))
    assert out["y"].tolist() == [[1, 2], [10, 20], [100, 200]] and out["z"].shape == (3,)


def test_custom_function():
    @mx.custom_function
    def f(x, y):
        return x * y

    @f.vjp
    def f_vjp(primals, cotangent, output):
        return cotangent * 100, cotangent * output

    gx, gy = mx.grad(lambda x, y: f(x, y), argnums=(0, 1))(mx.array(2.0), mx.array(3.0))
    assert (gx.item(), gy.item()) == (100, 6)


def test_random_numbers_depend_on_the_key_alone():
    key = mx.random.key(3)
    assert mx.array_equal(mx.random.normal((4,), key=key), mx.random.normal((4,), key=key))
    mx.random.seed(1)
    a = mx.random.uniform(shape=(2,))
    mx.random.seed(1)
    assert mx.array_equal(a, mx.random.uniform(shape=(2,)))


def test_errors_have_the_kinds_of_mlx():
    a = mx.ones((2, 3))
    for kind in (IndexError, ValueError):
        with pytest.raises(kind):
            mx.sum(a, axis=5)
    with pytest.raises(ValueError):
        a @ a
    with pytest.raises(TypeError):
        mx.exp("a")
    with pytest.raises(AttributeError):
        mx.no_such_name


def test_files(tmp_path):
    arrays = {"a": mx.arange(3), "b": mx.ones((2, 2), mx.bfloat16)}
    mx.save_safetensors(str(tmp_path / "x"), arrays, {"k": "v"})
    loaded, metadata = mx.load(str(tmp_path / "x.safetensors"), return_metadata=True)
    assert metadata["k"] == "v" and all(mx.array_equal(arrays[k], loaded[k]) for k in arrays)
    mx.savez(tmp_path / "y.npz", a=arrays["a"])
    assert mx.load(str(tmp_path / "y.npz"))["a"].tolist() == [0, 1, 2]
    mx.save(str(tmp_path / "z"), arrays["a"])
    assert np.load(tmp_path / "z.npy").tolist() == [0, 1, 2]

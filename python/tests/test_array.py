"""The array type, item by item: what it is made of, what it becomes, its operators, its indices, what is around it."""

import array as stdlib
import copy
import gc
import hashlib
import pickle
import random
import threading

import isobit.core as mx
import numpy as np
import pytest

torch = None
try:
    import torch
except ImportError:
    pass

ml_dtypes = pytest.importorskip("ml_dtypes")

REAL = [mx.bool_, mx.uint8, mx.uint16, mx.uint32, mx.uint64, mx.int8, mx.int16, mx.int32, mx.int64, mx.float16,
        mx.float32, mx.float64]


def numpy_dtype(dtype):
    return np.dtype(str(dtype).removeprefix("mlx.core."))


# Construction.


@pytest.mark.parametrize("dtype", [*REAL, mx.complex64])
def test_numpy_arrays_keep_their_values(dtype):
    x = np.arange(6).reshape(2, 3).astype(numpy_dtype(dtype))
    a = mx.array(x, dtype)
    assert a.dtype == dtype and np.array_equal(np.array(a), x)
    assert mx.array(x.T, dtype).tolist() == x.T.tolist()


def test_buffers():
    assert mx.array(stdlib.array("d", [1, 2])).dtype == mx.float32
    assert mx.array(stdlib.array("h", [1, -2])).tolist() == [1, -2]
    assert mx.array(memoryview(b"ab")).tolist() == [97, 98]
    with pytest.raises(Exception):
        mx.array(np.array(["text"]))


def test_an_object_that_says_it_is_an_array():
    class Mine:
        def __mlx__array__(self):
            return mx.array([1, 2])

    assert mx.array(Mine()).tolist() == [1, 2] and (mx.ones(2) + Mine()).tolist() == [2, 3]


def test_numbers_and_lists():
    assert mx.array(True).dtype == mx.bool_ and mx.array(1).dtype == mx.int32 and mx.array(1j).dtype == mx.complex64
    assert mx.array([]).dtype == mx.float32 and mx.array([[], []]).shape == (2, 0)
    assert mx.array([1, 2**40]).dtype == mx.int64 and mx.array((1, 2.0)).dtype == mx.float32
    assert mx.array([np.float32(1), mx.array(2.0)]).tolist() == [1, 2]
    assert mx.array([1, 2], dtype=mx.float16).dtype == mx.float16


# DLPack.


def test_dlpack_shares_read_only_memory():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    x.flags.writeable = False
    a = mx.from_dlpack(x)
    assert np.shares_memory(np.asarray(a), x)
    kept = mx.from_dlpack(x.T)
    del x
    gc.collect()
    assert kept.tolist() == [[0, 3], [1, 4], [2, 5]] and (kept + 1).tolist() == [[1, 4], [2, 5], [3, 6]]


def test_dlpack_copies_writable_memory_unless_told():
    x = np.arange(3, dtype=np.float32)
    copied, shared = mx.from_dlpack(x), mx.from_dlpack(x, copy=False)
    x[0] = 9
    assert copied.tolist() == [0, 1, 2] and shared.tolist() == [9, 1, 2]
    assert mx.from_dlpack(x, copy=True).tolist() == [9, 1, 2]
    with pytest.raises(ValueError):
        mx.from_dlpack(np.arange(3.0), copy=False)  # becomes float32
    with pytest.raises(ValueError):
        mx.from_dlpack(x[::-1])


@pytest.mark.parametrize("dtype", [*REAL, mx.complex64])
def test_dlpack_to_numpy_and_back(dtype):
    a = mx.array(np.arange(6).reshape(2, 3).astype(numpy_dtype(dtype)), dtype)
    x = np.from_dlpack(a)
    assert x.dtype == numpy_dtype(dtype)
    back = mx.from_dlpack(x)
    assert back.dtype == (mx.float32 if dtype == mx.float64 else dtype) and back.tolist() == a.tolist()


def test_dlpack_of_views():
    a = mx.arange(24).reshape(4, 6)
    for v in (a.T, a[::2, 1::2], mx.broadcast_to(a[:1], (3, 6)), a[1, 2]):
        assert np.array_equal(np.from_dlpack(v), np.array(v))
    assert mx.from_dlpack(a) is not a and mx.array_equal(mx.from_dlpack(a), a)


def test_a_shared_array_outlives_what_computes_with_it():
    x = np.ones((64, 64), np.float32)
    x.flags.writeable = False
    for _ in range(20):
        a = mx.from_dlpack(x)
        b = (a @ a) + a
        del a
        assert b[0, 0].item() == 65
    assert x.sum() == 64 * 64


@pytest.mark.skipif(torch is None, reason="needs PyTorch")
@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16", "int64", "uint8", "bool"])
def test_dlpack_with_pytorch(name):
    t = torch.arange(6).reshape(2, 3).to(getattr(torch, name))
    a = mx.from_dlpack(t)
    assert str(a.dtype).endswith(name) and a.tolist() == t.tolist()
    back = torch.from_dlpack(a)
    assert back.dtype == t.dtype and torch.equal(back, t)


# NumPy and bfloat16.


def test_numpy_views_and_copies():
    a = mx.array([[1.0, 2.0], [3.0, 4.0]])
    view, copied, writable = np.asarray(a), np.array(a), np.array(a, copy=False)
    assert np.shares_memory(view, writable) and not np.shares_memory(view, copied)
    assert copied.flags.writeable and writable.flags.writeable
    assert np.asarray(a, dtype=np.int8).tolist() == [[1, 2], [3, 4]] and a.__array__().tolist() == a.tolist()
    repeated = np.asarray(mx.broadcast_to(a[:1], (3, 2)))
    assert repeated.strides == (0, 4) and not repeated.flags.writeable
    assert np.exp(a).dtype == np.float32  # NumPy's own functions take arrays


def test_bfloat16():
    a = mx.array([1.0, -2.5, float("inf")], mx.bfloat16)
    x = np.array(a.view(mx.uint16)).view(ml_dtypes.bfloat16)
    assert x.dtype == ml_dtypes.bfloat16 and x.astype(np.float32).tolist() == a.tolist()
    for b in (mx.array(x), mx.asarray(x), mx.array(x[::1])):
        assert b.dtype == mx.bfloat16 and mx.array_equal(a, b)
    assert mx.array(x, mx.float32).dtype == mx.float32
    view = memoryview(a)
    assert (view.format, view.shape, view.strides) == ("bfloat16", (3,), (2,))
    assert mx.array(view).dtype == mx.bfloat16 and mx.array_equal(mx.array(view), a)
    # NumPy knows no such format, whatever it is to make of it.
    for dtype in (None, np.float64, ml_dtypes.bfloat16):
        with pytest.raises(ValueError, match="bfloat16"):
            np.array(a, dtype=dtype)
    assert a.__array__().dtype == np.float32 and a.__array__(ml_dtypes.bfloat16).dtype == ml_dtypes.bfloat16
    assert bytes(a.view(mx.uint8)) == x.tobytes()


# Copies, numbers, truth.


@pytest.mark.parametrize("dtype", [*REAL, mx.bfloat16, mx.complex64])
def test_copies_are_independent(dtype):
    a = mx.array([[0, 1, 2], [3, 4, 5]], dtype)
    for b in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a)), mx.array(a)):
        assert b.dtype == dtype and b.shape == a.shape and b.tolist() == a.tolist()
        before = a.tolist()
        b[0, 0] = 1
        assert a.tolist() == before
    assert pickle.loads(pickle.dumps(dtype)) == dtype and copy.deepcopy(dtype) == dtype


def test_numbers_truth_hash_and_iteration():
    assert int(mx.array(3)) == 3 and float(mx.array(2)) == 2.0 and complex(mx.array(1.5)) == 1.5
    assert [10, 20][mx.array(1)] == 20 and bool(mx.array([0.5])) and not mx.array(0)
    with pytest.raises(ValueError):
        bool(mx.ones(2))
    a, b = mx.array([1, 2]), mx.array([1, 2])
    assert len({a, b}) == 2 and hash(a) == hash(a)
    assert [x.item() for x in a] == [1, 2] and len(a) == 2 and f"{mx.array(1.25):.1f}" == "1.2"
    with pytest.raises(TypeError):
        iter(mx.array(1)).__next__()
    assert (a == [1, 2]) is not NotImplemented and (a != None)  # noqa: E711


@pytest.mark.parametrize("op", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"])
def test_arithmetic_operators_are_numpys(op):
    x, y = np.array([7.0, -7.0, 2.5], np.float32), np.array([2.0, 3.0, 0.5], np.float32)
    x, y = (np.abs(x), y) if op == "pow" else (x, y)
    a, b = mx.array(x), mx.array(y)
    expected = getattr(x, f"__{op}__")(y)
    assert np.allclose(np.array(getattr(a, f"__{op}__")(b)), expected)
    assert np.allclose(np.array(getattr(b, f"__r{op}__")(a)), expected)
    assert np.allclose(np.array(getattr(a, f"__r{op}__")(2)), getattr(x, f"__r{op}__")(2))
    c = mx.array(x)
    kept = c
    exec(f"c {dict(add='+', sub='-', mul='*', truediv='/', floordiv='//', mod='%', pow='**')[op]}= b")
    assert kept is c


@pytest.mark.parametrize("op", ["and", "or", "xor", "lshift", "rshift"])
def test_bit_operators(op):
    x, y = np.array([12, 5, 7], np.int32), np.array([2, 3, 1], np.int32)
    a, b = mx.array(x), mx.array(y)
    assert np.array(getattr(a, f"__{op}__")(b)).tolist() == getattr(x, f"__{op}__")(y).tolist()
    assert np.array(getattr(a, f"__r{op}__")(b)).tolist() == getattr(x, f"__r{op}__")(y).tolist()
    assert (~a).tolist() == (~x).tolist() and (-a).tolist() == (-x).tolist() and abs(-a).tolist() == x.tolist()


def test_comparisons():
    a = mx.array([1, 2, 3])
    assert (a < 2).tolist() == [True, False, False] and (a >= mx.array(2)).tolist() == [False, True, True]
    assert (2 > a).tolist() == [True, False, False] and (a != 2).tolist() == [True, False, True]


def test_promotion_is_numpys_where_numpy_has_it():
    for d in REAL:
        assert (mx.ones(1, d) + mx.ones(1, d)).dtype == d
        assert (mx.ones(1, d) * 2).dtype == (mx.int32 if d == mx.bool_ else d)
    assert (mx.ones(1, mx.int8) + mx.ones(1, mx.uint8)).dtype == mx.int16
    assert (mx.ones(1, mx.float16) + mx.ones(1, mx.bfloat16)).dtype == mx.float32
    assert (mx.ones(1, mx.int64) + mx.ones(1, mx.float16)).dtype == mx.float16


# Indexing.


def random_index(rng, shape):
    """An index that NumPy accepts, of all kinds at once."""
    advanced, common = rng.random() < 0.4, rng.choice([(3,), (2, 1), ()])

    def entry(n):
        kind = rng.choice(["int", "slice", "array"] if advanced else ["int", "slice", "slice"])
        if kind == "int":
            return rng.randint(-n, n - 1)
        if kind == "slice":
            ends = [rng.choice([None, rng.randint(-n - 1, n + 1)]) for _ in range(2)]
            return slice(*ends, rng.choice([None, 1, 2, -1, -2]))
        return np.array([rng.randint(-n, n - 1) for _ in range(int(np.prod(common)))], np.int32).reshape(common)

    entries = [entry(n) for n in shape[: rng.randint(0, len(shape))]]
    # NumPy takes an ellipsis that covers no axis for something that separates index arrays, MLX does not.
    if len(entries) < len(shape) and rng.random() < 0.4:
        rest = shape[len(entries) :]
        last = [entry(n) for n in rest[len(rest) - rng.randint(0, len(rest) - 1) :]]
        entries += [Ellipsis, *last]
    if rng.random() < 0.4:
        entries.insert(rng.randint(0, len(entries)), None)
    return tuple(entries)


def ours(index):
    return tuple(mx.array(i) if isinstance(i, np.ndarray) else i for i in index)


def test_reading_as_numpy():
    rng = random.Random(0)
    for _ in range(600):
        shape = tuple(rng.randint(1, 5) for _ in range(rng.randint(1, 4)))
        x = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
        index = random_index(rng, shape)
        expected = x[index]
        got = mx.array(x)[ours(index)]
        assert got.shape == expected.shape and np.array_equal(np.array(got), expected), (shape, index)


def test_assignment_as_numpy():
    rng = random.Random(1)
    done = 0
    for _ in range(600):
        shape = tuple(rng.randint(1, 5) for _ in range(rng.randint(1, 4)))
        x = np.zeros(shape, np.int32)
        index = random_index(rng, shape)
        places = x[index].shape
        # What is assigned broadcasts; places named twice would make the result depend on an order.
        if any(isinstance(i, np.ndarray) for i in index):
            value = np.int32(7)
        else:
            value = np.arange(int(np.prod(places)), dtype=np.int32).reshape(places)
            while value.ndim and rng.random() < 0.3:
                value = value[:1] if rng.random() < 0.5 else value[0] if value.shape[0] else value[:1]
                if value.size == 0:
                    break
            if value.size == 0 and int(np.prod(places)) != 0:
                continue
        try:
            x[index] = value
        except ValueError:
            continue
        a = mx.zeros(shape, mx.int32)
        a[ours(index)] = mx.array(value)
        done += 1
        assert np.array_equal(np.array(a), x), (shape, index, value)
    assert done > 400


def test_masks_lists_and_errors():
    x = np.arange(12).reshape(3, 4)
    a = mx.array(x)
    assert np.array_equal(np.array(a[a > 4]), x[x > 4])
    assert np.array_equal(np.array(a[mx.array([True, False, True])]), x[[True, False, True]])
    a[a > 4] = 0
    x[x > 4] = 0
    assert np.array_equal(np.array(a), x)
    a[mx.array([True, False, True]), 1] = mx.array([8, 9])
    x[[True, False, True], 1] = [8, 9]
    assert np.array_equal(np.array(a), x)
    assert a[[0, 2]].tolist() == x[[0, 2]].tolist()
    for bad in (9, (0, 0, 0), "a"):
        with pytest.raises((IndexError, ValueError)):
            a[bad]
    with pytest.raises((IndexError, ValueError)):
        a[0] = mx.ones((3,))


def test_at():
    a = mx.array([1, 5, 3])
    twice = mx.array([0, 0])
    assert a.at[twice].add(2).tolist() == [5, 5, 3] and a.at[twice].subtract(2).tolist() == [-3, 5, 3]
    assert a.at[twice].multiply(3).tolist() == [9, 5, 3] and a.at[1].maximum(9).tolist() == [1, 9, 3]
    assert a.at[1:].minimum(4).tolist() == [1, 4, 3] and mx.array([4.0]).at[0].divide(2).tolist() == [2]
    assert a.tolist() == [1, 5, 3]


# What is around arrays.


def test_text():
    assert repr(mx.array([1.5, 2])) == "array([1.5, 2], dtype=float32)"
    assert repr(mx.array([[1, 2], [3, 4]])) == "array([[1, 2],\n       [3, 4]], dtype=int32)"
    assert repr(mx.array(True)) == "array(True, dtype=bool)" and str(mx.float16) == "mlx.core.float16"
    assert "..." in repr(mx.arange(5000))
    with mx.printoptions(precision=2):
        assert repr(mx.array(1.23456)) == "array(1.23, dtype=float32)"


def test_dtypes_and_limits():
    for d in REAL:
        x = numpy_dtype(d)
        assert d.size == x.itemsize
        if mx.issubdtype(d, mx.floating):
            ours, theirs = mx.finfo(d), np.finfo(x)
            assert (ours.min, ours.max, ours.eps) == (theirs.min, theirs.max, theirs.eps)
        elif d != mx.bool_:
            assert (mx.iinfo(d).min, mx.iinfo(d).max) == (np.iinfo(x).min, np.iinfo(x).max)
    assert mx.issubdtype(mx.float32, mx.inexact) and not mx.issubdtype(mx.int8, mx.floating)
    assert mx.issubdtype(mx.signedinteger, mx.number) and mx.isdtype(mx.uint8, "unsigned integer")
    assert mx.pi == np.pi and mx.newaxis is None and mx.isnan(mx.array(mx.nan)).item()


def test_every_thread_may_use_every_stream_and_array():
    a = mx.ones((32, 32))
    stream = mx.new_stream(mx.cpu)
    lazy = a @ a
    found = [None] * 8

    def work(i):
        with mx.stream(stream):
            found[i] = (mx.add(lazy, i, stream=stream).sum() + lazy[0, 0]).item()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [32 * 32 * (32 + i) + 32 for i in range(8)]
    assert mx.default_device() == mx.cpu and mx.default_stream(mx.cpu).device == mx.Device(mx.cpu, 0)


def test_figures_of_memory():
    n = 1 << 20
    mx.synchronize()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    a = mx.zeros((n,), mx.float32)
    mx.eval(a)
    assert mx.get_active_memory() - before == 4 * n
    b = a + 1
    mx.eval(b)
    assert mx.get_active_memory() - before == 8 * n and mx.get_peak_memory() >= before + 8 * n
    del a, b
    assert mx.get_active_memory() - before == 0
    limit = mx.set_cache_limit(0)
    mx.clear_cache()
    assert mx.get_cache_memory() == 0 and mx.set_cache_limit(limit) == 0


def test_random_state():
    mx.random.seed(5)
    (saved,) = [mx.array(x) for x in mx.random.state]
    a = mx.random.uniform(shape=(3,))
    mx.random.state[0] = saved
    assert mx.array_equal(a, mx.random.uniform(shape=(3,)))
    assert not mx.array_equal(a, mx.random.uniform(shape=(3,)))
    compiled = mx.compile(lambda: mx.random.uniform(shape=(3,)), inputs=mx.random.state, outputs=mx.random.state)
    mx.random.seed(5)
    assert mx.array_equal(a, compiled()) and not mx.array_equal(a, compiled())


# What other libraries' numbers, sequences and the language expect.


def test_numpy_operands_are_weak():
    x = mx.array([5, 7])
    for other in (np.int64(2), np.array([2, 2]), np.array(2, np.uint8)):
        assert (x + other).dtype == mx.int32 and (other + x).tolist() == [7, 9]
        assert mx.add(other, x).dtype == mx.int32
    assert (mx.ones(2, mx.float16) * np.float32(2.5)).dtype == mx.float16
    assert (x * np.float32(2.5)).tolist() == [12.5, 17.5]
    assert (mx.array([True]) + np.int8(2)).tolist() == [3]
    x += np.int64(1)
    assert x.dtype == mx.int32 and x.tolist() == [6, 8]


def test_updates_take_the_result_as_it_is():
    x = mx.array([5, 7], mx.uint8)
    x += mx.array([300, 1])
    assert x.dtype == mx.int32 and x.tolist() == [305, 8]
    for dtype in (mx.int32, mx.bool_, mx.uint8):
        x = mx.ones(2, dtype)
        with pytest.raises(ValueError):
            x /= 2.0
    with pytest.raises(ValueError):
        mx.array([1], mx.uint8) + -1


def test_what_is_no_operand():
    x = mx.array([1.0, 2.0])
    for wrong in (lambda: mx.maximum("a", 2), lambda: x + "a", lambda: x < None, lambda: mx.array(None)):
        with pytest.raises(TypeError):
            wrong()
        with pytest.raises(ValueError):
            wrong()
    for wrong in (lambda: x @ 2, lambda: 2.0 @ x, lambda: mx.array(2) @ True):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(RuntimeError):
        mx.load("/no/such/file.npy")
    with pytest.raises(OSError):
        mx.load("/no/such/file.npy")
    for wrong in (lambda: mx.eye(-1), lambda: mx.repeat(x, -1), lambda: mx.topk(x, -1), lambda: mx.random.permutation(-1)):
        with pytest.raises(ValueError):
            wrong()


def test_sequences_and_bytes():
    x = mx.arange(6).reshape(2, 3)
    assert [a.tolist() for a in reversed(x)] == [[3, 4, 5], [0, 1, 2]]
    with pytest.raises(TypeError):
        reversed(mx.array(1))
    assert bytes(x.T) == np.arange(6, dtype=np.int32).reshape(2, 3).T.tobytes()
    assert bytes(mx.array(3)) == b"\x03\0\0\0"
    half = mx.array([1.0, -2.0], mx.bfloat16)
    assert bytes(half) == b"\x80\x3f\0\xc0" and hashlib.md5(half).digest() == hashlib.md5(bytes(half)).digest()
    assert np.array(half.astype(mx.float32)).tolist() == [1.0, -2.0]


def test_subclasses_and_copies():
    class Named(mx.array):
        pass

    x = Named([1, 2])
    assert isinstance(x, mx.array) and type(x + 1) is mx.array and (x + x).tolist() == [2, 4]
    assert copy.deepcopy({"on": mx.cpu})["on"] == mx.cpu and pickle.loads(pickle.dumps(mx.gpu)) == mx.gpu
    assert str(mx.finfo(mx.float16)) == "finfo(min=-65504, max=65504, dtype=float16)"

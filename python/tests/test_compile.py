"""Functions that are recorded: once for every kind of arguments, with the results of plain calls."""

import gc
import weakref
from functools import partial

import isobit.core as mx
import isobit.nn as nn
import isobit.optimizers as optim
import isobit.utils
import numpy as np
import pytest


def test_a_function_runs_once_for_every_kind_of_arguments():
    calls = []

    @mx.compile
    def f(x, scale=1.0, *, tree=None):
        calls.append(scale)
        y = x * scale
        return {"y": y, "more": [y + 1, None, "text", 3]} if tree is None else (y + tree["a"], tree["b"])

    x = mx.array([1.0, 2.0])
    first, again = f(x), f(x + 1)
    assert first["y"].tolist() == [1, 2] and again["y"].tolist() == [2, 3] and again["more"][0].tolist() == [3, 4]
    assert again["more"][1:] == [None, "text", 3] and len(calls) == 1
    # Another shape, dtype, number, type of number, structure.
    kinds = [(x[:1],), (x.astype(mx.float16),), (x, 2.0), (x, 2), (x, True), (x[None],)]
    for args in kinds:
        assert mx.array_equal(f(*args)["y"], args[0] * (args[1] if len(args) > 1 else 1.0))
    assert len(calls) == 1 + len(kinds)
    for b in (x, x + 1):
        y, back = f(x, tree={"a": mx.array(1.0), "b": b})
        assert y.tolist() == [2, 3] and mx.array_equal(back, b)
    assert f(x, tree={"a": mx.array(1.0), "b": 5})[1] == 5
    assert len(calls) == 3 + len(kinds)
    f(x, float("nan")), f(x, float("nan"))
    assert len(calls) == 4 + len(kinds)


def test_bits_of_a_training_step():
    def steps(compiled):
        mx.random.seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = optim.Adam(learning_rate=1e-2)
        mx.eval(model.parameters())
        state = [model.state, optimizer.state, mx.random.state]
        ran = []

        def step(x, y):
            ran.append(1)
            loss, grads = nn.value_and_grad(model, lambda x, y: nn.losses.mse_loss(model(x), y))(x, y)
            optimizer.update(model, grads)
            return loss

        step = partial(mx.compile, inputs=state, outputs=state)(step) if compiled else step
        losses = []
        for i in range(6):
            x = mx.random.normal((5, 4), key=mx.random.key(i))
            losses.append(step(x, x.sum(1, keepdims=True)).item())
        return losses, [np.array(v) for v in dict(isobit.utils.tree_flatten(model.parameters())).values()], len(ran)

    plain, recorded = steps(False), steps(True)
    assert plain[0] == recorded[0] and plain[2] == 6 and recorded[2] <= 2
    assert all(a.tobytes() == b.tobytes() for a, b in zip(plain[1], recorded[1]))


def test_state_that_is_not_declared_stays_as_it_was_recorded():
    w, state = mx.array(2.0), {"s": mx.array(1.0)}

    @partial(mx.compile, inputs=state)
    def f(x):
        state["s"] = state["s"] + 1  # not among the outputs
        return x * w + state["s"]

    assert f(mx.array(3.0)).item() == 8 and state["s"].item() == 1
    w, state["s"] = mx.array(10.0), mx.array(5.0)
    assert f(mx.array(3.0)).item() == 12 and state["s"].item() == 5
    x = mx.array(1.0)
    with pytest.raises(ValueError):
        mx.compile(lambda a: a + x)(x)  # which of the two is the argument?
    with pytest.raises(ValueError):
        mx.compile(lambda a: a if a.item() > 0 else -a)(x)
    with pytest.raises(ZeroDivisionError):
        mx.compile(lambda a: a / (1 // 0))(x)


def test_recorded_functions_inside_transforms():
    w = {"w": mx.array([1.0, 2.0])}
    f = mx.compile(lambda x: mx.sin(x) * x)
    captures = mx.compile(lambda x: (x * w["w"]).sum())
    x = mx.array([0.5, -1.5])
    for transform in (lambda g: mx.grad(lambda x: g(x).sum()), mx.vmap, lambda g: mx.compile(mx.vmap(g))):
        plain = transform(lambda x: mx.sin(x) * x)(x)
        assert mx.array_equal(transform(f)(x), plain) and mx.array_equal(transform(f)(x), plain)

    def loss(v):
        w["w"] = v
        return captures(x)

    for factor in (1.0, 3.0):  # each time the argument of this very gradient
        assert mx.array_equal(mx.grad(loss)(x * factor), x)


def test_one_recording_for_many_sizes():
    calls = []

    @partial(mx.compile, shapeless=True)
    def gate(x, y):
        calls.append(x.ndim)
        return x * mx.sigmoid(x) * y

    @partial(mx.compile, shapeless=True)
    def mean(x):
        return x.mean(-1) + mx.ones_like(x).sum()

    for shape in [(2, 3), (5, 3), (7, 4), (1, 1), (0, 4), (0, 2)]:
        x = mx.random.normal(shape)
        assert mx.array_equal(gate(x, x + 1), x * mx.sigmoid(x) * (x + 1))
        assert mx.array_equal(mean(x + 1), (x + 1).mean(-1) + x.size, equal_nan=True)
    # One for what is alike, and for empty arrays and for one element others.
    assert calls == [2, 2, 2]


SIZED = {
    "slice": lambda x: x[:4] + 1,
    "reshape": lambda x: x.reshape(-1, 3) * 2,
    "flatten": lambda x: mx.flatten(x) + 1,
    "squeeze": lambda x: x.squeeze() + 1,
    "broadcast_to": lambda x: mx.broadcast_to(x, (2, 3)) + 1,
    "roll": lambda x: mx.roll(x, 6, axis=-1),
    "topk": lambda x: mx.topk(x, 3),
    "tril": lambda x: mx.tril(x),
    "eye": lambda x: x * mx.eye(x.shape[-1]),
    "arange": lambda x: mx.where(mx.arange(x.shape[-1]) > 0, x, 0),
    "size": lambda x: x / x.size,
    "len": lambda x: x * len(x),
    "rows": lambda x: sum(row for row in x),
    "ones_like": lambda x: x + mx.ones_like(x),
    "gradient of a sum": lambda x: mx.grad(lambda y: (y * y).sum())(x),
    "gradient of a mean": lambda x: mx.grad(lambda y: (y * y).mean())(x),
    "gradient of a product": lambda x: mx.grad(lambda y: (y * x[:1]).sum())(x),
    "vmap": lambda x: mx.vmap(lambda y: y * 2)(x),
}


@pytest.mark.parametrize("name", SIZED)
def test_recordings_for_any_sizes_do_what_the_function_does(name):
    function = SIZED[name]

    def run(f, x):
        try:
            return np.array(f(x))
        except ValueError:
            return None

    shapes = [(2, 3), (1, 3), (2, 1), (1, 1), (4, 6), (5, 9), (3, 3), (2, 0), (0, 3)]
    for first in shapes:
        compiled = mx.compile(function, shapeless=True)
        for shape in [first, *shapes]:
            x = mx.arange(1, 1 + shape[0] * shape[1], dtype=mx.float32).reshape(shape)
            want, got = run(function, x), run(compiled, x)
            assert (want is None) == (got is None), (first, shape)
            assert want is None or want.shape == got.shape and np.array_equal(want, got, equal_nan=True), (first, shape)


def test_recordings_die_with_their_function():
    class Big:
        pass

    def make():
        big, d = Big(), {}
        d["f"] = mx.compile(lambda x: (x + 1, big, d))
        d["f"](mx.array(1.0))
        return weakref.ref(big)

    ref = make()
    gc.collect()
    assert ref() is None
    f = mx.compile(lambda x: x + 1)
    for n in range(1100):  # more kinds than are kept
        assert f(mx.zeros((n % 600,))).size == n % 600
    mx.disable_compile()
    try:
        seen = []
        g = mx.compile(lambda x: seen.append(1) or x)
        g(mx.array(1)), g(mx.array(1))
        assert len(seen) == 2
    finally:
        mx.enable_compile()

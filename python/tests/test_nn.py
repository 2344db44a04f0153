"""Modules, optimizers and trees."""

import isobit.core as mx
import isobit.nn as nn
import isobit.optimizers as optimizers
import pytest
from isobit.utils import tree_flatten, tree_map, tree_unflatten


def test_training_reaches_a_solution():
    mx.random.seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    x = mx.random.uniform(-1, 1, (128, 2))
    y = (x[:, :1] * x[:, 1:]).astype(mx.float32)
    step = nn.value_and_grad(model, lambda m: nn.losses.mse_loss(m(x), y))
    optimizer = optimizers.Adam(1e-2)
    first = None
    for _ in range(150):
        loss, grads = step(model)
        optimizer.update(model, grads)
        mx.eval(model.parameters(), optimizer.state, loss)
        first = first or loss.item()
    assert loss.item() < 0.1 * first


def test_weights_go_to_files_and_back(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Embedding(4, 3))
    for name in ("w.safetensors", "w.npz"):
        model.save_weights(str(tmp_path / name))
        other = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Embedding(4, 3))
        other.load_weights(str(tmp_path / name))
        same = tree_map(lambda a, b: mx.array_equal(a, b).item(), model.parameters(), other.parameters())
        assert all(v for _, v in tree_flatten(same))


def test_frozen_parameters_stay():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model.layers[0].freeze()
    assert {path for path, _ in tree_flatten(model.trainable_parameters())} == {"layers.1.weight", "layers.1.bias"}
    model.unfreeze()
    assert len(tree_flatten(model.trainable_parameters())) == 4


def test_an_exception_leaves_the_model_as_it_was():
    model = nn.Linear(2, 2)
    weight = model.weight

    def bad(m):
        raise KeyError("inside")

    with pytest.raises(KeyError):
        nn.value_and_grad(model, bad)(model)
    assert model.weight is weight


def test_the_function_gets_the_module_itself():
    model = nn.Linear(3, 1, bias=False)
    grads = mx.grad(lambda m: m(mx.ones((1, 3))).sum())(model)
    assert grads["weight"].tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("make", [
    lambda: optimizers.SGD(0.1, momentum=0.9), lambda: optimizers.RMSprop(0.01), lambda: optimizers.Adagrad(0.1),
    lambda: optimizers.AdaDelta(10.0), lambda: optimizers.Adam(0.1), lambda: optimizers.AdamW(0.1),
    lambda: optimizers.Adamax(0.1), lambda: optimizers.Lion(0.05), lambda: optimizers.Adafactor(0.1, relative_step=False),
    lambda: optimizers.Muon(0.1),
])
def test_optimizers_go_downhill(make):
    optimizer = make()
    params = {"a": mx.array([[1.0, -2.0], [0.5, 1.5]]), "b": [mx.array([3.0])]}
    loss = lambda p: mx.square(p["a"]).sum() + mx.square(p["b"][0]).sum()  # noqa: E731
    start = loss(params).item()
    for _ in range(30):
        params = optimizer.apply_gradients(mx.grad(loss)(params), params)
    assert loss(params).item() < 0.9 * start


def test_trees():
    tree = {"a": [1, {"b": 2}], "c": (3,)}
    flat = tree_flatten(tree)
    assert flat == [("a.0", 1), ("a.1.b", 2), ("c.0", 3)]
    assert tree_unflatten(flat) == {"a": [1, {"b": 2}], "c": [3]}


def test_checkpointed_layer():
    model = nn.TransformerEncoder(2, 8, 2, checkpoint=True)
    plain = nn.TransformerEncoder(2, 8, 2)
    plain.update(model.parameters())
    x = mx.random.normal((1, 3, 8))
    loss = lambda m: m(x, None).sum()  # noqa: E731
    (a, ga), (b, gb) = (nn.value_and_grad(m, loss)(m) for m in (model, plain))
    assert a.item() == b.item()
    assert all(mx.array_equal(x, y).item() for (_, x), (_, y) in zip(tree_flatten(ga), tree_flatten(gb)))


def test_layers_of_one_process_are_whole():
    x = mx.random.normal((2, 64))
    layer = nn.Linear(64, 32)
    for kind in (nn.AllToShardedLinear, nn.ShardedToAllLinear):
        part = kind.from_linear(layer)
        assert mx.array_equal(part(x), layer(x)).item() and repr(part) == f"{kind.__name__}(input_dims=64, output_dims=32, bias=True)"
        assert kind(64, 32, bias=False).weight.shape == (32, 64)
    quantized = layer.to_quantized(32, 4)
    for kind in (nn.QuantizedAllToShardedLinear, nn.QuantizedShardedToAllLinear):
        assert mx.array_equal(kind.from_quantized_linear(quantized)(x), quantized(x)).item()


def test_upsample():
    x = mx.arange(1, 5).reshape(1, 2, 2, 1)
    nearest = nn.Upsample(2)(x)
    assert nearest.dtype == x.dtype and nearest.squeeze().tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    linear = nn.Upsample((2, 1), mode="linear")(x)
    assert linear.squeeze().tolist() == [[1, 2], [1.5, 2.5], [2.5, 3.5], [3, 4]]
    corners = nn.Upsample(2, mode="linear", align_corners=True)(x)[0, 0, :, 0]
    assert mx.allclose(corners, mx.array([1, 4 / 3, 5 / 3, 2])).item()
    # A constant stays one, however it is filtered, and a line that is halved keeps its middle.
    for mode in ("linear", "cubic"):
        for scale in (3.0, 0.5, 0.3):
            out = nn.Upsample(scale, mode=mode, antialias=True)(mx.ones((1, 9, 9, 1)))
            assert mx.allclose(out, mx.ones_like(out)).item()
    line = mx.arange(8.0).reshape(1, 8, 1)
    assert nn.Upsample(0.5, mode="linear", antialias=True)(line)[0, 1:3, 0].tolist() == [2.5, 4.5]
    assert mx.grad(lambda a: nn.Upsample(2, mode="cubic")(a).sum())(line).sum().item() == pytest.approx(16)
    for bad in (dict(mode="area"), dict(antialias=True), dict(mode="linear", antialias=True, align_corners=True)):
        with pytest.raises(ValueError):
            nn.Upsample(2, **bad)
    with pytest.raises(ValueError):
        nn.Upsample((2, 2))(line)


def test_layers_that_quantize_their_inputs():
    linear, x = nn.Linear(64, 32, bias=False), mx.random.normal((3, 64), key=mx.random.key(3))
    layer = linear.to_quantized(32, 8, "mxfp8", quantize_input=True)
    trained = layer(x)
    assert isinstance(layer, nn.QQLinear) and mx.abs(trained - linear(x)).max().item() < 0.1
    grads = nn.value_and_grad(layer, lambda m: m(x).sum())(layer)[1]
    assert grads["weight"].shape == (32, 64) and mx.abs(grads["weight"]).sum().item() > 0
    layer.eval()
    assert layer.weight.dtype == mx.uint32 and mx.array_equal(layer(x), trained).item()
    assert repr(layer) == "QQLinear(input_dims=64, output_dims=32, group_size=32, bits=8, mode=mxfp8)"
    layer.train()
    assert layer.weight.shape == (32, 64) and "scales" not in layer
    with pytest.raises(ValueError):
        linear.to_quantized(quantize_input=True)
    with pytest.raises(NotImplementedError):
        nn.Linear(64, 32).to_quantized(mode="mxfp8", quantize_input=True)


@pytest.mark.parametrize("shape", [(4, 4), (6, 4), (3, 5), (1, 3), (0, 2)])
def test_orthogonal_weights(shape):
    w = nn.init.orthogonal(gain=2.0)(mx.zeros(shape))
    assert w.shape == shape and w.dtype == mx.float32
    gram = w @ w.T if shape[0] <= shape[1] else w.T @ w
    assert mx.allclose(gram, 4.0 * mx.eye(min(shape)), atol=1e-5)
    assert nn.init.orthogonal(dtype=mx.bfloat16)(w).dtype == mx.bfloat16
    with pytest.raises(ValueError, match="1D"):
        nn.init.orthogonal()(mx.zeros(3))

"""Layers, activations, losses, initialisers, optimizers and schedules against the real MLX: values, dtypes and errors.

``python python/judges/nn_forms.py PEER``: PEER is the interpreter of an environment with MLX and NumPy. The same calls are
made there and here, on the same inputs. Prints the counts and every difference; fails if there is one but
``smooth_l1_loss`` of a negative ``beta``, which is refused here.
"""

import math
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np

UNARY = """celu elu gelu gelu_approx gelu_fast_approx glu hard_shrink hard_tanh hardswish leaky_relu log_sigmoid log_softmax
mish relu relu2 relu6 selu sigmoid silu softmax softmin softplus softshrink softsign step tanh""".split()
CLASSES = """CELU ELU GELU GLU HardShrink HardTanh Hardswish LeakyReLU LogSigmoid LogSoftmax Mish PReLU ReLU ReLU2 ReLU6
SELU Sigmoid SiLU Softmax Softmin Softplus Softshrink Softsign Step Tanh""".split()
DTYPES = ["float32", "float16", "bfloat16", "int32", "uint8", "bool_"]
PAIRS = """binary_cross_entropy cosine_similarity_loss hinge_loss huber_loss kl_div_loss l1_loss log_cosh_loss mse_loss
smooth_l1_loss""".split()
#: Relative and absolute differences that are allowed, by dtype: a few roundings.
NEAR = {"float32": 1e-5, "float16": 6e-3, "bfloat16": 5e-2}


def numbers(*shape, seed=0, low=-3.0, high=3.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def calls(mx, nn, opt):
    """Names and functions without arguments."""
    losses, init, tree = nn.losses, nn.init, {}

    def array(x, dtype="float32"):
        return mx.array(x).astype(getattr(mx, dtype))

    x = {d: array(np.abs(numbers(4, 6)) if d[0] in "ub" else numbers(4, 6), d) for d in DTYPES}
    for d in DTYPES:
        for name in UNARY:
            yield f"{name} {d}", lambda f=getattr(nn, name), d=d: f(x[d])
        yield f"prelu {d}", lambda d=d: nn.prelu(x[d], array([0.25]))
        for name in CLASSES:
            yield f"{name} {d}", lambda c=getattr(nn, name), d=d: c()(x[d])
    for how in [{"negative_slope": 2}, {"negative_slope": 0.5}]:
        yield f"leaky_relu {how}", lambda how=how: nn.leaky_relu(x["int32"], **how)
    for name, value in [("elu", 2.0), ("celu", 0.5), ("softshrink", 1), ("hard_shrink", 1.5), ("step", 0.5), ("glu", 0)]:
        yield f"{name} of {value}", lambda f=getattr(nn, name), value=value: f(x["float32"], value)
    for axis in (0, 1, -1, 5):
        for name in ("softmax", "softmin", "log_softmax", "glu"):
            yield f"{name} axis {axis}", lambda f=getattr(nn, name), axis=axis: f(x["float32"], axis=axis)
    yield "hard_tanh limits", lambda: nn.hard_tanh(x["float32"], -0.5, 2)
    yield "glu of an odd axis", lambda: nn.glu(x["float32"][:, :5])
    for approx in ("none", "precise", "tanh", "fast", "wrong"):
        yield f"GELU {approx}", lambda approx=approx: nn.GELU(approx)(x["float32"])

    p, t = numbers(4, 6, seed=1, low=0.05, high=0.95), numbers(4, 6, seed=2, low=0.05, high=0.95)
    for reduction in ("none", "mean", "sum", "wrong"):
        for name in PAIRS:
            yield f"{name} {reduction}", lambda f=getattr(losses, name), r=reduction: f(array(p), array(t), reduction=r)
        yield f"bce of probabilities {reduction}", lambda r=reduction: losses.binary_cross_entropy(
            array(p), array(t), weights=array(t), with_logits=False, reduction=r)
        for how in [{}, {"label_smoothing": 0.3}, {"axis": 0}, {"weights": 1}, {"label_smoothing": 1.0}]:
            classes = np.array([1, 0, 3, 2, 1, 1]) if "axis" in how else np.array([1, 0, 5, 2])
            how = {k: array(numbers(4, seed=3)) if k == "weights" else v for k, v in how.items()}
            yield f"cross_entropy {sorted(how)} {reduction}", lambda how=how, c=classes, r=reduction: losses.cross_entropy(
                array(p), mx.array(c), reduction=r, **how)
            yield f"cross_entropy of shares {sorted(how)} {reduction}", lambda how=how, r=reduction: losses.cross_entropy(
                array(p), array(t), reduction=r, **how)
        yield f"nll_loss {reduction}", lambda r=reduction: losses.nll_loss(array(p), mx.array([1, 0, 5, 2]), reduction=r)
        for full in (False, True):
            yield f"gaussian_nll_loss {full} {reduction}", lambda full=full, r=reduction: losses.gaussian_nll_loss(
                array(p), array(t), array(p + 0.1), full=full, reduction=r)
        yield f"triplet_loss {reduction}", lambda r=reduction: losses.triplet_loss(
            array(p), array(t), array(p + t), p=3, margin=0.5, reduction=r)
        yield f"margin_ranking_loss {reduction}", lambda r=reduction: losses.margin_ranking_loss(
            array(p), array(t), array(np.sign(p - 0.5)), margin=0.1, reduction=r)
    for beta in (0.0, 0.3, -1.0):
        yield f"smooth_l1_loss {beta}", lambda beta=beta: losses.smooth_l1_loss(array(p), array(t), beta=beta)
    yield "huber_loss 0.1", lambda: losses.huber_loss(array(p), array(t), delta=0.1)
    for name in ("l1_loss", "mse_loss", "smooth_l1_loss", "binary_cross_entropy"):
        yield f"{name} of other shapes", lambda f=getattr(losses, name): f(array(p), array(t[:2]))
    for d in ("float16", "bfloat16"):
        yield f"cross_entropy {d}", lambda d=d: losses.cross_entropy(array(p * 4, d), mx.array([1, 0, 5, 2]))
        yield f"mse_loss {d}", lambda d=d: losses.mse_loss(array(p, d), array(t, d))

    def filled(module):
        """The module with parameters that are the same everywhere."""
        leaves = tree_flatten(module.parameters())
        new = [(k, array(numbers(*v.shape, seed=i, low=0.1, high=0.9)).astype(v.dtype)) for i, (k, v) in enumerate(leaves)]
        module.update(tree_unflatten(new))
        return module

    from importlib import import_module
    utils = import_module(nn.__name__.replace(".nn", ".utils"))
    tree_flatten, tree_unflatten = utils.tree_flatten, utils.tree_unflatten
    image, line = array(numbers(2, 6, 8, 4, seed=4)), array(numbers(2, 7, 6, seed=5))
    layers = [
        ("Linear", lambda: nn.Linear(6, 3), line), ("Linear without bias", lambda: nn.Linear(6, 3, bias=False), line),
        ("Linear of other inputs", lambda: nn.Linear(5, 3), line), ("Identity", lambda: nn.Identity(3), line),
        ("LayerNorm", lambda: nn.LayerNorm(6), line), ("RMSNorm", lambda: nn.RMSNorm(6), line),
        ("LayerNorm plain", lambda: nn.LayerNorm(6, affine=False), line),
        ("InstanceNorm", lambda: nn.InstanceNorm(4, affine=True), image), ("InstanceNorm of a row", lambda: nn.InstanceNorm(4), line[0]),
        ("GroupNorm", lambda: nn.GroupNorm(2, 4), image), ("GroupNorm of PyTorch", lambda: nn.GroupNorm(2, 4, pytorch_compatible=True), image),
        ("BatchNorm", lambda: nn.BatchNorm(4), image), ("BatchNorm of rows", lambda: nn.BatchNorm(6, affine=False), line[0]),
        ("BatchNorm without track", lambda: nn.BatchNorm(4, track_running_stats=False), image),
        ("MaxPool2d", lambda: nn.MaxPool2d(2), image), ("MaxPool2d padded", lambda: nn.MaxPool2d((3, 2), (2, 1), (1, 0)), image),
        ("AvgPool2d", lambda: nn.AvgPool2d(3, 2, 1), image), ("MaxPool1d", lambda: nn.MaxPool1d(3, 2), line),
        ("AvgPool1d", lambda: nn.AvgPool1d(3, 1, 1), line), ("AvgPool3d", lambda: nn.AvgPool3d(2), image[:, :, :, :, None][:, :4]),
        ("MaxPool2d of a line", lambda: nn.MaxPool2d(2), line),
        ("Upsample", lambda: nn.Upsample(2), image), ("Upsample linear", lambda: nn.Upsample((1.5, 2), "linear"), image),
        ("Upsample aligned", lambda: nn.Upsample(2, "linear", True), image), ("Upsample cubic", lambda: nn.Upsample(2.5, "cubic"), line),
        ("RNN", lambda: nn.RNN(6, 5), line), ("GRU", lambda: nn.GRU(6, 5), line), ("LSTM", lambda: nn.LSTM(6, 5), line),
        ("GRU without bias", lambda: nn.GRU(6, 5, bias=False), line), ("LSTM without bias", lambda: nn.LSTM(6, 5, bias=False), line),
        ("RNN of relu", lambda: nn.RNN(6, 5, nonlinearity=nn.relu), line),
        ("RoPE", lambda: nn.RoPE(6), line), ("RoPE traditional", lambda: nn.RoPE(4, traditional=True, base=100), line),
        ("SinusoidalPositionalEncoding", lambda: nn.SinusoidalPositionalEncoding(8), mx.arange(5)),
        ("SinusoidalPositionalEncoding cos", lambda: nn.SinusoidalPositionalEncoding(8, cos_first=True, full_turns=True, scale=1), mx.arange(5)),
        ("SinusoidalPositionalEncoding of 2", lambda: nn.SinusoidalPositionalEncoding(2), mx.arange(5)),
        ("ALiBi", lambda: nn.ALiBi(), array(numbers(1, 4, 5, 5))),
        ("Sequential", lambda: nn.Sequential(nn.Linear(6, 4), nn.relu, nn.Linear(4, 2)), line),
        ("Dropout at rest", lambda: nn.Dropout(0.5).eval(), line),
    ]
    for name, make, inputs in layers:
        def run(make=make, inputs=inputs):
            layer = filled(make())
            out = layer(inputs)
            return [*(out if isinstance(out, tuple) else [out]), *[v for k, v in tree_flatten(layer.parameters()) if "running" in k]]

        yield name, run
        yield f"{name} shows itself", lambda make=make: repr(make())
    yield "Bilinear", lambda: filled(nn.Bilinear(6, 4, 3))(line, array(numbers(2, 7, 4)))
    yield "Embedding", lambda: filled(nn.Embedding(9, 4))(mx.array([[1, 3], [8, 0]]))
    yield "Embedding as_linear", lambda: filled(nn.Embedding(9, 6)).as_linear(line)
    yield "GRU with a state", lambda: filled(nn.GRU(6, 5))(line, array(numbers(2, 5)))
    yield "LSTM with a state", lambda: filled(nn.LSTM(6, 5))(line, array(numbers(2, 5)), array(numbers(2, 5, seed=9)))
    for how in [{}, {"bias": True}, {"value_dims": 12, "value_output_dims": 3}]:
        yield f"MultiHeadAttention {sorted(how)}", lambda how=how: filled(nn.MultiHeadAttention(6, 2, **how))(line, line, line)
    mask = nn.MultiHeadAttention.create_additive_causal_mask
    yield "MultiHeadAttention masked", lambda: filled(nn.MultiHeadAttention(6, 2))(line, line, line, mask(7))
    yield "TransformerEncoder", lambda: filled(nn.TransformerEncoder(2, 6, 2))(line, mask(7))
    yield "Transformer", lambda: filled(nn.Transformer(6, 2, 1, 1, 8))(line, line, mask(7), mask(7), None)
    for d in ("float32", "float16"):
        yield f"causal mask {d}", lambda d=d: mask(4, getattr(mx, d))
    for name, wrong in [("Dropout", 1.0), ("Dropout", -0.1)]:
        yield f"{name}({wrong})", lambda c=getattr(nn, name), wrong=wrong: c(wrong)
    yield "Dropout2d of a row", lambda: nn.Dropout2d(0.5)(line[0, 0])
    quantized = nn.Linear(64, 8)
    filled(quantized)
    wide = array(numbers(3, 64))
    for mode in ("affine", "mxfp4", "mxfp8", "nvfp4"):
        yield f"QuantizedLinear {mode}", lambda mode=mode: nn.QuantizedLinear.from_linear(quantized, mode=mode)(wide)
        table = nn.Embedding(5, 64)
        filled(table)
        yield f"QuantizedEmbedding {mode}", lambda m=mode, e=table: nn.QuantizedEmbedding.from_embedding(e, mode=m)(mx.array([[1, 4]]))

    key = [(n, getattr(init, n)) for n in "constant normal uniform identity glorot_normal glorot_uniform he_normal he_uniform sparse".split()]
    given = {"constant": (2.5,), "sparse": (0.4,), "normal": (0.5, 2.0), "uniform": (-1, 2)}
    for name, f in key:
        for d in ("float32", "float16"):
            for shape in [(4, 4), (6, 3, 4), (5,)]:
                def run(f=f, name=name, d=d, shape=shape):
                    mx.random.seed(3)
                    return f(*given.get(name, ()), dtype=getattr(mx, d))(mx.zeros(shape))

                yield f"init.{name} {d} {shape}", run
    for mode in ("fan_in", "fan_out", "wrong"):
        def run(mode=mode):
            mx.random.seed(3)
            return init.he_normal()(mx.zeros((4, 6)), mode=mode, gain=2.0), init.he_uniform()(mx.zeros((4, 6)), mode, 0.5)

        yield f"he {mode}", run

    optimizers = [
        ("SGD", lambda r: opt.SGD(r)), ("SGD with momentum", lambda r: opt.SGD(r, 0.9, 0.01, 0.1)),
        ("SGD nesterov", lambda r: opt.SGD(r, 0.9, nesterov=True)), ("SGD wrong", lambda r: opt.SGD(r, nesterov=True)),
        ("RMSprop", lambda r: opt.RMSprop(r)), ("Adagrad", lambda r: opt.Adagrad(r)), ("AdaDelta", lambda r: opt.AdaDelta(r)),
        ("Adam", lambda r: opt.Adam(r)), ("Adam corrected", lambda r: opt.Adam(r, bias_correction=True)),
        ("AdamW", lambda r: opt.AdamW(r, betas=(0.8, 0.9))), ("Adamax", lambda r: opt.Adamax(r)),
        ("Lion", lambda r: opt.Lion(r, weight_decay=0.1)), ("Muon", lambda r: opt.Muon(r)),
        ("Adafactor", lambda r: opt.Adafactor()), ("Adafactor with a rate", lambda r: opt.Adafactor(
            r, relative_step=False, beta_1=0.9, weight_decay=0.1, scale_parameter=False)),
        ("Adafactor warm", lambda r: opt.Adafactor(warmup_init=True)), ("RMSprop wrong", lambda r: opt.RMSprop(r, eps=0)),
        ("Adagrad wrong", lambda r: opt.Adagrad(r, eps=-1)), ("AdaDelta wrong", lambda r: opt.AdaDelta(r, rho=-1)),
    ]
    schedules = [
        ("number", lambda: 0.05), ("exponential", lambda: opt.exponential_decay(0.1, 0.9)), ("cosine", lambda: opt.cosine_decay(0.1, 4)),
        ("joined", lambda: opt.join_schedules([opt.linear_schedule(0.0, 0.1, 2), opt.step_decay(0.1, 0.5, 2)], [2])),
    ]
    for name, make in optimizers:
        for rate, of in schedules:
            for d in ("float32", "float16", "bfloat16"):
                def run(make=make, of=of, d=d):
                    optimizer = make(of())
                    params = {"w": array(numbers(4, 6), d), "b": [array(numbers(6, seed=1), d)], "k": array(numbers(2, 3, 4, seed=2), d)}
                    for i in range(4):
                        grads = {"w": array(numbers(4, 6, seed=10 + i), d), "b": [array(numbers(6, seed=20 + i), d)],
                                 "k": array(numbers(2, 3, 4, seed=30 + i), d)}
                        params = optimizer.apply_gradients(grads, params)
                    state = sorted(tree_flatten(optimizer.state))
                    return [params["w"], params["b"][0], params["k"], [k for k, _ in state], [v for _, v in state]]

                yield f"{name} {rate} {d}", run
    for d in ("float32", "float16"):
        for limit in (1.0, 100.0, -1.0):
            yield f"clip_grad_norm {d} {limit}", lambda d=d, limit=limit: opt.clip_grad_norm({"a": x[d], "b": [x[d][0]]}, limit)
    for step in (0, 3, 50, mx.array(3), mx.array(50, mx.uint64)):
        yield f"schedules at {step}", lambda s=step: [f(s) for f in (
            opt.exponential_decay(0.1, 0.9), opt.step_decay(0.1, 0.5, 4), opt.cosine_decay(0.1, 40, 0.01), opt.linear_schedule(0.1, 0.0, 20))]
    yield "linear_schedule wrong", lambda: opt.linear_schedule(0.1, 0.0, 0)
    yield "join_schedules wrong", lambda: opt.join_schedules([], [])
    del tree


def plain(mx, value):
    """A result as NumPy arrays and Python objects."""
    if isinstance(value, mx.array):
        wide = value.astype(mx.float32) if str(value.dtype).endswith("bfloat16") else value
        return "array", str(value.dtype).split(".")[-1], np.array(wide)
    if isinstance(value, dict):
        return [[k, plain(mx, v)] for k, v in sorted(value.items())]
    if isinstance(value, (list, tuple)):
        return [plain(mx, v) for v in value]
    return value


def results(package):
    """What every call gives, or the name of the error that it raises and of those that are like it."""
    from importlib import import_module

    mx, nn, opt = (import_module(f"{package}.{name}") for name in ("core", "nn", "optimizers"))
    out = {}
    for name, call in calls(mx, nn, opt):
        try:
            out[name] = "gives", plain(mx, call())
        except Exception as e:
            out[name] = "raises", [c.__name__ for c in type(e).__mro__], str(e)
    return out


def different(a, b):
    """What is different between two results, or ``None``."""
    if isinstance(a, tuple) and isinstance(b, tuple) and a[:1] == b[:1] == ("array",):
        if a[1] != b[1] or a[2].shape != b[2].shape:
            return f"{a[1]} {a[2].shape}, MLX {b[1]} {b[2].shape}"
        x, y = a[2].astype(np.float64), b[2].astype(np.float64)
        near = NEAR.get(a[1], 0) * (np.abs(y) + (np.abs(y[np.isfinite(y)]).max(initial=0.0) * 0.5 if a[1] in NEAR else 0))
        with np.errstate(invalid="ignore"):
            ok = (x == y) | (np.isnan(x) & np.isnan(y)) | (np.abs(x - y) <= near)
        return None if ok.all() else f"{x[~ok].ravel()[0]}, MLX {y[~ok].ravel()[0]} ({(~ok).sum()} of {ok.size}, {a[1]})"
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return next((d for d in map(different, a, b) if d), None)
    if isinstance(a, float) and isinstance(b, float):
        return None if math.isclose(a, b, rel_tol=1e-12) else f"{a}, MLX {b}"
    if isinstance(a, str) and isinstance(b, str):
        # A function shows its address.
        a, b = (re.sub(r"nonlinearity=<[^>]*>", "nonlinearity", text) for text in (a, b))
    return None if type(a) is type(b) and a == b else f"{a!r}, MLX {b!r}"


def main():
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["--peer"]:
        sys.stdout.buffer.write(pickle.dumps(results("mlx")))
        return
    theirs = pickle.loads(subprocess.run([sys.argv[1], __file__, "--peer"], stdout=subprocess.PIPE, check=True).stdout)
    ours, wrong = results("isobit"), []
    for name, expected in theirs.items():
        found = ours[name]
        if expected[0] != found[0]:
            verdict = f"{found[0]} {found[-1]!s:.120}, MLX {expected[0]} {expected[-1]!s:.120}"
        elif expected[0] == "raises":
            verdict = None if expected[1][0] in found[1] else f"raises {found[1][0]}, MLX {expected[1][0]}: {expected[2]:.80}"
        else:
            verdict = different(found[1], expected[1])
        if verdict and name != "smooth_l1_loss -1.0":
            wrong.append(f"{name}: {verdict}")
    print(f"{len(theirs)} calls, {len(theirs) - len(wrong)} as in MLX")
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

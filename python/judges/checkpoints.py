"""Small random Qwen3 models, dense and with experts, in every shape in which mlx-lm publishes them.

``python python/judges/checkpoints.py PEER PROGRAM``: PEER is an interpreter with MLX and mlx-lm, PROGRAM the program
`isobit`; here mlx-lm must be installed, MLX must not be. PEER makes the directories and says what MLX computes from them in
float32. Then, for each directory: mlx-lm on isobit has those scores (to float32's accuracy, with the same best tokens) and
the same bits for a prompt in two pieces; where weights are float32 `isobit generate` continues with the same tokens;
`isobit verify` finds no difference. What `isobit quantize` makes of floats has the tensors that mlx-lm makes.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LENGTH, MORE, VOCAB = 24, 12, 512
FORMATS = [("affine", bits, group) for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)]
FORMATS += [("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)]
DTYPES = ["float32", "float16", "bfloat16"]
#: Of the largest score.
NEAR = 3e-5


def config(kind, **more):
    c = dict(
        architectures=["Qwen3ForCausalLM"], model_type="qwen3", attention_bias=False, head_dim=32, hidden_act="silu",
        hidden_size=128, intermediate_size=256, max_position_embeddings=4096, num_attention_heads=4,
        num_hidden_layers=2, num_key_value_heads=2, rms_norm_eps=1e-6, rope_scaling=None, rope_theta=1000000,
        tie_word_embeddings=True, vocab_size=VOCAB, eos_token_id=None,
    )
    if kind == "experts":
        c.update(
            architectures=["Qwen3MoeForCausalLM"], model_type="qwen3_moe", decoder_sparse_step=1, mlp_only_layers=[],
            moe_intermediate_size=128, norm_topk_prob=True, num_experts=8, num_experts_per_tok=2,
        )
    return {**c, **more}


def prompt():
    return [(i * i * 7919 + 13 * i) % VOCAB for i in range(LENGTH)]


def tokenizer():
    """Words w0, w1, ..., so that a text names its tokens."""
    model = dict(type="WordLevel", vocab={f"w{i}": i for i in range(VOCAB)}, unk_token="w0")
    nothing = dict(truncation=None, padding=None, normalizer=None, post_processor=None, decoder=None)
    return dict(version="1.0", added_tokens=[], pre_tokenizer=dict(type="Whitespace"), model=model, **nothing)


class Maker:
    """Makes directories with MLX, in PEER."""

    def __init__(self, place):
        import mlx.core as mx
        import mlx_lm.utils as utils

        mx.set_default_device(mx.cpu)
        self.mx, self.utils, self.place = mx, utils, place

    def model(self, c, dtype, seed):
        from mlx.utils import tree_map_with_path

        model_class, arguments = self.utils._get_classes(c)
        model = model_class(arguments.from_dict(c))
        self.mx.random.seed(seed)

        def fresh(name, a):
            noise = self.mx.random.normal(a.shape)
            a = noise * (0.5 if "gate.weight" in name else 0.08) if a.ndim > 1 else a + 0.1 * noise
            return a.astype(getattr(self.mx, dtype))

        model.update(tree_map_with_path(fresh, model.parameters()))
        return model

    def save(self, name, weights, c, files=1):
        folder = self.place / name
        folder.mkdir(parents=True)
        names = sorted(weights)
        index = {}
        for i in range(files):
            file = "model.safetensors" if files == 1 else f"model-{i + 1:05d}-of-{files:05d}.safetensors"
            part = {n: weights[n] for n in names[i::files]}
            self.mx.save_safetensors(str(folder / file), part, {"format": "mlx"})
            index.update(dict.fromkeys(part, file))
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
        (folder / "config.json").write_text(json.dumps(c))
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))

    def quantized(self, c, model, mode="affine", bits=4, group=64, predicate=None):
        return self.utils.quantize_model(model, c, group, bits, mode=mode, quant_predicate=predicate)

    def make(self):
        from mlx.utils import tree_flatten

        def weights(model):
            return dict(tree_flatten(model.parameters()))

        for kind in ("dense", "experts"):
            for i, dtype in enumerate(DTYPES):
                c = config(kind, tie_word_embeddings=i == 0)
                self.save(f"{kind}-{dtype}", weights(self.model(c, dtype, i)), c, 1 + i)
            for i, (mode, bits, group) in enumerate(FORMATS):
                for dtype in DTYPES if mode != "affine" else [DTYPES[i % 3], "float32"]:
                    c = config(kind, tie_word_embeddings=bool(i % 2))
                    name = f"{kind}-{mode}-{bits}-{group}-{dtype}"
                    if not (self.place / name).exists():
                        model, c = self.quantized(c, self.model(c, dtype, i), mode, bits, group)
                        self.save(name, weights(model), c, 1 + i % 3)
            self.mixed(kind, weights)
        # Experts in tensors of their own, as their makers publish them.
        for dtype in DTYPES:
            c = config("experts", tie_word_embeddings=False)
            apart = {}
            for name, a in weights(self.model(c, dtype, 9)).items():
                parts = enumerate(a) if ".switch_mlp." in name else [(None, a)]
                apart.update({name.replace("switch_mlp", f"experts.{e}"): p for e, p in parts})
            self.save(f"experts-apart-{dtype}", apart, c, 3)
        c = config("experts", num_hidden_layers=4, decoder_sparse_step=2, mlp_only_layers=[3], norm_topk_prob=False)
        model, c = self.quantized(c, self.model(c, "float32", 10))
        self.save("experts-every-second", weights(model), c)

    def mixed(self, kind, weights):
        from mlx_lm.convert import mixed_quant_predicate_builder

        for recipe in ("mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6"):
            c = config(kind, num_hidden_layers=4, tie_word_embeddings=recipe == "mixed_3_4")
            model = self.model(c, "float32", 3)
            model, c = self.quantized(c, model, predicate=mixed_quant_predicate_builder(recipe, model, 64))
            self.save(f"{kind}-{recipe}", weights(model), c)

        def some(path, module):
            if "embed_tokens" in path or path.endswith("layers.1.self_attn.q_proj"):
                return False
            if path.endswith("mlp.gate"):
                return {"group_size": 64, "bits": 8}
            if path.endswith("layers.0.self_attn.o_proj"):
                return {"group_size": 32, "bits": 4, "mode": "mxfp4"}
            return {"group_size": 32, "bits": 8} if "v_proj" in path or "down_proj" in path else True

        for name, tie in (("named", True), ("unnamed", False)):
            c = config(kind, tie_word_embeddings=tie)
            model, c = self.quantized(c, self.model(c, "float32", 4), predicate=some)
            if tie:
                c["quantization"]["model.embed_tokens"] = False
            else:
                # Formats are read off the tensors, and names of nothing are passed over.
                c["quantization"] = {"group_size": 64, "bits": 4, "model.layers.9.mlp": {"group_size": 64, "bits": 6}}
                del c["quantization_config"], c["architectures"]
            self.save(f"{kind}-some-{name}", weights(model), c, 2)
        c = config(kind, intermediate_size=160, moe_intermediate_size=96)
        model, c = self.quantized(c, self.model(c, "float32", 5))
        self.save(f"{kind}-undivided", weights(model), c)

    def scores(self):
        """What MLX computes in float32: the scores of the prompt, and the tokens after it."""
        import numpy as np

        for folder in sorted(self.place.iterdir()):
            model = in_float32(self.mx, self.utils.load_model(folder)[0])
            tokens, more = prompt(), []
            scores = model(self.mx.array([tokens]))
            for _ in range(MORE):
                more.append(int(self.mx.argmax(model(self.mx.array([tokens + more]))[0, -1]).item()))
            np.savez(folder / "scores.npz", scores=np.array(scores[0]), more=more)

    def conversions(self, theirs):
        from mlx.utils import tree_flatten

        for folder, mode, bits, group in conversions(self.place):
            model, c = self.utils.load_model(folder)
            model, c = self.quantized(c, model, mode, bits, group)
            file = theirs / f"{folder.name}-{mode}-{bits}-{group}.safetensors"
            self.mx.save_safetensors(str(file), dict(tree_flatten(model.parameters())))


def conversions(place):
    for name in [f"{kind}-{dtype}" for kind in ("dense", "experts", "experts-apart") for dtype in DTYPES]:
        for mode, bits, group in FORMATS[:: 1 if "apart" not in name else 7]:
            yield place / name, mode, bits, group


def in_float32(mx, model):
    from mlx.utils import tree_map

    wide = lambda a: a.astype(mx.float32) if mx.issubdtype(a.dtype, mx.floating) else a  # noqa: E731
    model.update(tree_map(wide, model.parameters()))
    return model


def tensors(folder):
    """Name, dtype, shape and bytes of every tensor of a file or of a directory's files."""
    found = {}
    for path in [folder] if folder.is_file() else sorted(folder.glob("model*.safetensors")):
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        for name, t in json.loads(data[8:start]).items():
            if name != "__metadata__":
                a, b = t["data_offsets"]
                found[name] = (t["dtype"], t["shape"], data[start + a : start + b])
    return found


def judge(folder, program):
    """What is wrong with a directory, or ``None``."""
    import mlx.core as mx
    import numpy as np
    from mlx_lm.models.cache import make_prompt_cache
    from mlx_lm.utils import load_model

    known = np.load(folder / "scores.npz")
    model = in_float32(mx, load_model(folder)[0])
    tokens = mx.array([prompt()])
    scores = np.array(model(tokens))[0]
    off = np.abs(scores - known["scores"]).max() / np.abs(known["scores"]).max()
    if not off < NEAR:
        return f"scores differ by {off:.1e} of the largest"
    cache = make_prompt_cache(model)
    pieces = [np.array(model(tokens[:, a:b], cache=cache))[0] for a, b in ((0, 7), (7, LENGTH))]
    if not np.array_equal(np.concatenate(pieces), scores):
        return "a prompt in two pieces has other bits"
    run = lambda *a: subprocess.run([program, *a, "--model", str(folder)], capture_output=True, text=True)  # noqa: E731
    done = run("verify", "--tokens", "16", "--batch", "2")
    if done.returncode:
        return f"verify: {(done.stdout + done.stderr)[-300:]}"
    done = run("generate", "--prompt", " ".join(f"w{t}" for t in prompt()), "--max-tokens", str(MORE))
    found = [int(n) for n in re.findall(r"w(\d+)", done.stdout)][LENGTH:]
    stored = {t[0] for t in tensors(folder).values()} - {"U32", "U8"}
    # Rows of embeddings without float scales are bfloat16.
    exact = stored == {"F32"} and "-mxfp" not in folder.name and "-nvfp" not in folder.name
    if done.returncode or len(found) != MORE or exact and found != list(known["more"]):
        return f"generate: {found}, MLX {list(known['more'])} {done.stderr[-300:]}"
    return None


def main():
    if sys.argv[1] == "--make":
        maker = Maker(Path(sys.argv[2]))
        maker.make()
        maker.scores()
        maker.conversions(Path(sys.argv[3]))
        return
    peer, program = sys.argv[1:]
    import isobit.mlx  # noqa: F401

    with tempfile.TemporaryDirectory() as scratch:
        place, theirs, ours = (Path(scratch) / n for n in ("models", "theirs", "ours"))
        place.mkdir(), theirs.mkdir(), ours.mkdir()
        command = [peer, __file__, "--make", str(place), str(theirs)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        folders = sorted(place.iterdir())
        wrong = {f.name: w for f in folders if (w := judge(f, program))}
        made = list(conversions(place))
        for folder, mode, bits, group in made:
            name = f"{folder.name}-{mode}-{bits}-{group}"
            how = ["--mode", mode, "--bits", str(bits), "--group-size", str(group)]
            command = [program, "quantize", "--model", str(folder), "--out", str(ours / name), *how]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode or tensors(ours / name) != tensors(theirs / f"{name}.safetensors"):
                wrong[name] = f"quantize: {done.stderr.strip() or 'other tensors'}"
        for name, what in wrong.items():
            print(f"{name}: {what}")
        print(f"{len(folders)} directories and {len(made)} conversions, {len(wrong)} wrong")
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

"""``mlx_lm.generate`` on a random Qwen2 model of two layers, quantized to 4 bits, from files: mlx-lm loads and runs it.

``python python/judges/mlx_lm_generate.py [PEER]``: mlx-lm and transformers must be installed, MLX must not be. With PEER, an
interpreter with MLX and mlx-lm, its output on the same files is compared too. Fails if generation fails, if two runs differ,
or if the peer prints another text.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import isobit.mlx  # noqa: F401
import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.models import qwen2

WORDS = "the a one two three cat dog runs sees and under over tree house red blue . , ! ?".split()
CONFIG = dict(
    model_type="qwen2", architectures=["Qwen2ForCausalLM"], hidden_size=128, num_hidden_layers=2, intermediate_size=256,
    num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6, vocab_size=64, tie_word_embeddings=False,
    max_position_embeddings=512, rope_theta=10000.0, eos_token_id=0, bos_token_id=None,
    quantization={"group_size": 32, "bits": 4}, quantization_config={"group_size": 32, "bits": 4},
)


def write(folder):
    """A model's files: configuration, weights and a tokenizer of words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    mx.random.seed(7)
    arguments = {k: v for k, v in CONFIG.items() if k in qwen2.ModelArgs.__annotations__}
    model = qwen2.Model(qwen2.ModelArgs(**arguments))
    model.set_dtype(mx.bfloat16)
    nn.quantize(model, group_size=32, bits=4)
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())), {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(CONFIG))
    vocabulary = {"<eos>": 0, "<unk>": 1, **{w: i + 2 for i, w in enumerate(WORDS)}}
    vocabulary.update({f"w{i}": i for i in range(len(vocabulary), CONFIG["vocab_size"])})
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<eos>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def generate(interpreter, folder, *options):
    """What ``mlx_lm.generate`` prints between its rules."""
    command = [*interpreter, "-m", "mlx_lm", "generate", "--model", str(folder), "--prompt", "the cat sees",
               "--max-tokens", "24", "--temp", "0", "--ignore-chat-template", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        sys.exit(f"mlx_lm.generate failed:\n{done.stderr[-2000:]}")
    return done.stdout.split("==========")[1].strip()


def main():
    ours = [sys.executable, "-m", "isobit.mlx"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder)
        text = generate(ours, folder)
        print("isobit:", text)
        if text != generate(ours, folder) or len(text) < 20:
            sys.exit("two runs differ, or there is no text")
        quantized = generate(ours, folder, "--kv-bits", "8", "--kv-group-size", "32", "--quantized-kv-start", "0")
        print("with a quantized cache:", quantized)
        if len(sys.argv) > 1:
            peer = generate([sys.argv[1]], folder)
            print("MLX:   ", peer)
            if peer != text:
                sys.exit("MLX generates another text")


if __name__ == "__main__":
    main()

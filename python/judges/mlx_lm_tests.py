"""Runs mlx-lm's own tests of models, prompt caches and sampling against isobit and compares with the ledger beside this file.

``python python/judges/mlx_lm_tests.py CHECKOUT [FILE ...]``: CHECKOUT is a checkout of mlx-lm's repository. mlx-lm itself
comes from the package index without MLX (``pip install --no-deps mlx-lm``, then what else it needs); isobit must be
importable. No weights are needed: where a test loads a model from a hub it gets a small random one of the same kind.
"""

import argparse
from pathlib import Path

from mlx_tests import folder, judge

FILES = ["test_models", "test_prompt_cache", "test_sample_utils"]

#: ``mlx_lm.utils.load`` for tests: a random Qwen2 model of two layers, and a tokenizer that gives words numbers.
PRELUDE = '''
import mlx.core as mx
import mlx_lm.utils
from mlx_lm.models import qwen2

class Tokenizer:
    eos_token_id, eos_token_ids, bos_token = 0, {0}, None
    def encode(self, text, return_tensors=None, **options):
        ids = [1 + sum(map(ord, word)) % 900 for word in text.split()]
        return mx.array([ids]) if return_tensors == "mlx" else ids
    def decode(self, ids, **options):
        return " ".join(map(str, ids))
    def apply_chat_template(self, messages, return_tensors=None, **options):
        return self.encode(" ".join(m["content"] for m in messages), return_tensors)

def load(path, **options):
    mx.random.seed(0)
    model = qwen2.Model(qwen2.ModelArgs(
        model_type="qwen2", hidden_size=256, num_hidden_layers=2, intermediate_size=256, num_attention_heads=4,
        num_key_value_heads=2, rms_norm_eps=1e-6, vocab_size=1024, tie_word_embeddings=True))
    mx.eval(model.parameters())
    return model.eval(), Tokenizer()

mlx_lm.utils.load = load
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("files", nargs="*", default=FILES)
    parser.add_argument("--seconds", type=int, default=300, help="limit for one file")
    options = parser.parse_args()
    ledger = Path(__file__).resolve().with_suffix(".txt")
    judge(folder(options.checkout, "test_models.py"), options.files, ledger, options.seconds, PRELUDE)


if __name__ == "__main__":
    main()

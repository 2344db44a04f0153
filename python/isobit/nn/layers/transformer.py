"""Attention and transformer blocks."""

from isobit import core as mx
from isobit.core import _nn
from isobit.nn.layers.activations import relu
from isobit.nn.layers.base import Module
from isobit.nn.layers.dropout import Dropout
from isobit.nn.layers.linear import Linear
from isobit.nn.layers.normalization import LayerNorm
from isobit.nn.utils import checkpoint as recomputed


class MultiHeadAttention(Module):
    """Projections to heads, attention, and a projection of what the heads give."""

    def __init__(
        self,
        dims,
        num_heads,
        query_input_dims=None,
        key_input_dims=None,
        value_input_dims=None,
        value_dims=None,
        value_output_dims=None,
        bias=False,
    ):
        super().__init__()
        if dims % num_heads:
            raise ValueError(f"expected dims to be a multiple of the number of heads, got {dims} and {num_heads}")
        key_input_dims = key_input_dims or dims
        value_dims = value_dims or dims
        self.num_heads = num_heads
        self.query_proj = Linear(query_input_dims or dims, dims, bias=bias)
        self.key_proj = Linear(key_input_dims, dims, bias=bias)
        self.value_proj = Linear(value_input_dims or key_input_dims, value_dims, bias=bias)
        self.out_proj = Linear(value_dims, value_output_dims or dims, bias=bias)

    def __call__(self, queries, keys, values, mask=None):
        projected = self.query_proj(queries), self.key_proj(keys), self.value_proj(values)
        return self.out_proj(_nn.multi_head_attention(*projected, self.num_heads, mask))

    @staticmethod
    def create_additive_causal_mask(N, dtype=mx.float32):
        """Zeros for keys up to the query, the most negative number for later ones."""
        return _nn.causal_mask(N, dtype)


class _FeedForward(Module):
    """What encoder and decoder layers share: two linear layers with an activation between them, and dropout."""

    def _feed_forward(self, dims, mlp_dims, activation, norm_first):
        mlp_dims = mlp_dims or 4 * dims
        self.linear1 = Linear(dims, mlp_dims)
        self.linear2 = Linear(mlp_dims, dims)
        self.activation = activation
        self.norm_first = norm_first

    def _mlp(self, x, dropout):
        return self.linear2(dropout(self.activation(self.linear1(x))))

    def _block(self, x, norm, dropout, inner):
        """A residual block, normalised before or behind."""
        if self.norm_first:
            return x + dropout(inner(norm(x)))
        return norm(x + dropout(inner(x)))


class TransformerEncoderLayer(_FeedForward):
    """Self-attention and a feed-forward network."""

    def __init__(self, dims, num_heads, mlp_dims=None, dropout=0.0, activation=relu, norm_first=True):
        super().__init__()
        self.attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self._feed_forward(dims, mlp_dims, activation, norm_first)

    def __call__(self, x, mask):
        x = self._block(x, self.ln1, self.dropout1, lambda y: self.attention(y, y, y, mask))
        return self._block(x, self.ln2, lambda y: y, lambda y: self._mlp(y, self.dropout2))


class TransformerDecoderLayer(_FeedForward):
    """Self-attention, attention to a memory and a feed-forward network."""

    def __init__(self, dims, num_heads, mlp_dims=None, dropout=0.0, activation=relu, norm_first=True):
        super().__init__()
        self.self_attention = MultiHeadAttention(dims, num_heads)
        self.cross_attention = MultiHeadAttention(dims, num_heads)
        self.ln1 = LayerNorm(dims)
        self.ln2 = LayerNorm(dims)
        self.ln3 = LayerNorm(dims)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self._feed_forward(dims, mlp_dims, activation, norm_first)

    def __call__(self, x, memory, x_mask, memory_mask):
        x = self._block(x, self.ln1, self.dropout1, lambda y: self.self_attention(y, y, y, x_mask))
        x = self._block(x, self.ln2, self.dropout2, lambda y: self.cross_attention(y, memory, memory, memory_mask))
        return self._block(x, self.ln3, lambda y: y, lambda y: self._mlp(y, self.dropout3))


class _Stack(Module):
    """Layers one after the other and a normalisation behind them."""

    _layer = None

    def __init__(
        self,
        num_layers,
        dims,
        num_heads,
        mlp_dims=None,
        dropout=0.0,
        activation=relu,
        norm_first=True,
        checkpoint=False,
    ):
        super().__init__()
        layer = type(self)._layer
        self.layers = [layer(dims, num_heads, mlp_dims, dropout, activation, norm_first) for _ in range(num_layers)]
        self.ln = LayerNorm(dims)
        self.checkpoint = checkpoint

    def _run(self, x, *args):
        for layer in self.layers:
            x = (recomputed(layer) if self.checkpoint else layer)(x, *args)
        return self.ln(x)


class TransformerEncoder(_Stack):
    """A stack of encoder layers."""

    _layer = TransformerEncoderLayer

    def __call__(self, x, mask):
        return self._run(x, mask)


class TransformerDecoder(_Stack):
    """A stack of decoder layers."""

    _layer = TransformerDecoderLayer

    def __call__(self, x, memory, x_mask, memory_mask):
        return self._run(x, memory, x_mask, memory_mask)


class Transformer(Module):
    """An encoder and a decoder (Vaswani et al., 2017)."""

    def __init__(
        self,
        dims=512,
        num_heads=8,
        num_encoder_layers=6,
        num_decoder_layers=6,
        mlp_dims=None,
        dropout=0.0,
        activation=relu,
        custom_encoder=None,
        custom_decoder=None,
        norm_first=True,
        checkpoint=False,
    ):
        super().__init__()
        rest = (dims, num_heads, mlp_dims, dropout, activation, norm_first, checkpoint)
        # A module without parameters is an empty dict, and false.
        self.encoder = TransformerEncoder(num_encoder_layers, *rest) if custom_encoder is None else custom_encoder
        self.decoder = TransformerDecoder(num_decoder_layers, *rest) if custom_decoder is None else custom_decoder

    def __call__(self, src, tgt, src_mask, tgt_mask, memory_mask):
        memory = self.encoder(src, src_mask)
        return self.decoder(tgt, memory, tgt_mask, memory_mask)

"""Layers."""

from isobit.nn.layers.activations import *  # noqa: F403
from isobit.nn.layers.base import Module
from isobit.nn.layers.containers import Sequential
from isobit.nn.layers.distributed import (
    AllToShardedLinear,
    QuantizedAllToShardedLinear,
    QuantizedShardedToAllLinear,
    ShardedToAllLinear,
)
from isobit.nn.layers.dropout import Dropout, Dropout2d, Dropout3d
from isobit.nn.layers.embedding import Embedding
from isobit.nn.layers.linear import Bilinear, Identity, Linear
from isobit.nn.layers.normalization import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from isobit.nn.layers.pooling import AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d
from isobit.nn.layers.positional_encoding import ALiBi, RoPE, SinusoidalPositionalEncoding
from isobit.nn.layers.quantized import QQLinear, QuantizedEmbedding, QuantizedLinear, quantize
from isobit.nn.layers.recurrent import GRU, LSTM, RNN
from isobit.nn.layers.transformer import (
    MultiHeadAttention,
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from isobit.nn.layers.upsample import Upsample

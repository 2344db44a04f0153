from collections.abc import Callable, Sequence
from os import PathLike
from types import ModuleType
from typing import IO, Any, Protocol, final

from typing_extensions import Buffer, disjoint_base

from isobit.core import _ArrayLike, Device, DeviceType, Dtype, Stream, array
__all__ = ['sigmoid', 'tanh', 'relu', 'relu2', 'relu6', 'selu', 'softplus', 'log_sigmoid', 'softsign', 'hardswish', 'mish', 'silu', 'gelu', 'gelu_approx', 'gelu_fast_approx', 'leaky_relu', 'elu', 'celu', 'softshrink', 'hard_shrink', 'step', 'softmax', 'softmin', 'log_softmax', 'prelu', 'hard_tanh', 'glu', 'cross_entropy', 'binary_cross_entropy', 'l1_loss', 'mse_loss', 'nll_loss', 'gaussian_nll_loss', 'kl_div_loss', 'smooth_l1_loss', 'triplet_loss', 'hinge_loss', 'huber_loss', 'log_cosh_loss', 'cosine_similarity_loss', 'margin_ranking_loss', 'linear', 'bilinear', 'quantized_linear', 'embedding', 'quantized_embedding', 'dropout', 'multi_head_attention', 'causal_mask', 'instance_norm', 'group_norm', 'batch_statistics', 'running_statistics', 'batch_norm', 'max_pool', 'avg_pool', 'upsample', 'sinusoidal_frequencies', 'sinusoidal_encoding', 'alibi_slopes', 'alibi_matrix', 'rnn', 'gru', 'lstm', 'constant', 'normal', 'uniform', 'identity', 'glorot_normal', 'glorot_uniform', 'he_normal', 'he_uniform', 'within', 'sparse', 'orthogonal', 'sgd', 'rmsprop', 'adagrad', 'adadelta', 'bias_correction', 'adam', 'decayed', 'adamax', 'lion', 'adafactor_rate', 'adafactor', 'factored_root', 'muon', 'clip_grad_norm', 'exponential_decay', 'step_decay', 'cosine_decay', 'linear_schedule']

def adadelta(gradient: _ArrayLike, parameter: _ArrayLike, v: _ArrayLike, u: _ArrayLike, rate: _ArrayLike, rho: float, eps: float) -> tuple[array, array, array]:
    """Steps scaled by running means of squared gradients `v` and squared steps `u` (Zeiler, 2012)."""

def adafactor(gradient: _ArrayLike, parameter: _ArrayLike, state: Sequence[array | None], step: _ArrayLike, rate: _ArrayLike, eps: Sequence[float], clip_threshold: float, decay_rate: float, beta_1: float | None, weight_decay: float, scale_parameter: bool) -> tuple[array, tuple[array | None, array | None, array | None, array | None]]:
    """Second moments of matrices kept as their row and column means, steps relative to the parameter's size (Shazeer and
    Stern, 2018). `step` counts from 1.

    Errors:
    A state that is not one of such a parameter."""

def adafactor_rate(step: _ArrayLike, warmup: bool) -> array:
    """The rate of `adafactor` where it is not given: `min(lowest, 1 / √step)`, with `warmup` growing from zero."""

def adagrad(gradient: _ArrayLike, parameter: _ArrayLike, v: _ArrayLike, rate: _ArrayLike, eps: float) -> tuple[array, array]:
    """Gradients over the root of the sum of their squares (Duchi et al., 2011)."""

def adam(gradient: _ArrayLike, parameter: _ArrayLike, m: _ArrayLike, v: _ArrayLike, rate: _ArrayLike, root: _ArrayLike, betas: Sequence[float], eps: float) -> tuple[array, array, array]:
    """A running mean of gradients over the root of one of their squares (Kingma and Ba, 2015): `m ← β₁ m + (1 - β₁) g`,
    `v ← β₂ v + (1 - β₂) g²`, `w ← w - λ m / (√v · root + ε)`, where `root` comes, with the rate, from
    `bias_correction`, or is left out."""

def adamax(gradient: _ArrayLike, parameter: _ArrayLike, m: _ArrayLike, v: _ArrayLike, rate: _ArrayLike, betas: Sequence[float], eps: float) -> tuple[array, array, array]:
    """`adam` with the largest gradient in place of the root mean square: `v ← max(β₂ v, |g|)`."""

def alibi_matrix(queries: int, keys: int, heads: int, offset: int, dtype: Dtype) -> array:
    """What attention scores of queries `offset..queries` and keys `0..keys` get for their distance, `[1, heads, q, k]`."""

def alibi_slopes(heads: int) -> array:
    """Penalties per unit of distance: powers of `2 ^ (-8 / heads)`, `[heads, 1, 1]` (Press et al., 2022)."""

def avg_pool(x: _ArrayLike, kernel_size: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> array:
    """The mean of every window, zeros of the padding included.

    Errors:
    As `max_pool`."""

def batch_norm(x: _ArrayLike, mean: _ArrayLike, var: _ArrayLike, weight: _ArrayLike | None, bias: _ArrayLike | None, eps: float) -> array:
    """`(x - mean) / √(variance + eps)`, per feature, times `weight`, plus `bias`.

    Errors:
    Other than 2, 3 or 4 axes."""

def batch_statistics(x: _ArrayLike) -> tuple[array, array]:
    """Mean and variance per feature: over all axes but the last.

    Errors:
    Other than 2, 3 or 4 axes."""

def bias_correction(gradient: _ArrayLike, rate: _ArrayLike, step: _ArrayLike, betas: Sequence[float]) -> tuple[array, array]:
    """The rate of `adam` and its factor of the root of the second moment after `step` steps, so that the moments' start at
    zero does not count. Powers of the step are float32."""

def bilinear(x1: _ArrayLike, x2: _ArrayLike, weight: _ArrayLike, bias: _ArrayLike | None = ...) -> array:
    """For each output `x1 @ weight[output] @ x2`, plus `bias`: `[..., first]` and `[..., second]` with weights
    `[outputs, second, first]` are `[..., outputs]`.

    Errors:
    Weights with other than three axes, inputs that do not fit them."""

def binary_cross_entropy(inputs: _ArrayLike, targets: _ArrayLike, weights: _ArrayLike | None = ..., with_logits: bool = ..., reduction: str = ...) -> array:
    """The binary cross-entropy of logits, or of probabilities, whose logarithms are at least -100.

    Errors:
    Inputs, targets and weights that are not of one shape."""

def causal_mask(n: int, dtype: Dtype) -> array:
    """`[n, n]`: zeros for keys up to the query, the most negative number for later ones.

    Errors:
    A dtype that is not a float."""

def celu(x: _ArrayLike, alpha: float = ...) -> array:
    """`x`, below 0 `alpha * (exp(x / alpha) - 1)`."""

def clip_grad_norm(grads: Any, max_norm: float) -> tuple[Any, array]:
    """`clip_norm` of gradients by name.

    Errors:
    As `clip_norm`."""

def constant(shape: int | Sequence[int], value: _ArrayLike, dtype: Dtype) -> array:
    """One value."""

def cosine_decay(step: _ArrayLike, init: float, decay_steps: float, end: float) -> array:
    """From `init` along half a cosine to `end` over `decay_steps` steps, `end` ever after."""

def cosine_similarity_loss(x1: _ArrayLike, x2: _ArrayLike, axis: int | Sequence[int] | None = ..., eps: float = ..., reduction: str = ...) -> array:
    """The cosine of the angle between vectors along axes; the product of their lengths counts as `eps` at least."""

def cross_entropy(logits: _ArrayLike, targets: _ArrayLike, weights: _ArrayLike | None = ..., axis: int | None = ..., label_smoothing: float = ..., reduction: str = ...) -> array:
    """The negative log-probability of class numbers, or the cross-entropy with probabilities, given logits:
    `logsumexp(logits) - logits[target]`, in float32 at least and then rounded to the dtype of the logits.

    `targets` are integers of the logits' shape without `axis`, or probabilities of their shape. `label_smoothing` spreads
    that share of each target evenly over all classes. `weights`, of the shape without `axis`, scale each loss.

    Errors:
    Targets or weights of another shape, targets that are neither; smoothing outside `[0, 1)`."""

def decayed(gradient: _ArrayLike, parameter: _ArrayLike, rate: _ArrayLike, weight_decay: float) -> array:
    """The parameter times `1 - rate · weight_decay`."""

def dropout(x: _ArrayLike, p: float, shared: int = ..., key: array | None = ...) -> array:
    """Sets elements to zero with probability `p` and scales the others by `1 / (1 - p)`. The `shared` axes before the last
    share a draw, so that whole channels of images are dropped. Without a key the next of the process-wide ones is used.

    Errors:
    A probability outside `[0, 1)`, fewer axes than are shared."""

def elu(x: _ArrayLike, alpha: float = ...) -> array:
    """`x`, below 0 `alpha * (exp(x) - 1)`."""

def embedding(weight: _ArrayLike, x: _ArrayLike) -> array:
    """Rows of `table` at integer `indices`, along a new last axis.

    Errors:
    Indices that are no integers."""

def exponential_decay(step: _ArrayLike, init: float, decay_rate: float) -> float | array:
    """`init · rateˢᵗᵉᵖ`."""

def factored_root(row: _ArrayLike, column: _ArrayLike) -> array:
    """The inverse root of the second moments of which these are the row and column means."""

def gaussian_nll_loss(inputs: _ArrayLike, targets: _ArrayLike, vars: _ArrayLike, full: bool = ..., eps: float = ..., reduction: str = ...) -> array:
    """Minus the log-density of targets under Gaussians with means `inputs` and variances `vars` (at least `eps`); with
    `full` the constant is included.

    Errors:
    Arrays that are not of one shape."""

def gelu(x: _ArrayLike) -> array:
    """`x` times the normal distribution function of `x`: `x * (1 + erf(x / √2)) / 2`."""

def gelu_approx(x: _ArrayLike) -> array:
    """`gelu` by its tanh approximation: `x * (1 + tanh(√(2/π) * (x + 0.044715 x³))) / 2`."""

def gelu_fast_approx(x: _ArrayLike) -> array:
    """`gelu` by a sigmoid: `x * sigmoid(1.702 x)`."""

def glorot_normal(shape: int | Sequence[int], gain: float, dtype: Dtype) -> array:
    """Glorot and Bengio (2010): normal with variance `gain² · 2 / (inputs + outputs)`."""

def glorot_uniform(shape: int | Sequence[int], gain: float, dtype: Dtype) -> array:
    """Glorot and Bengio (2010): uniform within `gain · √(6 / (inputs + outputs))`."""

def glu(x: _ArrayLike, axis: int | None = ...) -> array:
    """One half of `x` along `axis` times the sigmoid of the other."""

def group_norm(x: _ArrayLike, groups: int, weight: _ArrayLike | None, bias: _ArrayLike | None, eps: float, contiguous: bool) -> array:
    """Zero mean and unit variance over groups of features and all positions of `x`, `[batch, ..., features]`.

    Feature `i` belongs to group `i % groups`; with `contiguous` (as in PyTorch) to group `i / (features / groups)`.

    Errors:
    Fewer than two axes; features that groups do not divide."""

def gru(x: _ArrayLike, wx: _ArrayLike, wh: _ArrayLike, bias: _ArrayLike, new_bias: _ArrayLike, hidden: _ArrayLike) -> array:
    """A gated recurrent unit (Cho et al., 2014); all states, along the time axis.

    Rows of the weights: reset, update, new; `new_bias` is added to the hidden part of the new state.

    Errors:
    No step; shapes that do not fit one another."""

def hard_shrink(x: _ArrayLike, lambd: _ArrayLike = ...) -> array:
    """`x`, and 0 where `|x|` is at most `lambd`."""

def hard_tanh(x: _ArrayLike, min_val: _ArrayLike = ..., max_val: _ArrayLike = ...) -> array:
    """`x` between two limits."""

def hardswish(x: _ArrayLike) -> array:
    """`x * min(max(x + 3, 0), 6) / 6`."""

def he_normal(shape: int | Sequence[int], mode: str, gain: float, dtype: Dtype) -> array:
    """He et al. (2015): normal with variance `gain² / fan`."""

def he_uniform(shape: int | Sequence[int], mode: str, gain: float, dtype: Dtype) -> array:
    """He et al. (2015): uniform within `gain · √(3 / fan)`."""

def hinge_loss(inputs: _ArrayLike, targets: _ArrayLike, reduction: str = ...) -> array:
    """How much less than 1 the product with a target of -1 or 1 is."""

def huber_loss(inputs: _ArrayLike, targets: _ArrayLike, delta: float = ..., reduction: str = ...) -> array:
    """Quadratic for differences up to `delta`, linear above."""

def identity(shape: int | Sequence[int], dtype: Dtype) -> array:
    """The identity matrix.

    Errors:
    A shape that is not that of a square matrix."""

def instance_norm(x: _ArrayLike, weight: _ArrayLike | None, bias: _ArrayLike | None, eps: float) -> array:
    """Zero mean and unit variance over the axes between the first and the last, per element of these two.

    Errors:
    No axes between the first and the last."""

def kl_div_loss(inputs: _ArrayLike, targets: _ArrayLike, axis: int | Sequence[int] | None = ..., reduction: str = ...) -> array:
    """The Kullback-Leibler divergence of log-probabilities along axes: of `inputs` from `targets`."""

def l1_loss(predictions: _ArrayLike, targets: _ArrayLike, reduction: str = ...) -> array:
    """The absolute difference.

    Errors:
    Predictions and targets that are not of one shape."""

def leaky_relu(x: _ArrayLike, negative_slope: _ArrayLike = ...) -> array:
    """`x`, below 0 `negative_slope * x`."""

def linear(x: _ArrayLike, weight: _ArrayLike, bias: _ArrayLike | None = ...) -> array:
    """`x @ weight.T + bias`.

    Errors:
    A weight that is no matrix, a last axis of another size than its inputs."""

def linear_schedule(step: _ArrayLike, init: float, end: float, steps: float) -> array:
    """From `init` in a straight line to `end` over `steps` steps, `end` ever after. The warm-up."""

def lion(gradient: _ArrayLike, parameter: _ArrayLike, m: _ArrayLike, rate: _ArrayLike, betas: Sequence[float], weight_decay: float) -> tuple[array, array]:
    """Steps of the sign of an interpolated momentum (Chen et al., 2023)."""

def log_cosh_loss(inputs: _ArrayLike, targets: _ArrayLike, reduction: str = ...) -> array:
    """The logarithm of the hyperbolic cosine of the difference."""

def log_sigmoid(x: _ArrayLike) -> array:
    """`log(sigmoid(x))`."""

def log_softmax(x: _ArrayLike, axis: int | Sequence[int] | None = ...) -> array:
    """`x - log(sum(exp(x)))` along axes."""

def lstm(x: _ArrayLike, wx: _ArrayLike, wh: _ArrayLike, bias: _ArrayLike, hidden: _ArrayLike, cell: _ArrayLike) -> tuple[array, array]:
    """A long short-term memory (Hochreiter and Schmidhuber, 1997); all states and all cells, along the time axis.

    Rows of the weights: input, forget, cell, output.

    Errors:
    No step; shapes that do not fit one another."""

def margin_ranking_loss(inputs1: _ArrayLike, inputs2: _ArrayLike, targets: _ArrayLike, margin: _ArrayLike = ..., reduction: str = ...) -> array:
    """How much less than `margin` the first input is above the second one (target 1) or below it (target -1).

    Errors:
    Arrays that are not of one shape."""

def max_pool(x: _ArrayLike, kernel_size: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> array:
    """The largest element of every window; padding counts as `-inf`.

    Errors:
    A window that does not fit; other than two axes more than the window has."""

def mish(x: _ArrayLike) -> array:
    """`x * tanh(softplus(x))`."""

def mse_loss(predictions: _ArrayLike, targets: _ArrayLike, reduction: str = ...) -> array:
    """The squared difference.

    Errors:
    Predictions and targets that are not of one shape."""

def multi_head_attention(q: _ArrayLike, k: int, v: _ArrayLike, heads: int, mask: str | _ArrayLike | None = ...) -> array:
    """Attention in `heads` heads: queries, keys and values are `[batch, length, heads * width]`, as is the result.

    Errors:
    Other than three axes, widths that the number of heads does not divide; what attention itself refuses."""

def muon(gradient: _ArrayLike, parameter: _ArrayLike, v: _ArrayLike, rate: _ArrayLike, momentum: float, weight_decay: float, nesterov: bool, steps: int) -> tuple[array, array]:
    """Momentum made orthogonal (Jordan et al., 2024), for parameters of two or more axes; plain momentum for others.

    Errors:
    As `orthogonalised`."""

def nll_loss(inputs: _ArrayLike, targets: _ArrayLike, axis: int | None = ..., reduction: str = ...) -> array:
    """Minus the log-probability of class numbers along `axis`."""

def normal(shape: Sequence[int], mean: _ArrayLike, std: _ArrayLike, dtype: Dtype) -> array:
    """Normal values of the given mean and standard deviation."""

def orthogonal(shape: int | Sequence[int], gain: float, dtype: Dtype) -> array:
    """A matrix with orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al., 2014): the part of a random
    orthogonal matrix, every one of which is as likely (Mezzadri, 2007).

    Errors:
    Other than 2 dimensions."""

def prelu(x: _ArrayLike, alpha: float) -> array:
    """`x`, below 0 `alpha * x`, with a learned `alpha`: a number, or one per feature."""

def quantized_embedding(weight: _ArrayLike, scales: _ArrayLike, biases: _ArrayLike, x: _ArrayLike, group_size: int | None, bits: int | None, mode: str) -> array:
    """Rows of a quantized table: only the rows that are asked for are dequantized.

    Errors:
    Indices that are no integers; a table that does not fit the format."""

def quantized_linear(x: _ArrayLike, weight: _ArrayLike, scales: _ArrayLike, biases: _ArrayLike, bias: _ArrayLike, group_size: int | None, bits: int | None, mode: str, activations: Any = ...) -> array:
    """`x @ w.T + bias` for the quantized matrix `w`.

    Errors:
    As `QuantizedWeight::matmul`; a last axis of another size than the matrix's inputs."""

def relu(x: _ArrayLike) -> array:
    """`max(x, 0)`."""

def relu2(x: _ArrayLike) -> array:
    """`max(x, 0)²`."""

def relu6(x: _ArrayLike) -> array:
    """`min(max(x, 0), 6)`."""

def rmsprop(gradient: _ArrayLike, parameter: _ArrayLike, v: _ArrayLike, rate: _ArrayLike, alpha: float, eps: float) -> tuple[array, array]:
    """Gradients over the root of a running mean of their squares (Hinton, 2012)."""

def rnn(x: _ArrayLike, wx: _ArrayLike, wh: _ArrayLike, bias: _ArrayLike, hidden: _ArrayLike, nonlinearity: Callable[[array], array]) -> array:
    """`h' = nonlinearity(wx x + wh h + bias)`; all states, along the time axis.

    Errors:
    No step; what `nonlinearity` returns."""

def running_statistics(x: _ArrayLike, mean: _ArrayLike, var: _ArrayLike, running_mean: _ArrayLike, running_var: _ArrayLike, momentum: float) -> tuple[array, array]:
    """Running averages moved by `momentum` towards the statistics of a batch, whose variance is that of a sample of as many
    values per feature as `x` has.

    Errors:
    A single value per feature."""

def selu(x: _ArrayLike) -> array:
    """The `elu` that keeps mean and variance (Klambauer et al., 2017)."""

def sgd(gradient: _ArrayLike, parameter: _ArrayLike, v: _ArrayLike, rate: _ArrayLike, momentum: float, weight_decay: float, dampening: float, nesterov: bool) -> tuple[array, array | None]:
    """Gradient descent: `v ← μ v + (1 - τ) g`, `w ← w - λ v`, with Nesterov's momentum `w ← w - λ (g + μ v)`."""

def sigmoid(x: _ArrayLike) -> array:
    """`1 / (1 + exp(-x))`."""

def silu(x: _ArrayLike) -> array:
    """`x * sigmoid(x)`."""

def sinusoidal_encoding(x: _ArrayLike, frequencies: _ArrayLike, scale: float, cos_first: bool) -> array:
    """Sines and cosines of `x` times `frequencies`, along a new last axis, times `scale`."""

def sinusoidal_frequencies(dims: int, low: _ArrayLike, high: _ArrayLike, full_turns: bool) -> array:
    """Frequencies from `high` down to `low`, evenly spaced in logarithm; with `full_turns` as angles per step.

    Errors:
    No or an odd number of `dims`, of which there are two per frequency."""

def smooth_l1_loss(predictions: _ArrayLike, targets: _ArrayLike, beta: float = ..., reduction: str = ...) -> array:
    """Quadratic for differences below `beta`, linear above.

    Errors:
    Arrays that are not of one shape; a negative `beta`."""

def softmax(x: _ArrayLike, axis: int | Sequence[int] | None = ...) -> array:
    """`exp(x) / sum(exp(x))` along axes."""

def softmin(x: _ArrayLike, axis: int | Sequence[int] | None = ...) -> array:
    """The `softmax` of `-x`."""

def softplus(x: _ArrayLike) -> array:
    """`log(1 + exp(x))`."""

def softshrink(x: _ArrayLike, lambd: _ArrayLike = ...) -> array:
    """`x` moved towards 0 by `lambd`, and 0 where it would cross it."""

def softsign(x: _ArrayLike) -> array:
    """`x / (1 + |x|)`."""

def sparse(shape: int | Sequence[int], sparsity: float, mean: _ArrayLike, std: _ArrayLike, dtype: Dtype) -> array:
    """Normal values, of which in every row the share `sparsity` is zero.

    Errors:
    Other than 2 dimensions; a share outside `[0, 1]`."""

def step(x: _ArrayLike, threshold: _ArrayLike = ...) -> array:
    """0 below the threshold, 1 from it on, as int32."""

def step_decay(step: _ArrayLike, init: float, decay_rate: float, step_size: float) -> float | array:
    """`init`, multiplied by `rate` after every `every` steps."""

def tanh(x: _ArrayLike) -> array:
    """The hyperbolic tangent."""

def triplet_loss(anchors: _ArrayLike, positives: _ArrayLike, negatives: _ArrayLike, axis: int | Sequence[int] | None = ..., p: float = ..., margin: float = ..., eps: float = ..., reduction: str = ...) -> array:
    """How much less than `margin` further the negatives are than the positives, by their `p`-distance along axes."""

def uniform(shape: Sequence[int], low: _ArrayLike, high: _ArrayLike, dtype: Dtype) -> array:
    """Uniform values in `[low, high)`."""

def upsample(x: _ArrayLike, scale: Sequence[float], mode: str, align_corners: bool, antialias: bool) -> array:
    """`scale` times the size along every spatial axis: all but the first (the batch) and the last (the channels).

    With `align_corners` the first and the last input and output lie at the same places. With `antialias` a smaller size is
    made of all inputs that it covers.

    Errors:
    Another number of scales than of spatial axes, a scale that is not positive; nearest neighbours or aligned corners
    with `antialias`."""

def within(shape: int | Sequence[int], fan: int, dtype: Dtype) -> array:
    """Uniform within `1 / √fan`, as the parameters of linear and recurrent layers."""

"""Loss functions."""

import math

from isobit import core as mx


def _reduced(loss, reduction):
    if reduction == "mean":
        return mx.mean(loss)
    if reduction == "sum":
        return mx.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"expected reduction 'none', 'mean' or 'sum', got {reduction!r}")


def _same_shape(a, b, what):
    if a.shape != b.shape:
        raise ValueError(f"expected {what} of one shape, got {a.shape} and {b.shape}")


def cross_entropy(logits, targets, weights=None, axis=-1, label_smoothing=0.0, reduction="none"):
    """The negative log-probability of class numbers, or the cross entropy with probabilities, given logits."""
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"expected label_smoothing in [0, 1), got {label_smoothing}")
    probabilities = targets.ndim == logits.ndim
    wanted = logits.shape if probabilities else _without(logits.shape, axis)
    if tuple(targets.shape) != tuple(wanted):
        raise ValueError(f"targets of shape {targets.shape} do not fit logits of shape {logits.shape}")
    if weights is not None and weights.shape != _without(logits.shape, axis):
        raise ValueError(f"weights of shape {weights.shape} do not fit targets of shape {targets.shape}")
    # Relative to the largest logit, since only differences count and they are small beside a large offset.
    logits = logits - mx.stop_gradient(mx.max(logits, axis=axis, keepdims=True))
    if probabilities:
        score = mx.sum(logits * targets, axis=axis)
    else:
        score = mx.take_along_axis(logits, mx.expand_dims(targets, axis), axis).squeeze(axis)
    normaliser = mx.logsumexp(logits, axis=axis)
    if label_smoothing > 0:
        score = (1 - label_smoothing) * score + label_smoothing * mx.mean(logits, axis=axis)
    loss = normaliser - score
    return _reduced(loss if weights is None else loss * weights, reduction)


def _without(shape, axis):
    shape = list(shape)
    del shape[axis]
    return tuple(shape)


def binary_cross_entropy(inputs, targets, weights=None, with_logits=True, reduction="mean"):
    """The binary cross entropy, of logits or of probabilities (whose logarithms are at least -100)."""
    _same_shape(inputs, targets, "inputs and targets")
    if with_logits:
        loss = mx.logaddexp(0.0, inputs) - inputs * targets
    else:
        log_true = mx.clip(mx.log(inputs), a_min=-100, a_max=None)
        log_false = mx.clip(mx.log(1 - inputs), a_min=-100, a_max=None)
        loss = -(targets * log_true + (1 - targets) * log_false)
    if weights is not None:
        _same_shape(weights, loss, "weights and losses")
        loss = loss * weights
    return _reduced(loss, reduction)


def l1_loss(predictions, targets, reduction="mean"):
    """The absolute difference."""
    _same_shape(predictions, targets, "predictions and targets")
    return _reduced(mx.abs(predictions - targets), reduction)


def mse_loss(predictions, targets, reduction="mean"):
    """The squared difference."""
    _same_shape(predictions, targets, "predictions and targets")
    return _reduced(mx.square(predictions - targets), reduction)


def nll_loss(inputs, targets, axis=-1, reduction="none"):
    """Minus the log-probability of class numbers."""
    return _reduced(-mx.take_along_axis(inputs, mx.expand_dims(targets, axis), axis).squeeze(axis), reduction)


def gaussian_nll_loss(inputs, targets, vars, full=False, eps=1e-6, reduction="mean"):
    """Minus the log-density of targets under Gaussians with means ``inputs`` and variances ``vars`` (at least ``eps``);
    with ``full`` the constant is included."""
    _same_shape(inputs, targets, "inputs and targets")
    _same_shape(inputs, vars, "inputs and vars")
    vars = mx.maximum(vars, eps)
    loss = 0.5 * (mx.log(vars) + mx.square(targets - inputs) / vars)
    return _reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def kl_div_loss(inputs, targets, axis=-1, reduction="none"):
    """The Kullback-Leibler divergence of log-probabilities: of ``inputs`` from ``targets``."""
    return _reduced(mx.sum(mx.exp(targets) * (targets - inputs), axis), reduction)


def smooth_l1_loss(predictions, targets, beta=1.0, reduction="mean"):
    """Quadratic for differences below ``beta``, linear above."""
    if beta < 0:
        raise ValueError(f"expected beta of at least 0, got {beta}")
    _same_shape(predictions, targets, "predictions and targets")
    difference = mx.abs(predictions - targets)
    if beta == 0:
        return _reduced(difference, reduction)
    loss = mx.where(difference < beta, 0.5 * mx.square(difference) / beta, difference - 0.5 * beta)
    return _reduced(loss, reduction)


def _distance(a, b, axis, p, eps):
    return mx.power(mx.sum(mx.power(mx.abs(a - b), p), axis) + eps, 1 / p)


def triplet_loss(anchors, positives, negatives, axis=-1, p=2, margin=1.0, eps=1e-6, reduction="none"):
    """How much less than ``margin`` further the negatives are than the positives."""
    near, far = (_distance(anchors, x, axis, p, eps) for x in (positives, negatives))
    return _reduced(mx.maximum(near - far + margin, 0), reduction)


def hinge_loss(inputs, targets, reduction="none"):
    """How much less than 1 the product with a target of -1 or 1 is."""
    return _reduced(mx.maximum(1 - inputs * targets, 0), reduction)


def huber_loss(inputs, targets, delta=1.0, reduction="none"):
    """Quadratic for differences up to ``delta``, linear above."""
    difference = mx.abs(inputs - targets)
    loss = mx.where(difference <= delta, 0.5 * mx.square(difference), delta * (difference - 0.5 * delta))
    return _reduced(loss, reduction)


def log_cosh_loss(inputs, targets, reduction="none"):
    """The logarithm of the hyperbolic cosine of the difference."""
    difference = inputs - targets
    return _reduced(mx.logaddexp(difference, -difference) - math.log(2), reduction)


def cosine_similarity_loss(x1, x2, axis=1, eps=1e-8, reduction="none"):
    """The cosine of the angle between vectors; the product of their lengths counts as ``eps`` at least."""
    lengths = (mx.sqrt(mx.sum(mx.square(x), axis=axis)) for x in (x1, x2))
    product = next(lengths) * next(lengths)
    return _reduced(mx.sum(x1 * x2, axis=axis) / mx.maximum(product, eps), reduction)


def margin_ranking_loss(inputs1, inputs2, targets, margin=0.0, reduction="none"):
    """How much less than ``margin`` the first input is above the second one (target 1) or below it (target -1)."""
    if not inputs1.shape == inputs2.shape == targets.shape:
        raise ValueError(f"expected inputs of one shape, got {inputs1.shape}, {inputs2.shape} and {targets.shape}")
    return _reduced(mx.maximum(0, margin - targets * (inputs1 - inputs2)), reduction)

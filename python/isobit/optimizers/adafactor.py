"""Adafactor (Shazeer and Stern, 2018)."""

from isobit import core as mx
from isobit.optimizers.optimizers import Optimizer


class Adafactor(Optimizer):
    """Second moments of matrices kept as their row and column means, steps relative to the parameters' size."""

    def __init__(
        self,
        learning_rate=None,
        eps=(1e-30, 1e-3),
        clip_threshold=1.0,
        decay_rate=-0.8,
        beta_1=None,
        weight_decay=0.0,
        scale_parameter=True,
        relative_step=True,
        warmup_init=False,
    ):
        super().__init__()
        if learning_rate is not None:
            self._maybe_schedule("learning_rate", learning_rate)
        self.eps = eps
        self.clip_threshold = clip_threshold
        self.decay_rate = decay_rate
        self.beta_1 = beta_1
        self.weight_decay = weight_decay
        self.scale_parameter = scale_parameter
        self.relative_step = relative_step
        self.warmup_init = warmup_init

    def init_single(self, parameter, state):
        if parameter.ndim >= 2:
            *lead, rows, columns = parameter.shape
            state["exp_avg_sq_row"] = mx.zeros((*lead, rows), parameter.dtype)
            state["exp_avg_sq_col"] = mx.zeros((*lead, columns), parameter.dtype)
        else:
            state["exp_avg_sq"] = mx.zeros_like(parameter)
        if self.beta_1 is not None:
            state["exp_avg"] = mx.zeros_like(parameter)

    def _compute_rms(self, x):
        return mx.sqrt(mx.mean(mx.square(x)))

    def _compute_learning_rate(self, step, parameter_rms):
        if self.relative_step:
            lowest = 1e-6 * step if self.warmup_init else 1e-2
            rate = mx.minimum(lowest, mx.rsqrt(step))
        else:
            rate = self.learning_rate
        rate = rate.astype(parameter_rms.dtype)
        return mx.maximum(self.eps[1], parameter_rms) * rate if self.scale_parameter else rate

    def _approximate_exp_moving_avg(self, exp_avg_sq_row, exp_avg_sq_col):
        """The inverse root of the second moments of which these are the row and column means."""
        rows = mx.rsqrt(exp_avg_sq_row / mx.mean(exp_avg_sq_row, axis=-1, keepdims=True))
        return mx.expand_dims(rows, -1) * mx.expand_dims(mx.rsqrt(exp_avg_sq_col), -2)

    def apply_single(self, gradient, parameter, state):
        step = self.step
        rate = self._compute_learning_rate(step, self._compute_rms(parameter))
        beta_2 = (1.0 - step**self.decay_rate).astype(parameter.dtype)
        update = mx.square(gradient) + self.eps[0]
        if gradient.ndim >= 2:
            row, column = state["exp_avg_sq_row"], state["exp_avg_sq_col"]
            row = beta_2 * row + (1 - beta_2) * mx.mean(update, axis=-1)
            column = beta_2 * column + (1 - beta_2) * mx.mean(update, axis=-2)
            state["exp_avg_sq_row"], state["exp_avg_sq_col"] = row, column
            update = self._approximate_exp_moving_avg(row, column) * gradient
        else:
            mean = state["exp_avg_sq"] = beta_2 * state["exp_avg_sq"] + (1 - beta_2) * update
            update = mx.rsqrt(mean) * gradient
        update = rate * update / mx.maximum(1.0, self._compute_rms(update) / self.clip_threshold)
        if self.beta_1 is not None:
            update = state["exp_avg"] = self.beta_1 * state["exp_avg"] + (1 - self.beta_1) * update
        if self.weight_decay != 0:
            parameter = parameter - parameter * (self.weight_decay * rate)
        return parameter - update

"""Adafactor (Shazeer and Stern, 2018)."""

from isobit import core as mx
from isobit.core import _nn
from isobit.optimizers.optimizers import Optimizer

#: Row and column means or the whole second moment, and the first moment.
_STATE = ("exp_avg_sq_row", "exp_avg_sq_col", "exp_avg_sq", "exp_avg")


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

    def _approximate_exp_moving_avg(self, exp_avg_sq_row, exp_avg_sq_col):
        """The inverse root of the second moments of which these are the row and column means."""
        return _nn.factored_root(exp_avg_sq_row, exp_avg_sq_col)

    def apply_single(self, gradient, parameter, state):
        rate = _nn.adafactor_rate(self.step, self.warmup_init) if self.relative_step else self.learning_rate
        kept = [state.get(name) for name in _STATE]
        how = self.clip_threshold, self.decay_rate, self.beta_1, self.weight_decay, self.scale_parameter
        parameter, kept = _nn.adafactor(gradient, parameter, kept, self.step, rate, self.eps, *how)
        state.update((name, a) for name, a in zip(_STATE, kept) if a is not None)
        return parameter

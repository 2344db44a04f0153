"""The optimizers' base class, and those whose update of a parameter is a few lines."""

from isobit import core as mx
from isobit.core import _nn
from isobit.utils import tree_flatten, tree_map, tree_merge, tree_unflatten


class Optimizer:
    """Keeps a state, a tree beside that of the parameters, and makes new parameters of gradients and old ones.

    A subclass has ``init_single``, which fills the state of one parameter, and ``apply_single``, which updates one.
    """

    def __init__(self, schedulers=None):
        self._initialized = False
        self._state = {"step": mx.array(0, mx.uint64)}
        self._schedulers = dict(schedulers or {})

    def update(self, model, gradients):
        """Gives the model the parameters of ``apply_gradients``."""
        model.update(self.apply_gradients(gradients, model))

    def init(self, parameters):
        """Makes the state of parameters that have none yet."""

        def fill(node, state):
            if isinstance(node, (list, tuple)):
                state = list(state or ())
                state += [None] * (len(node) - len(state))
                return type(node)(fill(x, s) for x, s in zip(node, state))
            if isinstance(node, dict):
                state = dict(state or {})
                for key, x in node.items():
                    state[key] = fill(x, state.get(key))
                return state
            if isinstance(node, mx.array):
                if not state:
                    state = {}
                    self.init_single(node, state)
                return state
            return state

        for key, x in parameters.items():
            self._state[key] = fill(x, self._state.get(key))
        for name, schedule in self._schedulers.items():
            self._state[name] = schedule(self.step)
        self._initialized = True

    def init_single(self, parameter, state):
        """Fills the state of one parameter. Each optimizer defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define init_single")

    def apply_gradients(self, gradients, parameters):
        """The parameters after a step along the gradients, which may be of a part of them."""
        if not self._initialized:
            self.init(gradients)
        for name, schedule in self._schedulers.items():
            self.state[name] = schedule(self.step)
        self.state["step"] = self.step + 1
        return tree_map(self.apply_single, gradients, parameters, self.state)

    def apply_single(self, gradient, parameter, state):
        """One parameter after a step. Each optimizer defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define apply_single")

    @property
    def state(self):
        """The state: ``step``, scheduled values and, in the parameters' places, their states."""
        return self._state

    @state.setter
    def state(self, state):
        self._initialized = False
        self._state = state

    @property
    def step(self):
        """How many steps have been taken."""
        return self.state["step"]

    @property
    def learning_rate(self):
        """The current learning rate."""
        return self.state["learning_rate"]

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.state["learning_rate"] = mx.array(learning_rate)

    def _maybe_schedule(self, name, value):
        """A number that is part of the state, or a function of the step that sets it."""
        if callable(value) and not isinstance(value, mx.array):
            self._schedulers[name] = value
            value = value(self.step)
        else:
            value = mx.array(value)
        self.state[name] = value


class MultiOptimizer(Optimizer):
    """Optimizers for parts of the parameters: each has those for which its filter, a function of path and gradient, is
    the first to hold; the last optimizer has the rest."""

    def __init__(self, optimizers, filters=[]):
        super().__init__()
        self._state = {}
        if len(filters) != len(optimizers) - 1:
            raise ValueError(f"expected {len(optimizers) - 1} filters for {len(optimizers)} optimizers, got {len(filters)}")
        self.optimizers = optimizers
        self.filters = [*filters, lambda *_: True]

    def _split(self, tree):
        parts = [[] for _ in self.optimizers]
        for path, leaf in tree_flatten(tree):
            for part, wanted in zip(parts, self.filters):
                if wanted(path, leaf):
                    part.append((path, leaf))
                    break
        return [tree_unflatten(part) if part else {} for part in parts]

    def init(self, parameters):
        for optimizer, part in zip(self.optimizers, self._split(parameters)):
            optimizer.init(part)
        self._initialized = True

    def apply_gradients(self, gradients, parameters):
        tree = {}
        for optimizer, part in zip(self.optimizers, self._split(gradients)):
            if part:
                tree = tree_merge(tree, optimizer.apply_gradients(part, parameters))
        return tree

    @property
    def state(self):
        return {"states": [optimizer.state for optimizer in self.optimizers]}

    @state.setter
    def state(self, state):
        if "states" not in state or len(state["states"]) != len(self.optimizers):
            raise ValueError(f"expected the states of {len(self.optimizers)} optimizers")
        for optimizer, part in zip(self.optimizers, state["states"]):
            optimizer.state = part

    @property
    def learning_rate(self):
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        for optimizer in self.optimizers:
            optimizer.learning_rate = learning_rate


class SGD(Optimizer):
    """Gradient descent, with momentum (optionally Nesterov's) and weight decay."""

    def __init__(self, learning_rate, momentum=0.0, weight_decay=0.0, dampening=0.0, nesterov=False):
        super().__init__()
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum needs a momentum and no dampening")
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.dampening = dampening
        self.nesterov = nesterov

    def init_single(self, parameter, state):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient, parameter, state):
        how = self.momentum, self.weight_decay, self.dampening, self.nesterov
        parameter, v = _nn.sgd(gradient, parameter, state["v"], self.learning_rate, *how)
        state["v"] = state["v"] if v is None else v
        return parameter


def _positive_eps(eps):
    if not eps > 0:
        raise ValueError(f"expected eps >0, got {eps}")
    return eps


class RMSprop(Optimizer):
    """Gradients over the root of a running mean of their squares (Hinton, 2012)."""

    def __init__(self, learning_rate, alpha=0.99, eps=1e-8):
        super().__init__()
        if alpha < 0:
            raise ValueError(f"expected alpha >=0, got {alpha}")
        self._maybe_schedule("learning_rate", learning_rate)
        self.alpha = alpha
        self.eps = _positive_eps(eps)

    def init_single(self, parameter, state):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient, parameter, state):
        given = gradient, parameter, state["v"], self.learning_rate
        parameter, state["v"] = _nn.rmsprop(*given, self.alpha, self.eps)
        return parameter


class Adagrad(Optimizer):
    """Gradients over the root of the sum of their squares (Duchi et al., 2011)."""

    def __init__(self, learning_rate, eps=1e-8):
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.eps = _positive_eps(eps)

    def init_single(self, parameter, state):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient, parameter, state):
        parameter, state["v"] = _nn.adagrad(gradient, parameter, state["v"], self.learning_rate, self.eps)
        return parameter


class AdaDelta(Optimizer):
    """Steps scaled by running means of squared gradients and squared steps (Zeiler, 2012)."""

    def __init__(self, learning_rate, rho=0.9, eps=1e-6):
        super().__init__()
        if rho < 0:
            raise ValueError(f"expected rho >=0, got {rho}")
        self._maybe_schedule("learning_rate", learning_rate)
        self.rho = rho
        self.eps = _positive_eps(eps)

    def init_single(self, parameter, state):
        state["v"] = mx.zeros_like(parameter)
        state["u"] = mx.zeros_like(parameter)

    def apply_single(self, gradient, parameter, state):
        given = gradient, parameter, state["v"], state["u"], self.learning_rate
        parameter, state["v"], state["u"] = _nn.adadelta(*given, self.rho, self.eps)
        return parameter


class Adam(Optimizer):
    """A running mean of gradients over the root of one of their squares (Kingma and Ba, 2015)."""

    def __init__(self, learning_rate, betas=[0.9, 0.999], eps=1e-8, bias_correction=False):
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas = betas
        self.eps = eps
        self.bias_correction = bias_correction

    def init_single(self, parameter, state):
        state["m"] = mx.zeros_like(parameter)
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient, parameter, state):
        rate, root = self.learning_rate, None
        if self.bias_correction:
            rate, root = _nn.bias_correction(gradient, rate, self.step, self.betas)
        given = gradient, parameter, state["m"], state["v"], rate, root
        parameter, state["m"], state["v"] = _nn.adam(*given, self.betas, self.eps)
        return parameter


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    def __init__(self, learning_rate, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01, bias_correction=False):
        super().__init__(learning_rate, betas, eps, bias_correction)
        self.weight_decay = weight_decay

    def apply_single(self, gradient, parameter, state):
        decayed = _nn.decayed(gradient, parameter, self.learning_rate, self.weight_decay)
        return super().apply_single(gradient, decayed, state)


class Adamax(Adam):
    """Adam with the largest gradient in place of the root mean square."""

    def __init__(self, learning_rate, betas=[0.9, 0.999], eps=1e-8):
        super().__init__(learning_rate, betas, eps)
        if not eps >= 0:
            raise ValueError(f"expected eps >=0, got {eps}")

    def apply_single(self, gradient, parameter, state):
        given = gradient, parameter, state["m"], state["v"], self.learning_rate
        parameter, state["m"], state["v"] = _nn.adamax(*given, self.betas, self.eps)
        return parameter


class Lion(Optimizer):
    """Steps of the sign of an interpolated momentum (Chen et al., 2023)."""

    def __init__(self, learning_rate, betas=[0.9, 0.99], weight_decay=0.0):
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas = betas
        self.weight_decay = weight_decay

    def init_single(self, parameter, state):
        state["m"] = mx.zeros_like(parameter)

    def apply_single(self, gradient, parameter, state):
        given = gradient, parameter, state["m"], self.learning_rate
        parameter, state["m"] = _nn.lion(*given, self.betas, self.weight_decay)
        return parameter


def clip_grad_norm(grads, max_norm):
    """The gradients, scaled so that their norm is at most ``max_norm``, and the norm that they had."""
    return _nn.clip_grad_norm(grads, max_norm)

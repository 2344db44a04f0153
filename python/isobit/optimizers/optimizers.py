"""The optimizers' base class, and those whose update of a parameter is a few lines."""

from isobit import core as mx
from isobit.utils import tree_flatten, tree_map, tree_merge, tree_reduce, tree_unflatten


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

    def _rate(self, gradient):
        return self.learning_rate.astype(gradient.dtype)


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
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        if self.momentum <= 0:
            return parameter - self._rate(gradient) * gradient
        added = gradient * (1 - self.dampening) if self.dampening > 0 else gradient
        state["v"] = self.momentum * state["v"] + added
        step = gradient + self.momentum * state["v"] if self.nesterov else state["v"]
        return parameter - self._rate(gradient) * step


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
        v = state["v"] = self.alpha * state["v"] + (1 - self.alpha) * mx.square(gradient)
        return parameter - self._rate(gradient) * gradient / (mx.sqrt(v) + self.eps)


class Adagrad(Optimizer):
    """Gradients over the root of the sum of their squares (Duchi et al., 2011)."""

    def __init__(self, learning_rate, eps=1e-8):
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.eps = _positive_eps(eps)

    def init_single(self, parameter, state):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient, parameter, state):
        v = state["v"] = state["v"] + mx.square(gradient)
        return parameter - self._rate(gradient) * gradient / (mx.sqrt(v) + self.eps)


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
        v = state["v"] = self.rho * state["v"] + (1 - self.rho) * mx.square(gradient)
        step = mx.sqrt(state["u"] + self.eps) / mx.sqrt(v + self.eps) * gradient
        state["u"] = self.rho * state["u"] + (1 - self.rho) * mx.square(step)
        return parameter - self._rate(gradient) * step


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
        rate = self._rate(gradient)
        b1, b2 = self.betas
        m = state["m"] = b1 * state["m"] + (1 - b1) * gradient
        v = state["v"] = b2 * state["v"] + (1 - b2) * mx.square(gradient)
        if not self.bias_correction:
            return parameter - rate * m / (mx.sqrt(v) + self.eps)
        # Powers of the step in float32; the rest in the parameters' dtype.
        mean = (rate / (1 - b1**self.step)).astype(gradient.dtype)
        root = mx.rsqrt(1 - b2**self.step).astype(gradient.dtype)
        return parameter - mean * m / (mx.sqrt(v) * root + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    def __init__(self, learning_rate, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01, bias_correction=False):
        super().__init__(learning_rate, betas, eps, bias_correction)
        self.weight_decay = weight_decay

    def apply_single(self, gradient, parameter, state):
        decayed = parameter * (1 - self._rate(gradient) * self.weight_decay)
        return super().apply_single(gradient, decayed, state)


class Adamax(Adam):
    """Adam with the largest gradient in place of the root mean square."""

    def __init__(self, learning_rate, betas=[0.9, 0.999], eps=1e-8):
        super().__init__(learning_rate, betas, eps)
        if not eps >= 0:
            raise ValueError(f"expected eps >=0, got {eps}")

    def apply_single(self, gradient, parameter, state):
        b1, b2 = self.betas
        m = state["m"] = b1 * state["m"] + (1 - b1) * gradient
        v = state["v"] = mx.maximum(b2 * state["v"], mx.abs(gradient))
        return parameter - self._rate(gradient) * m / (v + self.eps)


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
        rate = self._rate(gradient)
        b1, b2 = self.betas
        m = state["m"]
        direction = b1 * m + (1 - b1) * gradient
        state["m"] = b2 * m + (1 - b2) * gradient
        if self.weight_decay > 0:
            parameter = (1 - rate * self.weight_decay) * parameter
        return parameter - rate * mx.sign(direction)


def clip_grad_norm(grads, max_norm):
    """The gradients, scaled so that their norm is at most ``max_norm``, and the norm that they had."""
    if max_norm < 0:
        raise ValueError(f"expected max_norm of at least 0, got {max_norm}")
    norm = mx.sqrt(tree_reduce(lambda total, g: total + mx.square(g).sum(), grads, mx.array(0.0)))
    factor = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda g: g * factor, grads), norm

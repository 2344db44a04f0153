"""Derivatives and recomputation with respect to a module's parameters."""

from functools import wraps

from isobit import core as mx


def value_and_grad(model, fn):
    """A function that returns the value of ``fn`` and its gradient with respect to the model's trainable parameters.

    While ``fn`` runs the model has stand-ins for its parameters; afterwards it has the ones that it had.
    """

    def of_parameters(params, *args, **kwargs):
        model.update(params)
        return fn(*args, **kwargs)

    differentiated = mx.value_and_grad(of_parameters)

    @wraps(fn)
    def wrapped(*args, **kwargs):
        params = model.trainable_parameters()
        try:
            return differentiated(params, *args, **kwargs)
        finally:
            model.update(params)

    return wrapped


def checkpoint(module, fn=None):
    """``fn``, by default the module's call, with intermediate values computed again in the reverse pass."""
    if fn is None:
        fn = type(module).__call__.__get__(module)

    def of_parameters(params, *args, **kwargs):
        model_params = module.trainable_parameters()
        module.update(params)
        try:
            return fn(*args, **kwargs)
        finally:
            module.update(model_params)

    recomputed = mx.checkpoint(of_parameters)

    @wraps(fn)
    def wrapped(*args, **kwargs):
        return recomputed(module.trainable_parameters(), *args, **kwargs)

    return wrapped


def average_gradients(gradients, group=None, all_reduce_size=32 * 1024**2, communication_stream=None):
    """The mean of all processes' gradients: of the one process that there is, its own."""
    return gradients

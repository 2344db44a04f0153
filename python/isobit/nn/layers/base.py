"""The base class of neural network modules: a dict of parameters and submodules with attribute access."""

from isobit import core as mx
from isobit.utils import tree_flatten, tree_unflatten


class Module(dict):
    """What has parameters: arrays, and lists, dicts and modules of them, that are assigned as attributes.

    A module is a dict of them, and so a tree: it can be evaluated, saved and differentiated as such. An attribute whose
    name starts with an underscore is no parameter. ``freeze`` and ``unfreeze`` choose what is trained.
    """

    def __init__(self):
        self._no_grad = set()
        self._training = True

    @property
    def training(self):
        """Whether the module is in training mode."""
        return self._training

    @property
    def state(self):
        """The module's dict of parameters and submodules, not a copy."""
        return self

    def _extra_repr(self):
        return ""

    def __repr__(self):
        lines = [
            f"  ({path}): " + repr(m).replace("\n", "\n  ")
            for path, m in tree_flatten(self.children(), is_leaf=self.is_module)
        ]
        inner = "\n" + "\n".join(lines) + "\n" if lines else ""
        return f"{type(self).__name__}({self._extra_repr()}{inner})"

    def __getattr__(self, key):
        # Reached only for names that are no ordinary attributes.
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}") from None

    def __setattr__(self, key, val):
        if isinstance(val, (mx.array, dict, list, tuple)):
            self.__dict__.pop(key, None)
            self[key] = val
        else:
            object.__setattr__(self, key, val)
            self.pop(key, None)

    def __delattr__(self, name):
        if name in self:
            del self[name]
        else:
            object.__delattr__(self, name)

    # Weights in files.

    def load_weights(self, file_or_weights, strict=True):
        """Takes parameters from a file, or from pairs of path and array. If ``strict``, there must be exactly the
        module's parameters, in their shapes."""
        weights = file_or_weights
        if not isinstance(weights, list):
            weights = list(mx.load(str(weights)).items())
        own = tree_flatten(self.parameters(), destination={})
        if strict:
            given = dict(weights)
            if extra := given.keys() - own.keys():
                raise ValueError(f"received {len(extra)} parameters that the model does not have: {sorted(extra)}")
            if missing := own.keys() - given.keys():
                raise ValueError(f"missing {len(missing)} parameters: {sorted(missing)}")
            for path, expected in own.items():
                found = given[path]
                if not isinstance(found, mx.array):
                    raise ValueError(f"{path}: expected an array, got {type(found).__name__}")
                if found.shape != expected.shape:
                    raise ValueError(f"{path}: expected shape {expected.shape}, got {found.shape}")
        else:
            weights = [(path, a) for path, a in weights if path in own]
        if weights:
            self.update(tree_unflatten(weights), strict=False)
        return self

    def save_weights(self, file):
        """Writes the parameters to an npz or safetensors file, as the name says."""
        params = tree_flatten(self.parameters(), destination={})
        name = str(file)
        if name.endswith(".npz"):
            mx.savez(name, **params)
        elif name.endswith(".safetensors"):
            mx.save_safetensors(name, params)
        else:
            raise ValueError(f"expected a file name that ends in .npz or .safetensors, got {name}")

    # Walks over what is in the module.

    @staticmethod
    def is_module(value):
        """Whether ``value`` is a module."""
        return isinstance(value, Module)

    @staticmethod
    def valid_child_filter(module, key, value):
        """Keeps what may contain modules."""
        return isinstance(value, (dict, list))

    @staticmethod
    def valid_parameter_filter(module, key, value):
        """Keeps what may be or contain parameters."""
        return isinstance(value, (dict, list, mx.array)) and not key.startswith("_")

    @staticmethod
    def trainable_parameter_filter(module, key, value):
        """Keeps what may be or contain parameters that are not frozen."""
        return Module.valid_parameter_filter(module, key, value) and key not in module._no_grad

    def filter_and_map(self, filter_fn, map_fn=None, is_leaf_fn=None):
        """The module's contents as plain dicts and lists: those for which ``filter_fn(module, key, value)`` holds, with
        ``map_fn`` applied to the leaves (what is no module, dict or list, or what ``is_leaf_fn`` says)."""
        map_fn = map_fn or (lambda x: x)
        is_leaf_fn = is_leaf_fn or (lambda m, k, v: not isinstance(v, (dict, list)))

        def value(module, key, v):
            if is_leaf_fn(module, key, v):
                return map_fn(v)
            if isinstance(v, Module):
                return {k: value(v, k, x) for k, x in v.items() if filter_fn(v, k, x)}
            if isinstance(v, dict):
                return {k: inside(module, f"{key}.{k}", x) for k, x in v.items()}
            if isinstance(v, list):
                return [inside(module, f"{key}.{i}", x) for i, x in enumerate(v)]
            raise RuntimeError(f"{key}: neither a leaf nor something to look into: {type(v).__name__}")

        def inside(module, key, v):
            return value(module, key, v) if filter_fn(module, key, v) else {}

        return {k: value(self, k, v) for k, v in self.items() if filter_fn(self, k, v)}

    def parameters(self):
        """All parameters, as a tree."""
        return self.filter_and_map(self.valid_parameter_filter)

    def trainable_parameters(self):
        """The parameters that are not frozen, as a tree."""
        return self.filter_and_map(self.trainable_parameter_filter)

    def children(self):
        """The direct submodules, as a tree."""
        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=lambda m, k, v: isinstance(v, Module))

    def leaf_modules(self):
        """The submodules that have none themselves, as a tree."""

        def is_leaf(m, k, v):
            return isinstance(v, Module) and not tree_flatten(v.children(), is_leaf=Module.is_module)

        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=is_leaf)

    def named_modules(self):
        """This module and all modules in it, with their paths."""
        found, todo = [], [("", self)]
        while todo:
            path, module = todo.pop()
            found.append((path, module))
            prefix = f".{path}" if path else ""
            todo.extend(tree_flatten(module.children(), prefix=prefix, is_leaf=Module.is_module))
        return found

    def modules(self):
        """This module and all modules in it."""
        return [module for _, module in self.named_modules()]

    def apply_to_modules(self, apply_fn):
        """Calls ``apply_fn(path, module)`` for this module and all modules in it."""
        for path, module in self.named_modules():
            apply_fn(path, module)
        return self

    # Changes.

    def update(self, parameters, strict=True):
        """Replaces parameters by those of a tree, which may have a part of them. If ``strict``, it may have nothing that
        the module does not have."""
        _replace(self, parameters, strict, "parameter", mx.array)
        return self

    def apply(self, map_fn, filter_fn=None):
        """Replaces parameters by what ``map_fn`` makes of them."""
        self.update(self.filter_and_map(filter_fn or self.valid_parameter_filter, map_fn))
        return self

    def update_modules(self, modules, strict=True):
        """Replaces submodules by those of a tree, which may have a part of them."""
        _replace(self, modules, strict, "module", Module)
        return self

    def set_dtype(self, dtype, predicate=lambda d: mx.issubdtype(d, mx.floating)):
        """Converts the parameters whose dtype ``predicate`` holds for (``None``: all)."""
        self.apply(lambda a: a.astype(dtype) if predicate is None or predicate(a.dtype) else a)

    # Freezing and modes.

    def _chosen(self, keys, recurse, strict):
        """Pairs of a module and its parameters' names, those in ``keys`` if there are any."""
        modules = self.modules() if recurse else [self]
        if keys is not None:
            keys = [keys] if isinstance(keys, str) else list(keys)
            if strict:
                for key in keys:
                    if not any(key in m for m in modules):
                        raise KeyError(f"the module has no member {key!r}")
        for m in modules:
            def own(module, key, value):
                return not isinstance(value, Module) and Module.valid_parameter_filter(module, key, value)

            yield m, [path for path, _ in tree_flatten(m.filter_and_map(own))] if keys is None else keys

    def freeze(self, *, recurse=True, keys=None, strict=False):
        """Takes parameters (``keys``, or all) out of the trainable ones."""
        for m, names in list(self._chosen(keys, recurse, strict)):
            m._no_grad.update(names)
        return self

    def unfreeze(self, *, recurse=True, keys=None, strict=False):
        """Makes parameters (``keys``, or all) trainable again."""
        for m, names in list(self._chosen(keys, recurse, strict)):
            if keys is None:
                m._no_grad.clear()
            else:
                m._no_grad.difference_update(names)
        return self

    def _set_training_mode(self, mode):
        self._training = mode

    def train(self, mode=True):
        """Puts this module and all modules in it into training mode, or out of it."""
        self.apply_to_modules(lambda _, m: m._set_training_mode(bool(mode)))
        return self

    def eval(self):
        """``train(False)``"""
        return self.train(False)


def _replace(to, new, strict, what, kind):
    """Puts the leaves of ``new`` in the places of values of type ``kind`` in ``to``."""
    if isinstance(new, dict):
        entries = new.items()
        exists = to.__contains__ if isinstance(to, dict) else lambda key: False
    elif isinstance(new, (list, tuple)) and isinstance(to, list):
        entries = enumerate(new)
        exists = range(len(to)).__contains__
    elif strict:
        raise ValueError(f"expected a dict or list of {what}s, got {type(new).__name__}")
    else:
        return
    for key, value in entries:
        if not exists(key):
            if strict:
                raise ValueError(f"the module has no {what} {key!r}")
            continue
        old = to[key]
        # A module is a dict too: as a leaf only if it is given as one.
        if isinstance(old, kind) and (kind is mx.array or isinstance(value, kind)):
            if strict and not isinstance(value, kind):
                raise ValueError(f"{key}: expected a {what}, got {type(value).__name__}")
            to[key] = value
        elif isinstance(old, (dict, list)):
            _replace(old, value, strict, what, kind)
        elif strict and value not in ({}, []):
            raise ValueError(f"{key}: expected a place for a {what}, found {type(old).__name__}")

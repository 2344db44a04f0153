"""Trees: lists, tuples and dicts with anything at their leaves."""

from collections import defaultdict


def _is_tuple(tree):
    return isinstance(tree, (list, tuple))


def _like(tree, items):
    """A list or tuple of the same type as ``tree``."""
    items = list(items)
    if isinstance(tree, list) and type(tree) is list:
        return items
    return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)


def tree_map(fn, tree, *rest, is_leaf=None):
    """The tree with ``fn`` applied to its leaves, and to those of further trees that have its structure."""
    if is_leaf is not None and is_leaf(tree):
        return fn(tree, *rest)
    if _is_tuple(tree):
        return _like(tree, (tree_map(fn, x, *(r[i] for r in rest), is_leaf=is_leaf) for i, x in enumerate(tree)))
    if isinstance(tree, dict):
        return {k: tree_map(fn, x, *(r[k] for r in rest), is_leaf=is_leaf) for k, x in tree.items()}
    return fn(tree, *rest)


def tree_map_with_path(fn, tree, *rest, is_leaf=None, path=None):
    """``tree_map`` of a function whose first argument is the leaf's path, keys and positions joined by dots."""
    if is_leaf is not None and is_leaf(tree):
        return fn(path, tree, *rest)
    prefix = f"{path}." if path else ""

    def inner(key, x):
        return tree_map_with_path(fn, x, *(r[key] for r in rest), is_leaf=is_leaf, path=f"{prefix}{key}")

    if _is_tuple(tree):
        return _like(tree, (inner(i, x) for i, x in enumerate(tree)))
    if isinstance(tree, dict):
        return {k: inner(k, x) for k, x in tree.items()}
    return fn(path, tree, *rest)


def tree_flatten(tree, prefix="", is_leaf=None, destination=None):
    """The leaves with their paths: appended to a list of pairs, or put into a dict, ``destination``."""
    if destination is None:
        destination = []
    if isinstance(destination, list):
        def put(path, leaf):
            destination.append((path, leaf))
    elif isinstance(destination, dict):
        put = destination.__setitem__
    else:
        raise ValueError("tree_flatten: expected a list or a dict as destination")

    def walk(node, path):
        if is_leaf is None or not is_leaf(node):
            if _is_tuple(node):
                for i, x in enumerate(node):
                    walk(x, f"{path}.{i}")
                return
            if isinstance(node, dict):
                for k, x in node.items():
                    walk(x, f"{path}.{k}")
                return
        put(path[1:], node)

    walk(tree, f".{prefix.removeprefix('.')}" if prefix else "")
    return destination


def tree_unflatten(tree):
    """The tree of leaves with paths; where all keys of a level are positions, that level is a list."""
    items = list(tree.items() if isinstance(tree, dict) else tree)
    if len(items) == 1 and items[0][0] == "":
        return items[0][1]
    children = defaultdict(list)
    for path, leaf in items:
        key, _, rest = path.partition(".")
        children[key].append((rest, leaf))
    if children and all(k.isdecimal() and str(int(k)) == k for k in children):
        last = max(map(int, children))
        return [tree_unflatten(children[str(i)]) if str(i) in children else {} for i in range(last + 1)]
    return {k: tree_unflatten(v) for k, v in children.items()}


def tree_reduce(fn, tree, initializer=None, is_leaf=None):
    """The leaves combined from the left; without an ``initializer`` the first leaf starts."""
    total = initializer
    for _, leaf in tree_flatten(tree, is_leaf=is_leaf):
        total = leaf if total is None else fn(total, leaf)
    return total


def _is_container(tree):
    return _is_tuple(tree) or isinstance(tree, dict)


def tree_merge(tree_a, tree_b, merge_fn=None):
    """Both trees in one. Where both have a leaf, ``merge_fn`` combines them; without it that is an error."""
    for one, other in ((tree_a, tree_b), (tree_b, tree_a)):
        missing = one is None or (_is_container(one) and len(one) == 0)
        if missing and (one is None or not _is_container(other) or len(other) > 0 or type(one) is type(other)):
            return other
    if _is_tuple(tree_a) and type(tree_a) is type(tree_b):
        longest = max(len(tree_a), len(tree_b))
        a, b = (list(t) + [None] * (longest - len(t)) for t in (tree_a, tree_b))
        return _like(tree_a, (tree_merge(x, y, merge_fn) for x, y in zip(a, b)))
    if isinstance(tree_a, dict) and isinstance(tree_b, dict):
        merged = {k: tree_merge(x, tree_b.get(k), merge_fn) for k, x in tree_a.items()}
        merged.update((k, x) for k, x in tree_b.items() if k not in tree_a)
        return merged
    if _is_container(tree_a) or _is_container(tree_b):
        raise ValueError(f"tree_merge: the trees differ: {type(tree_a).__name__} and {type(tree_b).__name__}")
    if merge_fn is None:
        raise ValueError(f"tree_merge: both trees have a leaf in one place: {tree_a} and {tree_b}")
    return merge_fn(tree_a, tree_b)

"""Makes dict subclasses, such as `BatchEncoding`, transparent to `keras.tree`, which takes them for
leaves. Keras keeps its node types in optree's registry (`keras/src/tree/optree_impl.py`).
"""

from __future__ import annotations

import optree


def transparent(cls: type[dict]) -> type[dict]:
    """Class decorator: `keras.tree` flattens instances of `cls`, which takes pairs, as plain dicts.

    Example:

        >>> import keras
        >>> @transparent
        ... class Box(dict):
        ...     pass
        >>> keras.tree.flatten(Box(b=2, a=1))
        [1, 2]
        >>> type(keras.tree.map_structure(lambda x: x + 1, Box(a=1))).__name__
        'Box'
    """

    def flatten(box):
        keys = sorted(box)  # the order in which a plain dict is flattened
        return [box[key] for key in keys], keys, keys

    optree.register_pytree_node(
        cls, flatten, lambda keys, values: cls(zip(keys, values)), namespace="keras"
    )
    return cls

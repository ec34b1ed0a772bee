"""Makes dict subclasses transparent to `keras.tree`, as they already are to `tf.nest`.

Keras flattens plain dicts but takes a subclass for a leaf, so a `BatchEncoding` given to
`Model.predict`, or a `ModelOutput` inside a functional model, would not be looked into.
Keras 3 keeps its node types in optree's registry under the namespace "keras"
(`keras/src/tree/optree_impl.py`); registering there is what Keras does for its own containers.
"""

from __future__ import annotations

import optree


def transparent(cls: type[dict]) -> type[dict]:
    """Class decorator: `keras.tree` flattens instances of `cls` as it does plain dicts.

    `cls` must be constructible from an iterable of `(key, value)` pairs.

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

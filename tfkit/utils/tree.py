"""Dict subclasses in `keras.tree`, whose node types are in the registry of optree."""

from __future__ import annotations

import optree


def transparent(cls: type[dict]) -> type[dict]:
    """Class decorator: `keras.tree` flattens `cls`, which takes pairs, as it does plain dicts."""

    def flatten(box):
        keys = sorted(box)  # the order in which a plain dict is flattened
        return [box[key] for key in keys], keys, keys

    optree.register_pytree_node(
        cls, flatten, lambda keys, values: cls(zip(keys, values)), namespace="keras"
    )
    return cls

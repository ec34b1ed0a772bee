"""Rows of numbers as tensors or arrays."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def check_kind(name: str, kind: str | None) -> None:
    """Raises ValueError for a kind that `as_tensor` does not know."""
    if kind not in (None, "tf", "np"):
        raise ValueError(f"`{name}` must be 'tf', 'np' or None. Received: {kind!r}.")


def as_tensor(name: str, values: list, kind: str):
    """Rows as a tensor ("tf"), or as an array ("np": of arrays, if their lengths differ)."""
    lengths = sorted({len(row) for row in values if isinstance(row, list)})
    if len(lengths) <= 1:
        array = np.array(values)
        whole = array.size == 0 or array.dtype.kind == "i"
        if kind == "np":
            return array.astype(np.int64) if whole else array
        return tf.constant(array, tf.int32 if whole else None)
    if kind == "np":
        array = np.empty(len(values), object)
        array[:] = [np.array(row, np.int64) for row in values]
        return array
    raise ValueError(
        f"`return_tensors` needs rows of one length. Received `{name}` of {lengths[0]} to "
        f"{lengths[-1]} tokens. Pass `padding=True` (and `truncation=True`)."
    )

"""A model in another dtype than it was trained in."""

from __future__ import annotations

import numpy as np

# What an exported model may compute in. "mixed_bfloat16" keeps the weights in float32.
DTYPES = ("float32", "mixed_bfloat16", "bfloat16")


def in_dtype(model, dtype: str):
    """The model itself if its policy is `dtype`, or else a copy that has it."""
    if model.dtype_policy.name == dtype:
        return model
    copy = type(model)(model.config, dtype=dtype)
    for target, source in zip(copy.weights, model.weights, strict=True):
        target.assign(np.asarray(source.value.numpy(), np.float32))
    return copy

"""The variables of a model, at the paths that the table of names gives."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import ops


def resolve(model, path: str):
    """What lies at an attribute path: `distilbert.transformer.layer.0.attention.out.bias`."""
    step = lambda node, name: node[int(name)] if name.isdigit() else getattr(node, name)  # noqa: E731
    return functools.reduce(step, path.split("."), model)


def begin_with(model, path: str, initializer: Callable) -> None:
    """Sets what gives a variable its first value: `initializer(shape, dtype)`.

    The variable has none yet: it was made inside a `keras.StatelessScope`, at whose end Keras
    calls the initialisers (`keras/src/backend/common/variables.py`, `_deferred_initialize`).
    """
    resolve(model, path)._initializer = initializer


def value(model, path: str) -> np.ndarray:
    """The weight at a path as the layer acts with it: LoRA added, int8 scaled back to float.

    Raises:
        ValueError: the layer is quantised to something that does not go back.
    """
    place, name = path.rsplit(".", 1)
    layer = resolve(model, place)
    weight = getattr(layer, name)  # Keras adds LoRA here
    mode = getattr(layer, "quantization_mode", None)
    if mode not in (None, "int8"):
        raise ValueError(
            f"Expected float or int8 weights to save. '{place}' is quantised to {mode}. "
            "Save the model before `quantize`."
        )
    scale = getattr(layer, f"{name}_scale", None) if mode else None
    if scale is not None:
        low_rank = _low_rank(layer, name)
        # An embedding has one scale a row, a projection one a column.
        scale = ops.expand_dims(scale, -1) if isinstance(layer, keras.layers.Embedding) else scale
        weight = (ops.cast(weight, "float32") - low_rank) / scale + low_rank
    return ops.convert_to_numpy(weight)


def _low_rank(layer, name: str):
    if not layer.lora_enabled:
        return 0.0
    a, b = getattr(layer, f"lora_{name}_a"), getattr(layer, f"lora_{name}_b")
    return layer.lora_alpha / layer.lora_rank * ops.matmul(a, b)

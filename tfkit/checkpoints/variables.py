"""The variables of a model, at the paths that the table of names gives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from tfkit.utils.keras_backend import keras, ops


def resolve(model, path: str):
    """What lies at an attribute path: `head.classifier.bias`, `….layer.0.attention.out.bias`."""
    step = lambda node, name: node[int(name)] if name.isdigit() else getattr(node, name)  # noqa: E731
    return functools.reduce(step, path.split("."), model)


def build_with(model, values: Mapping[str, Callable]) -> None:
    """Builds a model whose variables begin with `values[path](own initialiser, shape, dtype)`.

    No weight is made at random to be replaced, so that none is in memory twice.
    """
    places = [(path, *path.rsplit(".", 1)) for path in values]
    homes = {path: (resolve(model, place), f"{name}_initializer") for path, place, name in places}
    own = {path: getattr(*home) for path, home in homes.items()}
    try:
        for path, home in homes.items():
            setattr(*home, functools.partial(values[path], own[path]))
        model.build()
    finally:
        for path, home in homes.items():
            setattr(*home, own[path])


def value(model, path: str) -> np.ndarray:
    """The weight at a path as the layer acts with it: LoRA added, int8 scaled back to float."""
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
        low_rank = 0.0
        if layer.lora_enabled:
            a, b = getattr(layer, f"lora_{name}_a"), getattr(layer, f"lora_{name}_b")
            low_rank = layer.lora_alpha / layer.lora_rank * ops.matmul(a, b)
        # An embedding has one scale a row, a projection one a column.
        scale = ops.expand_dims(scale, -1) if isinstance(layer, keras.layers.Embedding) else scale
        weight = (ops.cast(weight, "float32") - low_rank) / scale + low_rank
    return ops.convert_to_numpy(weight)

"""What values may be: NumPy's numbers as Python's own, whole numbers, finite scores."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """`value` with Python's numbers, strings and lists for NumPy's, in dicts and lists too."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    return value


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether it is an integer, and no truth value, of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def outside(values, count: int) -> float | None:
    """One of `values` that is no integer from 0 to `count` - 1, where a tensor's can be seen."""
    import tensorflow as tf

    if not isinstance(values, tf.__internal__.EagerTensor) or not values.shape.num_elements():
        return None
    values = values.numpy()  # an eager tensor's values can be seen while a function is traced, too
    broken = values[values != np.floor(values)] if values.dtype.kind not in "biu" else values[:0]
    if broken.size:
        return float(broken.flat[0])
    least, most = int(values.min()), int(values.max())
    return least if least < 0 else most if most >= count else None


def positive_integer(name: str, value: Any) -> int:
    """The value of an option as Python's integer, or a ValueError that names the option."""
    value = plain(value)
    if not is_whole(value, 1):
        raise ValueError(f"`{name}` must be a positive integer; received {value!r}.")
    return value


def is_finite(value: Any) -> bool:
    """Whether no number is NaN or infinite, in dicts and lists too: JSON has no others."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (dict, list)):
        return all(map(is_finite, value.values() if isinstance(value, dict) else value))
    return True


def json_line(figures: Mapping[str, Any]) -> str:
    """Figures as a line of JSON, with null for those that are NaN or infinite."""
    finite = {name: each if is_finite(each) else None for name, each in figures.items()}
    return json.dumps(finite, allow_nan=False) + "\n"


def check_finite(scores) -> None:
    """Raises ValueError for scores, of one text, that are not all numbers."""
    if not np.isfinite(scores).all():
        raise ValueError("Expected finite scores. Received NaN: the weights may hold NaN.")


def finite(
    scores: np.ndarray, texts: Sequence, error: Callable = ValueError, *, before: int = 0
) -> np.ndarray:
    """The scores `[B,C]` of `texts`, all of them numbers; `before` counts the texts before these.

    If one is NaN or infinite, raises what `error` makes of a message.
    """
    if not np.isfinite(scores).all():
        row, label = np.argwhere(~np.isfinite(scores))[0].tolist()
        raise error(
            f"Expected finite scores. Received {scores[row, label]} for class {label} of text "
            f"{before + row + 1}, {texts[row]!r:.60}. The weights may hold NaN, as after a "
            "training whose loss was NaN, or be too large for a half precision: load other "
            "weights, or compute in float32."
        )
    return scores

"""Precision -> runtime."""

from __future__ import annotations

import warnings

from tfkit.models.dtypes import in_dtype
from tfkit.runtimes.in_graph import InGraph
from tfkit.runtimes.machine import has_bfloat16
from tfkit.runtimes.packed import Packed

# What a classifier answers in -> the dtype that the Keras model is wanted in.
PRECISIONS = {"float32": "float32", "bfloat16": "bfloat16", "int8": "float32"}


def runtime(model, precision: str | None) -> InGraph | Packed:
    """What answers with `model` in a precision; None takes the model as it is.

    Raises:
        ValueError: there is no such precision.
        ImportError: "int8" without LiteRT.

    Warns:
        UserWarning: "bfloat16" on a processor that has no such arithmetic.
    """
    if precision is None:
        return InGraph(model)
    if precision not in PRECISIONS:
        raise ValueError(
            f"Expected `precision` to be one of {', '.join(PRECISIONS)}. Received: {precision!r}."
        )
    if precision == "bfloat16" and not has_bfloat16():
        warnings.warn(
            "This processor has no bfloat16 arithmetic: answers are right, and slower than in "
            "float32. precision='int8' is fast here.",
            stacklevel=4,
        )
    model = in_dtype(model, PRECISIONS[precision])
    return Packed(model) if precision == "int8" else InGraph(model)

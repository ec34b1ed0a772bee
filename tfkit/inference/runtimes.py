"""Precision and the library that computes -> runtime."""

from __future__ import annotations

import warnings

from tfkit.inference.graph import InGraph
from tfkit.inference.litert import Packed
from tfkit.inference.machine import has_bfloat16
from tfkit.models.dtypes import in_dtype

# What a classifier answers in -> the dtype that the Keras model is wanted in.
PRECISIONS = {"float32": "float32", "bfloat16": "bfloat16", "int8": "float32"}
# The library that computes -> the precisions it answers in.
RUNTIMES = {"tensorflow": ("float32", "bfloat16"), "litert": ("float32", "int8")}


def runtime(model, precision: str | None, library: str | None = None) -> InGraph | Packed:
    """What answers with `model` in a precision; None takes the model as it is.

    Args:
        model: a `TFDistilBertForSequenceClassification`.
        precision: one of `PRECISIONS`, or None: the model as it is, in LiteRT "float32".
        library: one of `RUNTIMES`, or None: TensorFlow where it has the precision.

    Raises:
        ValueError: there is no such precision, or not in this library.
        ImportError: LiteRT is wanted and not installed.

    Warns:
        UserWarning: "bfloat16" on a processor that has no such arithmetic.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(
            f"Expected `precision` to be one of {', '.join(PRECISIONS)}. Received: {precision!r}."
        )
    if library is None:
        library = "litert" if precision == "int8" else "tensorflow"
    if library not in RUNTIMES:
        raise ValueError(
            f"Expected `runtime` to be one of {', '.join(RUNTIMES)}. Received: {library!r}."
        )
    if precision is None and library == "tensorflow":
        return InGraph(model)
    precision = precision or "float32"
    if precision not in RUNTIMES[library]:
        raise ValueError(
            f"Expected a precision that runtime={library!r} has: {' or '.join(RUNTIMES[library])}. "
            f"Received: {precision!r}. Without `runtime` the right one is taken."
        )
    if precision == "bfloat16" and not has_bfloat16():
        warnings.warn(
            "This processor has no bfloat16 arithmetic: answers are right, and slower than in "
            "float32. precision='int8' is fast here.",
            stacklevel=6,
        )
    model = in_dtype(model, PRECISIONS[precision])
    return Packed(model, precision) if library == "litert" else InGraph(model)

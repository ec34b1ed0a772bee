"""Weights that keep rare classes from being ignored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfkit.data.examples import Examples
from tfkit.data.streams import Stream
from tfkit.utils.strings import listed


def class_weights(
    examples: Examples | Stream, weights: str | Mapping[str, float]
) -> dict[int, float]:
    """What an error with each class costs; as `class_weight` of Keras' `fit` takes it.

    Args:
        examples: labelled texts.
        weights: "balanced", or a weight for some names, 1 for the others. Balanced is, of single
            labels, texts / (C · texts of the class); of several labels a text, the texts without
            the label for each with it.

    Raises:
        ValueError: a name is no class, or the labels are numbers to predict.

    Source: King and Zeng 2001, Logistic Regression in Rare Events Data, as scikit-learn's
    `compute_class_weight` has it; for several labels, `pos_weight` of PyTorch's
    `BCEWithLogitsLoss`.

    Example:

        >>> rows = Examples([*"abcd"], labels=[0, 0, 0, 1], names=["usual", "rare"])
        >>> class_weights(rows, "balanced")[1], class_weights(rows, {"rare": 9})
        (2.0, {0: 1.0, 1: 9.0})
    """
    if examples.problem_type == "regression":
        raise ValueError("`class_weights` go with classes. A regression has none: leave them out.")
    if isinstance(weights, Mapping):
        strange = [name for name in weights if name not in examples.names]
        if strange:
            raise ValueError(
                f"`class_weights` names {strange[0]!r}, which is no class of the examples: "
                f"{listed(examples.names)}."
            )
        return {n: float(weights.get(name, 1.0)) for n, name in enumerate(examples.names)}
    counts, rows = examples.label_counts, len(examples)
    if examples.problem_type == "multi_label_classification":
        counts = np.maximum(counts, 1)
        balanced = np.maximum(rows - counts, 1) / counts
    else:
        balanced = rows / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return {n: float(weight) for n, weight in enumerate(balanced)}

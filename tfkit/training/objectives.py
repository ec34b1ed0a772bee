"""What each kind of task is trained for, judged by and compared with: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
from keras import ops

from tfkit.training.metrics import F1

# Problem type -> the figures of its validation, the first of which chooses the best epoch.
FIGURES = {
    "single_label_classification": ("accuracy", "macro_f1", "loss"),
    "multi_label_classification": ("micro_f1", "macro_f1", "accuracy", "loss"),
    "regression": ("rmse", "mae", "loss"),
}
# Figures of which less is better.
ERRORS = ("loss", "mae", "rmse")


def monitored(problem_type: str, monitor: str | None) -> str:
    """The figure that chooses the best epoch, as Keras' logs name it: with "val_" before it.

    Raises:
        ValueError: this kind of task has no such figure.

    Example:

        >>> monitored("regression", None), monitored("single_label_classification", "macro_f1")
        ('val_rmse', 'val_macro_f1')
    """
    figures = FIGURES[problem_type]
    monitor = figures[0] if monitor is None else monitor.removeprefix("val_")
    if monitor not in figures:
        raise ValueError(
            f"`monitor` must be one of {', '.join(figures)}, the figures of a {problem_type}; "
            f"received {monitor!r}."
        )
    return f"val_{monitor}"


def figures(problem_type: str, num_labels: int) -> list[keras.metrics.Metric]:
    """The Keras metrics of a kind of task, on logits float `[B,C]`."""
    metrics, counts = keras.metrics, {"dtype": "float32"}  # half precision counts to 256 or 2048
    if problem_type == "regression":
        return [
            metrics.RootMeanSquaredError(name="rmse", **counts),
            metrics.MeanAbsoluteError(name="mae", **counts),
        ]
    if problem_type == "multi_label_classification":
        return [
            metrics.BinaryAccuracy(name="accuracy", threshold=0.0, **counts),
            F1(num_labels=num_labels, average="micro", multi_label=True),
            F1(num_labels=num_labels, average="macro", multi_label=True),
        ]
    accuracy = metrics.SparseCategoricalAccuracy(name="accuracy", **counts)
    return [accuracy, F1(num_labels=num_labels)]


def loss(
    problem_type: str,
    num_labels: int,
    *,
    label_smoothing: float = 0.0,
    weights: Mapping[int, float] | None = None,
) -> Callable | None:
    """A loss `(labels, logits) -> [B]` for `compile`; None, the head's own, where that is the same.

    Args:
        problem_type: the kind of task.
        num_labels: C.
        label_smoothing: share of the target spread over all classes; of several labels a text,
            over yes and no.
        weights: class number -> weight: of a text of that class, or of several labels a text, of
            a yes to it.

    Raises:
        ValueError: a regression was given one of them.
    """
    if not label_smoothing and weights is None:
        return None
    if problem_type == "regression":
        raise ValueError("`label_smoothing` goes with classes. A regression has none: leave it 0.")
    table = [1.0 if weights is None else weights[number] for number in range(num_labels)]

    def of_one_label(labels, logits):
        labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
        losses = keras.losses.categorical_crossentropy(
            ops.one_hot(labels, num_labels),
            logits,
            from_logits=True,
            label_smoothing=label_smoothing,
        )
        return losses if weights is None else losses * ops.take(ops.array(table), labels)

    def of_several_labels(labels, logits):
        labels = ops.cast(labels, "float32")
        weigh = 1.0 + labels * (ops.array(table) - 1.0)
        targets = labels * (1.0 - label_smoothing) + 0.5 * label_smoothing
        terms = ops.binary_crossentropy(targets, logits, from_logits=True)
        return ops.mean(weigh * terms, axis=-1)

    several = problem_type == "multi_label_classification"
    return of_several_labels if several else of_one_label

"""What a recipe asks of a task: the figure that chooses the epoch, and the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tfkit.data.examples import Examples
from tfkit.data.streams import Stream
from tfkit.tasks.base import Task
from tfkit.utils.strings import listed

# Figures of which less is better.
ERRORS = ("loss", "mae", "rmse")


def monitored(task: Task, monitor: str | None) -> str:
    """The figure that chooses the best epoch, as Keras' logs name it: with "val_" before it."""
    monitor = task.monitors[0] if monitor is None else monitor.removeprefix("val_")
    if monitor not in task.monitors:
        raise ValueError(
            f"`monitor` must be one of {', '.join(task.monitors)}, the figures of a {task.name}; "
            f"received {monitor!r}."
        )
    return f"val_{monitor}"


def training_loss(recipe, train: Examples | Stream) -> Callable | None:
    """The loss for `compile`; None, the head's own, where that is the same."""
    smoothing, weights = recipe.label_smoothing, recipe.class_weights
    if not smoothing and weights is None:
        return None
    if weights is not None:
        # What a teacher answers is no label.
        labelled = train[: train.labelled] if hasattr(train, "labelled") else train
        weights = class_weights(labelled, weights)
    return train.task.weighted_loss(len(train.names), smoothing, weights)


def class_weights(
    examples: Examples | Stream, weights: str | Mapping[str, float]
) -> dict[int, float]:
    """What an error with each class costs; as `class_weight` of Keras' `fit` takes it.

    Args:
        examples: labelled texts.
        weights: "balanced", or a weight for some names, 1 for the others. Balanced is, of single
            labels, texts / (C · texts of the class); of several labels per text, the texts without
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
    if not examples.task.has_classes:
        raise ValueError(
            f"`class_weights` go with classes. A {examples.task.name} has none: leave them out."
        )
    if isinstance(weights, Mapping):
        unknown = [name for name in weights if name not in examples.names]
        if unknown:
            raise ValueError(
                f"`class_weights` names {unknown[0]!r}, which is no class of the examples: "
                f"{listed(examples.names)}."
            )
        return {n: float(weights.get(name, 1.0)) for n, name in enumerate(examples.names)}
    balanced = examples.task.balanced_weights(examples.label_counts, len(examples))
    return dict(enumerate(balanced.tolist()))

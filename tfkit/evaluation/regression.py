"""Figures of a model that predicts a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfkit.utils.strings import counted


@dataclasses.dataclass(frozen=True)
class RegressionEvaluation:
    """Figures of a model that predicts a number for each text.

    Attributes:
        examples: how many texts.
        loss: mean squared error.
        rmse: its root, in the units of the target.
        mae: mean absolute error, in the units of the target.
        r2: share of the targets' variance that is explained; 0 for always answering their mean.
            None where all targets are equal.
        pearson: correlation of predictions and targets; None where either are all equal.
        baseline_mae: the mean absolute error of always answering the median of the targets.
    """

    problem_type = "regression"

    examples: int
    loss: float
    rmse: float
    mae: float
    r2: float | None
    pearson: float | None
    baseline_mae: float

    def __str__(self) -> str:
        r2, pearson = (
            "undefined" if value is None else f"{value:.4f}" for value in (self.r2, self.pearson)
        )
        return (
            f"mean absolute error {self.mae:.4f} of {counted(self.examples, 'text')} (always the "
            f"median: {self.baseline_mae:.4f}), root mean squared error {self.rmse:.4f}\n"
            f"R² {r2}, correlation {pearson}"
        )


def score_regression(
    targets: np.ndarray, values: np.ndarray, names: Sequence[str] = ()
) -> RegressionEvaluation:
    """Figures from targets float `[B]` or `[B,1]` and predictions of the same shape.

    Example:

        >>> figures = score_regression(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
        >>> figures.r2, round(figures.mae, 4)
        (0.5, 0.3333)
    """
    targets, values = (np.asarray(x, np.float64).reshape(len(x)) for x in (targets, values))
    errors = values - targets
    squared, spread = float((errors**2).mean()), float(targets.var())
    varied = spread > 0 and values.var() > 0
    return RegressionEvaluation(
        examples=len(targets),
        loss=squared,
        rmse=squared**0.5,
        mae=float(np.abs(errors).mean()),
        r2=1 - squared / spread if spread > 0 else None,
        pearson=float(np.corrcoef(targets, values)[0, 1]) if varied else None,
        baseline_mae=float(np.abs(targets - np.median(targets)).mean()),
    )

"""Figures of a classifier that gives each text one label."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfkit.evaluation.calibration import Calibration, calibration
from tfkit.evaluation.counts import Figures, averages, class_figures, class_table
from tfkit.utils.strings import counted


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures of a classifier on labelled texts.

    Attributes:
        examples: how many texts.
        accuracy: share of texts given their own label.
        loss: mean cross-entropy, in nats.
        averages: "macro", "micro" and "weighted" means of precision, recall and F1.
        classes: for each class its precision, recall, F1, number of texts (`support`) and of
            answers (`predicted`).
        confusion: `[C][C]` counts; row: the true class, column: the predicted one.
        calibration: of the score of each answer.
    """

    problem_type = "single_label_classification"

    examples: int
    accuracy: float
    loss: float
    averages: dict[str, Figures]
    classes: dict[str, Figures]
    confusion: list[list[int]]
    calibration: Calibration

    @property
    def macro_f1(self) -> float:
        """Mean of the classes' F1, every class alike; classes without a text are left out."""
        return self.averages["macro"]["f1"]

    def __str__(self) -> str:
        return "\n".join(
            [
                *class_table(self.classes, self.averages),
                f"accuracy {self.accuracy:.4f} of {counted(self.examples, 'text')}, loss "
                f"{self.loss:.4f}, calibration error {self.calibration.ece:.4f}",
            ]
        )


def score_single_label(labels: np.ndarray, logits: np.ndarray, names: Sequence[str]) -> Evaluation:
    """Figures from labels int `[B]` and logits `[B,C]`.

    Example:

        >>> logits = np.array([[2.0, 0.0], [3.0, 0.0]])
        >>> figures = score_single_label(np.array([0, 1]), logits, ("no", "yes"))
        >>> figures.accuracy, figures.confusion
        (0.5, [[1, 0], [1, 0]])
    """
    answers = logits.argmax(axis=-1)
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (labels, answers), 1)
    hits, support, given = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=-1))
    return Evaluation(
        examples=len(labels),
        accuracy=float(hits.sum() / len(labels)),
        loss=float((log_sums - shifted[np.arange(len(labels)), labels]).mean()),
        averages=averages(hits, support, given),
        classes=class_figures(hits, support, given, names),
        confusion=confusion.tolist(),
        # The best class's shifted logit is 0: its softmax is 1 over the sum.
        calibration=calibration(np.exp(-log_sums), answers == labels),
    )

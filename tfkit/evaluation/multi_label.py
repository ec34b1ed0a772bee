"""Figures of a classifier that gives each text any number of labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfkit.evaluation.calibration import Calibration, calibration
from tfkit.evaluation.counts import Figures, averages, class_figures, class_table
from tfkit.utils.strings import counted


@dataclasses.dataclass(frozen=True)
class MultiLabelEvaluation:
    """Figures of a classifier whose texts have any number of labels; a score of 0.5 is a yes.

    Attributes:
        examples: how many texts.
        accuracy: share of texts given exactly their own labels.
        decisions: share of right decisions, one for each text and label (1 − Hamming loss).
        loss: mean binary cross-entropy of the decisions, in nats.
        averages: "macro", "micro" and "weighted" means of precision, recall and F1.
        classes: for each label its precision, recall, F1, number of texts (`support`) and of
            answers (`predicted`).
        calibration: of the score of each decision, against how often the label was there.
    """

    problem_type = "multi_label_classification"

    examples: int
    accuracy: float
    decisions: float
    loss: float
    averages: dict[str, Figures]
    classes: dict[str, Figures]
    calibration: Calibration

    @property
    def macro_f1(self) -> float:
        """Mean of the labels' F1, every label alike; labels without a text are left out."""
        return self.averages["macro"]["f1"]

    def __str__(self) -> str:
        return "\n".join(
            [
                *class_table(self.classes, self.averages),
                f"all labels right {self.accuracy:.4f} of {counted(self.examples, 'text')}, single "
                f"decisions {self.decisions:.4f}, loss {self.loss:.4f}, calibration error "
                f"{self.calibration.ece:.4f}",
            ]
        )


def score_multi_label(
    targets: np.ndarray, logits: np.ndarray, names: Sequence[str]
) -> MultiLabelEvaluation:
    """Figures from targets `[B,C]` of zeros and ones and logits `[B,C]`.

    Example:

        >>> targets, logits = np.array([[1, 1], [0, 1]]), np.array([[2.0, -2.0], [-2.0, 2.0]])
        >>> figures = score_multi_label(targets, logits, ("news", "sport"))
        >>> figures.accuracy, figures.decisions, figures.classes["sport"]["recall"]
        (0.5, 0.75, 0.5)
    """
    true, yes = np.asarray(targets) > 0, logits > 0
    logits = np.asarray(logits, np.float64)
    counts = (true & yes).sum(axis=0), true.sum(axis=0), yes.sum(axis=0)
    # -log sigmoid of the logit, or of its opposite for a no: log(1 + e^-x), safe for any x.
    losses = np.logaddexp(0.0, np.where(true, -logits, logits))
    return MultiLabelEvaluation(
        examples=len(true),
        accuracy=float((true == yes).all(axis=1).mean()),
        decisions=float((true == yes).mean()),
        loss=float(losses.mean()),
        averages=averages(*counts),
        classes=class_figures(*counts, names),
        calibration=calibration(np.exp(-np.logaddexp(0.0, -logits)).ravel(), true.ravel()),
    )

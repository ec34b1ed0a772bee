"""How good answers are: figures of classes, of yes and no to each, and of numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfkit.utils.strings import counted

Figures = dict[str, float]

# Lines of a table of many classes, by F1.
_WORST, _BEST = 12, 6


class Predictions(NamedTuple):
    """What was answered to B texts, in words, and how sure each of n answers was and whether it is
    right; of several labels per text n is B·C decisions, of numbers there is no score.
    """

    expected: Sequence[str]
    predicted: Sequence[str]
    wrong: np.ndarray  # bool [B]
    severity: np.ndarray  # float [B]: the score of a wrong answer, or the distance from the target
    scores: np.ndarray | None = None  # float [n]
    correct: np.ndarray | None = None  # bool [n]
    marks: Sequence[list[dict]] | None = None  # entities in each text, as characters

    @classmethod
    def of_classes(cls, targets, log_probabilities: np.ndarray, names: Sequence[str]):
        """Of one class per text: its number `[B]`, and what is answered, `[B,C]`."""
        best = log_probabilities.argmax(axis=-1)
        scores, wrong = np.exp(log_probabilities.max(axis=-1)), best != targets
        return cls(
            expected=[names[label] for label in targets],
            predicted=[names[label] for label in best],
            wrong=wrong,
            severity=np.where(wrong, scores, 0.0),
            scores=scores,
            correct=~wrong,
        )


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities of the last axis, float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


# A headline, a sentence or two, and (title, figure, explanation) of the most important figures.
Summary = tuple[str, str, list[tuple[str, str, str]]]


# === Precision, recall and F1 ===


def class_figures(
    true_positives: np.ndarray,
    support: np.ndarray,
    predicted: np.ndarray,
    names: Sequence[str],
    *,
    answered_too: bool = False,
) -> tuple[dict[str, Figures], dict[str, Figures]]:
    """Precision, recall and F1 of each class, from its right answers, texts (`support`) and answers
    (`predicted`), int `[C]`; and three means of them. A fraction of nothing is 0.

    "macro": every class alike; classes without a text are left out, unless they are
    `answered_too`. "weighted": by texts.
    "micro": from the sums over all classes, so every answer alike; where each text has exactly
    one label and one answer all three are the accuracy.
    """
    counts, keys = (true_positives, support, predicted), ("precision", "recall", "f1")
    each, total = _figures(*counts), _figures(*(n.sum(keepdims=True) for n in counts))
    some = (support + predicted * answered_too) > 0
    weights = support / max(support.sum(), 1)
    columns = zip(names, *(v.tolist() for v in (*each, support, predicted)))
    classes = {name: dict(zip((*keys, "support", "predicted"), row)) for name, *row in columns}
    averages = {
        "macro": {k: float(v[some].mean()) if some.any() else 0.0 for k, v in zip(keys, each)},
        "micro": {k: float(v[0]) for k, v in zip(keys, total)},
        "weighted": {k: float(weights @ v) for k, v in zip(keys, each)},
    }
    return classes, averages


def _figures(true_positives, support, predicted) -> tuple[np.ndarray, ...]:
    return (
        true_positives / np.maximum(predicted, 1),
        true_positives / np.maximum(support, 1),
        2 * true_positives / np.maximum(support + predicted, 1),
    )


def _class_table(
    classes: dict[str, Figures], means: dict[str, Figures], of: str = "texts"
) -> list[str]:
    """Lines of text: a class per line, then the means. Of many classes the worst and the best."""
    worst, best = list(classes), []
    if len(classes) > _WORST + _BEST:
        some = [name for name, figures in classes.items() if figures["support"]]
        ranked = sorted(some, key=lambda name: classes[name]["f1"])
        worst, best = ranked[:_WORST], ranked[_WORST:][-_BEST:]
    width = max(len(name) for name in ("weighted", *worst, *best))

    def line(name, figures) -> str:
        texts = f"{figures['support']:6d}" if "support" in figures else ""
        return (
            f"{name:{width}}  {figures['precision']:9.4f}  {figures['recall']:6.4f}"
            f"  {figures['f1']:6.4f}  {texts}".rstrip()
        )

    rest = len(classes) - len(worst) - len(best)
    left_out = f"… {rest} more classes; `tfkit evaluate --json` prints all, worst and best are here"
    return [
        f"{'':{width}}  precision  recall      F1   {of}",
        *(line(name, classes[name]) for name in worst),
        *([left_out] if rest else []),
        *(line(name, classes[name]) for name in best),
        *(line(name, means[name]) for name in ("macro", "micro")),
    ]


# === Calibration ===


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Scores against what came true, in bins of equal width.

    Attributes:
        ece: expected calibration error: the mean distance between score and fraction of true
            answers, each bin weighted by its answers. 0 is perfect.
        gap: mean score less fraction of true answers: above 0 the model is too sure of itself.
        counts: answers in each bin; bin i holds scores in `(i / n, (i + 1) / n]`, the first also 0.
        mean_scores, true_shares: mean score and fraction of true answers of each bin, or 0.

    Source: Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 2, equation 3.
    """

    ece: float
    gap: float
    counts: list[int]
    mean_scores: list[float]
    true_shares: list[float]


def calibration(scores: np.ndarray, true: np.ndarray, bins: int = 15) -> Calibration:
    """Of scores float `[n]` from 0 to 1, and bool `[n]`, whether each came true."""
    scores = np.asarray(scores, np.float64)
    places = np.clip(np.ceil(scores * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    some = np.maximum(counts, 1)
    mean_scores = np.bincount(places, scores, bins) / some
    true_fractions = np.bincount(places, np.asarray(true, np.float64), bins) / some
    weights = counts / max(len(scores), 1)
    return Calibration(
        ece=float(weights @ np.abs(mean_scores - true_fractions)),
        gap=float(weights @ (mean_scores - true_fractions)),
        counts=counts.tolist(),
        mean_scores=mean_scores.tolist(),
        true_shares=true_fractions.tolist(),
    )


# === Evaluations ===


class _OfClasses:
    """What evaluations of classes have in common."""

    @property
    def macro_f1(self) -> float:
        """Mean of the classes' F1, every class alike; classes without a text are left out."""
        return self.averages["macro"]["f1"]

    def __str__(self) -> str:
        last = f"{self._in_a_line()}, calibration error {self.calibration.ece:.4f}"
        return "\n".join([*_class_table(self.classes, self.averages), last])


@dataclasses.dataclass(frozen=True)
class Evaluation(_OfClasses):
    """Figures of a classifier on labelled texts.

    Attributes:
        examples: how many texts.
        accuracy: fraction of texts given their own label.
        loss: mean cross-entropy, in nats.
        averages: "macro", "micro" and "weighted" means of precision, recall and F1.
        classes: of each class the same, its texts (`support`) and its answers (`predicted`).
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

    @classmethod
    def of(cls, labels, log_probabilities, names: Sequence[str]) -> Evaluation:
        """Figures from labels int `[B]` and log-probabilities `[B,C]`."""
        predicted = log_probabilities.argmax(axis=-1)
        confusion = np.zeros((len(names), len(names)), np.int64)
        np.add.at(confusion, (labels, predicted), 1)
        counts = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
        classes, averages = class_figures(*counts, names)
        correct = predicted == labels
        return cls(
            examples=len(labels),
            accuracy=float(correct.mean()),
            loss=float(-log_probabilities[np.arange(len(labels)), labels].mean()),
            averages=averages,
            classes=classes,
            confusion=confusion.tolist(),
            calibration=calibration(np.exp(log_probabilities.max(axis=-1)), correct),
        )

    def _in_a_line(self) -> str:
        return (
            f"accuracy {self.accuracy:.4f} of {counted(self.examples, 'text')}, "
            f"loss {self.loss:.4f}"
        )

    def summary(self, model: str, data: str) -> Summary:
        """What a page says first; `model` and `data` are names."""
        common = max(self.classes, key=lambda name: self.classes[name]["support"])
        baseline = self.classes[common]["support"] / self.examples
        low, high = interval(self.accuracy, self.examples)
        of_all = (
            f"of {self.examples:,} texts got their own label. With other texts of this kind expect "
            f"{percent(low)} to {percent(high)}."
        )
        alike = (
            "every class counted alike, however rare. Far below the accuracy, it means that rare "
            "classes do badly."
        )
        return (
            f"{percent(self.accuracy)} of the answers are right",
            f"Each of {self.examples:,} texts of {data} was given one of {len(self.classes)} "
            f"labels by {model}. Always answering {quoted(common)}, the most common, would be "
            f"right for {percent(baseline)}.",
            [
                ("Accuracy", percent(self.accuracy), of_all),
                ("Average over classes (macro F1)", percent(self.macro_f1), alike),
            ],
        )


@dataclasses.dataclass(frozen=True)
class MultiLabelEvaluation(_OfClasses):
    """Figures of a classifier whose texts have any number of labels; a score of 0.5 is a yes.

    Attributes:
        examples: how many texts.
        accuracy: fraction of texts given exactly their own labels.
        decisions: fraction of right decisions, one for each text and label (1 − Hamming loss).
        loss: mean binary cross-entropy of the decisions, in nats.
        averages: "macro", "micro" and "weighted" means of precision, recall and F1.
        classes: of each label the same, its texts (`support`) and its answers (`predicted`).
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

    @classmethod
    def of(cls, targets, log_probabilities, names: Sequence[str]) -> MultiLabelEvaluation:
        """Figures from zeros and ones `[B,C]`, and of no and yes log-probabilities `[B,C,2]`."""
        true, (no, yes) = np.asarray(targets) > 0, np.moveaxis(log_probabilities, -1, 0)
        counts = (true & (yes > no)).sum(axis=0), true.sum(axis=0), (yes > no).sum(axis=0)
        classes, averages = class_figures(*counts, names)
        correct = true == (yes > no)
        return cls(
            examples=len(true),
            accuracy=float(correct.all(axis=1).mean()),
            decisions=float(correct.mean()),
            loss=float(-np.where(true, yes, no).mean()),
            averages=averages,
            classes=classes,
            calibration=calibration(np.exp(yes).ravel(), true.ravel()),
        )

    def _in_a_line(self) -> str:
        return (
            f"all labels right {self.accuracy:.4f} of {counted(self.examples, 'text')}, single "
            f"decisions {self.decisions:.4f}, loss {self.loss:.4f}"
        )

    def summary(self, model: str, data: str) -> Summary:
        micro = self.averages["micro"]
        own = f"of {self.examples:,} texts got exactly their own labels, none missing or too many."
        alike = "every label counted alike, however rare."
        single = (
            f"of {self.examples * len(self.classes):,}: one yes or no for each text and label. "
            "Most are an easy no."
        )
        return (
            f"{percent(micro['precision'])} of the labels it gives are right, and it finds "
            f"{percent(micro['recall'])} of those there are",
            f"Each of {self.examples:,} texts of {data} was given any number of "
            f"{len(self.classes)} labels by {model}. A score of more than 50% is a yes.",
            [
                ("All labels right", percent(self.accuracy), own),
                ("Average over labels (macro F1)", percent(self.macro_f1), alike),
                ("Single decisions right", percent(self.decisions), single),
            ],
        )


@dataclasses.dataclass(frozen=True)
class RegressionEvaluation:
    """Figures of a model that predicts a number for each text.

    Attributes:
        examples: how many texts.
        loss, rmse: mean squared error, and its root, in the units of the target.
        mae: mean absolute error, in the units of the target.
        r2: fraction of the targets' variance that is explained; 0 for always answering their mean.
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

    @classmethod
    def of(cls, targets, values, names: Sequence[str] = ()) -> RegressionEvaluation:
        """Figures from targets float `[B]` or `[B,1]` and predictions of the same shape."""
        targets, values = (np.asarray(x, np.float64).reshape(len(x)) for x in (targets, values))
        errors = values - targets
        squared, spread = float((errors**2).mean()), float(targets.var())
        varied = spread > 0 and values.var() > 0
        return cls(
            examples=len(targets),
            loss=squared,
            rmse=squared**0.5,
            mae=float(np.abs(errors).mean()),
            r2=1 - squared / spread if spread > 0 else None,
            pearson=float(np.corrcoef(targets, values)[0, 1]) if varied else None,
            baseline_mae=float(np.abs(targets - np.median(targets)).mean()),
        )

    def __str__(self) -> str:
        r2, pearson = (
            "undefined" if value is None else f"{value:.4f}" for value in (self.r2, self.pearson)
        )
        return (
            f"mean absolute error {self.mae:.4f} of {counted(self.examples, 'text')} (always the "
            f"median: {self.baseline_mae:.4f}), root mean squared error {self.rmse:.4f}\n"
            f"R² {r2}, correlation {pearson}"
        )

    def summary(self, model: str, data: str) -> Summary:
        r2 = "–" if self.r2 is None else percent(max(self.r2, 0.0))
        explained = "of the differences between texts. 0% is no better than always the mean."
        squared = "the same with large errors weighing more."
        return (
            f"Predictions are off by {self.mae:.3g} on average",
            f"A number was predicted for each of {self.examples:,} texts of {data} by {model}. "
            f"Always answering their middle value would be off by {self.baseline_mae:.3g}.",
            [
                ("Mean error", f"{self.mae:.3g}", "how far a prediction is off, on average."),
                ("Root mean squared error", f"{self.rmse:.3g}", squared),
                ("Explained (R²)", r2, explained),
            ],
        )


# === Figures in words ===


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction as people write it; 100% only where nothing is missing."""
    if fraction in (0.0, 1.0):
        return f"{fraction:.0%}"
    scale = 10**digits
    shown = min(round(fraction * 100 * scale), 100 * scale - 1) / scale
    return f"{max(shown, 1 / scale):.{digits}f}%"


def quoted(name: str) -> str:
    """A label in a sentence, whose direction it does not change (Unicode's isolates)."""
    return f"“\u2068{name}\u2069”"


def interval(fraction: float, count: int) -> tuple[float, float]:
    """Where a fraction of other texts would lie 19 times out of 20: Wilson's score interval."""
    z = 1.959964
    middle = fraction + z * z / (2 * count)
    reach = z * math.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return (middle - reach) / scale, (middle + reach) / scale

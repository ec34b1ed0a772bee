"""Logits and labels -> single answers: which were wrong, how sure the model was, what it said."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfkit.data.examples import Examples

HISTOGRAM_BINS = 20
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclasses.dataclass(frozen=True)
class Answers:
    """What was answered, an entry a text.

    Attributes:
        expected: the label of each text, in words.
        given: the answer, in words.
        wrong: bool `[B]`.
        badness: float `[B]`, by which the worst come first: the score of a wrong answer, or the
            distance of a number from its target.
        scores: float `[n]`, how sure each answer was: of a multi-label task n is B·C decisions.
            None for numbers.
        right: bool `[n]`, whether that answer is right.
    """

    expected: Sequence[str]
    given: Sequence[str]
    wrong: np.ndarray
    badness: np.ndarray
    scores: np.ndarray | None = None
    right: np.ndarray | None = None


def answers_of(examples: Examples, logits: np.ndarray) -> Answers:
    """Args: examples: labelled texts; logits: `[B,C]`."""
    logits = np.asarray(logits, np.float64)
    return _READINGS[examples.problem_type](examples, logits)


def _single_label(examples: Examples, logits: np.ndarray) -> Answers:
    best, labels = logits.argmax(axis=-1), np.asarray(examples.labels)
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores, wrong = 1 / shifted.sum(axis=-1), best != labels
    return Answers(
        expected=[examples.names[label] for label in labels],
        given=[examples.names[label] for label in best],
        wrong=wrong,
        badness=np.where(wrong, scores, 0.0),
        scores=scores,
        right=~wrong,
    )


def _multi_label(examples: Examples, logits: np.ndarray) -> Answers:
    true, yes = examples.targets() > 0, logits > 0
    sureness = np.exp(-np.logaddexp(0.0, -np.abs(logits)))  # of the decision, yes or no
    missed = np.where(true == yes, 0.0, sureness)
    return Answers(
        expected=[_listed(examples.names, row) for row in true],
        given=[_listed(examples.names, row) for row in yes],
        wrong=missed.any(axis=1),
        badness=missed.max(axis=1),
        scores=sureness.ravel(),
        right=(true == yes).ravel(),
    )


def _regression(examples: Examples, logits: np.ndarray) -> Answers:
    values, targets = logits.reshape(-1), np.asarray(examples.labels, np.float64)
    distance = np.abs(values - targets)
    return Answers(
        expected=[f"{target:.4g}" for target in targets],
        given=[f"{value:.4g}" for value in values],
        wrong=distance > 0,
        badness=distance,
    )


_READINGS = {
    "single_label_classification": _single_label,
    "multi_label_classification": _multi_label,
    "regression": _regression,
}


def _listed(names: Sequence[str], chosen: np.ndarray) -> str:
    return ", ".join(names[number] for number in np.flatnonzero(chosen)) or "none"


# === What a report shows of them ===


def mistakes(examples: Examples, answers: Answers, count: int) -> list[dict]:
    """The worst wrong answers, worst first."""
    worst = np.argsort(-answers.badness, kind="stable")[:count]
    kind = "error" if examples.problem_type == "regression" else "score"
    return [
        {
            "row": int(row),
            "text": examples.texts[row],
            "text_pair": examples.text_pairs[row] if examples.text_pairs else None,
            "label": answers.expected[row],
            "answer": answers.given[row],
            kind: float(answers.badness[row]),
        }
        for row in worst
        if answers.wrong[row]
    ]


def score_histogram(answers: Answers) -> dict[str, list] | None:
    """Right and wrong answers by their score, in bins of equal width from 0 to 1."""
    if answers.scores is None:
        return None
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    right, wrong = (
        np.histogram(answers.scores[chosen], edges)[0].tolist()
        for chosen in (answers.right, ~answers.right)
    )
    return {"edges": edges.round(6).tolist(), "right": right, "wrong": wrong}


def thresholds(answers: Answers) -> list[dict[str, float]] | None:
    """What is gained by answering only where the score reaches a threshold."""
    if answers.scores is None:
        return None
    rows = []
    for threshold in THRESHOLDS:
        sure = answers.scores >= threshold
        accuracy = float(answers.right[sure].mean()) if sure.any() else None
        rows.append({"threshold": threshold, "answered": float(sure.mean()), "accuracy": accuracy})
    return rows


def confusions(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> list[dict]:
    """Pairs of classes by how often the first was taken for the second, most often first.

    Example:

        >>> confusions([[5, 2], [1, 4]], ["cat", "dog"])[0]
        {'label': 'cat', 'answer': 'dog', 'texts': 2, 'share': 0.2857142857142857}
    """
    counts = np.asarray(matrix)
    off_diagonal = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    order = np.argsort(-off_diagonal, axis=None, kind="stable")
    pairs = zip(*np.unravel_index(order, counts.shape))
    return [
        {
            "label": names[true],
            "answer": names[given],
            "texts": int(counts[true, given]),
            "share": float(counts[true, given] / counts[true].sum()),
        }
        for true, given in pairs
        if off_diagonal[true, given]
    ]

"""Precision, recall and F1 from counts, class by class and averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Figures = dict[str, float]

# Lines of a table of many classes, by F1.
_WORST, _BEST = 12, 6


def class_figures(
    hits: np.ndarray, support: np.ndarray, given: np.ndarray, names: Sequence[str]
) -> dict[str, Figures]:
    """For each class its precision, recall, F1, texts (`support`) and answers (`predicted`).

    A share of nothing is 0.

    Args:
        hits: int `[C]`, answers of the class that are right.
        support: int `[C]`, texts of the class.
        given: int `[C]`, answers of the class.
        names: C names.
    """
    columns = zip(names, *_figures(hits, support, given), support, given)
    return {
        name: {
            "precision": float(p),
            "recall": float(r),
            "f1": float(f),
            "support": int(n),
            "predicted": int(g),
        }
        for name, p, r, f, n, g in columns
    }


def averages(hits: np.ndarray, support: np.ndarray, given: np.ndarray) -> dict[str, Figures]:
    """Three means of precision, recall and F1.

    "macro": every class alike; classes without a text are left out. "weighted": by texts.
    "micro": from the sums over all classes, so every answer alike; where each text has exactly
    one label and one answer all three are the accuracy.

    Example:

        >>> averages(np.array([1, 1]), np.array([1, 3]), np.array([3, 1]))["macro"]["recall"]
        0.6666666666666666
    """
    each = _figures(hits, support, given)
    some = support > 0
    weights = support / max(support.sum(), 1)
    total = _figures(*(np.array([counts.sum()]) for counts in (hits, support, given)))
    named = ("precision", "recall", "f1")
    return {
        "macro": {k: float(v[some].mean()) if some.any() else 0.0 for k, v in zip(named, each)},
        "micro": {k: float(v[0]) for k, v in zip(named, total)},
        "weighted": {k: float(weights @ v) for k, v in zip(named, each)},
    }


def _figures(hits: np.ndarray, support: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, ...]:
    return (
        hits / np.maximum(given, 1),
        hits / np.maximum(support, 1),
        2 * hits / np.maximum(support + given, 1),
    )


def class_table(classes: dict[str, Figures], means: dict[str, Figures]) -> list[str]:
    """Lines of text: a class a line, then the means. Of many classes the worst and the best."""
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
        f"{'':{width}}  precision  recall      F1   texts",
        *(line(name, classes[name]) for name in worst),
        *([left_out] if rest else []),
        *(line(name, classes[name]) for name in best),
        *(line(name, means[name]) for name in ("macro", "micro")),
    ]

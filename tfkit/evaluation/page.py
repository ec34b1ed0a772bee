"""`Report` -> one HTML page that needs no other file."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tfkit.evaluation.report import Report
from tfkit.utils.html import missing, render

_SMALL_MATRIX = 12  # classes whose counts fit into cells
_SHOWN_CLASSES = 20


def page(report: Report) -> str:
    """The page as HTML.

    Texts and labels are escaped by the template engine, and set in whatever direction they run.

    Raises:
        ImportError: matplotlib or Jinja, in the extra `plots`, is not installed.
    """
    try:
        from tfkit.evaluation import plots
    except ImportError as error:
        raise missing(error.name) from None
    view = {
        "single_label_classification": _single_label,
        "multi_label_classification": _multi_label,
        "regression": _regression,
    }[report.evaluation.problem_type](report, plots)
    filters = {"percent": percent, "number": "{:,}".format, "ms": milliseconds}
    return render("report.html", filters=filters, report=report, figures=report.evaluation, **view)


# === Numbers in words ===


def percent(share: float, digits: int = 1) -> str:
    """A share as people write it; 100% only where nothing is missing.

    Example:

        >>> percent(0.93216), percent(0.99996), percent(1.0)
        ('93.2%', '99.9%', '100%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    scale = 10**digits
    shown = min(round(share * 100 * scale), 100 * scale - 1) / scale
    return f"{max(shown, 1 / scale):.{digits}f}%"


def quoted(name: str) -> str:
    """A label in a sentence, whose direction it does not change (Unicode's isolates)."""
    return f"“\u2068{name}\u2069”"


def milliseconds(value: float) -> str:
    """A time in milliseconds or, from one on, seconds.

    Example:

        >>> milliseconds(3.14159), milliseconds(41.7), milliseconds(2500)
        ('3.1 ms', '42 ms', '2.5 s')
    """
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def interval(share: float, count: int) -> tuple[float, float]:
    """Where the share would lie, 19 times out of 20, if other texts of the kind were taken.

    Source: Wilson 1927, the score interval.

    Example:

        >>> [round(end, 3) for end in interval(0.9, 100)]
        [0.826, 0.945]
    """
    z = 1.959964
    middle = share + z * z / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return (middle - reach) / scale, (middle + reach) / scale


def _trust(gap: float, ece: float) -> str:
    if ece < 0.02:
        return "Its scores can be taken at their word."
    if abs(gap) < ece / 2:
        return "Its scores are too high in places and too low in others."
    return f"It is {'more' if gap > 0 else 'less'} sure of itself than it should be."


# === What each kind of task shows ===


def _single_label(report: Report, plots) -> dict:
    figures = report.evaluation
    names = list(figures.classes)
    common = max(names, key=lambda name: figures.classes[name]["support"])
    baseline = figures.classes[common]["support"] / figures.examples
    low, high = interval(figures.accuracy, figures.examples)
    cards = [
        (
            "Accuracy",
            percent(figures.accuracy),
            f"of {figures.examples:,} texts got their own label. With other texts of this kind "
            f"expect {percent(low)} to {percent(high)}.",
        ),
        (
            "Average over classes (macro F1)",
            percent(figures.macro_f1),
            "every class counted alike, however rare. Far below the accuracy, it means that "
            "rare classes do badly.",
        ),
        _calibration_card(figures),
        *_latency_cards(report),
    ]
    return {
        "headline": f"{percent(figures.accuracy)} of the answers are right",
        "lead": f"Each of {figures.examples:,} texts of {report.data} was given one of "
        f"{len(names)} labels by {report.model}. Always answering {quoted(common)}, the most "
        f"common, would be right for {percent(baseline)}.",
        "cards": cards,
        "findings": [*_weak_classes(figures), *_confused(report), *_sure_mistakes(report)],
        "classes": _class_rows(figures),
        "shown_classes": _SHOWN_CLASSES,
        "matrix": _matrix(figures.confusion, names),
        "reliability": plots.reliability(figures.calibration, "a perfect model", "this model"),
        "histogram": plots.histogram(**report.score_histogram),
    }


def _multi_label(report: Report, plots) -> dict:
    figures = report.evaluation
    cards = [
        (
            "All labels right",
            percent(figures.accuracy),
            f"of {figures.examples:,} texts got exactly their own labels, none missing and none "
            "too many.",
        ),
        (
            "Average over labels (macro F1)",
            percent(figures.macro_f1),
            "every label counted alike, however rare.",
        ),
        (
            "Single decisions right",
            percent(figures.decisions),
            f"of {figures.examples * len(figures.classes):,}: one yes or no for each text and "
            "label. Most are an easy no.",
        ),
        _calibration_card(figures),
        *_latency_cards(report),
    ]
    micro = figures.averages["micro"]
    return {
        "headline": f"{percent(micro['precision'])} of the labels it gives are right, and it finds "
        f"{percent(micro['recall'])} of those there are",
        "lead": f"Each of {figures.examples:,} texts of {report.data} was given any number of "
        f"{len(figures.classes)} labels by {report.model}. A score of more than 50% is a yes.",
        "cards": cards,
        "findings": [*_weak_classes(figures), *_sure_mistakes(report)],
        "classes": _class_rows(figures),
        "shown_classes": _SHOWN_CLASSES,
        "matrix": None,
        "reliability": plots.reliability(figures.calibration, "a perfect model", "this model"),
        "histogram": plots.histogram(**report.score_histogram),
    }


def _regression(report: Report, plots) -> dict:
    figures = report.evaluation
    cards = [
        ("Mean error", f"{figures.mae:.3g}", "how far a prediction is off, on average."),
        (
            "Root mean squared error",
            f"{figures.rmse:.3g}",
            "the same with large errors weighing more.",
        ),
        (
            "Explained (R²)",
            "–" if figures.r2 is None else percent(max(figures.r2, 0.0)),
            "of the differences between texts. 0% is no better than always the mean.",
        ),
        *_latency_cards(report),
    ]
    return {
        "headline": f"Predictions are off by {figures.mae:.3g} on average",
        "lead": f"A number was predicted for each of {figures.examples:,} texts of {report.data} "
        f"by {report.model}. Always answering their middle value would be off by "
        f"{figures.baseline_mae:.3g}.",
        "cards": cards,
        "findings": [],
        "classes": None,
        "shown_classes": 0,
        "matrix": None,
        "scatter": plots.scatter(report.values),
        "errors": plots.errors(report.values),
    }


def _calibration_card(figures) -> tuple[str, str, str]:
    off = percent(figures.calibration.ece)
    return (
        "Calibration error",
        off,
        f"how far its scores lie from how often it is right. "
        f"{_trust(figures.calibration.gap, figures.calibration.ece)}",
    )


def _latency_cards(report: Report) -> Iterable[tuple[str, str, str]]:
    if report.latency is None:
        return
    yield (
        "Time for one text",
        milliseconds(report.latency.median_ms),
        f"from string to answer on {report.latency.machine}; 19 of 20 take at most "
        f"{milliseconds(report.latency.p95_ms)}.",
    )


# === What stands out ===


def _weak_classes(figures) -> Iterable[str]:
    asked = {name: c for name, c in figures.classes.items() if c["support"]}
    if len(asked) < 3:
        return
    weakest = sorted(asked, key=lambda name: asked[name]["f1"])[:3]
    yield "The weakest classes: " + ", ".join(
        f"{quoted(name)} (F1 {percent(asked[name]['f1'], 0)}, {asked[name]['support']:,} texts)"
        for name in weakest
    )
    unasked = len(figures.classes) - len(asked)
    if unasked:
        yield f"{unasked:,} of {len(figures.classes):,} classes have no text here to judge them by."


def _confused(report: Report) -> Iterable[str]:
    for pair in report.confusions[:1]:
        yield (
            f"The most common mix-up: {quoted(pair['label'])} taken for {quoted(pair['answer'])}, "
            f"{pair['texts']:,} times, {percent(pair['share'], 0)} of its texts."
        )


def _sure_mistakes(report: Report) -> Iterable[str]:
    sure = sum(report.score_histogram["wrong"][-2:])
    wrong = sum(report.score_histogram["wrong"])
    if sure:
        yield (
            f"Of {wrong:,} wrong answers {sure:,} had a score of 90% or more. These are the "
            "first to look at: often the text's own label is the mistake."
        )
    elif wrong:
        yield f"None of the {wrong:,} wrong answers had a score of 90% or more."


def _class_rows(figures) -> list[dict]:
    """The classes, weakest first where they are many; those without a text last."""
    rows = [{"name": name, **values} for name, values in figures.classes.items()]
    if len(rows) > 2:
        rows.sort(key=lambda row: (not row["support"], row["f1"]))
    return rows


def _matrix(counts: list[list[int]], names: list[str]) -> dict:
    """The confusion matrix by rows; a cell is None where nothing is."""
    rows = []
    for true, row in enumerate(counts):
        total = max(sum(row), 1)
        cells = [
            {"count": n, "share": n / total, "right": true == given, "answer": names[given]}
            if n
            else None
            for given, n in enumerate(row)
        ]
        rows.append({"number": true + 1, "name": names[true], "total": sum(row), "cells": cells})
    return {
        "rows": rows,
        "names": names,
        "every": 1 if len(names) <= 40 else 5,  # which columns are numbered
        "small": len(names) <= _SMALL_MATRIX,
        # Widths in px, such that all columns fit a screen, and a sheet of paper.
        "cell": round(min(16.0, 720 / len(names)), 1),
        "print_cell": round(min(13.0, 480 / len(names)), 1),
    }

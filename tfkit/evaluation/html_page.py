"""`Report` -> one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterable

from tfkit.tasks.figures import percent, quoted
from tfkit.utils.html import missing, render

_SMALL_MATRIX = 12  # classes whose counts fit into cells
_NEAR = 200  # characters that are shown before and behind an entity


def as_html(report) -> str:
    """A `Report` as a page. What the evaluation has decides what is shown: classes, a confusion
    matrix, scores, numbers.
    """
    try:
        from tfkit.evaluation import plots
    except ImportError as error:
        raise missing(error.name) from None
    figures = report.evaluation
    headline, lead, cards = figures.summary(report.model, report.data)
    of = getattr(figures, "counted", "texts")
    view = {"of": of, "total": getattr(figures, of, figures.examples)}
    view |= {"findings": [], "classes": None, "shown_classes": 0, "matrix": None}
    if report.score_histogram is not None:
        cards = [*cards, _calibration_card(figures.calibration)]
        confused = [
            f"The most common mix-up: {quoted(pair['label'])} taken for {quoted(pair['answer'])}, "
            f"{pair['texts']:,} times, {percent(pair['share'], 0)} of its texts."
            for pair in (report.confusions or ())[:1]
        ]
        view |= {
            "findings": [*_weak_classes(figures), *confused, *_sure_mistakes(report)],
            "classes": _class_rows(figures),
            "shown_classes": 20,
            "reliability": plots.reliability(figures.calibration, "a perfect model", "this model"),
            "histogram": plots.histogram(**report.score_histogram),
        }
    if report.confusions is not None:
        view["matrix"] = _matrix(figures.confusion, list(figures.classes))
    if report.values is not None:
        view |= {"scatter": plots.scatter(report.values), "errors": plots.errors(report.values)}
    if report.latency is not None:
        median, most = map(milliseconds, (report.latency.median_ms, report.latency.p95_ms))
        meaning = (
            f"from string to answer on {report.latency.machine}; 19 of 20 take at most {most}."
        )
        cards = [*cards, ("Time for one text", median, meaning)]
    view |= {"headline": headline, "lead": lead, "cards": cards}
    filters = {
        "percent": percent,
        "number": "{:,}".format,
        "ms": milliseconds,
        "pieces": _pieces,
    }
    return render("report.html", filters=filters, report=report, figures=figures, **view)


def _pieces(mistake: dict) -> list[tuple[str, dict | None]]:
    """A text cut where entities begin and end, and the entity of each piece that is one."""
    pieces, place = [], 0
    for mark in sorted(mistake["entities"], key=lambda mark: mark["start"]):
        pieces.append((mistake["text"][place : mark["start"]], None))
        pieces.append((mistake["text"][mark["start"] : mark["end"]], mark))
        place = mark["end"]
    pieces.append((mistake["text"][place:], None))
    return [(piece if mark else _shortened(piece), mark) for piece, mark in pieces]


def _shortened(piece: str) -> str:
    return piece if len(piece) <= 2 * _NEAR else f"{piece[:_NEAR]} … {piece[-_NEAR:]}"


def milliseconds(value: float) -> str:
    """A time as people read it."""
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def _calibration_card(calibration) -> tuple[str, str, str]:
    gap, ece = calibration.gap, calibration.ece
    if ece < 0.02:
        trust = "Its scores can be taken at their word."
    elif abs(gap) < ece / 2:
        trust = "Its scores are too high in places and too low in others."
    else:
        trust = f"It is {'more' if gap > 0 else 'less'} sure of itself than it should be."
    meaning = f"how far its scores lie from how often it is right. {trust}"
    return "Calibration error", percent(ece), meaning


def _weak_classes(figures) -> Iterable[str]:
    of = getattr(figures, "counted", "texts")
    asked = {name: c for name, c in figures.classes.items() if c["support"]}
    if len(asked) < 3:
        return
    weakest = sorted(asked, key=lambda name: asked[name]["f1"])[:3]
    yield "The weakest classes: " + ", ".join(
        f"{quoted(name)} (F1 {percent(asked[name]['f1'], 0)}, {asked[name]['support']:,} {of})"
        for name in weakest
    )
    unasked = len(figures.classes) - len(asked)
    if unasked:
        yield f"{unasked:,} of {len(figures.classes):,} classes have no text here to judge them by."


def _sure_mistakes(report) -> Iterable[str]:
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

"""The plots of a report, as SVG in a data URI; labels and texts are HTML's to draw."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

from tfkit.tasks.figures import Calibration
from tfkit.utils.html import data_uri

INK, MUTED, LINE = "#1c2230", "#5d6678", "#d9dde5"
BLUE, RED, PALE = "#2f5fd0", "#cf4a30", "#aebfe8"
_DASHED = {"color": MUTED, "linewidth": 1, "linestyle": (0, (4, 3))}
_STYLE = {
    "svg.fonttype": "none",  # words stay words: to select, and to read aloud
    "svg.hashsalt": "tfkit",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#eceef3",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 10,
}


def reliability(figures: Calibration, ideal: str, observed: str) -> str:
    """How often answers of each score came true, beside the diagonal of a perfect model."""
    count = len(figures.counts)
    some = np.asarray(figures.counts) > 0
    scores, fractions = np.asarray(figures.mean_scores)[some], np.asarray(figures.true_shares)[some]
    sizes = np.sqrt(np.asarray(figures.counts)[some] / max(figures.counts))

    def draw(axes):
        axes.plot([0, 1], [0, 1], label=ideal, **_DASHED)
        axes.vlines(scores, scores, fractions, color=RED, linewidth=2, alpha=0.45)
        axes.plot(scores, fractions, color=BLUE, linewidth=1.5)
        axes.scatter(scores, fractions, 16 + 90 * sizes, color=BLUE, zorder=3, label=observed)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.04))
        axes.set(xlabel="the model's score", ylabel="fraction that came true")
        axes.xaxis.set_major_formatter(PercentFormatter(1, 0))
        axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
        axes.legend(loc="best")

    return _drawn(draw, f"Reliability plot, {count} bins")


def histogram(edges: Sequence[float], right: Sequence[int], wrong: Sequence[int]) -> str:
    """How many answers had which score, right ones and wrong ones."""
    edges, right, wrong = map(np.asarray, (edges, right, wrong))
    first = int(np.flatnonzero(right + wrong)[0])  # where scores begin: nothing lies before

    def draw(axes):
        places, width = edges[first:-1], np.diff(edges)[first:] * 0.92
        style = {"width": width, "align": "edge"}
        axes.bar(places, right[first:], color=PALE, label="right", **style)
        axes.bar(places, wrong[first:], bottom=right[first:], color=RED, label="wrong", **style)
        axes.set(xlim=(edges[first], 1.0), xlabel="the model's score", ylabel="answers")
        axes.xaxis.set_major_formatter(PercentFormatter(1, 0))
        axes.xaxis.set_major_locator(MultipleLocator(0.1 if edges[first] >= 0.5 else 0.2))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.legend(loc="best")

    return _drawn(draw, "Histogram of scores")


def scatter(values: Sequence[tuple[float, float]]) -> str:
    """Predictions over targets, beside the diagonal of a perfect model."""
    targets, predictions = np.asarray(values, float).T
    ends = [min(targets.min(), predictions.min()), max(targets.max(), predictions.max())]

    def draw(axes):
        axes.plot(ends, ends, label="exactly right", **_DASHED)
        alpha = float(np.clip(60 / len(targets), 0.15, 0.8))
        axes.scatter(targets, predictions, 14, color=BLUE, alpha=alpha, linewidths=0)
        axes.set(xlabel="true value", ylabel="predicted value")
        axes.legend(loc="best")

    return _drawn(draw, "Predictions over true values")


def errors(values: Sequence[tuple[float, float]]) -> str:
    """How many predictions were off by how much."""
    targets, predictions = np.asarray(values, float).T

    def draw(axes):
        axes.hist(predictions - targets, bins=min(40, max(5, len(targets) // 5)), color=PALE)
        axes.axvline(0, **_DASHED)
        axes.set(xlabel="prediction less true value", ylabel="texts")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))

    return _drawn(draw, "Histogram of errors")


def _drawn(draw, title: str) -> str:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.6, 3.3), layout="constrained")
        draw(figure.add_subplot())
        content = io.BytesIO()
        metadata = {"Title": title, "Date": None, "Creator": None}
        figure.savefig(content, format="svg", transparent=True, metadata=metadata)
    # The viewer's own fonts, not the names that matplotlib measured with.
    svg = content.getvalue().decode().replace("'DejaVu Sans', ", "system-ui, 'Segoe UI', Roboto, ")
    return data_uri(svg)

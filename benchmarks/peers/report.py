"""The figures as Markdown."""

from __future__ import annotations

import dataclasses
import datetime
import os
import statistics
from pathlib import Path

from benchmarks.peers import contestants as table
from benchmarks.peers.contestants import CONTESTANTS, ENCODERS, ENVIRONMENTS, OURS
from benchmarks.peers.measure import CEILING

FLOAT32 = (table.TFKIT,)
REDUCED = tuple(c.name for c in OURS if "precision" in c.options)
TORCH_OR_ONNX = (table.TORCH, table.ONNX)


@dataclasses.dataclass(frozen=True)
class Bar:
    """A ratio that is asked for: the rival's cost to ours, the better of each side."""

    work: str
    costs: str
    rivals: tuple[str, ...]
    least: float
    ours: tuple[str, ...] = FLOAT32


ANSWER = "raw strings → probabilities"
BARS = (
    Bar(f"{ANSWER}, float32, short", "short", (table.TENSORFLOW,), 2.2),
    Bar("", "short", TORCH_OR_ONNX, 2.0),
    Bar("", "short", (CEILING,), 0.90),
    Bar(f"{ANSWER}, float32, mixed", "mixed", (table.TENSORFLOW,), 6),
    Bar("", "mixed", (CEILING,), 0.80),
    Bar("the best reduced precision, short", "short", (table.ONNX_INT8,), 1.5, REDUCED),
    Bar("mixed", "mixed", (table.ONNX_INT8,), 4, REDUCED),
    Bar("long", "long", (table.ONNX_INT8,), 1.2, REDUCED),
    Bar("fine-tuning, SST-2 phrases", "train", (table.TENSORFLOW, table.TORCH), 3),
    Bar("one text of 25 tokens, p50", "latency", TORCH_OR_ONNX, 1.3),
    Bar("", "latency", TORCH_OR_ONNX, 1.3, (table.LITERT,)),
    Bar("from shell to answer", "start", (table.TORCH,), 1.0),
    Bar("peak memory while answering", "memory", (table.TENSORFLOW,), round(1 / 0.7, 2)),
    Bar("the same, from shell to answer", "start memory", (table.TENSORFLOW,), round(1 / 0.7, 2)),
)
TITLES = {
    "short": "SST-2 sentences",
    "mixed": "3/4 sentences, 1/4 paragraphs",
    "long": "paragraphs",
}
# Columns of the table of all: the costs, the title, and a cost as the table shows it.
COLUMNS = (
    ("short", "short, texts/s", lambda cost: f"{1 / cost:.1f}"),
    ("mixed", "mixed", lambda cost: f"{1 / cost:.1f}"),
    ("long", "long", lambda cost: f"{1 / cost:.2f}"),
    ("latency", "one text, p50 ms", lambda cost: f"{1e3 * cost:.1f}"),
    ("train", "fine-tuning, texts/s", lambda cost: f"{1 / cost:.1f}"),
    ("tokenise short", "tokenising short, MB/s", lambda cost: f"{1 / cost:.2f}"),
    ("tokenise long", "long", lambda cost: f"{1 / cost:.2f}"),
    ("start", "start-up, s", lambda cost: f"{cost:.2f}"),
    ("first start", "the first time, s", lambda cost: f"{cost:.2f}"),
    ("start memory", "its memory, MB", lambda cost: f"{cost / 1e6:.0f}"),
    ("memory", "memory, MB", lambda cost: f"{cost / 1e6:.0f}"),
)


def report(figures: dict) -> str:
    parts = [_heading(figures), _bars(figures), _all(figures), _texts(figures), _scaling(figures)]
    return "\n\n".join(part for part in parts if part)


def summary(figures: dict) -> str:
    """Texts a second in batches of 32, for the README."""
    kinds = [name for name in TITLES if name in figures["costs"]]
    rows = [("texts/s", *(TITLES[name] for name in kinds))]
    for name in CONTESTANTS:
        cells = [_tried(figures, kind, name).get(32) for kind in kinds]
        if any(cells):
            rows.append((name, *(f"{1 / cell:.0f}" if cell else "–" for cell in cells)))
    return _rows(*rows) if len(rows) > 1 else ""


def ratio(costs: dict[str, list[float]], ours, rivals) -> tuple[str, str, list[float]] | None:
    """The better of ours and of the rivals, and the rounds' ratios of their costs.

    Example:

        >>> ratio({"a": [1.0, 2.0], "b": [4.0, 6.0]}, ("a",), ("b", "c"))
        ('a', 'b', [3.0, 4.0])
    """
    best = []
    for side in (ours, rivals):
        there = [name for name in side if name in costs]
        if not there:
            return None
        best.append(min(there, key=lambda name: statistics.median(costs[name])))
    mine, theirs = (costs[name] for name in best)
    return *best, sorted(rival / own for rival, own in zip(theirs, mine))


def _rows(*rows: tuple) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _heading(figures: dict) -> str:
    info = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next(line.split(": ")[1] for line in info if line.startswith("model name"))
    pins = sorted({pin for steps in ENVIRONMENTS.values() for step in steps for pin in step})
    versions = ", ".join(pin.replace("==", " ") for pin in pins if "==" in pin)
    rates = ", ".join(
        f"{dtype} {statistics.median(rate) / 1e9:.0f}" for dtype, rate in figures["rates"].items()
    )
    return (
        f"{datetime.date.today():%d %B %Y}, {processor}, {os.cpu_count()} cores, "
        f"{figures['rounds']} rounds; {versions}. Matrix products, GFLOP/s: {rates or 'not run'}."
    )


def _bars(figures: dict) -> str:
    rows = [("work", "against", "ratio (least – most of the rounds)", "at least", "by 32")]
    for bar in BARS:
        found = ratio(figures["costs"].get(bar.costs, {}), bar.ours, bar.rivals)
        if found:
            mine, rival, ratios = found
            middle = statistics.median(ratios)
            ours = f" ({mine})" if bar.ours != FLOAT32 else ""
            shown = f"{middle:.2f} ({ratios[0]:.2f} – {ratios[-1]:.2f})"
            by_32 = [_tried(figures, bar.costs, name).get(32) for name in (mine, rival)]
            usual = f"{by_32[1] / by_32[0]:.2f}" if all(by_32) else ""
            held = "held" if middle >= bar.least else "missed"
            rows.append((bar.work + ours, rival, shown, f"{bar.least:g}, {held}", usual))
    return _rows(*rows) if len(rows) > 1 else ""


def _all(figures: dict) -> str:
    columns = [column for column in COLUMNS if column[0] in figures["costs"]]
    rows = [("", *(title for _, title, _ in columns), "largest difference")]
    for name in (name for name in CONTESTANTS if name in figures["agreement"]):
        cells = []
        for costs, _, show in columns:
            cost = figures["costs"][costs].get(name)
            tried = _tried(figures, costs, name)
            best = min(tried, key=tried.get, default=32)
            cell = show(statistics.median(cost)) if cost else "–"
            if cost and best != 32:
                cell += f" by {best} ({show(tried[32])} by 32)"
            if cost and costs == "latency":
                cell += f" (p99 {1e3 * figures['p99'][name]:.1f})"
            cells.append(cell)
        rows.append((name, *cells, f"{figures['agreement'][name]:.1e}"))
    return _rows(*rows) + (
        "\n\nDifference: of probabilities from those of Transformers torch, which vary by "
        f"{figures['spread']:.2f} from text to text. Texts are answered in batches of 32 unless "
        "another is said to be faster."
    )


def _tried(figures: dict, costs: str, name: str) -> dict[int, float]:
    """Seconds a text of a contestant by its batches, of one pass."""
    tried = figures["batches"].get(costs, {}).get(name, {})
    return {int(batch): cost for batch, cost in tried.items()}


def _texts(figures: dict) -> str:
    rows = [("texts", "number", "tokens a text", "median", "longest", "padding in batches of 32")]
    for name, lengths in figures["lengths"].items():
        batches = [lengths[start : start + 32] for start in range(0, len(lengths), 32)]
        padded = sum(len(batch) * max(batch) for batch in batches)
        mean, middle = statistics.mean(lengths), statistics.median(lengths)
        share = f"{1 - sum(lengths) / padded:.0%}"
        rows.append((name, len(lengths), f"{mean:.1f}", f"{middle:g}", max(lengths), share))
    return _rows(*rows)


def _scaling(figures: dict) -> str:
    parts = []
    for encoder, cells in figures.get("scaling", {}).items():
        counts = list(next(iter(cells.values())))
        rows = [(f"{encoder}: µs a token", *(f"{count} texts" for count in counts))]
        for tokens, row in cells.items():
            each = (1e6 * row[n] / (int(tokens) * int(n)) if n in row else None for n in counts)
            rows.append((f"{tokens} tokens", *("–" if x is None else f"{x:.0f}" for x in each)))
        parts.append(_rows(*rows))
    if len(parts) == len(ENCODERS):
        free, plain = (figures["scaling"][name] for name in ENCODERS)
        ratios = {
            (tokens, count): seconds / free[tokens][count]
            for tokens, row in plain.items()
            for count, seconds in row.items()
            if count in free.get(tokens, {})
        }
        worst = min(ratios, key=ratios.get)
        parts.append(
            f"Plain to padding-free, without any padding: {min(ratios.values()):.2f} at least "
            f"({worst[0]} tokens, {worst[1]} texts), {statistics.median(ratios.values()):.2f} in "
            "the middle."
        )
    return "\n\n".join(parts)

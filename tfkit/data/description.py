"""What is in a set of examples, and what is odd about it."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict

import numpy as np

from tfkit.data.examples import Examples
from tfkit.data.splitting import same_texts, text_key
from tfkit.tasks import TASKS
from tfkit.utils.strings import counted

_SHOWN_CLASSES, _SHOWN_CONFLICTS, _BAR = 20, 10, 24


@dataclasses.dataclass(frozen=True)
class Description:
    """What `describe` finds; printing it shows the most important.

    Attributes:
        texts: how many.
        problem_type: of the labels; None without labels.
        classes: texts of each class, or words where these have classes, most first; of multiple
            choice by the number of the right choice. Empty for numbers.
        alike: classes whose names differ in nothing but capitals and blanks.
        numbers: least, mean and largest target of a regression, or None.
        words: median, 95th percentile and maximum of the words of a text, by blanks.
        empty: texts of nothing but blanks.
        duplicates: rows whose text, whatever its capitals and blanks, comes earlier with the same
            label.
        conflicts: texts that come with different labels: the text, and its rows by label.
        shared: rows of the second set whose text is in the first too; None without one.
        skipped: rows that reading left out.
    """

    texts: int
    problem_type: str | None
    classes: dict[str, int]
    alike: list[tuple[str, ...]]
    numbers: tuple[float, float, float] | None
    words: tuple[int, int, int]
    empty: int
    duplicates: int
    conflicts: list[tuple[str, dict[str, list[int]]]]
    shared: int | None
    skipped: int

    def as_dict(self) -> dict:
        """All of it, in what JSON knows."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        median, most, longest = self.words
        lines = [
            counted(self.texts, "text")
            + (f", {counted(self.skipped, 'bad row')} left out" * bool(self.skipped)),
            f"Words per text: half have at most {median:,}, 95 of 100 at most {most:,}, the "
            f"longest has {longest:,}",
            *self._class_lines(),
        ]
        for names in self.alike:
            said = ", ".join(f"'{name}' ({self.classes[name]:,})" for name in names)
            lines.append(f"Classes that may be one: {said}")
        if self.numbers:
            least, mean, largest = self.numbers
            lines.append(f"Numbers from {least:.4g} to {largest:.4g}, {mean:.4g} on average")
        lines.append(f"Empty texts: {self.empty:,}")
        duplicates = counted(self.duplicates, "row")
        lines.append(f"Duplicates: {duplicates} with the text and the label of an earlier one")
        lines.append(f"Conflicts: {counted(len(self.conflicts), 'text')} with different labels")
        for text, rows in self.conflicts[:_SHOWN_CONFLICTS]:
            said = ", ".join(f"{label} ({len(places)}×)" for label, places in rows.items())
            lines.append(f"  {said}: {' '.join(text.split())[:70]}")
        if len(self.conflicts) > _SHOWN_CONFLICTS:
            lines.append(f"  and {len(self.conflicts) - _SHOWN_CONFLICTS:,} more")
        if self.shared is not None:
            shared = counted(self.shared, "row")
            lines.append(f"In both sets: {shared} of the second with a text of the first")
        return "\n".join(lines)

    def _class_lines(self) -> list[str]:
        if not self.classes:
            return []
        most, least = max(self.classes.values()), min(self.classes.values())
        ratio = f", {most / least:.1f} to 1" if least else ""
        task = TASKS[self.problem_type]
        of = task.counted
        total = self.texts if of == "texts" else sum(self.classes.values())
        what = "places of the right choice" if task.has_choices else "classes"
        lines = [f"{len(self.classes):,} {what} of {least:,} to {most:,} {of}{ratio}:"]
        names, half = list(self.classes), _SHOWN_CLASSES // 2
        width = max(map(len, names[:half] + names[-half:]))
        for name, count in self.classes.items():
            bar = "█" * round(_BAR * count / most) if most else ""
            lines.append(f"  {name:{width}}  {count:7,}  {count / total:6.1%}  {bar}".rstrip())
        if len(names) > 2 * half:
            lines[1 + half : -half] = [f"  … {len(names) - 2 * half:,} more …"]
        if task.has_choices and "0" not in self.classes:
            lines.append("The right choice is never 0, the first: are they numbered from 1?")
        return lines


def describe(examples: Examples, other: Examples | None = None) -> Description:
    """Counts classes, lengths, duplicates, and texts whose labels contradict each other.

    Args:
        examples: with labels or without.
        other: a second set, such as the one to check on: how many of its texts are in the first?

    Example:

        >>> from tfkit.data import read
        >>> found = describe(read([("fine", "x"), ("Fine ", "y"), ("bad", "y"), ("bad", "y")]))
        >>> found.classes, found.duplicates, found.conflicts
        ({'y': 3, 'x': 1}, 1, [('fine', {'x': [0], 'y': [1]})])
    """
    labels = [""] * len(examples)
    if examples.labels is not None:
        labels = [examples.task.label_text(label, examples.names) for label in examples.labels]
    groups = same_texts(examples)
    duplicates, conflicts = 0, []
    for rows in groups.values():
        by_label = defaultdict(list)
        for row in rows:
            by_label[labels[row]].append(row)
        duplicates += len(rows) - len(by_label)
        if len(by_label) > 1:
            conflicts.append((examples.texts[rows[0]], dict(by_label)))
    lengths = np.array([len(text.split()) for text in examples.texts] or [0])
    task = examples.task
    targets = examples.labels if task.has_names and not task.has_classes else None
    shared = None
    if other is not None:
        shared = sum(len(rows) for key, rows in same_texts(other).items() if key in groups)
    counts = examples.label_counts
    named = [] if counts is None else zip(examples.names, counts.tolist())
    if task.has_choices and examples.has_labels:
        named = Counter(labels).items()
    classes = dict(sorted(named, key=lambda item: -item[1]))
    alike = defaultdict(list)
    for name in classes:
        alike[text_key(name)].append(name)
    return Description(
        texts=len(examples),
        problem_type=None if examples.labels is None else examples.problem_type,
        classes=classes,
        alike=[tuple(names) for names in alike.values() if len(names) > 1],
        numbers=(min(targets), sum(targets) / len(targets), max(targets)) if targets else None,
        words=(int(np.median(lengths)), int(np.percentile(lengths, 95)), int(lengths.max())),
        empty=sum(not text.strip() for text in examples.texts),
        duplicates=duplicates,
        conflicts=sorted(conflicts, key=lambda found: -sum(map(len, found[1].values()))),
        shared=shared,
        skipped=len(examples.skipped),
    )

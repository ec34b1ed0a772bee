"""`Examples`: texts with their labels, as they were read and before any batching."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfkit.tasks import TASKS
from tfkit.tasks.base import Task


class LabelledTexts:
    """What `Examples` and a `Stream` say of their labels, by `names` and `problem_type`."""

    names: tuple[str, ...]
    problem_type: str | None

    @property
    def task(self) -> Task | None:
        """What the labels are; None where a stream has none."""
        return TASKS.get(self.problem_type)

    @property
    def id2label(self) -> dict[int, str]:
        """Class number -> name, as `BertConfig` takes it."""
        return dict(enumerate(self.names))

    @property
    def label2id(self) -> dict[str, int]:
        """Name -> class number, as `BertConfig` takes it."""
        return {name: number for number, name in enumerate(self.names)}

    @property
    def model_options(self) -> dict[str, Any]:
        """What a config says of such labels: `BertConfig(**examples.model_options)`."""
        if self.task is not None and not self.task.has_names:
            return {}
        named = self.task is not None and self.task.in_config
        return {"id2label": self.id2label, "problem_type": self.problem_type if named else None}


@dataclasses.dataclass(frozen=True, repr=False)
class Examples(LabelledTexts):
    """An immutable table with one row per example.

    Args:
        texts: one string per row.
        text_pairs: the second text of each row, or None; of a multiple choice a tuple of texts.
        labels: the class number of each row, counted from 0; of a multi-label task, a tuple of
            class numbers; of a regression, a number; of token classification, a tuple of
            `(start, end, class number)`, one for each word, in characters of the text; of question
            answering a tuple of the possible answers, `(start, text)` in characters of the second
            text, the context; or None.
        names: the name of each class; `names[labels[i]]` is the label of row i as it was read. Of
            a regression, the name of what is predicted.
        problem_type: one of `tfkit.tasks.TASKS`.
        skipped: the rows that reading left out, as `BadRow`s; no part of what is compared.

    Example:

        >>> examples = Examples(["fine", "awful"], labels=[1, 0], names=["negative", "positive"])
        >>> examples
        Examples(2 texts, 2 labels: negative, positive)
        >>> examples.id2label
        {0: 'negative', 1: 'positive'}
        >>> examples[1:].texts
        ('awful',)
        >>> Examples(["a goal"], labels=[(0, 1)], names=["news", "sport"],
        ...          problem_type="multi_label_classification")
        Examples(1 texts, 2 labels, any number per text: news, sport)
    """

    texts: tuple[str, ...]
    text_pairs: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    labels: tuple | None = None
    names: tuple[str, ...] = ()
    problem_type: str = "single_label_classification"
    skipped: tuple = dataclasses.field(default=(), compare=False)

    def __post_init__(self):
        for column in ("texts", "text_pairs", "labels", "names"):
            values = getattr(self, column)
            if values is not None:
                values = (tuple(v) if isinstance(v, list) else v for v in values)
                object.__setattr__(self, column, tuple(values))
        for column in ("text_pairs", "labels"):
            values = getattr(self, column)
            if values is not None and len(values) != len(self.texts):
                raise ValueError(
                    f"Expected as many {column} as texts ({len(self.texts)}). "
                    f"Received: {len(values)}."
                )
        if self.problem_type not in TASKS:
            raise ValueError(
                f"`problem_type` must be one of {', '.join(TASKS)}; received {self.problem_type!r}."
            )
        if self.labels is None:
            return
        object.__setattr__(self, "labels", self.task.as_labels(self.labels))
        self.task.check_rows(self.columns, self.labels)
        numbers = self.task.class_numbers(self.labels)
        outside = [number for number in numbers if not 0 <= number < len(self.names)]
        if outside:
            raise ValueError(
                f"Expected labels from 0 to {len(self.names) - 1}, one for each of the "
                f"{len(self.names)} `names`. Received: {outside[0]}."
            )

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, rows: slice) -> Examples:
        if not isinstance(rows, slice):
            raise TypeError(f"Expected a slice, such as examples[:100]. Received: {rows!r}.")
        columns = (self.texts, self.text_pairs, self.labels)
        columns = [None if column is None else column[rows] for column in columns]
        return Examples(*columns, self.names, self.problem_type)

    def __repr__(self) -> str:
        labels = f", {self.task.describe(self.names)}" if self.has_labels else ""
        pairs = " in pairs" if self.text_pairs is not None else ""
        return f"Examples({len(self):,} texts{pairs}{labels})"

    @property
    def has_labels(self) -> bool:
        """Whether there are labels."""
        return self.labels is not None

    @property
    def has_pairs(self) -> bool:
        """Whether there are second texts."""
        return self.text_pairs is not None

    @property
    def columns(self) -> tuple[tuple[str, ...], ...]:
        """The texts, and the second texts if there are any."""
        return (self.texts, self.text_pairs) if self.has_pairs else (self.texts,)

    def each_label(self) -> Iterator:
        """The labels in turn."""
        return iter(self.labels)

    @property
    def label_counts(self) -> np.ndarray | None:
        """The rows of each class, int `[C]`; of a regression, and without labels, None."""
        if not self.has_labels or not self.task.has_classes:
            return None
        numbers = np.fromiter(self.task.class_numbers(self.labels), np.int64)
        return np.bincount(numbers, minlength=len(self.names))

    @property
    def digest(self) -> str:
        """Of all rows, which tells one table from another."""
        content = (self.texts, self.text_pairs, self.labels, self.names, self.problem_type)
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]

    def targets(self) -> np.ndarray:
        """The labels as batches take rows of them; see `Task.compared` for what a model sees.

        Returns: int32 `[B]` class numbers; of a multi-label task uint8 `[B,C]` of zeros and ones;
            of a regression float32 `[B,1]`; of token classification a ragged int32 `[B,(W),3]`.

        Example:

            >>> Examples(["a", "b"], labels=[(0, 1), ()], names=["x", "y"],
            ...          problem_type="multi_label_classification").targets().tolist()
            [[1, 1], [0, 0]]
        """
        return self.task.targets(self.labels, len(self.names))


def check_examples(examples) -> None:
    """Raises TypeError for anything but `Examples`."""
    if not isinstance(examples, Examples):
        raise TypeError(
            "Expected texts as `tfkit.data.read` gives them, in memory. "
            f"Received: {type(examples).__name__}."
        )

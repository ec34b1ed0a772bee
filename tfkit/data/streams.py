"""Files larger than memory: rows that are read anew in every pass, into batches of token ids."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfkit.data.examples import LabelledTexts
from tfkit.data.readers import (
    BadRow,
    SkippedRows,
    check_choices,
    checked_rows,
    classes_of,
    columns_of,
    numbered,
    task_named,
)
from tfkit.data.tables import Layout, Table, table_of
from tfkit.tasks import TASKS
from tfkit.tasks.problem_types import SingleLabel
from tfkit.utils.strings import counted

_ROWS_AT_ONCE = 1024
_MOST_LISTED = 1000


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Stream(LabelledTexts):
    """Texts that stay in their file; `stream` makes it.

    Attributes:
        names: the name of each class.
        problem_type: what a label is; None where there are none.
        skipped: the first of the bad rows that are left out in every pass, a thousand at most.
        label_counts: int `[C]`, the rows of each class; of a regression None.
        digest: of all rows, which tells one file from another.
    """

    _table: Table
    _columns: Mapping[str, str]
    _rows: int
    _number_of: Callable[[Any], Any] | None
    names: tuple[str, ...]
    problem_type: str | None
    skipped: tuple[BadRow, ...]
    label_counts: np.ndarray | None
    digest: str

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"Stream({counted(len(self), 'row')} of {self._table.name})"

    @property
    def has_labels(self) -> bool:
        """Whether there are labels."""
        return self.problem_type is not None

    @property
    def has_pairs(self) -> bool:
        """Whether there are second texts."""
        return any(name.startswith("text_pair") for name in self._columns)

    @property
    def texts(self) -> Iterator[str]:
        """The texts, from the first: every look at this attribute reads the file anew."""
        return (row[0] for row in self._checked())

    @property
    def text_pairs(self) -> Iterator[str] | None:
        """The second texts, likewise, if there are any."""
        return (row[1] for row in self._checked()) if self.has_pairs else None

    def targets(self) -> np.ndarray:
        """The labels as batches take rows of them, as `Examples.targets`; reads the file."""
        return self.task.targets([*self.each_label()], len(self.names))

    def each_label(self) -> Iterator:
        """The labels in turn, as those of `Examples`; reads the file."""
        return (row[-1] for row in self._checked())

    def dataset(
        self,
        tokenizer,
        *,
        batch_size: int = 32,
        max_length: int | None = None,
        shuffle: int = 0,
        seed: int | None = None,
    ):
        """As `tfkit.data.dataset` of this stream.

        Args:
            tokenizer, batch_size, max_length: as there.
            shuffle: how many rows to draw from at a time, which are in memory; 0 keeps the order.
                Rows of one class that lie together are mixed with no others when there are more
                of them: shuffle such a file once before.
            seed: makes the order of every pass repeatable.
        """
        from tfkit.data.pipeline import dataset

        return dataset(
            self,
            tokenizer,
            batch_size=batch_size,
            max_length=max_length,
            shuffle=shuffle > 0,
            shuffle_buffer=shuffle,
            seed=seed,
        )

    def chunks(self) -> Iterator[tuple[tuple, ...]]:
        """Rows as columns (texts, second texts of pairs, labels), some at a time."""
        return self.batches(_ROWS_AT_ONCE)

    def batches(
        self, size: int, *, shuffle: int = 0, seed: int | str = 0
    ) -> Iterator[tuple[tuple, ...]]:
        """Rows as columns, `size` at a time, the last ones fewer; labels as targets.

        Args:
            size: rows at a time.
            shuffle: how many rows to draw from at a time; 0 keeps the order.
            seed: decides the order.

        Raises:
            ValueError: there are no longer as many rows as in the first pass.
        """
        rows, count = iter(self._checked()), 0
        if shuffle:
            rows = _drawn(rows, shuffle, random.Random(seed))
        while batch := list(itertools.islice(rows, size)):
            count += len(batch)
            columns = tuple(zip(*batch))
            if self.has_labels:
                targets = self.task.targets(columns[-1], len(self.names))
                columns = (*columns[:-1], targets)
            yield columns
        if count != len(self):
            raise ValueError(
                f"{self._table.name} has changed: it had {counted(len(self), 'row')}, and has "
                f"{count:,}. Leave it as it is while it is read, and begin anew."
            )

    def _checked(self) -> Iterator[tuple]:
        for _, row in checked_rows(self._table, self._columns, self._table.layout.task):
            if isinstance(row, str):
                continue  # the first pass has reported it
            if self._number_of is not None:
                row["label"] = self._number_of(row["label"])
                if isinstance(row["label"], str):
                    continue
            yield tuple(row.values())


def _drawn(rows: Iterator, count: int, generator: random.Random) -> Iterator:
    """Each row at the place of one that is drawn from the `count` that are held."""
    held = list(itertools.islice(rows, count))
    for row in rows:
        place = generator.randrange(count)
        yield held[place]
        held[place] = row
    generator.shuffle(held)
    yield from held


def stream(
    source: str | os.PathLike | Mapping | Sequence,
    *,
    text: str = "text",
    label: str | None = "label",
    text_pair: str | None = None,
    format: str | None = None,
    names: Sequence[str] | Mapping | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    problem_type: str | None = None,
    skip_bad_rows: bool = False,
) -> Stream:
    """Reads a file without holding its texts: some megabytes of memory for any size of it.

    A first pass over the rows finds the classes, counts, and reports whatever is wrong, before
    any training begins.

    Args:
        source: what `read` takes, if it can be read more than once: a file, a folder, a dataset.
            A JSON array is held whole; JSON lines are not. A pipe or an open file is copied to a
            temporary file first.
        text, label, text_pair, format, names, encoding, delimiter, skip_bad_rows: as in `read`.
        problem_type: as in `read`; None is one class per text.

    Raises:
        TypeError: the source can be read once only.
        ValueError: as `read`.

    Example:

        >>> rows = stream([("good", "pos"), ("bad bad", "neg"), ("bad", "neg")])
        >>> len(rows), rows.names, rows.label_counts.tolist()
        (3, ('neg', 'pos'), [2, 1])
        >>> from tfkit.text.tokenizer import DistilBertTokenizer
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
        >>> batches = rows.dataset(DistilBertTokenizer(words), batch_size=2)
        >>> [labels.numpy().tolist() for _, labels in batches]
        [[1, 0], [0]]
    """
    task = task_named(problem_type)
    if isinstance(source, Iterator) and not hasattr(source, "read"):
        raise TypeError(
            "Expected a source that can be read more than once, such as a file. Received: "
            f"{type(source).__name__}. Write its rows to a file, or use `read`."
        )
    columns = columns_of(text, text_pair, label, task)
    options = {"format": format, "encoding": encoding, "delimiter": delimiter}
    opened = table_of(source, columns, task=task, lenient=skip_bad_rows, **options)
    columns, task = opened.layout or (columns, task or TASKS[SingleLabel.name])
    check_choices(columns, task)
    if (task.tokenizes or task.has_choices) and label is not None:
        raise ValueError(
            "Expected examples whose texts are batched as they come. Received those of "
            f"{task.name}, which become other rows first: `tfkit.data.read` reads them."
        )
    opened = dataclasses.replace(opened, layout=Layout(columns, task))
    skipped = SkippedRows(opened, lenient=skip_bad_rows, most=_MOST_LISTED)
    digest = hashlib.sha256(repr((names, columns)).encode())
    rows, places = 0, {}  # the first row of each label, or set of labels, and how many there are
    for number, row in checked_rows(opened, columns, task):
        if isinstance(row, str):
            skipped.add(number, row)
            continue
        rows += 1
        digest.update(repr(tuple(row.values())).encode())
        if label is not None and task.has_classes:
            for part in {*task.spelled(row["label"])}:
                places.setdefault(part, [number, 0])[1] += 1
    number_of, class_names, counts = None, (label,) if label is not None else (), None
    if label is not None and task.has_classes:
        reading, classes = classes_of(task, places.keys(), names, opened.names)
        number_of = functools.partial(numbered, task, reading, functools.cache(classes.number))
        class_names = classes.names
        counts = np.zeros(len(class_names), np.int64)
        if task.in_parts:  # what a label is, all of them together say
            for number, row in checked_rows(opened, columns, task):
                if isinstance(row, dict):
                    found = number_of(row["label"])
                    if isinstance(found, str):
                        skipped.add(number, found)
                        rows -= 1
                    else:
                        counts += np.bincount([*task.class_numbers([found])], minlength=len(counts))
            reading.warn(opened.name)
            places = {}
        for value, (number, count) in places.items():
            found = number_of(value)
            if isinstance(found, str):
                also = f" (and of {counted(count - 1, 'more row')})" if count > 1 else ""
                skipped.add(number, found + also, count)
                rows -= count
            else:
                counts[list(found) if task.multi_label else found] += count
    return Stream(
        opened,
        columns,
        rows,
        number_of,
        names=class_names,
        problem_type=None if label is None else task.name,
        skipped=skipped.report(rows),
        label_counts=counts,
        digest=digest.hexdigest()[:16],
    )

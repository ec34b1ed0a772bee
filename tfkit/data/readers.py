"""Files, folders, datasets and Python lists -> `Examples`, and what is said of bad rows."""

from __future__ import annotations

import functools
import os
import warnings
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

from tfkit.data.classes import Classes
from tfkit.data.examples import Examples
from tfkit.data.tables import Table, table_of
from tfkit.tasks import TASKS
from tfkit.tasks.base import Task
from tfkit.tasks.labels import Reading, as_names
from tfkit.tasks.problem_types import read_any, task_of_read
from tfkit.utils.strings import counted

_SHOWN = 3


def read(
    source: str | os.PathLike | Mapping | Iterable,
    *,
    text: str = "text",
    label: str | None = "label",
    text_pair: str | Sequence[str] | None = None,
    format: str | None = None,
    names: Sequence[str] | Mapping | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    problem_type: str | None = None,
    skip_bad_rows: bool = False,
) -> Examples:
    r"""Reads texts and, if there are any, their labels.

    Texts are taken as they are; an empty one is a text too. Labels are strings or whole numbers.
    Without `names` the classes are the labels found, whole numbers in numerical order, anything
    else in alphabetical order; so the same classes get the same numbers however the rows lie. A
    dataset of Hugging Face's that names its classes keeps their order.

    Args:
        source: a file with column names in its first line (CSV with quotes as in RFC 4180, TSV
            without quoting), a file of JSON lines or one JSON array of objects, SQuAD's JSON, a
            Parquet file, CoNLL columns (.conll), a file of texts alone (.txt), one per line, any of
            them compressed by gzip, bzip2, xz or zip, by its path, "-" for standard input, or as an
            open file; a folder that has a folder of .txt files for each class; a DataFrame of
            pandas or polars, a table of pyarrow, whose missing values are read as the empty ones of
            a CSV file; a `datasets.Dataset`; a dict of columns; or an iterable of rows: dicts,
            tuples in the order (text, text_pair, label), or plain strings.
        text: the column of the texts.
        label: the column of the labels; None for texts without labels.
        text_pair: the column of second texts, if the task is about pairs; of a multiple choice the
            column of lists of choices, or a list of columns with a choice each.
        format: "csv", "tsv", "jsonl", "json" (an array), "squad", "parquet", "conll" or "txt"; None
            goes by the end of the file's name, or what it holds where that is JSON or Parquet. Of
            CoNLL columns the first are words and the last tags; `text` and `label` may be the
            numbers of others, from 0, as strings.
        names: the classes of an earlier reading (`examples.names`) or of a model
            (`config.id2label`). A label that is not among them is an error. Labels 0, 1, … are
            taken as class numbers if no name is a number.
        encoding: the encoding of the file; a byte order mark says it too.
        delimiter: what stands between the columns of a CSV file; None takes the comma, or the
            semicolon, tab or bar that the header has in place of commas.
        problem_type: what a label is. "single_label_classification": one class.
            "multi_label_classification": any number of classes, as a list, as "a|b", or as a 0
            or 1 for each class (the classes are then `names`, or LABEL_0, LABEL_1, …).
            "regression": a number. "question_answering": answers to the question `question`,
            parts of the text `context`, in the column `answers`: {"text": […], "answer_start": […]}
            as Hugging Face has them, or texts alone, each in the context but once; in CSV
            `answer`, and `answer_start` if there is one; none where the context has no answer.
            "token_classification": a tag for each word, from CoNLL columns, from lists `tokens` and
            `tags` (or `ner_tags`), or from `spans` (or `entities`) of a text, dicts of `start`,
            `end` and `label`; tags become BIO, as a warning says. "multiple_choice": the number of
            the right choice from 0, its letter, or itself; without `text_pair`, `choices` (a list,
            also `endings` and `options`) or `choice0`, … (also `ending0`, `option_a` and the like)
            of a `prompt` (also `question`, `context`, `ctx`, `sent1`). None goes by those columns:
            SQuAD's JSON is "question_answering", words or spans are "token_classification", a
            prompt with choices is "multiple_choice"; else lists are the second, all else the first.
        skip_bad_rows: leave out rows that cannot be read or have an unknown label, with a warning;
            `examples.skipped` lists them. Without it the first of them is an error.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, misses a column, has a row that cannot be read, is not in
            that encoding, or has a label that `names` does not.

    Example:

        >>> train = read([("good", "pos"), ("bad", "neg"), ("", "neg")])
        >>> train.labels, train.names
        ((1, 0, 0), ('neg', 'pos'))
        >>> read([{"review": "well", "stars": "pos"}], text="review", label="stars",
        ...      names=train.names).labels
        (1,)
        >>> read([("a goal", ["news", "sport"]), ("rain", ["news"])]).labels
        ((0, 1), (0,))
        >>> read([("a goal", [1, 1]), ("rain", [1, 0])], names=["news", "sport"]).labels
        ((0, 1), (0,))
        >>> words = read([{"tokens": ["Anna", "sings"], "tags": ["B-name", "O"]}])
        >>> words.texts, words.labels, words.names
        (('Anna sings',), (((0, 4, 1), (5, 10, 0)),), ('O', 'B-name', 'I-name'))
        >>> read([("so-so", 2.5)], problem_type="regression").labels
        (2.5,)
        >>> read([{"question": "Who?", "context": "Anna sings", "answers": ["Anna"]}],
        ...      problem_type="question_answering").labels
        (((0, 'Anna'),),)
        >>> read(["no label", "none either"], label=None)
        Examples(2 texts)
    """
    task = task_named(problem_type)
    columns = columns_of(text, text_pair, label, task)
    options = {"format": format, "encoding": encoding, "delimiter": delimiter}
    source = table_of(source, columns, task=task, lenient=skip_bad_rows, **options)
    columns, task = source.layout or (columns, task)
    check_choices(columns, task)
    skipped = SkippedRows(source, lenient=skip_bad_rows)
    numbers, table = array("q"), defaultdict(list)
    for number, row in checked_rows(source, columns, task):
        if isinstance(row, str):
            skipped.add(number, row)
            continue
        numbers.append(number)
        for argument, value in row.items():
            table[argument].append(value)
    task = task or task_of_read(table.get("label", ()))
    if label is None or not task.has_classes:
        names = () if label is None or not task.has_names else (label,)
    else:
        found = {part for label in table["label"] for part in task.spelled(label)}
        reading, classes = classes_of(task, found, names, source.names)
        number, names = functools.cache(classes.number), classes.names
        for row, value in enumerate(table["label"]):
            table["label"][row] = value = numbered(task, reading, number, value)
            if isinstance(value, str):
                skipped.add(numbers[row], value)
        reading.warn(source.name)
        if skipped:
            kept = [not isinstance(value, str) for value in table["label"]]
            for name, values in table.items():
                table[name] = list(compress(values, kept))
    left_out = skipped.report(len(table["text"]))
    columns = (table["text"], table.get("text_pair"), table.get("label"))
    return Examples(*columns, names, task.name, left_out)


def task_named(problem_type: str | None) -> Task | None:
    """The task of that name, if one is named; ValueError for a name that none has."""
    if problem_type is not None and problem_type not in TASKS:
        raise ValueError(
            f"`problem_type` must be None or one of {', '.join(TASKS)}; received {problem_type!r}."
        )
    return TASKS.get(problem_type)


def classes_of(
    task: Task, found: Collection, names, own_names: tuple[str, ...] | None
) -> tuple[Reading, Classes]:
    """How labels are to be read whose classes are all those, and the classes then."""
    known = own_names if names is None else as_names(names)
    reading = task.reading(found, own_names or known)
    several, order = task.multi_label, task.order_names
    return reading, Classes(
        reading.found, several=several, names=names, own_names=own_names, order=order
    )


def numbered(task: Task, reading: Reading, number: Callable, label) -> Any:
    """A label of a file as `Examples` have it; in words, what is wrong with it."""
    try:
        return task.numbered(reading(label), number)
    except ValueError as error:
        return str(error)


class BadRow(NamedTuple):
    """A row that was left out.

    Attributes:
        line: of the file, from 1; of a list, a dataset or a Parquet file the row, from 0.
        place: the same in words, with the file's name.
        reason: what is wrong with it.
    """

    line: int
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}."


def columns_of(
    text: str, text_pair: str | Sequence[str] | None, label: str | None, task: Task | None
) -> dict[str, str]:
    """Argument -> column, in the order of a row's parts, of those that there are; of choices in
    several columns "text_pair 0", "text_pair 1" and so on.
    """
    pairs = {"text_pair": text_pair}
    if isinstance(text_pair, Sequence) and not isinstance(text_pair, str):
        if task is None or not task.has_choices:
            raise ValueError(
                "Expected one column as `text_pair`: several hold the choices of "
                f"problem_type='multiple_choice'. Received {[*text_pair]!r}."
            )
        pairs = {f"text_pair {number}": column for number, column in enumerate(text_pair)}
    columns = {"text": text, **pairs, "label": label}
    return {argument: column for argument, column in columns.items() if column is not None}


def check_choices(columns: Mapping[str, str], task: Task | None) -> None:
    """Raises ValueError where a task has choices and no column has them."""
    of_choices = [name for name in columns if name.startswith("text_pair")]
    if task is not None and task.has_choices and not of_choices:
        raise ValueError(
            "Expected `text_pair`, the column of the choices, or a list of columns with one each. "
            "Received none."
        )


def checked_rows(
    table: Table, columns: Mapping[str, str], task: Task | None = None
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The wanted columns of each row by argument; a string in their place says what is wrong.
    Raises ValueError where a column is missing from all rows.
    """
    read_row = _read_row if task is None else task.read_row
    for number, row in table.rows():
        if isinstance(row, str):
            yield number, row
            continue
        missing = [argument for argument, column in columns.items() if column not in row]
        if missing:
            reason = (
                f"no column '{columns[missing[0]]}'. Its columns: {', '.join(map(str, row))}. "
                f"{_REMEDIES.get(missing[0].split()[0], '')}"
            )
            if table.same_columns:
                raise ValueError(f"{table.name} has {reason}")
            yield number, f"it has {reason}".rstrip(".")
            continue
        try:
            row = read_row({name: row[column] for name, column in columns.items()})
            for part in (row[name] for name in ("text", "text_pair") if name in row):
                for each in part if isinstance(part, tuple) else [part]:
                    _check_text(each)
            yield number, row
        except ValueError as error:
            yield number, str(error)


class SkippedRows:
    """The bad rows of a reading: an error each, or, of a lenient one, a list and a warning. At most
    `most` are listed, and all counted.
    """

    def __init__(self, table: Table, *, lenient: bool, most: int | None = None):
        self._table, self._lenient, self._most = table, lenient, most
        self._rows: list[BadRow] = []
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._count)

    def add(self, number: int, reason: str, rows: int = 1) -> None:
        """A bad row, which may stand for several; unless lenient, raises ValueError."""
        bad = BadRow(number, self._table.place(number), reason)
        if not self._lenient:
            raise ValueError(f"{bad} skip_bad_rows=True leaves such rows out.")
        self._count += rows
        if self._most is None or len(self._rows) < self._most:
            self._rows.append(bad)

    def report(self, rows: int) -> tuple[BadRow, ...]:
        """Gives the list and warns of it; raises ValueError if no row is left."""
        bad, count = sorted(self._rows), self._count
        if not rows:
            because = f": {count:,} were bad, the first: {bad[0]}" if bad else "."
            raise ValueError(f"{self._table.name} has no rows{because} Expected at least one text.")
        if count:
            first = " ".join(map(str, bad[:_SHOWN]))
            more = f" And {count - _SHOWN:,} more." if count > _SHOWN else ""
            warnings.warn(
                f"left out {count:,} of {counted(rows + count, 'row')}. {first}{more}", stacklevel=3
            )
        return tuple(bad)


def _read_row(row: dict[str, Any]) -> dict[str, Any]:
    """Of rows of which nothing was said."""
    return {**row, "label": read_any(row["label"])} if "label" in row else row


def _check_text(value) -> None:
    if not isinstance(value, str):
        raise ValueError(f"expected a text. Received: {value!r:.60}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text holds {value[error.start]!r} at position {error.start}, half of a "
            "surrogate pair and so no character. Remove or replace it"
        ) from None


_REMEDIES = {
    "text": "Name the column of the texts with `text`.",
    "text_pair": "Name the column of the second texts with `text_pair`.",
    "label": "Name the column of the labels with `label`; label=None reads texts without labels.",
}

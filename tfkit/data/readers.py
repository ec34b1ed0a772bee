"""CSV, TSV, JSON lines and Python lists -> `Examples`."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tfkit.data.examples import Examples
from tfkit.data.labels import as_names, class_numbers, clean_label, order_names
from tfkit.data.rows import Row, csv_rows, jsonl_rows, tsv_rows

_FORMATS = {"csv": csv_rows, "tsv": tsv_rows, "jsonl": jsonl_rows}
_SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}


def read(
    source: str | os.PathLike | Mapping | Iterable,
    *,
    text: str = "text",
    label: str | None = "label",
    text_pair: str | None = None,
    format: str | None = None,
    names: Sequence[str] | Mapping | None = None,
    encoding: str = "utf-8",
) -> Examples:
    r"""Reads texts and, if there are any, their labels.

    Texts are taken as they are; an empty one is a text too. Labels are strings or whole numbers.
    Without `names` the classes are the labels found, whole numbers in numerical order, anything
    else in alphabetical order; so the same classes get the same numbers however the rows lie.

    Args:
        source: a file with column names in its first line (CSV with quotes as in RFC 4180, TSV
            without quoting), a file of JSON lines, a dict of columns, or an iterable of rows:
            dicts, tuples in the order (text, text_pair, label), or plain strings.
        text: the column of the texts.
        label: the column of the labels; None for texts without labels.
        text_pair: the column of second texts, if the task is about pairs.
        format: "csv", "tsv" or "jsonl"; None goes by the end of the file's name.
        names: the classes of an earlier reading (`examples.names`) or of a model
            (`config.id2label`). A label that is not among them is an error. Labels 0, 1, … are
            taken as class numbers if no name is a number.
        encoding: the encoding of the file.

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
        >>> read(["no label", "none either"], label=None)
        Examples(2 texts)
    """
    columns = {"text": text, "text_pair": text_pair, "label": label}
    columns = {argument: column for argument, column in columns.items() if column is not None}
    if isinstance(source, (str, os.PathLike)):
        path = _existing_file(Path(source))
        rows = _FORMATS[_format_of(path, format)](path, encoding)
        name, place = str(path), f"line {{}} of {path}".format
    else:
        rows = _rows_of(source, list(columns.values()))
        name, place = "The list", "row {} of the list".format
    row_numbers, table = _table_of(rows, columns, place)
    if not row_numbers:
        raise ValueError(f"{name} has no rows. Expected at least one text.")
    texts, text_pairs, labels = (table.get(argument) for argument in ("text", "text_pair", "label"))
    if labels is None:
        return Examples(texts, text_pairs)
    names = as_names(names) if names is not None else order_names(set(labels))
    known = class_numbers(set(labels), names)
    for row, value in enumerate(labels):
        if value not in known:
            raise ValueError(
                f"{place(row_numbers[row])} has the label '{value}', which is not among the "
                f"{len(names)} known from training: {', '.join(names[:5])}"
                f"{', …' if len(names) > 5 else ''}."
            )
    return Examples(texts, text_pairs, [known[value] for value in labels], names)


def _existing_file(path: Path) -> Path:
    path = path.expanduser()
    if path.is_dir():
        raise IsADirectoryError(f"Expected a file of texts. Received the folder '{path}'.")
    if not path.exists():
        raise FileNotFoundError(f"There is no file '{path}'. Check the path.")
    return path


def _format_of(path: Path, format: str | None) -> str:
    found = format or _SUFFIXES.get(path.suffix.lower())
    if found not in _FORMATS:
        raise ValueError(
            f"Expected a file that ends in {', '.join(_SUFFIXES)}, or `format` as one of "
            f"{', '.join(_FORMATS)}. Received: '{path}', format={format!r}."
        )
    return found


def _rows_of(source: Mapping | Iterable, columns: list[str]) -> Iterator[Row]:
    """Rows of a dict of columns or of an iterable, numbered from 0 as Python does."""
    if isinstance(source, Mapping):
        lengths = {column: len(values) for column, values in source.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Expected columns of one length. Received: {lengths}.")
        source = [dict(zip(source, values)) for values in zip(*source.values())]
    for number, row in enumerate(source):
        if isinstance(row, str):
            yield number, {columns[0]: row}
        elif isinstance(row, Mapping):
            yield number, row
        elif isinstance(row, (tuple, list)) and len(row) == len(columns):
            yield number, dict(zip(columns, row))
        else:
            raise ValueError(
                f"row {number} of the list: expected a dict, a tuple ({', '.join(columns)}), or a "
                f"string if there are no labels. Received: {row!r:.60}."
            )


def _table_of(
    rows: Iterable[Row], columns: Mapping[str, str], place: Callable[[int], str]
) -> tuple[array, dict[str, list[str]]]:
    """The wanted columns by argument, checked, and the number of each row for later messages."""
    numbers = array("q")
    table = {argument: [] for argument in columns}
    for number, row in rows:
        numbers.append(number)
        for argument, column in columns.items():
            if column not in row:
                raise ValueError(
                    f"{place(number)} has no column '{column}'. Its columns: "
                    f"{', '.join(map(str, row))}. {_REMEDIES[argument]}"
                )
            try:
                table[argument].append(_CHECKS[argument](row[column]))
            except ValueError as error:
                raise ValueError(f"{place(number)}: {error}.") from None
    return numbers, table


def _clean_text(value) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text. Received: {value!r:.60}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text holds {value[error.start]!r} at position {error.start}, half of a "
            "surrogate pair and so no character. Remove or replace it"
        ) from None
    return value


_CHECKS = {"text": _clean_text, "text_pair": _clean_text, "label": clean_label}
_REMEDIES = {
    "text": "Name the column of the texts with `text`.",
    "text_pair": "Name the column of the second texts with `text_pair`.",
    "label": "Name the column of the labels with `label`; label=None reads texts without labels.",
}

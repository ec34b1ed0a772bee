"""Files, folders, datasets and Python lists -> `Examples`."""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Iterable, Mapping, Sequence

from tfkit.config_rules import check_problem_type
from tfkit.data.examples import Examples
from tfkit.data.labels import as_names, class_numbers, order_names
from tfkit.data.sources import source_of
from tfkit.data.table import SkippedRows, checked_rows
from tfkit.words import listed


def read(
    source: str | os.PathLike | Mapping | Iterable,
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
) -> Examples:
    r"""Reads texts and, if there are any, their labels.

    Texts are taken as they are; an empty one is a text too. Labels are strings or whole numbers.
    Without `names` the classes are the labels found, whole numbers in numerical order, anything
    else in alphabetical order; so the same classes get the same numbers however the rows lie. A
    dataset of Hugging Face's that names its classes keeps their order.

    Args:
        source: a file with column names in its first line (CSV with quotes as in RFC 4180, TSV
            without quoting), a file of JSON lines or one JSON array of objects, a Parquet file, any
            text file compressed by gzip, bzip2 or xz; a folder that has a folder of .txt files for
            each class; a `datasets.Dataset`; a dict of columns; or an iterable of rows: dicts,
            tuples in the order (text, text_pair, label), or plain strings.
        text: the column of the texts.
        label: the column of the labels; None for texts without labels.
        text_pair: the column of second texts, if the task is about pairs.
        format: "csv", "tsv", "jsonl", "json" (an array) or "parquet"; None goes by the end of the
            file's name.
        names: the classes of an earlier reading (`examples.names`) or of a model
            (`config.id2label`). A label that is not among them is an error. Labels 0, 1, … are
            taken as class numbers if no name is a number.
        encoding: the encoding of the file.
        delimiter: what stands between the columns of a CSV file; None takes the comma, or the
            semicolon, tab or bar that the header has in place of commas.
        problem_type: what a label is. "single_label_classification": one class.
            "multi_label_classification": any number of classes, as a list or as "a|b".
            "regression": a number. None takes lists for the second, all else for the first.
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
        >>> read([("so-so", 2.5)], problem_type="regression").labels
        (2.5,)
        >>> read(["no label", "none either"], label=None)
        Examples(2 texts)
    """
    check_problem_type(problem_type)
    columns = columns_of(text, text_pair, label)
    source = source_of(
        source,
        columns,
        format=format,
        encoding=encoding,
        delimiter=delimiter,
        lenient=skip_bad_rows,
    )
    skipped = SkippedRows(source, lenient=skip_bad_rows)
    numbers, table = array("q"), {argument: [] for argument in columns}
    for number, row in checked_rows(source, columns, problem_type):
        if isinstance(row, str):
            skipped.add(number, row)
            continue
        numbers.append(number)
        for argument, value in row.items():
            table[argument].append(value)
    kind = problem_type or _kind_of(table.get("label", ()))
    if label is None:
        names = ()
    elif kind == "regression":
        names = (label,)
    else:
        table["label"], names = _class_numbers(table["label"], kind, names, source.names)
        for row, value in enumerate(table["label"]):
            if isinstance(value, str):
                skipped.add(numbers[row], unknown_label(value, names))
        if skipped:
            kept = [not isinstance(value, str) for value in table["label"]]
            table = {name: _where(kept, values) for name, values in table.items()}
    left_out = skipped.report(len(table["text"]))
    columns = (table["text"], table.get("text_pair"), table.get("label"))
    return Examples(*columns, names, kind, left_out)


def columns_of(text: str, text_pair: str | None, label: str | None) -> dict[str, str]:
    """Argument -> column, in the order of a row's parts, of those that there are."""
    columns = {"text": text, "text_pair": text_pair, "label": label}
    return {argument: column for argument, column in columns.items() if column is not None}


def unknown_label(value: str, names: Sequence[str]) -> str:
    """Why a row with that label is bad."""
    return f"the label '{value}' is not among the {len(names)} known: {listed(names)}"


def _kind_of(labels: Sequence[str | tuple[str, ...]]) -> str:
    """What labels are of which nothing was said: lists are several labels a text."""
    several = any(isinstance(label, tuple) for label in labels)
    return "multi_label_classification" if several else "single_label_classification"


def _class_numbers(
    labels: list, kind: str, names, own_names: tuple[str, ...] | None
) -> tuple[list, tuple[str, ...]]:
    """Class numbers, with the label itself where it is unknown, and the names of the classes."""
    single = kind == "single_label_classification"
    rows = [label if isinstance(label, tuple) else (label,) for label in labels]
    found = set(itertools.chain.from_iterable(rows))
    known, names = known_labels(found, names, own_names)
    if single:
        return [known.get(label, label) for label in labels], names
    unknown = [next((label for label in row if label not in known), None) for row in rows]
    return [
        tuple(known[label] for label in row) if strange is None else strange
        for row, strange in zip(rows, unknown)
    ], names


def known_labels(
    found: set[str], names, own_names: tuple[str, ...] | None
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Label -> class number, and the names of the classes.

    A source with names of its own has numbers: they stand for these names.
    """
    if own_names is None:
        names = order_names(found) if names is None else as_names(names)
        return class_numbers(found, names), names
    own = class_numbers(found, own_names)
    read_as = {label: own_names[own[label]] for label in found if label in own}
    names = own_names if names is None else as_names(names)
    by_name = class_numbers(set(read_as.values()), names)
    # A model that knows no names ("LABEL_0") has the numbers in common with the dataset.
    known = {label: by_name[name] for label, name in read_as.items() if name in by_name}
    return known or class_numbers(found, names), names


def _where(kept: list[bool], values: list) -> list:
    return [value for keep, value in zip(kept, values) if keep]

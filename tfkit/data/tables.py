"""Whatever holds texts -> a `Table`: rows that can be read more than once, and where each lies."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tfkit.data.examples import Examples
from tfkit.data.files import DataFile, data_file, json_kind, read_text
from tfkit.data.formats import (
    Rows,
    conll_rows,
    csv_rows,
    json_rows,
    jsonl_rows,
    parquet_rows,
    squad_rows,
    tsv_rows,
    txt_rows,
)
from tfkit.tasks import TASKS
from tfkit.tasks.base import Task
from tfkit.tasks.labels import is_missing, python_value
from tfkit.utils.files import local_path

_READERS = {
    "csv": csv_rows,
    "tsv": tsv_rows,
    "jsonl": jsonl_rows,
    "json": json_rows,
    "parquet": parquet_rows,
    "txt": txt_rows,
    "conll": conll_rows,
}
_SUFFIXES = {f".{name}": name for name in _READERS} | {".json": "jsonl", ".ndjson": "jsonl"}
_SUFFIXES |= dict.fromkeys((".iob", ".iob2", ".bio"), "conll")
_READERS["squad"] = squad_rows  # known by what it holds
FORMATS = tuple(_READERS)
_OF_ONE_TASK = {"conll": "token_classification", "squad": "question_answering"}


class Layout(NamedTuple):
    """The columns of a task's rows, argument -> column, and the task."""

    columns: Mapping[str, str]
    task: Task


def _names_in(source) -> Iterable[str]:
    """The columns of a table, or of the first row of a list."""
    if isinstance(source, Mapping):
        return source
    if isinstance(source, Sequence) and source and isinstance(source[0], Mapping):
        return source[0]
    return _column_names(source) or ()


def _layout_of(found: Iterable[str], columns: Mapping[str, str], task: Task | None):
    """The `Layout` that the columns which were found show, of several tasks the one that has most
    of them; or None where those are there that are wanted, or others than the usual were asked for.
    """
    found, some = {*found}, task is not None and task.has_choices  # whose columns none names
    if any(name != column for name, column in columns.items()):
        return None
    if {*columns.values()} <= found and not some:
        return None
    layouts = []
    for each in TASKS.values() if task is None else (task,):
        wanted = (_wanted(layout, columns) for layout in each.layouts_in(found))
        layouts += itertools.islice(
            (
                Layout(layout, each)
                for layout in wanted
                if {*layout.values()} <= found and columns.keys() <= layout.keys()
            ),
            1,
        )
    return max(layouts, key=lambda layout: len(layout.columns), default=None)


def _wanted(layout: Mapping[str, str], columns: Mapping[str, str]) -> dict[str, str]:
    """Without what belongs to labels, where none are read."""
    return {n: column for n, column in layout.items() if n.startswith("text") or "label" in columns}


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows by number, with what a message says of them.

    `rows` gives `(number, columns)` from the first, or what is wrong in place of the columns;
    `same_columns`: what one row lacks all lack; `names` are the classes that 0, 1, … stand for;
    `layout` where the columns are other than those asked for.
    """

    name: str
    rows: Callable[[], Rows]
    place: Callable[[int], str]
    same_columns: bool = False
    names: tuple[str, ...] | None = None
    layout: Layout | None = None


def table_of(
    source, columns: Mapping[str, str], *, task: Task | None, encoding: str, **of_files
) -> Table:
    """The rows of whatever `read` takes; `columns` is argument -> column, of those wanted."""
    is_path = isinstance(source, (str, os.PathLike))
    if is_path and local_path(source).is_dir():
        return _folder(local_path(source), columns, encoding)
    if is_path or hasattr(source, "read"):
        table = _file(data_file(source), columns, task=task, encoding=encoding, **of_files)
    else:
        layout = _layout_of(_names_in(source), columns, task)
        table = _in_memory(source, columns if layout is None else layout.columns)
        table = dataclasses.replace(table, layout=layout)
    if table.layout is None or not table.layout.task.has_choices or table.same_columns:
        return table
    return dataclasses.replace(table, rows=lambda: _of_layout(table.rows(), table.layout))


def _of_layout(rows: Rows, layout: Layout) -> Rows:
    """The rows, with what is wrong in place of those that have choices in other columns."""
    own = {n: column for n, column in layout.columns.items() if n.startswith("text")}
    for number, row in rows:
        if isinstance(row, Mapping):
            found = next(iter(layout.task.layouts_in(row)), {})
            found = {n: column for n, column in found.items() if n.startswith("text")}
            if found != own:
                row = (
                    f"expected the columns {', '.join(own.values())}, as in the first row. "
                    f"Received: {', '.join(map(str, row))}. A list of choices may have any number"
                )
        yield number, row


def _in_memory(source, columns: Mapping[str, str]) -> Table:
    if isinstance(source, Mapping):
        return _columns(source)
    if hasattr(source, "features") and hasattr(source, "column_names"):
        return _dataset(source, columns)
    if (table := _table(source, columns)) is not None:
        return _columns(table, "The table", missing=True)
    if not isinstance(source, Iterable) or isinstance(source, bytes):
        raise TypeError(
            "Expected a file, a folder, a table, a dataset or an iterable of rows. Received: "
            f"{type(source).__name__}."
        )
    place = "row {} of the list".format
    return Table("The list", lambda: _rows_of(source, list(columns.values())), place)


# === Files ===


def _file(
    file: DataFile,
    columns: Mapping[str, str],
    *,
    task: Task | None,
    format: str | None,
    encoding: str,
    delimiter: str | None,
    lenient: bool,
) -> Table:
    # What a file holds counts more than what its name says.
    content = "parquet" if file.start.startswith(b"PAR1") else json_kind(file, encoding)
    found = format or content or _SUFFIXES.get(file.suffix)
    if found not in FORMATS:
        raise ValueError(
            f"Expected a file that ends in {', '.join(_SUFFIXES)} (.gz, .bz2, .xz or .zip may "
            "follow), a folder with a folder of .txt files for each class, or `format` as one of "
            f"{', '.join(FORMATS)}. Received: '{file}', format={format!r}."
        )
    if content == "parquet" != found:
        raise ValueError(f"{file} is a Parquet file. Received: format={format!r}. Leave it out.")
    if found == "jsonl" and content == "json":
        found = "json"
    if delimiter is not None and found != "csv":
        raise ValueError(f"`delimiter` is for CSV. Received: delimiter={delimiter!r} with {found}.")
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ValueError(
            f"`delimiter` must be one character, no quote and no line end. Received: {delimiter!r}."
        )
    options = {
        "csv": {"encoding": encoding, "delimiter": delimiter, "lenient": lenient},
        "json": {"encoding": encoding},
        "squad": {"encoding": encoding},
        "conll": {"columns": columns, "encoding": encoding, "lenient": lenient},
        "parquet": {"columns": list(columns.values())},
        "txt": {"column": columns["text"], "encoding": encoding, "lenient": lenient},
    }.get(found, {"encoding": encoding, "lenient": lenient})
    rows, layout = _READERS[found], None
    if found in _OF_ONE_TASK:
        own = TASKS[_OF_ONE_TASK[found]]
        if task not in (None, own):
            raise ValueError(
                f"{file} is read as {found}, which has labels of problem_type='{own.name}'. "
                f"Received: problem_type='{task.name}'."
            )
        layout = Layout(_wanted(own.layouts[0], columns) if found == "squad" else columns, own)
    elif found != "txt":
        first = next((row for _, row in rows(file, **options) if isinstance(row, dict)), {})
        layout = _layout_of(first, columns, task)
    if found == "parquet" and layout is not None:
        options["columns"] = list(layout.columns.values())
    return Table(
        name=str(file),
        layout=layout,
        rows=lambda: rows(file, **options),
        place=f"{'row' if found in ('json', 'parquet', 'squad') else 'line'} {{}} of {file}".format,
        same_columns=found not in ("json", "jsonl", "squad"),
    )


def _folder(path: Path, columns: Mapping[str, str], encoding: str) -> Table:
    """`path/class/*.txt`, or without labels `path/*.txt`; one text per file."""
    labelled = "label" in columns
    files = sorted(path.glob("*/*.txt" if labelled else "*.txt"))
    if "text_pair" in columns:
        raise ValueError(f"Expected a file of pairs of texts. Received the folder '{path}'.")
    if not files:
        inside = "a folder for each class, and in it .txt files" if labelled else ".txt files"
        raise ValueError(
            f"Expected in the folder '{path}' {inside}, one text per file. Found none."
        )

    def rows() -> Rows:
        for number, file in enumerate(files):
            try:
                row = {columns["text"]: read_text(DataFile(file), encoding)}
            except ValueError as error:
                yield number, str(error).rstrip(".")
                continue
            if labelled:
                row[columns["label"]] = file.parent.name
            yield number, row

    return Table(f"The folder '{path}'", rows, lambda number: str(files[number]), True)


# === What Python holds ===


def _columns(table: Mapping, name: str = "The list", *, missing: bool = False) -> Table:
    """A dict of columns; with `missing`, missing values are empty ones, as CSV files have them."""
    splits = [
        name
        for name, values in table.items()
        if hasattr(values, "column_names") or _column_names(values) is not None
    ]
    if splits:
        raise ValueError(
            f"Expected one split of a dataset. Received all: {', '.join(map(str, splits))}. "
            f"Pass one of them, such as dataset[{splits[0]!r}]."
        )
    single = [column for column, values in table.items() if isinstance(values, (str, bytes))]
    if single:
        raise ValueError(
            f"Expected a dict of columns, each with a value for every row. Received a string as "
            f"'{single[0]}'. A single row goes into a list."
        )
    lengths = {column: len(values) for column, values in table.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Expected columns of one length. Received: {lengths}.")

    def rows() -> Rows:
        for number, values in enumerate(zip(*table.values())):
            values = map(python_value, values)
            if missing:
                values = ("" if is_missing(value) else value for value in values)
            yield number, dict(zip(table, values))

    return Table(name, rows, f"row {{}} of {name.lower()}".format, same_columns=True)


def _column_names(source) -> list | None:
    """The names of a table's columns; None for anything else."""
    for attribute in ("column_names", "columns"):
        names = getattr(source, attribute, None)
        if names is not None and not callable(names) and not isinstance(source, Examples):
            return list(names)
    return None


def _table(source, columns: Mapping[str, str]) -> dict | None:
    """The wanted columns of a table of pandas, polars or pyarrow; None for anything else. Where one
    is missing all are given, so that the message can name them.
    """
    names = _column_names(source)
    if names is None:
        return None
    if hasattr(source, "collect"):  # lazy, as of polars
        raise TypeError(
            f"Expected a table in memory. Received: {type(source).__name__}. Call its `collect()`."
        )
    wanted = list(dict.fromkeys(columns.values()))
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise ValueError(f"The table has the column '{twice[0]}' twice. Rename one of them.")
    if not set(wanted) <= set(names):
        return {name: [""] for name in names}
    return {name: source[name] for name in wanted}


def _dataset(dataset, columns: Mapping[str, str]) -> Table:
    """A `datasets.Dataset` or `IterableDataset`, known by its `features`."""
    features = dataset.features if isinstance(dataset.features, Mapping) else {}
    feature = features.get(columns.get("label"))
    # What the numbers of the labels stand for; of a list of them, those of its parts.
    names = getattr(getattr(feature, "feature", feature), "names", None)
    known = getattr(dataset, "column_names", None) or ()
    wanted = [column for column in dict.fromkeys(columns.values()) if column in known]
    if len(wanted) == len(set(columns.values())) and hasattr(dataset, "select_columns"):
        dataset = dataset.select_columns(wanted)  # images and long columns are not decoded
    return Table(
        name="The dataset",
        rows=lambda: enumerate(dataset),
        place="row {} of the dataset".format,
        same_columns=True,
        names=tuple(names) if names else None,
    )


def _rows_of(source: Iterable, columns: list[str]) -> Rows:
    """Rows of an iterable, numbered from 0 as Python does."""
    for number, row in enumerate(source):
        row = python_value(row)
        if isinstance(row, str):
            yield number, {columns[0]: row}
        elif isinstance(row, Mapping):
            yield number, row
        elif isinstance(row, (tuple, list)) and len(row) == len(columns):
            yield number, dict(zip(columns, row))
        else:
            yield (
                number,
                f"expected a dict, a tuple ({', '.join(columns)}), or a string if there are no "
                f"labels. Received: {row!r:.60}",
            )

"""Whatever holds texts -> a `Source`: rows that can be read more than once, and where each lies."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tfkit.data.parquet import parquet_rows
from tfkit.data.rows import Row, csv_rows, json_rows, jsonl_rows, tsv_rows
from tfkit.data.text_files import data_suffix, is_json_array, read_text
from tfkit.files import local_path

_READERS = {
    "csv": csv_rows,
    "tsv": tsv_rows,
    "jsonl": jsonl_rows,
    "json": json_rows,
    "parquet": parquet_rows,
}
FORMATS = tuple(_READERS)
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}


@dataclasses.dataclass(frozen=True)
class Source:
    """Rows by number, with what a message says of them.

    Attributes:
        name: of the whole, for messages.
        rows: gives `(number, columns)` for each row, from the first; a string in place of the
            columns says what is wrong with the row.
        place: the number of a row -> where it is.
        same_columns: all rows have the same columns, so that what one lacks all lack.
        names: the classes that labels 0, 1, … stand for, where the source knows them.
    """

    name: str
    rows: Callable[[], Iterator[Row]]
    place: Callable[[int], str]
    same_columns: bool = False
    names: tuple[str, ...] | None = None


def source_of(
    source,
    columns: Mapping[str, str],
    *,
    format: str | None,
    encoding: str,
    delimiter: str | None,
    lenient: bool,
) -> Source:
    """The rows of a file, a folder, a dataset of Hugging Face's, a dict of columns or a list.

    Args:
        source: as in `tfkit.data.read`.
        columns: argument -> column, of those that are wanted.
        format, encoding, delimiter: as in `tfkit.data.read`.
        lenient: the reader goes on after bad rows.
    """
    if isinstance(source, (str, os.PathLike)):
        path = _existing(source)
        if path.is_dir():
            return _folder(path, columns, encoding)
        return _file(path, columns, format, encoding, delimiter, lenient)
    if isinstance(source, Mapping):
        return _columns(source)
    names = _class_names(source, columns.get("label"))
    if names is not None or hasattr(source, "features"):
        return _dataset(source, columns, names)
    place = "row {} of the list".format
    return Source("The list", lambda: _rows_of(source, list(columns.values())), place)


# === Files ===


def _existing(source: str | os.PathLike) -> Path:
    path = local_path(source)
    if not path.exists():
        raise FileNotFoundError(f"There is no file '{path}'. Check the path.")
    return path


def _file(
    path: Path,
    columns: Mapping[str, str],
    format: str | None,
    encoding: str,
    delimiter: str | None,
    lenient: bool,
) -> Source:
    found = format or _SUFFIXES.get(data_suffix(path))
    if found not in FORMATS:
        raise ValueError(
            f"Expected a file that ends in {', '.join(_SUFFIXES)} (.gz, .bz2 or .xz may follow), a "
            f"folder with a folder of .txt files for each class, or `format` as one of "
            f"{', '.join(FORMATS)}. Received: '{path}', format={format!r}."
        )
    if found == "jsonl" and is_json_array(path, encoding):
        found = "json"
    if delimiter is not None and found != "csv":
        raise ValueError(f"`delimiter` is for CSV. Received: delimiter={delimiter!r} with {found}.")
    if delimiter is not None and len(delimiter) != 1:
        raise ValueError(f"`delimiter` must be one character. Received: {delimiter!r}.")
    options = {
        "csv": {"encoding": encoding, "delimiter": delimiter, "lenient": lenient},
        "json": {"encoding": encoding},
        "parquet": {"columns": list(columns.values())},
    }.get(found, {"encoding": encoding, "lenient": lenient})
    rows = _READERS[found]
    return Source(
        name=str(path),
        rows=lambda: rows(path, **options),
        place=f"{'row' if found in ('json', 'parquet') else 'line'} {{}} of {path}".format,
        same_columns=found not in ("json", "jsonl"),
    )


def _folder(path: Path, columns: Mapping[str, str], encoding: str) -> Source:
    """`path/class/*.txt`, or without labels `path/*.txt`; a file a text."""
    labelled = "label" in columns
    files = sorted(path.glob("*/*.txt" if labelled else "*.txt"))
    if "text_pair" in columns:
        raise ValueError(f"Expected a file of pairs of texts. Received the folder '{path}'.")
    if not files:
        inside = "a folder for each class, and in it .txt files" if labelled else ".txt files"
        raise ValueError(f"Expected in the folder '{path}' {inside}, a text each. Found none.")

    def rows() -> Iterator[Row]:
        for number, file in enumerate(files):
            try:
                row = {columns["text"]: read_text(file, encoding)}
            except ValueError as error:
                yield number, str(error).rstrip(".")
                continue
            if labelled:
                row[columns["label"]] = file.parent.name
            yield number, row

    return Source(f"The folder '{path}'", rows, lambda number: str(files[number]), True)


# === What Python holds ===


def _columns(table: Mapping) -> Source:
    """A dict of columns."""
    splits = [name for name, values in table.items() if hasattr(values, "features")]
    if splits:
        raise ValueError(
            f"Expected one split of a dataset. Received all: {', '.join(map(str, splits))}. "
            f"Pass one of them, such as dataset[{splits[0]!r}]."
        )
    lengths = {column: len(values) for column, values in table.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Expected columns of one length. Received: {lengths}.")

    def rows() -> Iterator[Row]:
        for number, values in enumerate(zip(*table.values())):
            yield number, dict(zip(table, values))

    return Source("The list", rows, "row {} of the list".format, same_columns=True)


def _class_names(source, label: str | None) -> tuple[str, ...] | None:
    """What a dataset of Hugging Face's says that the numbers of its label column stand for."""
    features = getattr(source, "features", None)
    if not isinstance(features, Mapping) or label not in features:
        return None
    names = getattr(features[label], "names", None)
    return tuple(names) if names else None


def _dataset(dataset, columns: Mapping[str, str], names: tuple[str, ...] | None) -> Source:
    """A `datasets.Dataset` or `IterableDataset`, known by its `features`."""
    known = getattr(dataset, "column_names", None) or ()
    wanted = [column for column in dict.fromkeys(columns.values()) if column in known]
    if len(wanted) == len(set(columns.values())) and hasattr(dataset, "select_columns"):
        dataset = dataset.select_columns(wanted)  # images and long columns are not decoded
    return Source(
        name="The dataset",
        rows=lambda: enumerate(dataset),
        place="row {} of the dataset".format,
        same_columns=True,
        names=names,
    )


def _rows_of(source: Iterable, columns: list[str]) -> Iterator[Row]:
    """Rows of an iterable, numbered from 0 as Python does."""
    for number, row in enumerate(source):
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

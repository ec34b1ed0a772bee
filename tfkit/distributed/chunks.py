"""Files -> chunks of rows that are answered as a whole, and written as a file of their own."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tfkit.data.readers import check_choices, checked_rows, columns_of, task_named
from tfkit.data.tables import Table, table_of
from tfkit.distributed.storage import InputFile
from tfkit.tasks.base import Task
from tfkit.utils.values import is_finite

_Parts = Iterator[tuple[Table, Any]]  # of a file, each with its rows as they are
_NO_JSON = "it has a number that is NaN, infinite or beyond 1.8e308, which JSON cannot say"
_DIGITS = 12  # of a row's number in the name of a file: they sort as they lie


class Reading(NamedTuple):
    """How files are read: arguments of `tfkit.data.read`, `rows`, the most of a chunk, and
    `answer_column`, which rows must not have yet.
    """

    rows: int
    answer_column: str
    text: str = "text"
    text_pair: str | Sequence[str] | None = None
    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    problem_type: str | None = None


class Chunk(NamedTuple):
    """Rows of a file that follow each other.

    Attributes:
        file: the name of the file.
        first: the number of the first row, from 0.
        digest: of all that the rows hold.
        rows: as they are: a dict each, or a string that says why it cannot be read; of a Parquet
            file a table of pyarrow.
        checked: `text` and `text_pair` of each row, or the string that says what is wrong.
        places: where each row is, in words.
    """

    file: str
    first: int
    digest: str
    rows: Any
    checked: list[dict[str, Any] | str]
    places: list[str]

    @property
    def begins(self) -> str:
        """How the name of what is written of the rows begins, whatever they hold."""
        return f"{self.file}-{self.first:0{_DIGITS}}-"

    @property
    def name(self) -> str:
        """Of what is written of the rows, without its ending."""
        return self.begins + self.digest

    @property
    def suffix(self) -> str:
        """The format of what is written: Parquet of Parquet, and else JSON lines."""
        return ".jsonl" if isinstance(self.rows, list) else ".parquet"


def name_of(begins: str) -> str:
    """The file whose chunk `begins` so."""
    return begins[: -_DIGITS - 2]


def chunks(file: InputFile, how: Reading) -> Iterator[Chunk]:
    """The rows of a file, `how.rows` at a time, the last ones fewer.

    Raises:
        ValueError: the file cannot be read, or no longer from some row on.
        FileNotFoundError: there is no such file.
    """
    task = task_named(how.problem_type)
    columns = columns_of(how.text, how.text_pair, None, task)
    with file.open() as opened:
        read = _of_parquet if opened.read(4) == b"PAR1" else _of_lines
    first = 0
    for table, rows in read(file, columns, task, how):
        layout, own = table.layout or (columns, task)
        check_choices(layout, own)
        numbers, checked = zip(*checked_rows(table, layout, own))
        raw = rows if isinstance(rows, list) else [dict.fromkeys(rows.column_names)]
        twice = [isinstance(row, dict) and how.answer_column in row for row in raw]
        said = f"there is a column '{how.answer_column}' already: pass another `answer_column`"
        if any(twice) and table.same_columns:
            raise ValueError(f"In {file.address} {said}.")
        if any(twice):
            checked = [said if there else row for row, there in zip(checked, twice)]
        if isinstance(rows, list):
            checked = [row if is_finite(own) else _NO_JSON for row, own in zip(checked, rows)]
        places = [*map(table.place, numbers)]
        yield Chunk(file.name, first, _digest(rows), rows, [*checked], places)
        first += len(checked)


def _of_lines(file: InputFile, columns: Mapping, task: Task | None, how: Reading) -> _Parts:
    options = {"format": how.format, "encoding": how.encoding, "delimiter": how.delimiter}
    table = table_of(file.source, columns, task=task, lenient=True, **options)
    numbered = table.rows()
    while some := [*itertools.islice(numbered, how.rows)]:
        yield (
            dataclasses.replace(table, rows=lambda some=some: iter(some)),
            [row for _, row in some],
        )


def _of_parquet(file: InputFile, columns: Mapping, task: Task | None, how: Reading) -> _Parts:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with file.open(random_access=True) as content, parquet.ParquetFile(content) as opened:
            options = {"format": None, "encoding": how.encoding, "delimiter": how.delimiter}
            empty = opened.schema_arrow.empty_table()
            layout = table_of(empty, columns, task=task, lenient=True, **options).layout
            wanted = {*(layout.columns if layout else columns).values()}
            # Where one is missing, all names are given for the message.
            read = wanted if wanted <= {*empty.column_names} else {*empty.column_names}
            place, first = f"row {{}} of {file.address}".format, 0
            for batch in opened.iter_batches(how.rows):
                rows = [*enumerate(batch.select([*read]).to_pylist(), first)]
                table = Table(file.address, lambda rows=rows: iter(rows), place, True, None, layout)
                yield table, pa.Table.from_batches([batch])
                first += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file.address} is not a whole Parquet file: {error}.") from None


def _digest(rows) -> str:
    """Of all cells."""
    if isinstance(rows, list):
        content = repr(rows).encode("utf-8", "surrogatepass")
    else:
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_table(rows)
        content = memoryview(sink.getvalue())
    return hashlib.sha256(content).hexdigest()[:12]

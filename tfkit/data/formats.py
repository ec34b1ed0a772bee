"""Files -> rows: `(line number, {column: value})`, or what is wrong with a bad row in its place.

Lines count from 1, the header included, and a row has the number of its first; rows of a JSON array
or a Parquet file count from 0.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping

from tfkit.data.files import DataFile, numbered_lines, problem_of, read_text

Rows = Iterator[tuple[int, "dict | str"]]

_ROWS_AT_ONCE = 4096
_DOCUMENT = "-DOCSTART-"
# How comments of CoNLL files begin, where the number of columns does not show them; and those of
# KLUE's, in the first of several columns between tabs.
_COMMENT = re.compile(r"#\s*(id|text|sent_id|newdoc|newpar)\b")
_COMMENT_CELL = re.compile("##+ +[^ ]")
# What Excel writes in place of commas, where those are decimal points, and what others do.
_DELIMITERS = (",", ";", "\t", "|")
_TOO_LONG = "a number of more digits than Python reads"
_UNCLOSED = (
    "a quote that opens there is not closed as CSV asks ({}). Double the quotes inside a quoted "
    "field; for tab-separated text without quoting pass format='tsv'"
)


def csv_rows(
    file: DataFile, *, encoding: str = "utf-8", delimiter: str | None = None, lenient: bool = False
) -> Rows:
    """Values with quotes as in RFC 4180; `delimiter` None takes the one that the header shows. Of a
    bad record of several lines, whose quote may be a stray one, the first alone is bad.
    """
    lines = _Lines(numbered_lines(file, encoding, newline="", lenient=lenient))
    delimiter = lines.delimiter() if delimiter is None else delimiter
    header = None
    while True:
        lines.taken.clear()
        try:
            record = _record(lines, delimiter)
        except StopIteration:
            break
        number = lines.taken[0][0]
        problem = next((said for _, line in lines.taken if (said := problem_of(line))), None)
        record = problem or record
        if header is None:
            header = _header(file, number, record)
            continue
        row = _row(header, record)
        if isinstance(row, str) and lenient:
            lines.give_back_all_but_first()
        if row is not None:
            yield number, row
    if header is None:
        _header(file, 0, None)


def _record(lines: Iterator[str], delimiter: str) -> list[str] | str:
    """The next record, or what is wrong with it. Without the module `csv`, whose limit of a field's
    length is one for the whole process.
    """
    line = next(lines)
    if '"' not in line:
        line = line.rstrip("\r\n")
        return line.split(delimiter) if line else []
    fields, place = [], 0
    while True:
        if not line.startswith('"', place):
            field, found, _ = line[place:].rstrip("\r\n").partition(delimiter)
            place += len(field)
        else:
            parts, place = [], place + 1
            while True:
                end = line.find('"', place)
                parts.append(line[place : None if end < 0 else end])
                if end < 0:
                    line, place = next(lines, None), 0
                    if line is None:
                        return _UNCLOSED.format("the file ends within it")
                elif line.startswith('"', end + 1):
                    parts.append('"')
                    place = end + 2
                else:
                    break
            field, place = "".join(parts), end + 1
            found = line.startswith(delimiter, place)
            if not found and line[place:].rstrip("\r\n"):
                return _UNCLOSED.format(f"'{delimiter}' expected after '\"'")
        fields.append(field)
        if not found:
            return fields
        place += 1


def tsv_rows(file: DataFile, *, encoding: str = "utf-8", lenient: bool = False) -> Rows:
    """Tab-separated values without quoting, as in GLUE: a quote is a character like any other."""
    header = None
    for number, line in numbered_lines(file, encoding, newline="\n", lenient=lenient):
        record = problem_of(line) or line.removesuffix("\n").removesuffix("\r").split("\t")
        if header is None:
            header = _header(file, number, record)
        elif (row := _row(header, record)) is not None:
            yield number, row
    if header is None:
        _header(file, 0, None)


def txt_rows(
    file: DataFile, *, column: str, encoding: str = "utf-8", lenient: bool = False
) -> Rows:
    """A text per line, an empty one too, in a column of that name."""
    for number, line in numbered_lines(file, encoding, newline=None, lenient=lenient):
        yield number, problem_of(line) or {column: line.removesuffix("\n")}


def conll_rows(
    file: DataFile, *, columns: Mapping[str, str], encoding: str = "utf-8", lenient: bool = False
) -> Rows:
    """A word per line, a blank line after each sentence, as in CoNLL's shared tasks: a row is a
    sentence, its cells lists of words and tags. Columns are split at tabs, or else at blanks; the
    words are the first and the tags the last, unless `columns` have the numbers of others, from 0.
    """
    places = {"text": 0, "label": -1}
    for argument, column in columns.items():
        if column != argument:
            try:
                places[argument] = int(column)
            except ValueError:
                raise ValueError(
                    f"Expected `{argument}` to be the number of a column, from 0, since {file} has "
                    f"no names of columns. Received: {column!r}."
                ) from None

    def lines() -> Iterator[tuple[int, str]]:
        return numbered_lines(file, encoding, newline=None, lenient=lenient)

    # What columns there are, the first line says that is surely one of words.
    apart = (line.rstrip("\n") for _, line in lines() if not line.startswith(("#", _DOCUMENT)))
    usual, after = [*itertools.islice((line for line in apart if line.strip(" \t")), 2), "", ""][:2]
    tabs = "\t" in usual

    def columns_of(line: str) -> list[str]:
        return line.split("\t") if tabs else re.findall("[^ \t]+", line)

    width, cells, problem, begun = len(columns_of(usual)), [], None, 0
    numbers = [row[0] for row in map(columns_of, (usual, after)) if row]
    if width > 2 and columns["text"] == "text" and numbers in (["0", "1"], ["1", "2"]):
        raise ValueError(
            f"Expected words in the first column of {file}, which numbers them. Pass text='1', or "
            "the number of another column, from 0, and such a `label` if it is not the last one."
        )
    for number, line in itertools.chain(lines(), [(0, "")]):
        said, line = problem_of(line), line.rstrip("\n")
        if not line.strip(" \t") or line.startswith(_DOCUMENT):
            if cells:
                # Of a bad sentence no cell is asked for: a line of it may have too few.
                found = (
                    {} if problem else {column: places[name] for name, column in columns.items()}
                )
                words = {column: [row[place] for row in cells] for column, place in found.items()}
                yield begun, problem or words
            cells, problem = [], None
            continue
        row = columns_of(line)
        is_comment = len(row) != width or _COMMENT.match(line) or _COMMENT_CELL.match(row[0])
        if line.startswith("#") and not cells and is_comment:
            continue
        begun = begun if cells else number
        cells.append(row)
        least = max(place + 1 for name, place in places.items() if name in columns)
        if said is None and (len(row) != width or width < max(least, len(columns))):
            said = (
                f"expected {max(width, least, len(columns))} columns, of words and of tags, as in "
                f"other lines. Received: {len(row)}"
            )
        if said and not problem:
            problem = f"{said} (in line {number})"


def jsonl_rows(file: DataFile, *, encoding: str = "utf-8", lenient: bool = False) -> Rows:
    """JSON lines: one object per line."""
    for number, line in numbered_lines(file, encoding, newline="\n", lenient=lenient):
        if line.strip():
            yield number, problem_of(line) or _json_object(line)


def json_rows(file: DataFile, *, encoding: str = "utf-8") -> Rows:
    """One JSON array of objects, numbered from 0. It is held whole while its rows are read."""
    for number, row in enumerate(_json(file, encoding, "array")):
        yield number, row if isinstance(row, dict) else _no_object(repr(row))


def squad_rows(file: DataFile, *, encoding: str = "utf-8") -> Rows:
    """SQuAD's JSON, of any version: one object of articles, of paragraphs, of questions. These are
    numbered from 0. It is held whole while its rows are read.
    """
    content = _json(file, encoding, "object")

    def parts(holder, name: str) -> list[dict]:
        found = holder.get(name) if isinstance(holder, dict) else None
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise ValueError(
                f"{file} is not SQuAD's JSON, an object of `data`, `paragraphs` and `qas`. "
                f"Expected `{name}`, a list of objects, in {holder!r:.60}."
            )
        return found

    rows = (
        {"context": paragraph.get("context"), **question}
        for article in parts(content, "data")
        for paragraph in parts(article, "paragraphs")
        for question in parts(paragraph, "qas")
    )
    for number, row in enumerate(rows):
        yield number, {**row, "answers": []} if row.get("is_impossible") else row


def _json(file: DataFile, encoding: str, kind: str):
    """What a file holds, as JSON's `kind`."""
    text = read_text(file, encoding)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{file} is not a whole JSON {kind}: {error.msg} at line {error.lineno}, column "
            f"{error.colno}. JSON lines, an object a line, can be read past such a place."
        ) from None
    except ValueError:
        raise ValueError(f"{file} has {_TOO_LONG}.") from None
    except RecursionError:
        raise ValueError(f"{file} is JSON too deeply nested to read.") from None


def parquet_rows(file: DataFile, *, columns: list[str]) -> Rows:
    """Rows of a Parquet file, from 0: the wanted columns, or all, empty, if one is missing."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ImportError(
            "Reading Parquet needs pyarrow: pip install 'tfkit[parquet]'. Or write it as CSV."
        ) from None
    try:
        with file.open() as content, parquet.ParquetFile(content) as table:
            found = table.schema_arrow.names
            if not set(columns) <= set(found):
                yield 0, dict.fromkeys(found)
                return
            number = 0
            for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    yield number, row
                    number += 1
    except (ArrowException, OSError) as error:
        raise ValueError(f"{file} is not a whole Parquet file: {error}.") from None


def _json_object(line: str) -> dict | str:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return f"it is not valid JSON: {error.msg} at column {error.colno}"
    except ValueError:
        return f"it has {_TOO_LONG}"
    except RecursionError:
        return "it is JSON too deeply nested to read"
    return row if isinstance(row, dict) else _no_object(line)


def _no_object(received: str) -> str:
    return (
        'expected a JSON object such as {"text": "…", "label": "…"}. '
        f"Received: {received[:40].strip()}"
    )


class _Lines:
    """An iterator of lines, which remembers what the CSV reader took, to give it back."""

    def __init__(self, numbered: Iterator[tuple[int, str]]):
        self._numbered, self._again = numbered, deque()
        self.taken: list[tuple[int, str]] = []

    def __iter__(self):
        return self

    def __next__(self) -> str:
        self.taken.append(self._again.popleft() if self._again else next(self._numbered))
        return self.taken[-1][1]

    def give_back_all_but_first(self) -> None:
        self._again.extendleft(reversed(self.taken[1:]))

    def delimiter(self) -> str:
        """What separates the columns, by the first line; Excel's line "sep=;" is used up."""
        line = next(self, "")
        if line.lower().startswith("sep=") and len(line.rstrip("\r\n")) == 5:
            return line[4]
        self._again.extend(self.taken)
        return next((character for character in _DELIMITERS if character in line), ",")


def _header(file: DataFile, number: int, record: list[str] | str | None) -> list[str]:
    if isinstance(record, str):
        raise ValueError(f"line {number} of {file}: {record}.")
    if not record:
        raise ValueError(f"{file} is empty. Expected a line of column names, then the rows.")
    twice = [column for column in record if record.count(column) > 1]
    if twice:
        raise ValueError(f"{file} has the column '{twice[0]}' twice. Rename one of them.")
    return record


def _row(header: list[str], record: list[str] | str) -> dict | str | None:
    """The record by columns, what is wrong with it, or None for a blank line."""
    if isinstance(record, str):
        return record
    if record == [] or (record == [""] and len(header) > 1):
        return None  # in a table of one column it is an empty text
    if len(record) != len(header):
        return (
            f"expected {len(header)} columns as in the header ({', '.join(header)}). "
            f"Received: {len(record)}"
        )
    return dict(zip(header, record))

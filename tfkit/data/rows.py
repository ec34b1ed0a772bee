"""Files -> rows: `(line number, {column: value})`, one function per format.

Line numbers are those of an editor: from 1, the header included; a row that spans several lines
has the number of its first.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

Row = tuple[int, dict]

# The largest field that csv accepts on every platform: it keeps the limit in a C long.
_LARGEST_FIELD = 2**31 - 1


def csv_rows(path: Path, encoding: str) -> Iterator[Row]:
    """Comma-separated values with quotes as in RFC 4180."""
    limit = csv.field_size_limit(_LARGEST_FIELD)
    try:
        yield from _table(path, _csv_records(path, encoding))
    finally:
        csv.field_size_limit(limit)


def tsv_rows(path: Path, encoding: str) -> Iterator[Row]:
    """Tab-separated values without quoting, as in GLUE: a quote is a character like any other."""
    lines = _lines(path, encoding, newline="\n")
    records = ((number, _without_end(line).split("\t")) for number, line in lines)
    return _table(path, records)


def jsonl_rows(path: Path, encoding: str) -> Iterator[Row]:
    """JSON lines: one object per line."""
    for number, line in _lines(path, encoding, newline="\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"line {number} of {path} is not valid JSON: {error.msg} at column {error.colno}."
            ) from None
        if not isinstance(row, dict):
            raise ValueError(
                f"line {number} of {path}: expected a JSON object such as "
                f'{{"text": "…", "label": "…"}}. Received: {line[:40]}'
            )
        yield number, row


def _csv_records(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    lines = _lines(path, encoding, newline="")
    reader = csv.reader((line for _, line in lines), strict=True)
    while True:
        first_line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"line {first_line} of {path}: a quote that opens there is not closed as CSV asks "
                f"({error}). Double the quotes inside a quoted field; for tab-separated text "
                'without quoting pass format="tsv".'
            ) from None
        yield first_line, record


def _table(path: Path, records: Iterable[tuple[int, list[str]]]) -> Iterator[Row]:
    records = iter(records)
    _, header = next(records, (0, None))
    if not header:
        raise ValueError(f"{path} is empty. Expected a line of column names, then the rows.")
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise ValueError(f"{path} has the column '{twice[0]}' twice. Rename one of them.")
    for number, record in records:
        if record == [] or (record == [""] and len(header) > 1):
            continue  # a blank line; in a table of one column it is an empty text
        if len(record) != len(header):
            raise ValueError(
                f"line {number} of {path}: expected {len(header)} columns as in the header "
                f"({', '.join(header)}). Received: {len(record)}."
            )
        yield number, dict(zip(header, record))


def _lines(path: Path, encoding: str, newline: str) -> Iterator[tuple[int, str]]:
    """Decoded lines with their line ends, which a quoted field of CSV keeps."""
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise ValueError(
            f"Expected an encoding that Python knows, such as 'utf-8' or 'latin-1'. "
            f"Received: {encoding!r}."
        ) from None
    if codec == "utf-8":
        codec = "utf-8-sig"  # the same, but a byte order mark is no part of the first column
    try:
        with open(path, encoding=codec, newline=newline) as file:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise ValueError(
                        f"line {number} of {path} holds a NUL byte, which text does not. If the "
                        "file is UTF-16, pass encoding='utf-16'; if not, remove the byte."
                    )
                yield number, line
    except UnicodeDecodeError:
        raise ValueError(_undecodable(path, encoding)) from None


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _undecodable(path: Path, encoding: str) -> str:
    """Says where the file stops being `encoding`; the error itself only knows its own block."""
    decoder = codecs.getincrementaldecoder(encoding)()
    decoded = lines = 0
    with open(path, "rb") as file:
        while True:
            block = file.read(1 << 16)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                held_back = len(error.object) - len(block)
                position = decoded - held_back + error.start
                lines += error.object.count(b"\n", held_back, error.start)
                return (
                    f"{path} is not {encoding}: byte 0x{error.object[error.start]:02x} at position "
                    f"{position:,} (line {lines + 1}) cannot be decoded. Convert the file to "
                    "UTF-8, or name what it is, such as encoding='latin-1' or encoding='utf-16'."
                )
            decoded += len(block)
            lines += block.count(b"\n")

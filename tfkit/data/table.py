"""Rows -> checked rows: the wanted columns, each a text or a label, or why not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tfkit.data.sources import Source
from tfkit.tasks import TASKS
from tfkit.tasks.sequence_classification import read_any
from tfkit.utils.strings import counted

_SHOWN = 3


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


def checked_rows(
    source: Source, columns: Mapping[str, str], problem_type: str | None = None
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The wanted columns of each row by argument; a string in their place says what is wrong.

    Args:
        source: rows.
        columns: argument ("text", "text_pair", "label") -> column.
        problem_type: what a label is; None takes lists for several labels a text.

    Raises:
        ValueError: a column is missing from all rows.
    """
    checks = {**_CHECKS, "label": TASKS[problem_type].read if problem_type else read_any}
    for number, row in source.rows():
        if isinstance(row, str):
            yield number, row
            continue
        missing = [argument for argument, column in columns.items() if column not in row]
        if missing:
            reason = (
                f"no column '{columns[missing[0]]}'. Its columns: {', '.join(map(str, row))}. "
                f"{_REMEDIES[missing[0]]}"
            )
            if source.same_columns:
                raise ValueError(f"{source.name} has {reason}")
            yield number, f"it has {reason}".rstrip(".")
            continue
        try:
            yield number, {name: checks[name](row[column]) for name, column in columns.items()}
        except ValueError as error:
            yield number, str(error)


class SkippedRows:
    """The bad rows of a reading: an error each, or, of a lenient one, a list and a warning.

    Args:
        source: what is read.
        lenient: leave them out.
        most: how many are listed; None lists all. All are counted.
    """

    def __init__(self, source: Source, *, lenient: bool, most: int | None = None):
        self._source, self._lenient, self._most = source, lenient, most
        self._rows: list[BadRow] = []
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._count)

    def add(self, number: int, reason: str, rows: int = 1) -> None:
        """A bad row, which may stand for several; unless lenient, raises ValueError."""
        bad = BadRow(number, self._source.place(number), reason)
        if not self._lenient:
            raise ValueError(f"{bad} skip_bad_rows=True leaves such rows out.")
        self._count += rows
        if self._most is None or len(self._rows) < self._most:
            self._rows.append(bad)

    def report(self, rows: int) -> tuple[BadRow, ...]:
        """Gives the list and warns of it; raises ValueError if no row is left.

        Args:
            rows: how many are left.
        """
        bad, count = sorted(self._rows), self._count
        if not rows:
            because = f": {count:,} were bad, the first: {bad[0]}" if bad else "."
            raise ValueError(
                f"{self._source.name} has no rows{because} Expected at least one text."
            )
        if count:
            first = " ".join(map(str, bad[:_SHOWN]))
            more = f" And {count - _SHOWN:,} more." if count > _SHOWN else ""
            warnings.warn(
                f"left out {count:,} of {counted(rows + count, 'row')}. {first}{more}", stacklevel=3
            )
        return tuple(bad)


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


_CHECKS = {"text": _clean_text, "text_pair": _clean_text}
_REMEDIES = {
    "text": "Name the column of the texts with `text`.",
    "text_pair": "Name the column of the second texts with `text_pair`.",
    "label": "Name the column of the labels with `label`; label=None reads texts without labels.",
}

"""Rows -> checked rows: the wanted columns, each a text or a label, or why not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tfkit.data.labels import clean_label, clean_labels, clean_number, is_list
from tfkit.data.sources import Source

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
    checks = {**_CHECKS, "label": _LABEL_CHECKS[problem_type]}
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


def report_skipped(source: Source, skipped: list[BadRow], rows: int) -> None:
    """Warns of rows that were left out; raises ValueError if no row is left."""
    if not rows:
        because = f": {len(skipped):,} were bad, the first: {skipped[0]}" if skipped else "."
        raise ValueError(f"{source.name} has no rows{because} Expected at least one text.")
    if skipped:
        first = " ".join(map(str, skipped[:_SHOWN]))
        more = f" And {len(skipped) - _SHOWN:,} more." if len(skipped) > _SHOWN else ""
        warnings.warn(
            f"left out {len(skipped):,} of {rows + len(skipped):,} rows. {first}{more}",
            stacklevel=3,
        )


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


def _clean_either(value) -> str | tuple[str, ...]:
    return clean_labels(value) if is_list(value) else clean_label(value)


_CHECKS = {"text": _clean_text, "text_pair": _clean_text}
_LABEL_CHECKS = {
    None: _clean_either,
    "single_label_classification": clean_label,
    "multi_label_classification": clean_labels,
    "regression": clean_number,
}
_REMEDIES = {
    "text": "Name the column of the texts with `text`.",
    "text_pair": "Name the column of the second texts with `text_pair`.",
    "label": "Name the column of the labels with `label`; label=None reads texts without labels.",
}

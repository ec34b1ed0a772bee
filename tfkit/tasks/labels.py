"""Labels as they stand in a file <-> class numbers 0 … C-1, or a regression's numbers."""

from __future__ import annotations

import math
import numbers
import re
import sys
from collections.abc import Collection, Mapping, Sequence

_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
# What stands between the labels of one text where a file holds them as a string.
SEPARATOR = "|"


def python_value(value):
    """A value of NumPy, pandas, polars or pyarrow as Python's own; any other as it is."""
    for way in ("as_py", "tolist", "to_list"):
        if (convert := getattr(value, way, None)) is not None:
            return convert()
    return value


def is_missing(value) -> bool:
    """Whether a cell of a table is empty: None, NaN, or pandas' `NA` and `NaT`."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def clean_label(value) -> str:
    """The label as a string: 1, True and " 1 " are all "1"."""
    value = python_value(value)
    if isinstance(value, str) and value.strip():
        return sys.intern(value.strip())  # one object per label, however many rows have it
    if isinstance(value, numbers.Integral):  # True too
        return sys.intern(str(int(value)))
    if isinstance(value, str):
        raise ValueError("the label is empty")
    remedy = ""
    if isinstance(value, float):
        remedy = '. Pass problem_type="regression" to predict numbers; classes are whole numbers'
    elif is_list(value):
        remedy = '. Pass problem_type="multi_label_classification" for several labels per text'
    raise ValueError(
        f"expected a label that is a string or a whole number. Received: {value!r}{remedy}"
    )


def clean_labels(value) -> tuple[str | bool, ...]:
    """The labels of one text, if any: of a list, or of a string "a|b". Floats and bools become
    bools, a yes or no to a class; what stands for what, all rows together show (`data.classes`).
    """
    value = python_value(value)
    if isinstance(value, str):
        value = [part for part in value.split(SEPARATOR) if part.strip()]
    if not is_list(value):
        raise ValueError(
            f"expected the labels of a text as a list or as a string with '{SEPARATOR}' between "
            f"them. Received: {value!r}"
        )
    return tuple(map(_clean_part, value))


def _clean_part(value) -> str | bool:
    value = python_value(value)
    if isinstance(value, bool):
        return value
    if not isinstance(value, float):
        return clean_label(value)
    if value not in (0.0, 1.0):
        raise ValueError(
            f"expected labels that are strings or whole numbers, or a 0 or 1 for each class. "
            f"Received: {value!r}"
        )
    return bool(value)


def clean_number(value) -> float:
    """The target of a regression."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number to predict. Received: {value!r}")
    return number


class Reading:
    """Labels of a source, as `Task.read` gives them -> as all of them together are to be read; by
    itself, as they are.

    Attributes:
        found: all classes that are then `spelled`.
    """

    def __init__(self, found: Collection):
        self.found = found

    def __call__(self, label):
        """Raises ValueError for a label that cannot be read beside the others."""
        return label

    def warn(self, name: str) -> None:
        """Warns of what was read otherwise than it stands in the source of that name."""


def is_list(value) -> bool:
    """Whether a label is several labels."""
    return isinstance(value, (list, tuple, set, frozenset))


def order_names(labels: set[str]) -> tuple[str, ...]:
    """The classes in an order that depends on their names alone, not on the order of rows."""
    return tuple(sorted(labels, key=int if _whole_numbers(labels) else None))


def class_numbers(labels: set[str], names: Sequence[str]) -> dict[str, int]:
    """Label -> class number, for those of `labels` that `names` knows. Whole numbers beside names
    that are none, such as 0 and 1 beside "negative" and "positive", are class numbers already.
    """
    if (
        _whole_numbers(labels)
        and not any(_WHOLE_NUMBER.fullmatch(name) for name in names)
        and all(0 <= int(label) < len(names) for label in labels)
    ):
        return {label: int(label) for label in labels}
    return {name: number for number, name in enumerate(names)}


def as_names(names: Sequence[str] | Mapping) -> tuple[str, ...]:
    """Takes a list of names, an `id2label` or a `label2id`; gives the names by class number."""
    if not isinstance(names, Mapping):
        return tuple(names)
    by_number = {
        int(value if isinstance(value, int) else key): str(key if isinstance(value, int) else value)
        for key, value in names.items()
    }
    if sorted(by_number) != list(range(len(names))):
        raise ValueError(f"Expected class numbers 0 to {len(names) - 1}. Received: {names}.")
    return tuple(by_number[number] for number in range(len(names)))


def _whole_numbers(labels: set[str]) -> bool:
    return all(_WHOLE_NUMBER.fullmatch(label) for label in labels)

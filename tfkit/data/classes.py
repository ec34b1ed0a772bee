"""The classes of a set of labels, and the number of each label among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from tfkit.tasks.labels import as_names, class_numbers, order_names
from tfkit.utils.strings import listed

# How a class's yes or no may be written in a row that has one for each class.
_YES_NO = {"0": False, "1": True, False: False, True: True}


class Classes:
    """Label, as `tfkit.tasks.labels` cleans it -> class number, or the numbers of several.

    `found` are the labels that occur (of several per text, tuples); `own_names` are those that the
    source says numbers stand for. ValueError where 0 and 1 may be classes, or a no and a yes.
    """

    def __init__(
        self,
        found: Collection[str | tuple],
        *,
        several: bool,
        names: Sequence[str] | Mapping | None = None,
        own_names: tuple[str, ...] | None = None,
        order: Callable[[set[str]], tuple[str, ...]] = order_names,
    ):
        self._several, self._width = several, None
        if several:
            found = [label if isinstance(label, tuple) else (label,) for label in found]
            given = own_names if names is None else as_names(names)
            self._width = _width(found, given)
            found = {part for label in found for part in label}
        if self._width is None:
            self._known, self.names = _known(set(found), names, own_names, order)
        else:
            self.names = given or tuple(f"LABEL_{number}" for number in range(self._width))

    def number(self, label: str | tuple) -> int | tuple[int, ...] | str:
        """Of one label, or of several; in words, what is wrong with it."""
        if self._width is not None:
            if len(label) != self._width or not _is_flags(label):
                return (
                    f"expected {self._width} zeros and ones, one for each class, as in other rows. "
                    f"Received: {', '.join(map(str, label)) or 'none'}"
                )
            return tuple(number for number, flag in enumerate(label) if _YES_NO[flag])
        parts = dict.fromkeys(label if isinstance(label, tuple) else (label,))
        strange = [part for part in parts if part not in self._known]
        if strange:
            return (
                f"the label '{strange[0]}' is not among the {len(self.names)} known: "
                f"{listed(self.names)}"
            )
        numbers = tuple(self._known[part] for part in parts)
        return numbers if self._several else numbers[0]


def _is_flags(label: tuple) -> bool:
    return all(part in _YES_NO for part in label)


def _width(rows: list[tuple], names: Sequence[str] | None) -> int | None:
    """The length of rows with a 0 or 1 for each class; None where rows list classes."""
    # No list of classes holds one twice, or a float or a bool.
    certain = Counter(
        len(row)
        for row in rows
        if _is_flags(row)
        and (len(set(row)) < len(row) or any(isinstance(part, bool) for part in row))
    )
    lengths = {len(row) for row in rows if _is_flags(row)}
    if certain:
        width = max(certain, key=certain.get)
        if names is not None and len(names) != width:
            raise ValueError(
                f"Expected rows of zeros and ones for the {len(names)} classes {listed(names)}. "
                f"Received rows of {width}. Name all classes of the rows, in their order."
            )
        return width
    if not all(map(_is_flags, rows)) or len(lengths) != 1:
        return None
    if names is not None:
        return len(names) if lengths == {len(names)} else None
    if lengths == {2}:
        raise ValueError(
            "Expected labels that show whether 0 and 1 are two classes, or a no and a yes to each "
            "of two. Received rows of 0, 1 and 1, 0 alone. Pass the `names` of the two classes for "
            "a no and a yes; or list classes by other names than 0 and 1."
        )
    return None


def _known(
    found: set[str], names, own_names: tuple[str, ...] | None, order: Callable
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Label -> class number, and the names of the classes; numbers stand for `own_names`."""
    if own_names is None:
        names = order(found) if names is None else as_names(names)
        return class_numbers(found, names), names
    own = class_numbers(found, own_names)
    read_as = {label: own_names[own[label]] for label in found if label in own}
    names = own_names if names is None else as_names(names)
    by_name = class_numbers(set(read_as.values()), names)
    # A model that knows no names ("LABEL_0") has the numbers in common with the dataset.
    known = {label: by_name[name] for label, name in read_as.items() if name in by_name}
    return known or class_numbers(found, names), names

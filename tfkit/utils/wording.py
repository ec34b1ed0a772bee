"""Numbers and names in sentences."""

from __future__ import annotations

import itertools
from collections.abc import Collection

_FIRST = 5


def counted(count: int, noun: str) -> str:
    """How many there are, as people write it.

    Example:

        >>> counted(1, "row"), counted(2000, "row")
        ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Collection[str]) -> str:
    """The first of some names, which may be thousands.

    Example:

        >>> listed(["a", "b"]), listed("abcdef")
        ('a, b', 'a, b, c, d, e, …')
    """
    return ", ".join(itertools.islice(names, _FIRST)) + (", …" if len(names) > _FIRST else "")

"""Numbers in sentences."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """How many there are, as people write it.

    Example:

        >>> counted(1, "row"), counted(2000, "row")
        ('1 row', '2,000 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

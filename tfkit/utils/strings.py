"""Numbers and names in sentences; surrogates, which are no characters, and UTF-8."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

_FIRST = 5


def list_of(texts: Iterable) -> list:
    """The texts of a list, a column and the like; a TypeError for a table or a dict, which would
    list the names of columns.
    """
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        raise TypeError(
            f"Expected texts, such as a list or a column. Received a {type(texts).__name__}. Pass "
            'one column of it: `table["text"]`.'
        )
    return list(texts)


def counted(count: int, noun: str) -> str:
    """How many there are, as people write it: "1 row", "2,000 rows"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Collection[str]) -> str:
    """The first of some names, which may be thousands."""
    return ", ".join(itertools.islice(names, _FIRST)) + (", …" if len(names) > _FIRST else "")


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD, which normalisation drops, for each surrogate; its length stays."""
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


def utf8(text: str | bytes) -> bytes:
    r"""`replace_surrogates` in UTF-8; bytes as they are."""
    return replace_surrogates(text).encode("utf-8") if isinstance(text, str) else text


def characters(text: bytes) -> np.ndarray:
    """Of each byte of UTF-8 the number of its character, int32; behind them -1, for no place."""
    begins = np.frombuffer(text, np.uint8) & 0xC0 != 0x80
    return np.append(np.cumsum(begins), 0).astype(np.int32) - 1


def decode_escaped(text: str) -> str:
    r"""`replace_surrogates`, but what Python's `surrogateescape` made of bytes is read as UTF-8."""
    if text.isascii():
        return text
    whole = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)
    return whole.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def array_of(texts: Sequence, rank: int = 1) -> np.ndarray:
    """An array of objects `[B]`, or `[B,n]` of lists, since NumPy's own strings lose NULs at the
    end.
    """
    array = np.empty((len(texts), *[len(text) for text in texts[:1]][: rank - 1]), dtype=object)
    if rank > array.ndim:  # of no lists
        return array.reshape(0, 0)
    for place, text in enumerate(texts):
        array[place] = text
    return array

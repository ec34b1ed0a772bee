"""Numbers and names in sentences; surrogates, which are no characters, and UTF-8."""

from __future__ import annotations

import itertools
import re
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


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for each surrogate; its length stays.

    Normalisation drops U+FFFD, as the decoding of ill-formed bytes does.
    """
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


def utf8(text: str | bytes) -> bytes:
    r"""`replace_surrogates` in UTF-8; bytes as they are.

    Example:

        >>> utf8("a\ud800b")
        b'a\xef\xbf\xbdb'
    """
    return replace_surrogates(text).encode("utf-8") if isinstance(text, str) else text


def decode_escaped(text: str) -> str:
    r"""`replace_surrogates`, but the bytes that Python's `surrogateescape` hands over as halves of
    surrogate pairs, as of an argument that the locale cannot decode, are read as UTF-8.

    Example:

        >>> decode_escaped("\udcc3\udca9"), decode_escaped("\ud800") == "\ufffd"
        ('é', True)
    """
    if text.isascii():
        return text
    whole = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)
    return whole.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

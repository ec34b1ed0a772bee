"""Texts as UTF-8, for everything that takes bytes: one rule for what is no character."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def characters(text: str) -> str:
    """A text whose lone surrogates, which are no characters, are U+FFFD; its length stays.

    Normalisation drops U+FFFD, as the decoding of ill-formed bytes does.
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def utf8(text: str | bytes) -> bytes:
    r"""`characters` in UTF-8; bytes as they are.

    Example:

        >>> utf8("a\ud800b")
        b'a\xef\xbf\xbdb'
    """
    return characters(text).encode("utf-8") if isinstance(text, str) else text

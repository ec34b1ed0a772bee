"""Standard input as texts, a line each: a text that has come waits for no other."""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
import warnings
from collections.abc import Iterator

from tfkit.data.files import text_codec
from tfkit.utils.strings import decode_escaped

_BYTES_AT_ONCE = 1 << 16


def arriving(most: int, encoding: str) -> Iterator[list[str]]:
    """The lines that have come, whenever some have, `most` at a time at most.

    Args:
        most: of a file, or of a pipe that is faster than its reader, so many come at a time.
        encoding: of the input, unless a byte order mark says a wider one. Bytes that it does not
            know are U+FFFD, and a warning.

    Raises:
        ValueError: there is no such encoding, or standard input is closed.
    """
    text_codec(encoding, b"")  # an error does not wait for the first line
    if sys.stdin is None:
        raise ValueError("Expected texts, --input FILE, or lines on standard input. It is closed.")
    lines, parts, ended, decoder = [], [], False, None
    while not ended:
        block = os.read(sys.stdin.fileno(), _BYTES_AT_ONCE)
        ended = not block
        if decoder is None:
            name = text_codec(encoding, block).removesuffix("-sig")
            make = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)
            decoder = io.IncrementalNewlineDecoder(make("surrogateescape"), translate=True)
        for number, part in enumerate(decoder.decode(block, final=ended).split("\n")):
            if number:
                lines.append("".join(parts))
                parts = []
            parts.append(part)
        if ended and any(parts):
            lines.append("".join(parts))
        while lines and (ended or len(lines) >= most or not _has_more()):
            yield _readable(lines[:most], name)
            del lines[:most]


def _has_more() -> bool:
    return bool(select.select([sys.stdin.fileno()], [], [], 0)[0])


def _readable(lines: list[str], encoding: str) -> list[str]:
    """The lines with U+FFFD for the bytes that could not be decoded."""
    found = [decode_escaped(line) for line in lines]
    if found != lines:
        warnings.warn(
            f"Standard input is not {encoding} throughout: bytes that are not are read as U+FFFD. "
            "Name what it is with `encoding`.",
            stacklevel=2,
        )
    return [
        new if new == old else old.encode(encoding, "surrogateescape").decode(encoding, "replace")
        for new, old in zip(found, lines)
    ]

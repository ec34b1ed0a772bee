"""Text files, compressed or not, in any encoding -> numbered lines."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

_OPENERS: dict[str, Callable] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# What `errors="surrogateescape"` makes of bytes that the encoding does not know.
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
# Legacy encodings in the order in which they are tried, and the characters that a text in them
# is mostly made of, apart from ASCII.
_LEGACY = {
    "cp932": "[\u3000-\u30ff\u4e00-\u9fff]",  # before cp949, which takes much of it for Korean
    "cp949": "[\uac00-\ud7a3]",
    "gb18030": "[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]",
    "big5": "[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]",
}


def data_suffix(path: Path) -> str:
    """The end of a file's name that tells its format: ".csv" of "a.csv" and of "a.csv.gz"."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _OPENERS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def numbered_lines(
    path: Path, encoding: str, *, newline: str | None, lenient: bool
) -> Iterator[tuple[int, str]]:
    """Decoded lines with their line ends, numbered from 1.

    Args:
        path: the file; `.gz`, `.bz2` and `.xz` are decompressed.
        encoding: of the file; a byte order mark of UTF-8 is no part of the first line.
        newline: as in `open`: "" keeps every line end, which a quoted field of CSV needs.
        lenient: give lines with undecodable bytes too; `problem_of` finds them.

    Raises:
        ValueError: the file is not in that encoding (unless lenient), or is damaged.
    """
    codec = _codec(encoding)
    try:
        with _open(path) as file:
            errors = "surrogateescape" if lenient else "strict"
            text = io.TextIOWrapper(file, codec, errors=errors, newline=newline)
            yield from enumerate(text, 1)
    except UnicodeDecodeError:
        raise ValueError(_undecodable(path, encoding)) from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path} is not a whole {path.suffix} file ({error}). Make or fetch it again."
        ) from None


def problem_of(line: str) -> str | None:
    """What makes a decoded line no text: a NUL, or a byte that could not be decoded."""
    if "\0" in line:
        return (
            "it holds a NUL byte, which text does not. If the file is UTF-16, pass "
            "encoding='utf-16'; if not, remove the byte"
        )
    if not line.isascii() and (escaped := _ESCAPED_BYTE.search(line)):
        likely = likely_encoding(line.encode("utf-8", "surrogateescape"))
        hint = f"; it looks like {likely} (encoding='{likely}')" if likely else ""
        return f"byte 0x{ord(escaped.group()) - 0xDC00:02x} cannot be decoded{hint}"
    return None


def read_text(path: Path, encoding: str) -> str:
    """A whole file as one text.

    Raises:
        ValueError: the file is not in that encoding, or is damaged.
    """
    return "".join(line for _, line in numbered_lines(path, encoding, newline=None, lenient=False))


def is_json_array(path: Path, encoding: str) -> bool:
    """Whether a file begins as one array of objects, not with an object a line."""
    with _open(path) as file:
        text = io.TextIOWrapper(file, _codec(encoding), errors="replace")
        return re.match(r"\s*\[\s*\{", text.read(1024)) is not None


def _open(path: Path):
    opener = _OPENERS.get(path.suffix.lower(), open)
    return contextlib.closing(opener(path, "rb"))


def _codec(encoding: str) -> str:
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise ValueError(
            f"Expected an encoding that Python knows, such as 'utf-8' or 'latin-1'. "
            f"Received: {encoding!r}."
        ) from None
    return "utf-8-sig" if codec == "utf-8" else codec


def _undecodable(path: Path, encoding: str) -> str:
    """Says where the file stops being `encoding`; the error itself only knows its own block."""
    decoder = codecs.getincrementaldecoder(encoding)()
    decoded = lines = 0
    start = b""
    with _open(path) as file:
        while True:
            block = file.read(1 << 16)
            start = start or block
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                held_back = len(error.object) - len(block)
                position = decoded - held_back + error.start
                lines += error.object.count(b"\n", held_back, error.start)
                around = start if position < len(start) else error.object
                return (
                    f"{path} is not {encoding}: byte 0x{error.object[error.start]:02x} at position "
                    f"{position:,} (line {lines + 1}) cannot be decoded. {_remedy(around)}"
                )
            decoded += len(block)
            lines += block.count(b"\n")


def _remedy(content: bytes) -> str:
    likely = likely_encoding(content)
    if likely:
        return f"It looks like {likely}: pass encoding='{likely}'."
    return (
        "Convert the file to UTF-8, or name what it is, such as encoding='latin-1' or "
        "encoding='cp949'; skip_bad_rows=True leaves such rows out, where they are few."
    )


def likely_encoding(content: bytes) -> str | None:
    r"""The encoding that bytes which are not UTF-8 are likely to be in, if one stands out.

    Example:

        >>> likely_encoding("text\n안녕하세요".encode("cp949"))
        'cp949'
        >>> likely_encoding("text".encode("utf-16"))
        'utf-16'
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding, expected in _LEGACY.items():
        # The block may end inside a character: an incremental decoder waits for the rest.
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(content)
        except UnicodeDecodeError:
            continue
        foreign = [character for character in text if not character.isascii()]
        if len(foreign) > 1 and len(re.findall(expected, text)) > 0.9 * len(foreign):
            return encoding
    return None

"""Text files in any encoding -> numbered lines."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator

from tfkit.data.data_file import DataFile

_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile)
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


def numbered_lines(
    file: DataFile, encoding: str, *, newline: str | None, lenient: bool
) -> Iterator[tuple[int, str]]:
    """Decoded lines with their line ends, numbered from 1.

    Args:
        file: the file.
        encoding: of the file; a byte order mark is no part of the first line.
        newline: as in `open`: "" keeps every line end, which a quoted field of CSV needs.
        lenient: give lines with undecodable bytes too; `problem_of` finds them.

    Raises:
        ValueError: the file is not in that encoding (unless lenient), or is damaged.
    """
    codec = file.codec(encoding)
    try:
        with file.open() as content:
            errors = "surrogateescape" if lenient else "strict"
            text = io.TextIOWrapper(content, codec, errors=errors, newline=newline)
            yield from enumerate(text, 1)
    except UnicodeDecodeError:
        raise ValueError(_undecodable(file, codec)) from None
    except _DAMAGE as error:
        raise ValueError(
            f"{file} is compressed, and not whole ({error}). Make or fetch it again."
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


def read_text(file: DataFile, encoding: str) -> str:
    """A whole file as one text.

    Raises:
        ValueError: the file is not in that encoding, or is damaged.
    """
    return "".join(line for _, line in numbered_lines(file, encoding, newline=None, lenient=False))


def json_kind(file: DataFile, encoding: str) -> str | None:
    """Of a file that begins as JSON: "json", an array of objects, or "jsonl", an object a line."""
    start = codecs.getincrementaldecoder(file.codec(encoding))("replace").decode(file.start)
    begins = re.match(r'\s*(\[\s*)?\{\s*["}]', start)
    return begins and ("json" if begins.group(1) else "jsonl")


def _undecodable(file: DataFile, codec: str) -> str:
    """Says where the file stops being `encoding`; the error itself only knows its own block."""
    decoder = codecs.getincrementaldecoder(codec)()
    decoded = lines = 0
    start = b""
    with file.open() as content:
        while True:
            block = content.read(1 << 16)
            start = start or block
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                held_back = len(error.object) - len(block)
                position = decoded - held_back + error.start
                lines += error.object.count(b"\n", held_back, error.start)
                around = start if position < len(start) else error.object
                return (
                    f"{file} is not {codec.removesuffix('-sig')}: byte "
                    f"0x{error.object[error.start]:02x} at position {position:,} (line "
                    f"{lines + 1}) cannot be decoded. {_remedy(around)}"
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

"""Files of any kind and encoding: `DataFile`, which can be read more than once, and its lines."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import os
import re
import stat
import sys
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tfkit.utils.files import local_path

_COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
_HEAD = 1024
_ARTICLES = re.compile(r'"data"\s*:\s*\[\s*\{\s*"(title|paragraphs)"')
_BLOCK = 1 << 20


@contextlib.contextmanager
def _only_member(path: Path, mode: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        if len(members) != 1:
            is_excel = "[Content_Types].xml" in members
            raise ValueError(
                "is an Excel workbook. Save it as CSV"
                if is_excel
                else f"is a zip archive of {len(members)} files. Expected one: unpack it"
            )
        if archive.getinfo(members[0]).flag_bits & 1:
            raise ValueError("is an encrypted zip archive. Unpack it")
        with archive.open(members[0]) as file:
            yield file


# What compressed files begin with.
_OPENERS: dict[bytes, Callable] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"PK\x03\x04": _only_member,
    b"PK\x05\x06": _only_member,
}
# What files begin with that are read nowhere here.
_FOREIGN = {
    b"\x28\xb5\x2f\xfd": "is compressed by Zstandard. Decompress it by `zstd -d`",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook. Save it as CSV",
    b"ARROW1": "is an Arrow file. Pass the table that pyarrow reads of it, or write it as Parquet",
    b"SQLite format 3": "is an SQLite database. Pass the rows of a query, or write them as CSV",
}
_MARKS = {  # those of UTF-32 first, which begin as those of UTF-16 do
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
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


_UNMARKED = ("utf-16-le", "utf-16-be")
_ENDS = "[\n\t ,;]"  # of lines and cells


class DataFile:
    """A file for the readers, which messages call `name`; ValueError for a kind not read here.
    `start` is its first bytes, decompressed; none where that fails, which readers report.
    """

    def __init__(self, path: Path, name: str | None = None, encoding: str | None = None):
        self.path, self._name, self._encoding = path, name or str(path), encoding
        with path.open("rb") as file:
            head = file.read(_HEAD)
        self._opener = next((o for magic, o in _OPENERS.items() if head.startswith(magic)), open)
        try:
            with self.open() as file:
                self.start: bytes = file.read(_HEAD)
        except ValueError as error:
            raise ValueError(f"{self} {error}.") from None
        except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile):
            self.start = b""
        foreign = next((w for magic, w in _FOREIGN.items() if self.start.startswith(magic)), None)
        if foreign:
            raise ValueError(f"{self} {foreign}.")

    def __str__(self) -> str:
        return self._name

    def open(self) -> contextlib.AbstractContextManager[IO[bytes]]:
        """Its bytes, decompressed, from the first."""
        return self._opener(self.path, "rb")

    @property
    def suffix(self) -> str:
        """The end of its name that tells its format: ".csv" of "a.csv" and of "a.csv.gz"."""
        suffixes = [suffix.lower() for suffix in Path(self._name).suffixes]
        if suffixes and suffixes[-1] in _COMPRESSED:
            suffixes.pop()
        return suffixes[-1] if suffixes else ""

    def codec(self, encoding: str) -> str:
        """The encoding to read it by: `encoding`, unless it is known or a mark says a wider one."""
        return text_codec(self._encoding or encoding, self.start)


def text_codec(encoding: str, start: bytes) -> str:
    """The codec for text that begins so: `encoding`, unless a byte order mark says a wider one.
    Raises ValueError where Python knows no such encoding of text.
    """
    try:
        "".encode(encoding)  # refuses the codecs that are none of text, such as "hex"
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise ValueError(
            f"Expected an encoding that Python knows, such as 'utf-8' or 'latin-1'. "
            f"Received: {encoding!r}."
        ) from None
    marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), codec)
    return marked if codec.startswith("utf") else codec


def data_file(source) -> DataFile:
    """The file of a path, of standard input ("-"), or of an open file from where it stands. What
    can be read only once, such as a pipe, lies in a temporary file while `DataFile` lives.
    """
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return _kept(source, name if isinstance(name, str) else "the open file")
    path = local_path(source)
    if str(path) == "-" and not path.exists():
        return _kept(sys.stdin.buffer, "standard input")
    if not path.exists():
        raise FileNotFoundError(f"There is no file '{path}'. Check the path.")
    if stat.S_ISREG(path.stat().st_mode):
        return DataFile(path)
    with path.open("rb") as pipe:
        return _kept(pipe, str(path))


def _kept(source: IO, name: str) -> DataFile:
    handle, path = tempfile.mkstemp(prefix="tfkit-")
    is_text = False
    try:
        with os.fdopen(handle, "wb") as copy:
            while block := source.read(_BLOCK):
                is_text = isinstance(block, str)
                try:
                    copy.write(block.encode("utf-8", "surrogatepass") if is_text else block)
                    copy.flush()
                except OSError as error:
                    raise OSError(
                        f"There is no room for a copy of {name}, which can be read only once, in "
                        f"'{path}' ({error.strerror}). Name a larger folder in TMPDIR, or a file."
                    ) from error
        file = DataFile(Path(path), name, "utf-8" if is_text else None)
    except BaseException:
        os.unlink(path)
        raise
    weakref.finalize(file, os.unlink, path)
    return file


# === Text ===


def numbered_lines(
    file: DataFile, encoding: str, *, newline: str | None, lenient: bool
) -> Iterator[tuple[int, str]]:
    """Decoded lines with their line ends, from 1; `newline` as in `open`, "" for quoted fields. A
    lenient reading gives lines with undecodable bytes too, which `problem_of` finds.
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
    """A whole file as one text."""
    return "".join(line for _, line in numbered_lines(file, encoding, newline=None, lenient=False))


def json_kind(file: DataFile, encoding: str) -> str | None:
    """Of a file that begins as JSON: "json", an array of objects, "squad", an object of articles,
    or "jsonl", an object a line.
    """
    start = codecs.getincrementaldecoder(file.codec(encoding))("replace").decode(file.start)
    begins = re.match(r'\s*(\[\s*)?\{\s*["}]', start)
    if begins and not begins.group(1) and _ARTICLES.search(start):
        return "squad"
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
                near = start if position < len(start) or b"\0" in start else error.object
                likely = likely_encoding(near)
                remedy = (
                    f"It looks like {likely}: pass encoding='{likely}'."
                    if likely
                    else "Convert the file to UTF-8, or name what it is, such as "
                    "encoding='latin-1' or encoding='cp949'; skip_bad_rows=True leaves such rows "
                    "out, where they are few."
                )
                return (
                    f"{file} is not {codec.removesuffix('-sig')}: byte "
                    f"0x{error.object[error.start]:02x} at position {position:,} (line "
                    f"{lines + 1}) cannot be decoded. {remedy}"
                )
            decoded += len(block)
            lines += block.count(b"\n")


def likely_encoding(content: bytes) -> str | None:
    """The encoding that bytes which are not UTF-8 are likely to be in, if one stands out; they
    begin with a character.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in content:  # half of each line end in UTF-16, and in no text of the others
        ends = {name: len(re.findall(_ENDS, _decoded(content, name) or "")) for name in _UNMARKED}
        return max(ends, key=ends.get) if len({*ends.values()}) > 1 else None
    for encoding, expected in _LEGACY.items():
        text = _decoded(content, encoding) or ""
        foreign = [character for character in text if not character.isascii()]
        if len(foreign) > 1 and len(re.findall(expected, text)) > 0.9 * len(foreign):
            return encoding
    return None


def _decoded(content: bytes, encoding: str) -> str | None:
    """The text of bytes that may end inside a character; None where they are none."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content)
    except UnicodeDecodeError:
        return None

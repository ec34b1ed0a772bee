"""`DataFile`: a file that can be read more than once, whatever it came from."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import lzma
import os
import stat
import sys
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from tfkit.utils.files import local_path

_COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
_HEAD = 1024
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


class DataFile:
    """A file, for the readers.

    Args:
        path: where its bytes lie.
        name: what messages call it, and whose end tells its format; None takes the path.
        encoding: where it is known, that of its bytes.

    Attributes:
        start: its first bytes, decompressed; none where that fails, which readers report.

    Raises:
        ValueError: it is of a kind that is not read here; the message says of which.
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
        """The encoding to read it by: `encoding`, unless a byte order mark says a wider one.

        Raises:
            ValueError: Python knows no such encoding.
        """
        return text_codec(self._encoding or encoding, self.start)


def text_codec(encoding: str, start: bytes) -> str:
    """The encoding to read text by that begins so: `encoding`, unless a mark says a wider one.

    Raises:
        ValueError: Python knows no such encoding of text.

    Example:

        >>> text_codec("UTF8", b"a"), text_codec("UTF8", "a".encode("utf-16"))
        ('utf-8', 'utf-16')
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
    """The file of a path, of standard input ("-"), or of an open file from where it stands.

    What can be read only once, such as a pipe, is kept in a temporary file for as long as the
    `DataFile` lives.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is an address, or of a kind that is not read here.
        OSError: there is no room for a temporary file.
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

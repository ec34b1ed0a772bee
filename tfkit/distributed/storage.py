"""Files on disks and in object stores, which appear whole or not at all."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import secrets
import urllib.parse
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import NamedTuple

from tfkit.utils.files import enough_room
from tfkit.utils.strings import decode_escaped

REJECTED = "_rejected"  # who reads the folder as a table leaves out what begins so
_WRITING = ".writing-"
_OPTIONS = re.compile(r"\?\w+=.*")  # of a file system, such as s3://bucket/texts?region=…


def _filesystem(address: str):
    """The file system of an address or local path, as pyarrow has it, and the path there."""
    try:
        from pyarrow import ArrowException, fs
    except ImportError:
        raise ImportError(
            "Scoring of files needs pyarrow: pip install 'tfkit[parquet]', or 'tfkit[ray]' for "
            "several machines."
        ) from None
    if "://" not in address:
        address = os.path.abspath(os.path.expanduser(address))
        return fs.LocalFileSystem(), address
    try:
        # A "#" is part of a name here, and spaces and letters of other languages may be as well.
        return fs.FileSystem.from_uri(urllib.parse.quote(address, safe="%:/?=&@+,;~!$'()*"))
    except (ArrowException, OSError) as error:
        raise ValueError(
            f"Expected a path, or an address that pyarrow knows, such as s3://, gs:// or hdfs://. "
            f"Received '{address}': {error}."
        ) from None


class InputFile(NamedTuple):
    """A file to read: its `address`, and `name`, by which its answers are called."""

    address: str
    name: str

    def open(self, *, random_access: bool = False):
        """Its bytes, from pyarrow."""
        system, path = _filesystem(self.address)
        if random_access:
            return system.open_input_file(path)
        return system.open_input_stream(path, compression=None)

    @property
    def source(self):
        """What `tfkit.data` reads: the path, or the open file of an object store."""
        if "://" not in self.address:
            return self.address
        return SimpleNamespace(read=self.open().read, name=self.name)


def input_files(patterns: str | os.PathLike | Iterable[str | os.PathLike]) -> list[InputFile]:
    """The files of paths, addresses and patterns such as "texts/*/part-*.parquet", in the order of
    their names, which are their paths below what a pattern has before its first wildcard.

    Raises:
        FileNotFoundError: a pattern fits no file.
        ValueError: two files have one name, or one has a name that no answers can have.
    """
    if isinstance(patterns, (str, os.PathLike)):
        patterns = [patterns]
    found: dict[str, InputFile] = {}
    for pattern in map(os.fspath, patterns):
        files = (_at_address if "://" in pattern else _on_disk)(pattern)
        if not files:
            raise FileNotFoundError(f"There is no file '{pattern}'. Check the path.")
        for file in files:
            other = found.setdefault(file.name, file)
            if other != file:
                raise ValueError(
                    f"Expected files of different names, by which answers are called. Received "
                    f"'{other.address}' and '{file.address}'. Name them by one pattern of the "
                    "folder above both."
                )
            if _is_of_folder(file.name) or decode_escaped(file.name) != file.name:
                raise ValueError(
                    "Expected names of files in UTF-8, by which answers are called, and none that "
                    f"begins with {REJECTED}/ or {_WRITING}, which are an output folder's own. "
                    f"Received {file.name!r}. Rename it, or name a pattern that leaves it out."
                )
    return [found[name] for name in sorted(found)]


def _on_disk(pattern: str) -> list[InputFile]:
    pattern = os.path.abspath(os.path.expanduser(pattern))
    paths = [pattern] if os.path.isfile(pattern) else glob.glob(pattern, recursive=True)
    base = os.path.dirname(pattern) if pattern in paths else _parted(pattern)[0]
    return [InputFile(p, os.path.relpath(p, base or "/")) for p in paths if os.path.isfile(p)]


def _at_address(pattern: str) -> list[InputFile]:
    from pyarrow import fs

    options = "".join(_OPTIONS.findall(pattern))
    fixed, wild = _parted(pattern.removesuffix(options))
    system, base = _filesystem(fixed + options)
    if not wild:
        is_file = system.get_file_info(base).is_file
        return [InputFile(pattern, PurePosixPath(base).name)] if is_file else []
    chosen = fs.FileSelector(base, recursive=True, allow_not_found=True)
    infos = system.get_file_info(chosen)
    names = [os.path.relpath(info.path, base) for info in infos if info.is_file]
    return [
        InputFile(f"{fixed}/{urllib.parse.quote(name)}{options}", name)
        for name in names
        if _fits(name.split("/"), wild)
    ]


def _parted(pattern: str) -> tuple[str, list[str]]:
    """What a pattern has before its first wildcard, up to the end of a folder, and the parts of the
    rest.
    """
    parts = pattern.split("/")
    fixed = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return "/".join(parts[:fixed]), parts[fixed:]


def _fits(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path fit those of a pattern, as `glob` has it."""
    if not pattern:
        return not path
    first, *others = pattern
    if first == "**" and _fits(path, others or ["*"]):
        return True
    if not path or (path[0].startswith(".") and not first.startswith(".")):
        return False
    others = pattern if first == "**" else others
    return fnmatch.fnmatchcase(path[0], first) and _fits(path[1:], others)


class OutputFolder:
    """A folder that is written by many at once: each file is written beside and then renamed, so
    that it is there whole or not at all, also when its writer is killed. An object store copies
    where a disk renames: what it copies to is there whole or not at all, too.
    """

    def __init__(self, address: str | os.PathLike):
        self.address = os.fspath(address)
        self._system, self._path = _filesystem(self.address)
        if self._system.get_file_info(self._path).is_file:
            raise NotADirectoryError(f"Expected a folder to write into. Received '{self.address}'.")

    def __str__(self) -> str:
        return self.address

    def __reduce__(self):
        return OutputFolder, (self.address if "://" in self.address else self._path,)

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def names(self) -> set[str]:
        """Of all whole files, as paths below the folder."""
        return {name for name in self._all() if not _is_writing(name)}

    def read(self, name: str) -> bytes | None:
        """A file's content; None where there is none."""
        try:
            with self._system.open_input_stream(self._at(name), compression=None) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def holds(self, file: InputFile) -> bool:
        """Whether a file to read lies in the folder."""
        folder = self.address if "://" in self.address else self._path
        return _place(file.address).startswith(f"{_place(folder).rstrip('/')}/")

    def has(self, name: str) -> bool:
        return self._system.get_file_info(self._at(name)).is_file

    def write(self, name: str, content: bytes) -> None:
        """A file, whole or not at all, in place of one of that name."""
        beside = PurePosixPath(name)
        beside = str(beside.with_name(f"{_WRITING}{secrets.token_hex(4)}-{beside.name}"))
        self._system.create_dir(os.path.dirname(self._at(name)), recursive=True)
        try:
            with enough_room(Path(self._path)):
                with self._system.open_output_stream(self._at(beside), compression=None) as file:
                    file.write(content)
                self._system.move(self._at(beside), self._at(name))
        except OSError:
            if self.has(name) and not self.has(beside):  # another has written it, and tidied up
                return
            with contextlib.suppress(OSError):
                self._system.delete_file(self._at(beside))
            raise

    def tidy(self) -> None:
        """Removes what killed writers left."""
        for name in filter(_is_writing, self._all()):
            try:
                self._system.delete_file(self._at(name))
            except FileNotFoundError:
                continue

    def _all(self) -> list[str]:
        from pyarrow import fs

        chosen = fs.FileSelector(self._path, recursive=True, allow_not_found=True)
        infos = self._system.get_file_info(chosen)
        return [os.path.relpath(info.path, self._path) for info in infos if info.is_file]


def _place(address: str) -> str:
    """A path; of an address what does not depend on how it is written."""
    return urllib.parse.unquote(_OPTIONS.sub("", address)) if "://" in address else address


def _is_writing(name: str) -> bool:
    return PurePosixPath(name).name.startswith(_WRITING)


def _is_of_folder(name: str) -> bool:
    return name.startswith(f"{REJECTED}/") or _is_writing(name)
